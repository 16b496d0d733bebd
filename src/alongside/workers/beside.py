"""An event loop beside the one that runs in this thread: for async functions called from inside a loop (a notebook).

Owns a thread and its loop. Must never touch the user's own loop.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable

from alongside.workers.eventloop import new_loop

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, TypeVar

    T = TypeVar("T")


class Beside:
    """Runs coroutines in a loop of its own thread, while the calling thread waits; `close` ends both.

    The coroutine sees the caller's context variables. An interrupt of the caller cancels the coroutine, waits until it
    has ended, and goes on up.
    """

    def __init__(self) -> None:
        self._loop = new_loop()
        self._thread = threading.Thread(target=self._work, name="alongside-loop", daemon=True)
        self._thread.start()

    def run(self, coroutine: Awaitable[T]) -> T:
        """What the coroutine returns; raises what it raises."""
        future = asyncio.run_coroutine_threadsafe(_guarded(coroutine), self._loop)
        try:
            value, error = future.result()
        except BaseException:
            self.close()
            raise
        if error is not None:
            raise error
        result: T = value
        return result

    __call__ = run

    def close(self) -> None:
        """Cancel what still runs, and return when it and the thread have ended."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()

    def _work(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.get_loop().run_forever()


async def _guarded(coroutine: Awaitable[T]) -> tuple[Any, BaseException | None]:
    """What became of it, as a value: a future cannot carry every exception (StopIteration, SystemExit)."""
    try:
        return await coroutine, None
    except (asyncio.CancelledError, GeneratorExit):
        raise
    except BaseException as error:
        return None, error


def in_loop() -> bool:
    """Whether an event loop runs in this thread."""
    try:
        return bool(asyncio.get_running_loop())
    except RuntimeError:
        return False
