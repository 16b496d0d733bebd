"""`advise`: the facts, the verdict, and what each backend would take.

Owns the words of the advice. Must never run more of the input than is needed to know.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

from alongside.compose import checked
from alongside.compose_plan import candidates
from alongside.core.choose import Facts, Plan, Wishes, choose, span
from alongside.core.model import Block
from alongside.runtime import machine
from alongside.runtime.callables import is_coroutine_function, name_of
from alongside.runtime.pilot import Pilot
from alongside.runtime.source import count, iterate

BUDGET = 0.25
"""Seconds spent on running items before the advice is given; a single item may take longer."""


@dataclass(frozen=True, slots=True)
class Advice:
    """Which tool, why, and what the others would take. Print it; `str(advice)` is plain text."""

    function: str
    facts: Facts
    plan: Plan

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why, a sentence each."""
        return self.plan.reasons

    @property
    def predictions(self) -> Mapping[str, float]:
        """Seconds that the rest of the input would take on each backend."""
        return self.plan.predictions

    def __str__(self) -> str:
        workers = f" with {self.plan.max_workers} workers" if (self.plan.max_workers or 0) > 1 else ""
        lines = [f"For {self.function}: {_SAYING.get(self.plan.backend, self.plan.backend)}{workers}.", *self._why()]
        return "\n".join([*lines, *self._table(), *self._ten_times()])

    def _why(self) -> list[str]:
        return ["", "Why:", *(f"  - {reason}" for reason in self.reasons)]

    def _table(self) -> list[str]:
        if not self.facts.wall:
            return []
        facts = self.facts
        head = f"Predicted for the {facts.left} tasks left:"
        if facts.tasks_left in (None, facts.tasks_seen):
            head = f"Predicted for {facts.left} such tasks:"
        rows = sorted(self.predictions.items(), key=lambda row: row[1])
        width = max(len(name) for name, _ in rows)
        return ["", head, *(f"  {name:<{width}}  {span(seconds)}{self._mark(name)}" for name, seconds in rows)]

    def _mark(self, name: str) -> str:
        return "   <- the choice" if name == self.plan.backend else ""

    def _ten_times(self) -> list[str]:
        if not self.facts.wall:
            return []
        more = self.facts._replace(tasks_left=10 * self.facts.left)
        plan = choose(more, candidates(), Wishes())
        if plan.backend == self.plan.backend:
            return ["", f"With ten times as many items the choice would be the same, about {_time(plan)} in all."]
        return ["", f"With ten times as many items it would be {plan.backend}: about {_time(plan)} in all."]


def _time(plan: Plan) -> str:
    return span(plan.predictions[plan.backend])


_SAYING = {
    "serial": "keep the plain loop",
    "threads": "use threads",
    "processes": "use processes",
    "asyncio": "use asyncio, one event loop",
}


def advise(fn: Callable[..., Any], iterables: tuple[Iterable[Any], ...], given: Mapping[str, Any]) -> Advice:
    """What `alongside.advise` returns."""
    options = checked(fn, given)
    wishes = Wishes(options.max_workers, options.timeout is not None)
    items = iterate(iterables)
    total = count(iterables)
    base = Facts(coroutine=is_coroutine_function(fn), cpus=machine.cpu_count(), tasks_left=total)
    if base.coroutine:
        return Advice(name_of(fn), base, choose(base, candidates(), wishes))
    pilot = Pilot(candidates(), wishes, base, fn, total)
    try:
        _watch(fn, items, len(iterables) > 1, pilot)
        return Advice(name_of(fn), _again_if_done(pilot.facts()), pilot.verdict(_again_if_done))
    finally:
        pilot.close()


def _again_if_done(facts: Facts) -> Facts:
    """Where the whole input was run to find out, the advice is for as much again."""
    return facts._replace(tasks_left=facts.tasks_seen) if facts.tasks_left == 0 else facts


def _watch(fn: Callable[..., Any], items: Any, star: bool, pilot: Pilot) -> None:
    """Run items until the pilot has what it needs, or the budget is spent."""
    enough = time.perf_counter() + BUDGET
    for index, item in enumerate(islice(items, 100_000)):
        value = fn(*item) if star else fn(item)
        pilot.see(Block(index, [item], [value], 0.0, "serial-1"))
        if time.perf_counter() > enough and pilot.settled():
            return
