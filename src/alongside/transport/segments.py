"""Large payloads in anonymous memory files, handed over as descriptors, and used again while they are warm.

Owns how a pickle and its buffers are laid out in a memory file, who holds which file (the leases), and the mapping at
the other end. Must never leave a name behind: such a file has none, and its memory goes when the last descriptor and
the last mapping do, however the processes end.

Guarantees
  - What is mapped is writable, private to whoever mapped it, and valid as long as any view of it lives, also after the
    worker and the pool are gone.
  - A segment is written again only when its lease has come back: when the last view of it at the other end is gone.
Why not named shared memory: /dev/shm may be tiny (64 MB in a container; touching a page beyond it is a SIGBUS), and a
killed process leaves its names there.
Why segments are kept: a fresh page costs the kernel several times what copying into a warm one does (measured: 8 MB
into a fresh memory file 4 ms, into a warm mapping 0.3 ms).
"""

from __future__ import annotations

import os
from _struct import Struct
from _thread import RLock
from _weakref import ref

from alongside.transport.constants import Constants, Origin, origin_of, same
from alongside.transport.descriptors import above_standard
from alongside.transport.mapping import map_file

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

ALIGN = 64
"""Bytes; every buffer starts at a multiple, as array libraries like it."""

PAGE = 1 << 16
"""Bytes to which a segment's size is rounded up, so that it fits payloads of about the same size again."""

SHARE = 32
"""Of the machine's memory, one part in so many may be kept in segments without a lease, for the next payload."""

FREE = 4
"""Of the memory that is free, one part in so many may be kept in them; looked at when a run ends, and during one."""

MOST = 64
"""Segments without a lease that are kept, at most; each holds a descriptor, so fewer where those are few."""

INSIDE = 1 << 14
"""Bytes of a pickle up to which it travels in the frame, beside the table of its buffers."""

_ENTRY = Struct("<QQ")
_LEASE = Struct("<QQ")
"""The lease, and how many entries follow; what follows those is the pickle, if it is not in the segment."""


class Segment:
    """A memory file of ours; mapped here once it is written for the second time."""

    __slots__ = ("fd", "mapping", "size")

    def __init__(self, size: int) -> None:
        self.size = size
        self.mapping: memoryview | None = None
        self.fd = above_standard(os.memfd_create("alongside", os.MFD_CLOEXEC))
        os.ftruncate(self.fd, size)

    def fill(self, views: Sequence[memoryview], places: Sequence[int]) -> None:
        """Write each view at its place: through the kernel while pages are fresh (no page faults), else directly."""
        warm = self.mapping
        for view, place in zip(views, places):  # noqa: B905  (they are as long as each other)
            if warm is not None:
                warm[place : place + view.nbytes] = view
            else:
                self._write(view, place)
        if warm is None:
            self.mapping = memoryview(map_file(self.fd, private=False)).cast("B")

    def holds(self, views: Sequence[memoryview], places: Sequence[int], threads: int) -> bool:
        """Whether just this was written here."""
        warm = self.mapping
        return warm is not None and all(
            same(view, warm[place : place + view.nbytes], threads)
            for view, place in zip(views, places)  # noqa: B905  (they are as long as each other)
        )

    def _write(self, view: memoryview, place: int) -> None:
        while view.nbytes:
            written = os.pwrite(self.fd, view, place)
            view, place = view[written:], place + written

    def close(self) -> None:
        self.mapping = None
        os.close(self.fd)


class _Packing:
    """How a pickle and its buffers are laid out: what goes into the segment, and what travels with the table."""

    __slots__ = ("inside", "lengths", "places", "size", "views")

    def __init__(self, data: bytes, buffers: Sequence[Any]) -> None:
        self.inside = data if len(data) <= INSIDE and buffers else b""
        self.views = [memoryview(buffer).cast("B") for buffer in (buffers if self.inside else (data, *buffers))]
        self.places, self.size = [], 0
        for view in self.views:
            self.places.append(self.size)
            self.size += -(-view.nbytes // ALIGN) * ALIGN
        self.lengths = tuple(view.nbytes for view in self.views)

    def table(self, lease: int) -> bytes:
        """What `Leases.read` needs to know."""
        entries = [_ENTRY.pack(*entry) for entry in zip(self.places, self.lengths)]  # noqa: B905  (as above)
        return b"".join([_LEASE.pack(lease, len(entries)), *entries, self.inside])


class Arena:
    """The segments one process writes. `write` takes out a lease; `release` gives the segment back to be used again."""

    def __init__(self) -> None:
        self._kept = _memory() // SHARE
        self._most = min(MOST, _descriptors() // 8)
        self._lock = RLock()
        self._leased: dict[int, Segment] = {}
        self._free: list[Segment] = []
        self._origins: dict[int, Origin] = {}
        self._next = 0
        self.constants = Constants()
        self.room: Callable[[], int] = _no_room
        """How many bytes of memory are free."""

    def write(self, data: bytes, buffers: Sequence[Any]) -> tuple[int, int, bytes]:
        """Put a pickle and its buffers into a segment: a descriptor to send, the lease, and the table for `read`."""
        packing = _Packing(data, buffers)
        return self._lend(self._written(packing), packing)

    def share(self, data: bytes, buffers: Sequence[Any], threads: int = 1) -> tuple[int, int, bytes]:
        """The same for what all workers of a run read. Where the buffers are those of an earlier run, and hold what
        they did, nothing is written. `threads`: how many may compare them.
        """
        packing = _Packing(data, buffers)
        origin = origin_of(buffers, packing.lengths)
        segment = None if origin is None else self.constants.take(origin.key)
        if segment is not None and not segment.holds(packing.views, packing.places, threads):
            segment.close()
            segment = None
        return self._lend(segment or self._written(packing), packing, origin)

    def keep(self, lease: int) -> None:
        """The run is over for which `share` was asked: its segment is kept for the next one, or let go."""
        with self._lock:
            segment, origin = self._leased.pop(lease, None), self._origins.pop(lease, None)
        if segment is not None and origin is not None:
            self.constants.keep(segment, origin)
        elif segment is not None:
            segment.close()
        self.tidy()

    def tidy(self) -> None:
        """Keep no constant for too long, and no more of them, or for the next payload, than the memory that is free
        allows: this is where the limit of a container is seen.
        """
        if self.constants.size or self._free:
            room = self.room()
            self.constants.tidy(room)
            with self._lock:
                self._let_go(min(self._kept, room // FREE))

    def forget(self) -> None:
        """In a forked child: close what was inherited. Whoever held the lock is not here."""
        self._lock = RLock()
        self.close()

    def _written(self, packing: _Packing) -> Segment:
        with self._lock:
            segment = self._take(packing.size)
            self._make_room()
        try:
            segment.fill(packing.views, packing.places)
        except BaseException:
            segment.close()
            raise
        return segment

    def _lend(self, segment: Segment, packing: _Packing, origin: Origin | None = None) -> tuple[int, int, bytes]:
        try:
            fd = os.dup(segment.fd)
        except BaseException:
            segment.close()
            raise
        with self._lock:
            self._next += 1
            lease = self._next
            self._leased[lease] = segment
            if origin is not None:
                self._origins[lease] = origin
        return fd, lease, packing.table(lease)

    def copy(self, lease: int) -> int:
        """Another descriptor of a segment, for another reader."""
        return os.dup(self._leased[lease].fd)

    def release(self, lease: int) -> None:
        """Nobody reads the segment any more."""
        with self._lock:
            segment = self._leased.pop(lease, None)
            if segment is None:
                return
            self._free.append(segment)
            self._let_go(self._kept)

    def drop(self, lease: int) -> None:
        """Let a segment go that somebody may go on reading: it is never written again."""
        with self._lock:
            segment = self._leased.pop(lease, None)
            self._origins.pop(lease, None)
            if segment is not None:
                segment.close()

    def close(self) -> None:
        """Let everything go; what others have mapped lives on at their end."""
        with self._lock:
            for segment in [*self._free, *self._leased.values()]:
                segment.close()
            self._free, self._leased, self._origins = [], {}, {}
        self.constants.close()

    def _let_go(self, kept: int) -> None:
        """Keep no more segments than allowed, nor more than so many bytes of them: the oldest go."""
        while len(self._free) > self._most or sum(free.size for free in self._free) > kept:
            self._free.pop(0).close()

    def _make_room(self) -> None:
        """Hold no more segments, and so descriptors, than allowed: the oldest go; one on lease is not used again."""
        while self._free and len(self._free) + len(self._leased) >= self._most:
            self._free.pop(0).close()
        while len(self._leased) >= self._most:
            self._leased.pop(next(iter(self._leased))).close()

    def _take(self, size: int) -> Segment:
        fitting = [free for free in self._free if size <= free.size <= max(4 * size, 1 << 20)]
        if fitting:
            best = min(fitting, key=lambda segment: segment.size)
            self._free.remove(best)
            return best
        if self.constants.size:
            self.constants.tidy(self.room())
        return Segment(max(-(-size // PAGE) * PAGE, PAGE))


class Leases:
    """What this process has mapped of another's segments, and which of it is not used any more."""

    def __init__(self) -> None:
        self._watched: dict[int, object] = {}
        self._released: list[int] = []

    def read(self, fd: int, body: bytes) -> tuple[memoryview, list[memoryview]]:
        """Map a segment, copy-on-write: the pickle and its buffers. Closes `fd`."""
        lease, entries, inside = _table(body)
        mapping, views = read(fd, entries)
        self._watched[lease] = ref(mapping, self._when_gone(lease))
        del mapping
        return (memoryview(inside), views) if inside else (views[0], views[1:])

    def dismiss(self, fd: int, body: bytes) -> None:
        """A segment is not wanted. Closes `fd`."""
        os.close(fd)
        self._released.append(_LEASE.unpack_from(body)[0])

    def keep(self) -> None:
        """This process has been forked: its child may go on reading what is mapped now, so that is never released."""
        self._watched.clear()

    def released(self) -> list[int]:
        """The leases whose last view has gone since the last time."""
        if not self._released:
            return self._released
        released, self._released = self._released, []
        return released

    def _when_gone(self, lease: int) -> Callable[[object], None]:
        # Called wherever the last view dies: in any thread, amid a garbage collection. It only notes.
        def note(_: object) -> None:
            self._watched.pop(lease, None)
            self._released.append(lease)

        return note


def read(fd: int, entries: Sequence[tuple[int, ...]]) -> tuple[Any, list[memoryview]]:
    """Map a memory file; the mapping, and the views that were asked for: place and length of each. Closes `fd`."""
    try:
        mapping = map_file(fd, private=True)
    finally:
        os.close(fd)
    whole = memoryview(mapping).cast("B")
    return mapping, [whole[place : place + length] for place, length in entries]


def size_of(body: bytes) -> int:
    """Bytes that a leased payload holds, by its table."""
    _, entries, inside = _table(body)
    return sum(length for _, length in entries) + len(inside)


def _table(body: bytes) -> tuple[int, list[tuple[int, ...]], bytes]:
    """The lease, place and length of each piece, and the pickle if it came along."""
    lease, count = _LEASE.unpack_from(body)
    end = _LEASE.size + count * _ENTRY.size
    return lease, [_ENTRY.unpack_from(body, at) for at in range(_LEASE.size, end, _ENTRY.size)], body[end:]


def _no_room() -> int:
    return 0


def _memory() -> int:
    """Bytes of memory this machine has."""
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def _descriptors() -> int:
    """How many descriptors this process may have open."""
    limit = os.sysconf("SC_OPEN_MAX")
    return limit if limit > 0 else 1 << 16
