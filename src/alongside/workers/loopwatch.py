"""How late an event loop runs what is due, and which coroutine it is that keeps it.

Owns a timer in the loop, and, from the first time that this timer was very late, a thread that looks at what the loop's
thread is doing. Must never touch a coroutine.

Why a thread only then: most loops are never blocked, and then there is none. So the first block of a run is counted but
not named, unless it lasts while the thread is already there; a function that blocks does so again with the next task.
"""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Callable
from time import monotonic
from types import FrameType

from alongside.clocks import run_delay
from alongside.light import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

BEAT = 0.02
"""Seconds between two beats of the timer."""

LONG = 0.1
"""Seconds for which one coroutine must have kept the loop to be told of, without those for which it had no CPU."""

_OURS = __name__.rpartition(".")[0].partition(".")[0] + "."
_MACHINERY = (
    _OURS,
    "asyncio.",
    "uvloop",
    "selectors",
    "threading",
    "concurrent.",
    "contextvars",
    "importlib.",
    "runpy",
)
_LOOPS = ("asyncio.base_events", "asyncio.runners")


class Place(NamedTuple):
    """Where a coroutine keeps its loop: its name, and the file and line of its code that has not come back."""

    name: str
    file: str
    line: int


class LoopWatch:
    """Watches the running event loop until it is closed. `late`: the seconds for which it could not do what was due.

    `tell(place, seconds)` is called in the loop's thread, after a coroutine has kept it for long.
    """

    def __init__(self, tell: Callable[[Place, float], None] | None = None) -> None:
        self._loop = asyncio.get_running_loop()
        self._tell = tell
        self._watched, self._number = threading.get_ident(), threading.get_native_id()
        self._looker: threading.Thread | None = None
        self._closed = threading.Event()
        self._found: tuple[Place, float] | None = None
        self._due = monotonic() + BEAT
        self._timer = self._loop.call_later(BEAT, self._beat)
        self.late = 0.0

    def close(self) -> None:
        """Stop watching; its thread, if there is one, has ended when this returns."""
        self._timer.cancel()
        self._closed.set()
        self._tell = None  # it holds whoever holds this
        if self._looker is not None:
            self._looker.join()

    def _beat(self) -> None:
        now = monotonic()
        late, self._due = max(0.0, now - self._due), now + BEAT
        self._timer = self._loop.call_later(BEAT, self._beat)
        self.late += late
        found, self._found = self._found, None
        if found is not None and self._tell is not None:
            self._tell(found[0], now - found[1])
        elif late > LONG and self._looker is None and self._tell is not None:
            self._looker = threading.Thread(target=self._look_on, name="alongside-loop-watch", daemon=True)
            self._looker.start()

    def _look_on(self) -> None:
        """Whenever the beat is overdue: is it the same coroutine all the while?"""
        suspect: FrameType | None = None
        since = delay = 0.0
        while not self._closed.wait(BEAT):
            now = monotonic()
            if now < self._due:
                suspect = None
                continue
            seen, place = at_work(self._watched)
            if seen is not suspect:  # kept, not its id: the next call's frame may come to lie at the same address
                suspect, since, delay = seen, now, run_delay(self._number)
            elif place is not None and now - since - (run_delay(self._number) - delay) > LONG:
                self._found = place, since


def at_work(thread: int) -> tuple[FrameType | None, Place | None]:
    """The frame of the user's outermost code on this thread's stack, and where in it that is; or nothing."""
    frame: FrameType | None = sys._current_frames().get(thread)
    outermost: FrameType | None = None
    while frame is not None:
        if _is_the_users(frame):
            outermost = frame
        elif _runs_the_loop(frame) or (outermost is not None and _is_the_loops(frame)):
            break
        frame = frame.f_back
    if outermost is None:
        return None, None
    code = outermost.f_code
    return outermost, Place(code.co_qualname, code.co_filename, outermost.f_lineno)


def _is_the_users(frame: FrameType) -> bool:
    """Not what a thread began with: that is the program, or a worker's own first line, and no coroutine."""
    return frame.f_back is not None and not _module(frame).startswith(_MACHINERY)


def _is_the_loops(frame: FrameType) -> bool:
    return _module(frame).startswith((_OURS + "workers.", "asyncio."))


def _runs_the_loop(frame: FrameType) -> bool:
    """Whether what is further out only waits for the loop to end: the code that called `asyncio.run`, say."""
    return _module(frame) in _LOOPS and frame.f_code.co_name in ("run", "run_forever", "run_until_complete")


def _module(frame: FrameType) -> str:
    name: Any = frame.f_globals.get("__name__", "")
    return name if isinstance(name, str) else ""
