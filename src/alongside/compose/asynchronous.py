"""The calls from async code, `amap` and `aimap`: how each becomes a run, and its results.

Coroutines run in the caller's own event loop, without another thread. Anything else (an ordinary function, processes)
is driven in a thread beside the loop, so that the loop is never blocked. Must never schedule or execute anything.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from functools import partial

from alongside.compose.composition import Composition, Deliver, Fn, Manner
from alongside.compose.ordinary import checked
from alongside.core.model import Delivery
from alongside.core.options import Options
from alongside.runtime.callables import is_coroutine_function
from alongside.runtime.feeder import Feeder, is_async
from alongside.runtime.results import Values, values_of
from alongside.runtime.source import Source
from alongside.runtime.stream import Inbox, Stream
from alongside.runtime.stream_async import stream_async
from alongside.workers.errands import Errands
from alongside.workers.slots import end_tasks
from alongside.workers.threadpool import GRACE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


async def values(fn: Fn, iterables: tuple[Any, ...], given: Mapping[str, Any]) -> list[Any]:
    """What `amap` returns."""
    options = checked(fn, given)
    if _lives_in_loop(fn, options) or any(map(is_async, iterables)):
        return [value async for value in _stream(fn, iterables, options, ordered=True, eager=True)]
    collect = Values(options.on_error)
    made = Composition(fn, Source(iterables), options, collect, Manner(star=len(iterables) > 1))
    errands = Errands()
    try:
        await errands.run(made.drive, partial(_stop, made))
    finally:
        errands.close()
    made.conclude()
    return collect.taken()


def stream(fn: Fn, iterables: tuple[Any, ...], given: Mapping[str, Any], ordered: bool) -> AsyncIterator[Any]:
    """What `aimap` iterates over."""
    return _stream(fn, iterables, checked(fn, given), ordered=ordered, eager=False)


async def _stream(
    fn: Fn, iterables: tuple[Any, ...], options: Options, *, ordered: bool, eager: bool
) -> AsyncIterator[Any]:
    inbox = Inbox()
    made, feeder = _compose(fn, iterables, options, inbox, ordered=ordered, eager=eager)
    if _lives_in_loop(fn, options):
        deliveries = stream_async(made.driver, inbox, made.consider, feeder)
    else:
        deliveries = _stream_beside(made, inbox, feeder)
    try:
        async for several in deliveries:
            for delivery in several:
                for value in values_of(delivery, options.on_error):
                    yield value
        made.conclude()
    finally:
        await deliveries.aclose()  # type: ignore[attr-defined]  # an async generator
        made.close()


def _compose(
    fn: Fn, iterables: tuple[Any, ...], options: Options, deliver: Deliver, *, ordered: bool, eager: bool
) -> tuple[Composition, Feeder | None]:
    feeder = Feeder(iterables) if any(map(is_async, iterables)) else None
    source = Source(iterables if feeder is None else ((),))
    if feeder is not None:
        source.total = None
    made = Composition(fn, source, options, deliver, Manner(len(iterables) > 1, ordered, eager))
    return made, feeder


def _lives_in_loop(fn: Fn, options: Options) -> bool:
    return options.backend == "asyncio" or (options.backend == "auto" and is_coroutine_function(fn))


# ------------------------------------------------------------------------------------------------ beside the loop


async def _stream_beside(made: Composition, inbox: Inbox, feeder: Feeder | None) -> AsyncIterator[list[Delivery]]:
    """As `stream_async`, driven in a thread."""
    deliveries = iter(Stream(made.driver, inbox, made.consider, pulls=feeder is None))
    tasks = [asyncio.create_task(feeder.feed(made.driver))] if feeder else []
    errands, stop = Errands(), partial(_stop, made)
    try:
        while several := await errands.run(partial(next, deliveries, None), stop):
            yield several
    finally:
        try:
            await end_tasks(tasks)
        finally:
            await errands.finish(deliveries.close, stop)  # type: ignore[attr-defined]  # a generator


def _stop(made: Composition) -> float | None:
    """End the run, which is driven in another thread; how many seconds to wait for that (None: until it has ended).

    In a plain loop the thread is in the user's function, which nothing can end.
    """
    made.driver.stop()
    made.driver.nudge()
    return GRACE if made.driver.backend.capabilities.in_caller else None
