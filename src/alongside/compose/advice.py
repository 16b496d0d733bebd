"""`advise`: tries the first items, and has the choice made and explained.

Owns how much is tried. Must never run more of the input than is needed to know. What is shown of it is in
observe/advice.py.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice

from alongside.compose import candidates, wishes_of
from alongside.compose.composition import Fn
from alongside.compose.ordinary import checked
from alongside.core.choose import Facts, Plan, Wishes, choose
from alongside.core.model import Block
from alongside.core.whatif import not_for_this, prospects
from alongside.exceptions import OptionError
from alongside.observe.advice import Advice
from alongside.runtime import machine
from alongside.runtime.callables import is_coroutine_function, name_of
from alongside.runtime.pilot import Pilot
from alongside.runtime.pilot_async import CoroutinePilot
from alongside.runtime.source import count, iterate
from alongside.runtime.teaching import lost

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

BUDGET = 0.25
"""Seconds spent on running items before the advice is given; a single item may take longer."""

STRETCH = 0.001
"""Seconds of calls between two looks at the clock: for tiny calls the look itself must not count."""

LANES = 10
"""Coroutines tried side by side."""


def advise(fn: Fn, iterables: tuple[Iterable[Any], ...], given: Mapping[str, Any]) -> Advice:
    """What `alongside.advise` returns."""
    options = checked(fn, given)
    wishes = wishes_of(options)
    items, star = iterate(iterables), len(iterables) > 1
    base = Facts(coroutine=is_coroutine_function(fn), cpus=machine.cpu_count(), tasks_left=count(iterables))
    if base.coroutine:
        found, sample = _awaited(fn, items, star, base)
        facts = _again_if_done(_seen(found))
        return _told(fn, facts, choose(facts, candidates(), wishes), wishes, sample, star)
    pilot = Pilot(candidates, wishes, base, fn, base.tasks_left)
    try:
        _watch(fn, items, star, pilot)
        tried = _again_if_done(_seen(pilot.facts()))
        plan = pilot.verdict(lambda _: tried)
        return _told(fn, _with_weights(tried, pilot.facts()), plan, wishes, pilot.sample, star)
    finally:
        pilot.close()


def _told(fn: Fn, facts: Facts, plan: Plan, wishes: Wishes, sample: tuple[Any, Any] | None, star: bool) -> Advice:
    able = candidates()
    lesson = lost(fn, *sample, star) if sample and not able[plan.backend].shares_memory else None
    warned = (str(lesson),) if lesson else ()
    told = prospects(facts, plan, able, wishes), not_for_this(facts, able, wishes)
    return Advice(name_of(fn), facts, plan, *told, warned)


def _seen(facts: Facts) -> Facts:
    if not facts.tasks_seen:
        raise OptionError("there is nothing to advise on: the input has no items.")
    return facts


def _again_if_done(facts: Facts) -> Facts:
    """Where the whole input was run to find out, the advice is for as much again."""
    return facts._replace(tasks_left=facts.tasks_seen) if facts.tasks_left == 0 else facts


def _with_weights(tried: Facts, weighed: Facts) -> Facts:
    """The facts as they were when the choice was made, with what the choice had weighed."""
    return tried._replace(
        item_bytes=weighed.item_bytes,
        result_bytes=weighed.result_bytes,
        pickle_seconds=weighed.pickle_seconds,
        unpicklable=weighed.unpicklable,
    )


def _watch(fn: Fn, items: Iterator[Any], star: bool, pilot: Pilot) -> None:
    """Run items until the pilot has what it needs, or the budget is spent."""
    began = time.perf_counter()
    done, size = 0, 1
    while some := list(islice(items, size)):
        before = time.perf_counter()
        values = [fn(*item) for item in some] if star else [fn(item) for item in some]
        pilot.see(Block(done, some, values, 0.0, "serial-1"))
        done += len(some)
        if time.perf_counter() - before < STRETCH:
            size *= 2
        if time.perf_counter() - began > BUDGET and pilot.settled():
            return


def _awaited(fn: Fn, items: Iterator[Any], star: bool, base: Facts) -> tuple[Facts, tuple[Any, Any] | None]:
    """Await the first calls, a few at once, in an event loop: how busy they keep it shows only side by side. The facts,
    and an item with its result."""
    import asyncio

    from alongside.runtime import loops

    pilot = CoroutinePilot(candidates, Wishes(), base, fn, base.tasks_left)

    async def lane(until: float) -> None:
        for item in items:
            began = time.perf_counter()
            value = await (fn(*item) if star else fn(item))
            pilot.see(Block(0, [item], [value], time.perf_counter() - began, "asyncio-1"))
            if time.perf_counter() > until:
                return

    async def some() -> Facts:
        pilot.consider()  # from here on it watches the loop
        until = time.perf_counter() + BUDGET
        lanes = [asyncio.ensure_future(lane(until)) for _ in range(LANES)]
        try:
            await asyncio.gather(*lanes)
            return pilot.facts()  # of this thread, and of this loop while it is there
        finally:
            for one in lanes:
                one.cancel()
            await asyncio.wait(lanes)
            pilot.close()

    facts: Facts = loops.run(some)
    return facts if facts.tasks_seen else base, pilot.sample
