"""A submitted call's future: a `concurrent.futures.Future` that costs little until somebody waits for it.

Owns the call's state, as its standard base does. Must never schedule, and never be settled twice.

Guarantee: whatever takes a standard future takes this one (`wait`, `as_completed`, `asyncio.wrap_future`): they use its
condition, which is made when it is first asked for. A standard future makes one at birth, at more cost than everything
else about it; most are settled before anybody looks.
Why no two threads miss each other: the condition is made, and a future without one is settled, under one lock. Whoever
finds no condition there knows that nobody waits; whoever makes one afterwards finds the future settled.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from concurrent.futures import Future as StandardFuture
from concurrent.futures._base import CANCELLED_AND_NOTIFIED, FINISHED, PENDING, RUNNING
from typing import Any

from alongside.runtime.service import Service

_border = threading.Lock()


def _take_no_lock_over() -> None:
    """In a forked child: the thread that held it may not exist there."""
    global _border
    _border = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_take_no_lock_over)


class Future(StandardFuture[Any]):
    """What `Executor.submit` returns."""

    def __init__(self, task: Any, service: Service) -> None:
        self.task = task
        self._service = service
        self._state = PENDING
        self._result = self._exception = None
        self._waiters: list[Any] = []
        self._done_callbacks: list[Callable[[Any], object]] = []

    def __getattr__(self, name: str) -> Any:
        if name != "_condition":
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        with _border:
            return self.__dict__.setdefault("_condition", threading.Condition())

    def result(self, timeout: float | None = None) -> Any:
        if not self.done():
            self._service.attend(self, timeout)
            timeout = 0
        if self._state == FINISHED and self._exception is None:
            return self._result
        return super().result(timeout)

    def exception(self, timeout: float | None = None) -> BaseException | None:
        if not self.done():
            self._service.attend(self, timeout)
            timeout = 0
        return super().exception(timeout)

    def done(self) -> bool:
        return self._state not in (PENDING, RUNNING)

    def add_done_callback(self, fn: Callable[[StandardFuture[Any]], object]) -> None:
        self._service.drive_alone()
        super().add_done_callback(fn)

    # ------------------------------------------------------------------------------------- for the service alone

    def wait(self, timeout: float | None) -> None:
        """Return when it is done, or after `timeout` seconds."""
        with self._condition:
            if not self.done():
                self._condition.wait(timeout)

    def begin(self) -> bool:
        """It is about to be sent, or run; False where it was cancelled before. Every attempt at it begins so."""
        with _border:
            if "_condition" not in self.__dict__:
                self._state = RUNNING
            if self._state in (RUNNING, CANCELLED_AND_NOTIFIED):
                return self._state == RUNNING
        return self.set_running_or_notify_cancel()

    @staticmethod
    def told(error: BaseException) -> BaseException:
        """An error, as those who wait hear of it."""
        return error

    def settle(self, value: Any, error: BaseException | None) -> None:
        """It has been run, or cannot be."""
        self.task = None
        if error is not None:
            error = self.told(error)
        with _border:
            unseen = "_condition" not in self.__dict__
            if unseen:
                self._result, self._exception = value, error
                self._state = FINISHED
        if unseen or not self.begin():
            return
        if error is None:
            self.set_result(value)
        else:
            self.set_exception(error)

    def forsake(self, error: BaseException) -> None:
        """In a forked child: the error stands in for its outcome. The callbacks are the parent's to call."""
        self.__dict__.pop("_condition", None)
        self._waiters, self._done_callbacks = [], []
        self.task = None
        if not self.done():
            self._exception = error
            self._state = FINISHED
