"""asyncio's own event loop, with timers and callbacks that cost less: a coroutine that waits takes a third less of it.

Owns the timers of such a loop. Must never change what a timer means, nor play a part in debug mode, where asyncio's own
way tells more.

Why: a wait costs asyncio's loop about 5 µs. A heap of timers compares them in Python, a dozen times for each; each of
them, and each callback, is made by constructors in Python that call one another. Timers of one delay become due in the
order in which they were set, since the clock never goes back: they stand in line here, and are compared with nobody.

Guarantees: what is due is called in the order of its times, in the turn of the loop in which asyncio's own would; what
is cancelled is not called, and is thrown out where it has become the greater part of what waits, be it that another
thread cancelled it.
Assumes: the names of its own by which asyncio's loop and handles know each other, the same from 3.11 to 3.15. Where
they are others (`fits`), the loop stays as it was.
"""

from __future__ import annotations

import asyncio
from collections import deque
from contextvars import Context, copy_context
from heapq import heapify, heappop, heappush
from itertools import count
from math import inf
from operator import attrgetter

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any, TypeVar, TypeVarTuple

    Ts = TypeVarTuple("Ts")
    H = TypeVar("H", bound=asyncio.Handle)

LINES = 8
"""Delays that have a line of their own; timers of others are kept in a heap."""

MANY, PART = 100, 0.5
"""Cancelled timers that may wait, and their share of all that wait, before they are thrown out."""

_WHEN = attrgetter("_when")


class _Timer(asyncio.TimerHandle):
    """As asyncio's, made by `_made`. `_scheduled`: it waits."""

    __slots__ = ()

    if TYPE_CHECKING:
        _loop: LeanLoop
        _callback: Callable[..., object] | None
        _args: Sequence[Any]
        _when: float
        _scheduled: bool

    def cancel(self) -> None:
        """As ever."""
        if not self._cancelled:
            self._cancelled = True
            self._callback, self._args = None, ()
            if self._scheduled:
                self._loop.lost_one()


class LeanLoop(asyncio.SelectorEventLoop):
    """As `asyncio.SelectorEventLoop`. Made of one by `lean`."""

    _closed: bool
    _debug: bool
    _clock_resolution: float
    _ready: deque[asyncio.Handle]
    _check_closed: Callable[[], None]

    def begin(self) -> None:
        """What a constructor would do."""
        self._lines: dict[float, deque[_Timer]] = {}
        self._heap: list[tuple[float, int, _Timer]] = []
        self._number = count().__next__
        self._alarm: asyncio.TimerHandle | None = None
        """Goes off when the first of them is due, at `_alarm_at`."""
        self._alarm_at = inf
        self._gone, self._asked = 0, False
        """How many of those that wait were cancelled; and whether they are about to be thrown out."""
        self._end = inf
        """What is due before it is called in the turn under way."""

    def call_soon(
        self, callback: Callable[[*Ts], object], *args: *Ts, context: Context | None = None
    ) -> asyncio.Handle:
        if self._debug:
            return _from_outside(super().call_soon(callback, *args, context=context))
        if self._closed:
            self._check_closed()
        handle: asyncio.Handle = _made(asyncio.Handle, self, callback, args, context)
        self._ready.append(handle)
        return handle

    def call_later(
        self, delay: float, callback: Callable[[*Ts], object], *args: *Ts, context: Context | None = None
    ) -> asyncio.TimerHandle:
        if self._debug or (type(delay) is not float and type(delay) is not int):
            return _from_outside(super().call_later(delay, callback, *args, context=context))
        line = self._lines.get(delay)
        if line is None:
            line = self._new_line(delay)
            if line is None:
                return super().call_later(delay, callback, *args, context=context)
        when = self.time() + delay
        if self._closed:
            self._check_closed()
        timer: _Timer = _made(_Timer, self, callback, args, context)
        timer._when, timer._scheduled = when, True
        line.append(timer)
        if when < self._alarm_at:
            self._set_alarm(when)
        return timer

    def call_at(
        self, when: float, callback: Callable[[*Ts], object], *args: *Ts, context: Context | None = None
    ) -> asyncio.TimerHandle:
        if self._debug or when is None:
            return _from_outside(super().call_at(when, callback, *args, context=context))
        if self._closed:
            self._check_closed()
        timer: _Timer = _made(_Timer, self, callback, args, context)
        timer._when, timer._scheduled = when, True
        heappush(self._heap, (when, self._number(), timer))
        if not when >= self._alarm_at:  # nor is one that is no number: asyncio calls that at once
            self._set_alarm(when)
        return timer

    def lost_one(self) -> None:
        """A timer that waits was cancelled; in whatever thread, though asyncio does not ask for that."""
        self._gone += 1
        if self._gone <= MANY or self._asked or self._closed:
            return
        if self._gone > PART * (len(self._heap) + sum(map(len, list(self._lines.values())))):
            self._asked = True
            self.call_soon_threadsafe(self._tidy)

    def close(self) -> None:
        super().close()
        self._lines.clear()
        self._heap.clear()
        self._alarm = None

    # ---------------------------------------------------------------------------------------------------- inside

    def _new_line(self, delay: float) -> deque[_Timer] | None:
        """One for this delay, where there may be one more; lines where nobody stands make room."""
        if len(self._lines) >= LINES:
            self._lines = {delay: line for delay, line in self._lines.items() if line}
        if len(self._lines) >= LINES or not delay > 0:
            return None
        line = self._lines[delay] = deque[_Timer]()
        return line

    def _process_events(self, events: Any) -> None:
        """As ever, right before asyncio reads the clock by which it tells what is due."""
        super()._process_events(events)  # type: ignore[misc]
        self._end = self.time() + self._clock_resolution

    def _set_alarm(self, when: float) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
        self._alarm, self._alarm_at = super().call_at(when, self._ring, context=Context()), when

    def _ring(self) -> None:
        """Call what is due, in the place of the alarm, which is where asyncio would. Where one of them ends the loop
        (`SystemExit`), the others are called when it goes on."""
        self._alarm, self._alarm_at = None, inf
        due, first = self._taken(self._end)
        if first < inf:
            self._set_alarm(first)
        for timer in due:
            timer._scheduled = False
            self._gone -= timer._cancelled
        rest = iter(due)
        try:
            for timer in rest:
                if not timer._cancelled:
                    timer._run()
        finally:
            self._ready.extendleft(reversed([*rest]))

    def _taken(self, end: float) -> tuple[list[_Timer], float]:
        """What is due before `end`, in order, and when the first of the others is."""
        heap, due, first = self._heap, list[_Timer](), inf
        while heap and not heap[0][0] >= end:
            due.append(heappop(heap)[2])
        if heap:
            first = heap[0][0]
        for line in self._lines.values():
            while line and line[0]._when < end:
                due.append(line.popleft())
            if line:
                first = min(first, line[0]._when)
        due.sort(key=_WHEN)
        return due, first

    def _tidy(self) -> None:
        """Throw out what was cancelled."""
        self._heap = [entry for entry in self._heap if not entry[2]._cancelled]
        heapify(self._heap)
        for line in self._lines.values():
            kept = [timer for timer in line if not timer._cancelled]
            line.clear()
            line.extend(kept)
        self._gone, self._asked = 0, False


def _made(kind: Any, loop: LeanLoop, callback: Any, args: tuple[Any, ...], context: Context | None) -> Any:
    """A handle with its parts. Why not by its constructor: that calls others, and asks what is known here."""
    handle = object.__new__(kind)
    handle._loop, handle._callback, handle._args = loop, callback, args
    handle._context = copy_context() if context is None else context
    handle._cancelled = False
    handle._repr = handle._source_traceback = None
    return handle


def _from_outside(handle: H) -> H:
    """The handle, which in debug mode knows where it was made, without the frame of this file."""
    trace: list[Any] | None = handle._source_traceback  # type: ignore[attr-defined]
    if trace:
        del trace[-1]
    return handle


def lean(loop: asyncio.AbstractEventLoop) -> asyncio.AbstractEventLoop:
    """The loop with lean timers, where it is asyncio's own for files and sockets; any other as it is.

    Why it changes its class, and is not made anew: whoever made it has been asked by asyncio's rules, a policy perhaps.
    """
    if type(loop) is asyncio.SelectorEventLoop and fits(loop):
        loop.__class__ = LeanLoop
        assert isinstance(loop, LeanLoop)
        loop.begin()
    return loop


def fits(loop: asyncio.AbstractEventLoop) -> bool:
    """Whether asyncio's handles and this loop have the parts by which they are known here."""
    handle = {"_callback", "_args", "_cancelled", "_loop", "_source_traceback", "_repr", "__weakref__", "_context"}
    parts = "_closed", "_check_closed", "_clock_resolution", "_debug", "_process_events", "_ready"
    return (
        set(asyncio.Handle.__slots__) == handle
        and set(asyncio.TimerHandle.__slots__) == {"_scheduled", "_when"}
        and all(hasattr(loop, part) for part in parts)
    )
