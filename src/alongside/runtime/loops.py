"""Running a coroutine to its end from ordinary code, also where this thread already runs an event loop (a notebook).

Owns the event loops of runs. Must never touch the user's own loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine

from alongside.workers.beside import Beside, in_loop
from alongside.workers.eventloop import new_loop

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, TypeVar

    from alongside.runtime.driver import Driver

    T = TypeVar("T")


def drive(driver: Driver, opened: Callable[[], None], after: Callable[[], None]) -> None:
    """Drive a run to its end in a fresh event loop, while others pull its input. `after` is called after each pump."""

    async def to_the_end() -> None:
        try:
            driver.open()
            opened()
            while driver.finish is None:
                await driver.pump_async()
                after()
        finally:
            await driver.close_async()

    run(to_the_end)


def run(make: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Run `make()` in a fresh event loop, in this thread or beside a loop that runs in it; what it returns."""
    if not in_loop():
        with asyncio.Runner(loop_factory=new_loop) as runner:
            try:
                return runner.run(make())
            except KeyboardInterrupt as interrupt:
                raise interrupt from None  # without the cancelling of our own coroutine that came before it
    beside = Beside()
    try:
        return beside.run(make())
    finally:
        beside.close()
