"""Outcomes as they come, to async code, in its own event loop.

Owns the pump task and, for async iterables, the task that takes their items. Must never block the loop, and never leave
a task behind: leaving the stream cancels what still runs and waits for its cleanup.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

from alongside.core import events as ev
from alongside.core.model import Delivery, size
from alongside.runtime.driver import Driver
from alongside.runtime.feeder import Feeder
from alongside.runtime.stream import Inbox
from alongside.workers.slots import end_tasks


async def stream_async(
    driver: Driver, inbox: Inbox, consider: Callable[[], None], feeder: Feeder | None = None
) -> AsyncIterator[list[Delivery]]:
    """As `Stream`, in the running event loop; leaving it cancels what still runs and waits for its cleanup.

    `feeder`, where given, takes the input for the driver; `consider` is called after each of its steps. What the run
    ended in is the driver's `finish`.
    """
    changed = asyncio.Event()
    inbox.changed = driver.on_finish = changed.set
    driver.pumped = feeder is not None
    driver.open()
    pump = asyncio.create_task(_pump(driver, changed, consider))
    tasks = [pump, asyncio.create_task(feeder.feed(driver))] if feeder else [pump]
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
        try:
            await end_tasks(tasks)
        finally:
            await driver.close_async()
            inbox.changed = lambda: None


async def _pump(driver: Driver, changed: asyncio.Event, consider: Callable[[], None]) -> None:
    try:
        while driver.finish is None:
            await (driver.pump_async() if driver.pumped else driver.step_async())
            consider()
    finally:
        changed.set()
