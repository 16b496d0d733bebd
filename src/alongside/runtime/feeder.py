"""Input from async iterables, taken in the event loop they belong to.

Owns their iterators. Must never take an item that was not asked for, and never block the loop. It does not matter where
the run is driven: in the same loop or in a thread beside it. A result never waits for the next item.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable

from alongside.core import events as ev
from alongside.runtime.driver import Driver
from alongside.runtime.source import check_inputs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class Feeder:
    """The items of one run of whose inputs some are async: of several inputs the tuples that `zip` makes."""

    def __init__(self, iterables: tuple[Any, ...]) -> None:
        check_inputs([iterable for iterable in iterables if not is_async(iterable)])
        self._inputs = [aiter(iterable) if is_async(iterable) else _walk(iterable) for iterable in iterables]

    async def feed(self, driver: Driver) -> None:
        """Give the driver what it wants, until the input or the run ends."""
        loop, wanted = asyncio.get_running_loop(), asyncio.Event()
        driver.on_pull = lambda: _ring(loop, wanted)
        while driver.finish is None:
            wanted.clear()
            if not driver.wanted:
                await wanted.wait()
            elif not await self._pull(driver):
                return

    async def _pull(self, driver: Driver) -> bool:
        """One item for the driver; False when there is none."""
        driver.wanted = 0
        event: ev.InputArrived | ev.InputEnded
        try:
            got = [await anext(iterator) for iterator in self._inputs]
            event = ev.InputArrived([got[0] if len(got) == 1 else tuple(got)])
        except StopAsyncIteration:
            event = ev.InputEnded()
        except Exception as error:
            event = ev.InputEnded(error)
        driver.feed(event)
        driver.nudge()
        return isinstance(event, ev.InputArrived)


def is_async(iterable: object) -> bool:
    """Whether it is to be iterated with `async for`."""
    return hasattr(iterable, "__aiter__")


async def _walk(iterable: Iterable[Any]) -> AsyncIterator[Any]:
    for item in iterable:
        yield item


def _ring(loop: asyncio.AbstractEventLoop, bell: asyncio.Event) -> None:
    """Set the event, from any thread; the loop may be gone when a run ends while it is being left."""
    try:
        loop.call_soon_threadsafe(bell.set)
    except RuntimeError:
        return
