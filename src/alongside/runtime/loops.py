"""Running a coroutine to its end from ordinary code, also where this thread already runs an event loop (a notebook).

Owns the event loops of runs. Must never touch the user's own loop.
"""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from alongside.workers.beside import Beside, in_loop
from alongside.workers.eventloop import new_loop

T = TypeVar("T")


async def run_beside(work: Callable[[], T], stop: Callable[[], object]) -> T:
    """Run `work` in a thread of the loop's executor. If this is cancelled, `stop` it and wait until it has ended."""
    context = contextvars.copy_context()
    thread = asyncio.get_running_loop().run_in_executor(None, context.run, work)
    try:
        return await asyncio.shield(thread)
    except asyncio.CancelledError:
        stop()
        while not thread.done():
            try:
                await asyncio.wait([thread])
            except asyncio.CancelledError:
                continue  # the thread works for what called this: that must not go on while it is at it
        raise


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
