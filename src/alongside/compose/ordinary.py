"""The calls from ordinary code, `map`, `imap`, `run`, `gather`, and executors: how each becomes a run, and its results.

Owns which composition a call needs, and what is given back of it. Loaded only when a run needs more than a plain loop.
Must never schedule, measure or execute anything itself.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Generator, Iterable, Mapping
from functools import partial

from alongside import backends
from alongside.compose.composition import Composition, Deliver, Fn, Manner
from alongside.core.model import Block, Delivery, size
from alongside.core.options import Options
from alongside.exceptions import OptionError
from alongside.runtime.callables import is_coroutine_function
from alongside.runtime.interrupts import shielded
from alongside.runtime.lazy import Lazy
from alongside.runtime.results import Run, Stats, Values, values_of
from alongside.runtime.source import Source
from alongside.runtime.stream import Inbox, Stream
from alongside.workers.runner import ended

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from alongside.runtime.pushed import Pushed
    from alongside.runtime.service import Service


def values(fn: Fn, iterables: tuple[Iterable[Any], ...], given: Mapping[str, Any]) -> list[Any]:
    """What `map` returns."""
    options = checked(fn, given)
    collect = Values(options.on_error)
    made = _compose(fn, iterables, options, collect)
    made.drive()
    made.conclude()
    return collect.taken()


def run(
    fn: Fn,
    iterables: tuple[Iterable[Any], ...],
    given: Mapping[str, Any],
    clock: Callable[[], float] = time.monotonic,
) -> Run:
    """What `run` returns. `clock` is what retries and timeouts go by."""
    began = time.perf_counter()
    options = checked(fn, {"on_error": "return", **given})
    deliveries: list[Delivery] = []
    made = _compose(fn, iterables, options, deliveries.extend, clock=clock, watched=True)
    made.drive()
    made.conclude()
    return _finished_run(made, deliveries, began)


def stream(
    fn: Fn,
    iterables: tuple[Iterable[Any], ...],
    given: Mapping[str, Any],
    ordered: bool,
    watched: bool = False,
) -> Lazy:
    """What `imap` returns; with its timeline where it is `watched`."""
    options = checked(fn, given)
    inbox = Inbox()
    made = _compose(fn, iterables, options, inbox, ordered=ordered, eager=False, watched=watched)
    if made.review is not None:
        made.review.may_come_home = False  # there may be a thread beside the consumer's, and home is the consumer's
    return lazily(made, inbox)


def lazily(made: Composition, inbox: Inbox) -> Lazy:
    """The results of a run as they are taken."""
    options = made.options
    values = _values_of(Stream(made.driver, inbox, made.consider), made, options)
    return Lazy(values, made.told_plan, made.timeline)


def _values_of(deliveries: Iterable[list[Delivery]], made: Composition, options: Options) -> Generator[Any, None, None]:
    try:
        for several in deliveries:
            for delivery in several:
                yield from values_of(delivery, options.on_error)
        made.conclude()
    finally:
        made.close()


def gather(thunks: tuple[Callable[[], Any], ...], given: Mapping[str, Any]) -> tuple[Any, ...]:
    """What `gather` returns."""
    for place, thunk in enumerate(thunks):
        if not callable(thunk):
            raise OptionError(f"argument {place} of gather is {thunk!r}, not a function; write lambda: f(x), not f(x).")
    if any(is_coroutine_function(thunk) for thunk in thunks):
        return tuple(values(_call_async, (thunks,), given))
    return tuple(awaited(values(partial(_call, os.getpid()), (thunks,), given)))


def awaited(results: list[Any]) -> list[Any]:
    """The results; where they are coroutines (of `lambda: fetch(1)`, say), what those come to side by side."""
    if not any(hasattr(result, "__await__") for result in results):
        return results
    return values(_result_of, (results,), {})


async def _result_of(result: Any) -> Any:
    return await result if hasattr(result, "__await__") else result


def _call(home: int, thunk: Callable[[], Any]) -> Any:
    """What a thunk gives; what is to be awaited of it comes to its end here, where `home` is another process."""
    value = thunk()
    if os.getpid() != home:
        return ended(value)
    return _Later(value) if hasattr(value, "__await__") else value


class _Later:
    """Something to be awaited, which a runner would run to its end at once were it a bare coroutine."""

    def __init__(self, awaitable: Any) -> None:
        self._awaitable = awaitable

    def __await__(self) -> Any:
        return self._awaitable.__await__()


async def _call_async(thunk: Callable[[], Any]) -> Any:
    value = thunk()
    return await value if hasattr(value, "__await__") else value


def checked(fn: object, given: Mapping[str, Any]) -> Options:
    """The options, validated; the function too, since that is the most common slip."""
    if not callable(fn):
        remedy = "Write map(f, items): first the function itself, not f(x), then its inputs."
        raise OptionError(f"the first argument must be a function; {fn!r} cannot be called. {remedy}")
    named = given.get("backend")
    known = backends.names()
    if isinstance(named, str) and named not in known and named != "auto" and backends.exists(named):
        known.append(named)
    return Options.of(given, known)


def _compose(
    fn: Fn, iterables: tuple[Iterable[Any], ...], options: Options, deliver: Deliver, **how: Any
) -> Composition:
    with shielded():
        return Composition(fn, Source(iterables), options, deliver, Manner(star=len(iterables) > 1, **how))


def _finished_run(made: Composition, deliveries: list[Delivery], began: float) -> Run:
    total = sum(map(size, deliveries))
    succeeded = sum(len(d) for d in deliveries if isinstance(d, Block))
    workers = len({name for d in deliveries for name in (d.workers() if isinstance(d, Block) else [d.worker])})
    coordinator = made.driver.coordinator
    retried, concurrency = coordinator.retried, coordinator.concurrency
    seconds, planned = time.perf_counter() - began, max(0.0, made.planned_at - began)
    stats = Stats(total, succeeded, total - succeeded, retried, seconds, workers, concurrency, planned)
    assert made.timeline is not None
    return Run(made.told_plan(), stats, made.job, made.options.on_error, made.timeline, deliveries)


def needs_pickling(backend: str) -> bool:
    """Whether what a backend runs has to be pickled."""
    return backends.capabilities(backend).needs_pickling


def serve(fn: Fn, source: Pushed, options: Options, service: Service, thread_names: str = "") -> None:
    """Start a service that runs `fn` on whatever is pushed: a function, its arguments, and those by name."""
    deliver = service.deliver
    manner = Manner(ordered=False, call=lambda task: task[1:3], endless=True, thread_names=thread_names)
    made = Composition(fn, source, options, deliver, manner)
    service.start(made.driver, made.close)
