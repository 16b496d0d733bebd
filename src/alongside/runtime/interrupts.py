"""Ctrl-C, let in where it does no harm: where we wait and where the user's code runs, not amid our own bookkeeping.

Owns the signal handler for as long as a run is driven from the main thread. Must never swallow an interrupt: one that
comes at a bad moment is raised at the next good one, and a second one at once.

    with shielded() as shield:          # an interrupt is noted
        shield.wake = backend.wake      # and from here on whoever waits is woken
        ...
        shield.check()                  # here it may be raised
        with let_in():                  # and anywhere in here
            ...

Why not `pthread_sigmask`: processes started meanwhile would inherit it, and Python's own handler runs between two
bytecodes whatever the mask says about a signal that has already come. Only the main thread can and need do this.
"""

from __future__ import annotations

import _signal as signal  # type: ignore[import-not-found]
import threading
from collections.abc import Callable
from types import FrameType, TracebackType

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Self

_shields: list[shielded] = []
"""The main thread's, the innermost last."""


def _in_main_thread() -> bool:
    """Why not `current_thread`: it makes a thread object for the watcher's thread, which stays in `enumerate()`."""
    return threading.get_ident() == threading.main_thread().ident


class shielded:  # noqa: N801  (used as a context manager, like those of contextlib)
    """Hold back SIGINT while the block runs. `wake`: ends a wait in it, so that `check` is reached.

    Costs two microseconds. In any other thread than the main one there is nothing to hold back. Nor is there where
    `threading` takes another thread for the main one (up to Python 3.12 whichever imported it first; and each
    sub-interpreter has a "main" thread that gets no signals).
    """

    def __init__(self) -> None:
        self.open = False
        self.wake: Callable[[], None] | None = None
        self._came: tuple[int, FrameType | None] | None = None
        self._before: Any = None

    def __enter__(self) -> Self:
        if _in_main_thread():
            before = signal.getsignal(signal.SIGINT)
            if callable(before):
                self._before = before
                try:
                    _shields.append(self)
                    signal.signal(signal.SIGINT, self._note)
                except ValueError:  # not the main one, whatever `threading` believes
                    _shields.remove(self)
                    self._before = None
                except BaseException:  # it came at this very moment
                    _shields.remove(self)
                    raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        if self._before is not None:
            _shields.remove(self)
            signal.signal(signal.SIGINT, self._before)
            self.check()

    def check(self) -> None:
        """Raise what has come meanwhile, if something has."""
        if self._came is not None:
            came, self._came = self._came, None
            self._before(*came)

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.open or self._came is not None:  # pressed twice: whoever does that does not want to wait
            self._came = None
            self._before(number, frame)
            return
        self._came = number, frame
        if self.wake is not None:
            self.wake()


class let_in:  # noqa: N801
    """Let SIGINT in again while the block runs, amid a `shielded` one: around the user's own code."""

    def __enter__(self) -> None:
        self._shield = _shields[-1] if _shields and _in_main_thread() else None
        if self._shield is not None:
            self._shield.open = True
            try:
                self._shield.check()
            except BaseException:
                self._shield.open = False
                raise

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        if self._shield is not None:
            self._shield.open = False
