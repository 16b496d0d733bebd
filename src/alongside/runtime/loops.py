"""Running a coroutine to its end from ordinary code, also where this thread already runs an event loop (a notebook).

Owns the event loops that alongside makes. Must never touch the user's own loop.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar, cast

T = TypeVar("T")


def run(make: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Run `make()` in a fresh event loop, in this thread or beside a loop that runs in it; what it returns."""
    if not _in_loop():
        with asyncio.Runner() as runner:
            return runner.run(make())
    return cast(T, _Aside(make).result())


def _in_loop() -> bool:
    try:
        return bool(asyncio.get_running_loop())
    except RuntimeError:
        return False


class _Aside:
    """A coroutine in a loop of its own thread. An interrupt of the waiting thread cancels it, waits, and goes on up."""

    def __init__(self, make: Callable[[], Coroutine[Any, Any, Any]]) -> None:
        self._make = make
        self._task: asyncio.Task[Any] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._value: Any = None
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._work, name="alongside-loop", daemon=True)

    def result(self) -> Any:
        self._thread.start()
        try:
            self._thread.join()
        except BaseException:
            if self._loop is not None and self._task is not None:
                self._loop.call_soon_threadsafe(self._task.cancel)
            self._thread.join()
            raise
        if self._error is not None:
            raise self._error
        return self._value

    def _work(self) -> None:
        try:
            with asyncio.Runner() as runner:
                self._value = runner.run(self._main())
        except BaseException as error:
            self._error = error

    async def _main(self) -> Any:
        self._loop, self._task = asyncio.get_running_loop(), asyncio.current_task()
        return await self._make()
