"""The ticker: what a worker process does while its main thread is inside the user's function.

Owns a thread and its sleep. Must never run a task, nor keep the main thread from one.
"""

from __future__ import annotations

import time
from _thread import allocate_lock, start_new_thread

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from alongside.workers.voice import Voice

TICK = 0.005
"""Seconds between two looks for finished results while a batch goes on: they are handed over within 10 ms, since a task
in Python may keep the GIL for as long again once it is wanted."""


class Ticker:
    """Hands over finished results while a long batch goes on, and listens to what the parent says meanwhile.

    A thread, since the main one is inside the user's function. It sleeps without a timeout while there is nothing to
    watch. While C code holds the GIL it cannot run: results finished before are handed over when that code lets go.
    """

    def __init__(self, voice: Voice) -> None:
        self._voice = voice
        self._runner: Any = None
        self._listen: Callable[[], None] = _nothing
        self._parked = False
        self._started = False
        self._bell = allocate_lock()
        self._bell.acquire()

    def watch(self, runner: Any, listen: Callable[[], None] | None = None) -> None:
        """There is a batch to watch, with which `runner` is busy already; `listen` is called while it is."""
        self._runner, self._listen = runner, listen or _nothing
        if not self._started:
            self._started = True
            start_new_thread(self._tick, ())
        elif self._parked:
            self._ring()

    @property
    def threads(self) -> int:
        """How many threads it has."""
        return int(self._started)

    def forget(self) -> None:
        """There is no job any more."""
        self._runner = None

    def _tick(self) -> None:
        quiet = 0
        while True:
            time.sleep(TICK)
            if self._hand_over():
                quiet = 0
            elif (quiet := quiet + 1) > 4:
                self._park()
                quiet = 0

    def _hand_over(self) -> bool:
        """Do what is to be done while a task runs; False where none does."""
        runner = self._runner
        if runner is None or not runner.busy:
            return False
        runner.flush_amid()
        self._voice.send()
        self._listen()
        return True

    def _park(self) -> None:
        """Wait for the next batch. With one that came while this was decided the runner is busy, or the bell rings.

        Nothing here may hold the runner meanwhile: with it the function of a job that has ended would stay, and what
        that holds.
        """
        self._parked = True
        if not self._at_work():
            self._bell.acquire()
        self._parked = False

    def _at_work(self) -> bool:
        runner = self._runner
        return runner is not None and bool(runner.busy)

    def _ring(self) -> None:
        self._parked = False
        try:
            self._bell.release()
        except RuntimeError:
            pass  # it has been rung already and not been heard yet


def _nothing() -> None:
    """Where somebody else listens."""
