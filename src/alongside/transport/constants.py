"""Constants: segments that outlive their run, since what they were written from is likely to be sent once more.

Owns which of them are kept and for how long, and the comparison of what they hold with what is to be sent. Must never
write into one: a worker, or what a task has put aside there, may go on reading it.

Guarantees
  - A segment is sent again only if every byte of it is what the caller's objects hold now.
  - One is kept only while every object lives that it was written from, and all of them together only in a quarter of
    the memory that is free. A minute after its last run it goes with the next call, whatever that one sends.
Why compare, where the objects are the same as before: nothing else can tell for certain that memory which may be
written was not. Comparing runs at the speed of memory, and takes no fresh page (measured: 500 MB in 40 ms, against 220
ms for a copy). Why not ask the kernel which pages were written (userfaultfd and PAGEMAP_SCAN, from Linux 6.7; measured:
0.4 ms): it does not see what a device writes into pinned pages, as GPUs do, and the caller's next pass over the memory
would take five times as long (300 ms instead of 58), with a fault for each page and the large pages torn.
"""

from __future__ import annotations

import time
from _thread import allocate_lock, start_new_thread
from _weakref import ref

from alongside.transport.mapping import c_library

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any, TypeAlias

    from alongside.transport.segments import Segment

    Key: TypeAlias = tuple[tuple[int, ...], ...]
    """Which objects, by their identity, and how long each piece of the segment is."""

IDLE = 60.0
"""Seconds that one is kept without being sent."""

SHARE = 4
"""Of the memory that is free, one part in so many may be kept."""

PIECE = 1 << 24
"""Bytes compared at a time: few enough that Ctrl-C is heard in between."""


class Origin:
    """The objects that a segment was written from, not kept alive by this."""

    __slots__ = ("_owners", "key")

    def __init__(self, owners: Sequence[object], lengths: tuple[int, ...]) -> None:
        self._owners = [ref(owner) for owner in owners]
        self.key: Key = (tuple(map(id, owners)), lengths)

    def alive(self) -> list[Any]:
        """The objects, or none if one of them has gone."""
        owners = [one() for one in self._owners]
        return [] if any(owner is None for owner in owners) else owners


def origin_of(buffers: Sequence[Any], lengths: tuple[int, ...]) -> Origin | None:
    """Where these buffers are from; None where there is something among them whose end cannot be heard of."""
    try:
        return Origin([_owner(memoryview(buffer).obj) for buffer in buffers], lengths) if buffers else None
    except TypeError:
        return None


def _owner(exporter: Any) -> Any:
    """What a view was taken of, so that a view that is made anew for each call is known again."""
    base = exporter.base if type(exporter).__module__ == "numpy" else None
    return base if type(base) is type(exporter) else exporter


class _Kept:
    """A segment, since when it is kept, and what hears of the end of its objects."""

    __slots__ = ("segment", "since", "watchers")

    def __init__(self, segment: Segment, since: float, watchers: list[object]) -> None:
        self.segment = segment
        self.since = since
        self.watchers = watchers


class Constants:
    """The segments kept. May be called from any thread, and from a garbage collection amid any of these calls.

    *Why without a lock*: a segment belongs to whoever has taken it out of the dictionary, which is one step.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._kept: dict[Key, _Kept] = {}
        self._clock = clock

    def keep(self, segment: Segment, origin: Origin) -> None:
        """Keep a segment whose run is over, as long as the objects live; else it is closed."""
        if not (owners := origin.alive()):
            segment.close()
            return
        self.let_go(origin.key)
        watchers: list[object] = [ref(owner, self._when_gone(origin.key)) for owner in owners]
        self._kept[origin.key] = _Kept(segment, self._clock(), watchers)

    def take(self, key: Key) -> Segment | None:
        """The segment written from these, no longer kept."""
        kept = self._kept.pop(key, None)
        return None if kept is None else kept.segment

    def let_go(self, key: Key) -> None:
        """Close one, if it is kept."""
        if (segment := self.take(key)) is not None:
            segment.close()

    def tidy(self, free: int) -> None:
        """Let go of what is idle for too long, and of the oldest where less memory is free than would allow for all."""
        late = self._clock() - IDLE
        for key, kept in list(self._kept.items()):
            if kept.since < late or self.size * SHARE > free:
                self.let_go(key)

    @property
    def size(self) -> int:
        """Bytes kept."""
        return sum(kept.segment.size for kept in list(self._kept.values()))

    def close(self) -> None:
        """Let go of all."""
        for key in list(self._kept):
            self.let_go(key)

    def _when_gone(self, key: Key) -> Callable[[object], None]:
        return lambda _: self.let_go(key)


def same(one: memoryview, other: memoryview, threads: int = 1) -> bool:
    """Whether two stretches of memory, equally long, hold the same bytes. Other threads run meanwhile.

    `threads`: how many may compare; one alone does not have all that memory and page tables can give.
    """
    comparison = _Comparison(_address(one), _address(other), one.nbytes)
    helpers = [allocate_lock() for _ in range(min(threads, one.nbytes // PIECE) - 1)]
    for ended in helpers:
        comparison.go_on_beside(ended)
    try:
        comparison.go_on()
    finally:
        for ended in helpers:
            ended.acquire()
    return comparison.same


class _Comparison:
    """Two stretches of memory, compared piece by piece by whoever comes."""

    def __init__(self, ours: int, theirs: int, length: int) -> None:
        self._compare = c_library().memcmp
        self._ours, self._theirs, self._length = ours, theirs, length
        self._pieces = iter(range(0, length, PIECE))
        self.same = True

    def go_on(self) -> None:
        """Take piece after piece, until none is left or one is found to be different."""
        for at in self._pieces:
            if not self.same:
                return
            if self._compare(self._ours + at, self._theirs + at, min(PIECE, self._length - at)):
                self.same = False

    def go_on_beside(self, ended: Any) -> None:
        """Go on in a thread of its own, if there can be one more; the lock is free once that has ended."""
        ended.acquire()
        try:
            start_new_thread(self._help, (ended,))
        except RuntimeError:
            ended.release()

    def _help(self, ended: Any) -> None:
        try:
            self.go_on()
        finally:
            ended.release()


def _address(view: memoryview) -> int:
    import ctypes

    # A Py_buffer begins with the address, and is shorter than this. ctypes' own way wants memory that may be written.
    buffer, whole = (ctypes.c_void_p * 16)(), ctypes.py_object(view)
    ctypes.pythonapi.PyObject_GetBuffer(whole, buffer, 0)
    address = buffer[0] or 0
    ctypes.pythonapi.PyBuffer_Release(buffer)
    return int(address)
