"""The composition root for async code: `amap` and `aimap`.

Coroutines run in the caller's own event loop, without another thread. Anything else (an ordinary function, processes)
is driven in a thread beside the loop, so that the loop is never blocked. Must never schedule or execute anything.
"""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from alongside.compose import Composition, Fn, checked, raise_if_failed
from alongside.core import events as ev
from alongside.core.model import Block, Delivery
from alongside.core.options import Options
from alongside.exceptions import OptionError
from alongside.runtime.callables import is_coroutine_function
from alongside.runtime.results import Values
from alongside.runtime.source import Source
from alongside.runtime.stream import Inbox, Stream
from alongside.runtime.stream_async import stream_async


async def values(fn: Fn, iterables: tuple[Any, ...], given: Mapping[str, Any]) -> list[Any]:
    """What `amap` returns."""
    options = checked(fn, given)
    if _lives_in_loop(fn, options):
        return [value async for value in _in_loop(fn, iterables, options, ordered=True, eager=True)]
    collect = Values(options.on_error)
    made = Composition(fn, _source_beside(iterables), options, collect, star=len(iterables) > 1)
    raise_if_failed(await _beside(made.drive, made))
    return collect.values


async def stream(fn: Fn, iterables: tuple[Any, ...], given: Mapping[str, Any], ordered: bool) -> AsyncIterator[Any]:
    """What `aimap` iterates over."""
    options = checked(fn, given)
    chosen = _in_loop if _lives_in_loop(fn, options) else _stream_beside
    results = chosen(fn, iterables, options, ordered=ordered, eager=False)
    try:
        async for value in results:
            yield value
    finally:
        await results.aclose()  # type: ignore[attr-defined]  # both are async generators


def _lives_in_loop(fn: Fn, options: Options) -> bool:
    return options.backend == "asyncio" or (options.backend == "auto" and is_coroutine_function(fn))


# ------------------------------------------------------------------------------------------------ in the caller's loop


async def _in_loop(
    fn: Fn, iterables: tuple[Any, ...], options: Options, *, ordered: bool, eager: bool
) -> AsyncIterator[Any]:
    inbox = Inbox()
    feeder = _Feeder(iterables) if any(map(_is_async, iterables)) else None
    source = Source(iterables if feeder is None else ((),))
    if feeder is not None:
        source.total = None
    made = Composition(fn, source, options, inbox, star=len(iterables) > 1, ordered=ordered, eager=eager)
    pull = partial(feeder.pull, made) if feeder else None
    deliveries = stream_async(made.driver, inbox, pull)
    try:
        async for several in deliveries:
            for value in _values(several, options):
                yield value
        raise_if_failed(made.driver.finish)
    finally:
        await deliveries.aclose()  # type: ignore[attr-defined]  # an async generator
        made.close()


def _values(deliveries: Sequence[Delivery], options: Options) -> Iterator[Any]:
    for delivery in deliveries:
        if isinstance(delivery, Block):
            yield from delivery.values
        elif options.on_error == "return":
            yield delivery


class _Feeder:
    """Takes items from inputs of which some are async, one at a time as they are wanted."""

    def __init__(self, iterables: tuple[Any, ...]) -> None:
        self._inputs = [_aiter(iterable) for iterable in iterables]

    async def pull(self, made: Composition) -> None:
        """Give the driver the next item, or say that there is none."""
        driver = made.driver
        driver.wanted = 0
        try:
            got = [await anext(iterator) for iterator in self._inputs]
        except StopAsyncIteration:
            driver.feed(ev.InputEnded())
        except Exception as error:
            driver.feed(ev.InputEnded(error))
        else:
            driver.feed(ev.InputArrived([got[0] if len(got) == 1 else tuple(got)]))


def _is_async(iterable: object) -> bool:
    return hasattr(iterable, "__aiter__")


def _aiter(iterable: Any) -> AsyncIterator[Any]:
    return aiter(iterable) if _is_async(iterable) else _walk(iterable)


async def _walk(iterable: Any) -> AsyncIterator[Any]:
    for item in iterable:
        yield item


# ------------------------------------------------------------------------------------------------ beside the loop


async def _stream_beside(
    fn: Fn, iterables: tuple[Any, ...], options: Options, *, ordered: bool, eager: bool
) -> AsyncIterator[Any]:
    inbox = Inbox()
    source = _source_beside(iterables)
    made = Composition(fn, source, options, inbox, star=len(iterables) > 1, ordered=ordered, eager=eager)
    deliveries = iter(Stream(made.driver, inbox, made.consider))
    try:
        while several := await _beside(partial(next, deliveries, None), made):
            for value in _values(several, options):
                yield value
        raise_if_failed(made.driver.finish)
    finally:
        await _beside(deliveries.close, made)  # type: ignore[attr-defined]  # a generator
        made.close()


async def _beside(work: Callable[[], Any], made: Composition) -> Any:
    """Run `work` in a thread. If this is cancelled the run is stopped, and the thread waited for."""
    context = contextvars.copy_context()
    thread = asyncio.ensure_future(asyncio.get_running_loop().run_in_executor(None, context.run, work))
    try:
        return await asyncio.shield(thread)
    except asyncio.CancelledError:
        made.driver.stop()
        made.driver.nudge()
        await asyncio.wait([thread])
        raise


def _source_beside(iterables: tuple[Any, ...]) -> Source:
    """The input as the driving thread sees it: async iterables are asked in the loop they belong to."""
    loop = asyncio.get_running_loop()
    return Source(tuple(_Bridge(iterable, loop) if _is_async(iterable) else iterable for iterable in iterables))


class _Bridge:
    """An async iterable of one loop, iterated from another thread."""

    def __init__(self, iterable: AsyncIterable[Any], loop: asyncio.AbstractEventLoop) -> None:
        if hasattr(iterable, "__iter__"):
            raise OptionError("an input that is both iterable and async iterable is ambiguous: wrap it in a list.")
        self._iterator = aiter(iterable)
        self._loop = loop

    def __iter__(self) -> _Bridge:
        return self

    def __next__(self) -> Any:
        async def following() -> Awaitable[Any]:
            return await anext(self._iterator, _END)

        item = asyncio.run_coroutine_threadsafe(following(), self._loop).result()
        if item is _END:
            raise StopIteration
        return item


_END: Any = object()
