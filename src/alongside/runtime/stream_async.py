"""Outcomes as they come, to async code, in its own event loop.

Owns the pump task and, for async iterables, the task that takes their items. Must never block the loop, and never leave
a task behind: leaving the stream cancels what still runs and waits for its cleanup.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

from alongside.core import events as ev
from alongside.core.model import Delivery, size
from alongside.runtime.driver import Driver
from alongside.runtime.stream import Inbox


async def stream_async(
    driver: Driver, inbox: Inbox, pull: Callable[[], Any] | None = None
) -> AsyncIterator[list[Delivery]]:
    """As `Stream`, in the running event loop; leaving it cancels what still runs and waits for its cleanup.

    `pull`, where given, is a coroutine function that takes input for the driver (for async iterables).
    """
    changed = asyncio.Event()
    inbox.changed = driver.on_finish = driver.on_pull = changed.set
    driver.pumped = pull is not None
    driver.open()
    pump = asyncio.create_task(_pump(driver, changed))
    puller = asyncio.create_task(_puller(driver, changed, pull)) if pull else None
    try:
        while True:
            while not inbox and driver.finish is None and not pump.done():
                changed.clear()
                await changed.wait()
            if pump.done():
                pump.result()
            if not (batch := inbox.take()):
                break
            yield batch
            driver.feed(ev.Taken(sum(map(size, batch))))
            driver.nudge()
    finally:
        driver.stop()
        for task in (pump, puller):
            if task is not None:
                task.cancel()
        await asyncio.gather(*(task for task in (pump, puller) if task), return_exceptions=True)
        await driver.close_async()


async def _pump(driver: Driver, changed: asyncio.Event) -> None:
    try:
        while driver.finish is None:
            await (driver.pump_async() if driver.pumped else driver.step_async())
    finally:
        changed.set()


async def _puller(driver: Driver, changed: asyncio.Event, pull: Callable[[], Any]) -> None:
    wanted = asyncio.Event()
    notify = driver.on_pull

    def on_pull() -> None:
        notify()
        wanted.set()

    driver.on_pull = on_pull
    while driver.finish is None:
        if driver.wanted:
            await pull()
            driver.nudge()
        else:
            wanted.clear()
            await wanted.wait()
