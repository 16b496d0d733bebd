"""The pilot of an automatic run: looks at the facts while a loop runs, and moves the run when something is better.

Owns when to look again. Must never measure by itself (probe.py) or weigh facts by itself (core/choose.py).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from time import perf_counter, process_time, thread_time
from typing import Any

from alongside.core.choose import Candidates, Facts, Plan, Wishes, choose
from alongside.core.lanes import lanes
from alongside.core.model import Block, Delivery
from alongside.runtime.clocks import run_delay
from alongside.runtime.probe import GilWatch, Weight

PATIENCE = 0.003
"""Seconds of work before anything but the loop is thought of."""

AHEAD = 0.2
"""Seconds of work that must be left for workers to be got ready while the facts are still coming in."""

WORTH = 0.005
"""Seconds of work that must be left for a look to be worth its cost."""


class Pilot:
    """Decides, between two batches of the loop, whether to go on in it."""

    def __init__(
        self,
        candidates: Candidates,
        wishes: Wishes,
        base: Facts,
        fn: Callable[..., Any],
        total: int | None,
        prepare: Callable[[], None] = lambda: None,
    ) -> None:
        self._candidates = candidates
        self._wishes = wishes
        self._base = base
        self._fn = fn
        self._total = total
        self._began = (perf_counter(), thread_time(), process_time(), run_delay())
        self._next_look = PATIENCE
        self._watch: GilWatch | None = None
        self._weight: Weight | None = None
        self._sample: tuple[Any, Any] | None = None
        self._seen = base.tasks_seen
        self._prepare = prepare
        self._prepared = False
        self.plan: Plan | None = None
        self.weighed: Facts | None = None
        """The facts behind the plan."""

    def see(self, delivery: Delivery) -> None:
        """Count what has come, and keep one item and its result to weigh."""
        self._seen += len(delivery) if isinstance(delivery, Block) else 1
        if self._sample is None and isinstance(delivery, Block):
            self._sample = delivery.items[0], delivery.values[0]

    def consider(self) -> Plan | None:
        """The plan to move to, when it is time and the facts say so."""
        spent = self._spent()[0]
        if spent < self._next_look or self._seen == 0:
            return None
        facts = self.facts()
        if facts.left * facts.wall < WORTH:
            return None
        if facts.waiting < 0.8 * facts.wall and not self._listened():
            self._get_ahead(facts)
            return None
        self.weighed = self._weighed(facts)
        self.plan = plan = choose(self.weighed, self._candidates, self._wishes)
        self._next_look = 2 * spent
        return None if self._candidates[plan.backend].in_caller else plan

    def facts(self) -> Facts:
        """What is known now."""
        wall, cpu, process_cpu, delayed = self._spent()
        seen = max(self._seen, 1)
        left = None if self._total is None else max(0, self._total - self._seen)
        watch, weight = self._watch, self._weight
        return _replace(
            self._base,
            tasks_seen=self._seen,
            tasks_left=left,
            wall=wall / seen,
            cpu=min(cpu, wall) / seen,
            process_cpu=process_cpu / seen,
            delayed=delayed / seen,
            gil_held=watch.held if watch else None,
            lateness=watch.lateness if watch else None,
            item_bytes=weight.item_bytes if weight else None,
            result_bytes=weight.result_bytes if weight else None,
            pickle_seconds=weight.seconds if weight else 0.0,
            unpicklable=weight.problem if weight else "",
        )

    def verdict(self, seen_as: Callable[[Facts], Facts] = lambda facts: facts) -> Plan:
        """The plan for what is left (or for the facts as `seen_as` has them), without running more."""
        return choose(self._weighed(seen_as(self.facts())), self._candidates, self._wishes)

    def settled(self) -> bool:
        """Whether more running would tell more: asks for the GIL to be watched while it goes on."""
        facts = self.facts()
        return facts.waiting >= 0.8 * facts.wall or self._listened()

    def close(self) -> None:
        """Stop measuring."""
        self._prepare = _nothing
        if self._watch is not None:
            self._watch.stop()

    def _spent(self) -> tuple[float, float, float, float]:
        wall, cpu, process_cpu, delayed = self._began
        seen, base = self._base.tasks_seen, self._base
        return (
            perf_counter() - wall + seen * base.wall,
            thread_time() - cpu + seen * base.cpu,
            process_time() - process_cpu + seen * base.process_cpu,
            run_delay() - delayed + seen * base.delayed,
        )

    def _leave_out(self, before: tuple[float, float, float, float]) -> None:
        """What has been spent since `before` is not the function's: begin that much later."""
        wall, cpu, process_cpu, delayed = (now - then for now, then in zip(self._spent(), before, strict=True))
        began = self._began
        self._began = (began[0] + wall, began[1] + cpu, began[2] + process_cpu, began[3] + delayed)

    def _listened(self) -> bool:
        if self._watch is None:
            self._watch = GilWatch()
        return self._watch.held is not None or self._watch.ended

    def _get_ahead(self, facts: Facts) -> None:
        if not self._prepared and facts.left * facts.wall > AHEAD and facts.cpus > 1:
            self._prepared = True
            self._prepare()

    def _weighed(self, facts: Facts) -> Facts:
        if self._weight is None and self._sample is not None and facts.gil_held is not False:
            self._weight = Weight()
            before = self._spent()
            self._weight.measure(self._fn, *self._sample)
            self._leave_out(before)
            weight = self._weight
            return facts._replace(
                item_bytes=weight.item_bytes,
                result_bytes=weight.result_bytes,
                pickle_seconds=weight.seconds,
                unpicklable=weight.problem,
            )
        return facts


def _replace(facts: Facts, **changes: Any) -> Facts:
    return facts._replace(**changes)


def pilot_of_coroutines() -> Any:
    """The pilot of a run of coroutines; loads `asyncio`."""
    from alongside.runtime.pilot_async import CoroutinePilot

    return CoroutinePilot


def first_plan(facts: Facts, candidates: Mapping[str, Any], wishes: Wishes) -> Plan:
    """Where an automatic run begins, before anything was measured."""
    if wishes.memory_limit:
        killable = next(name for name, caps in candidates.items() if caps.killable)
        reason = "only there can a task over its memory limit be ended."
        workers, slots = lanes(wishes.max_workers, facts.cpus) if facts.coroutine else (wishes.max_workers, 1)
        return Plan(killable, workers or facts.cpus, (reason,), slots=slots)
    if facts.coroutine:
        return choose(facts, candidates, wishes)
    home = next(name for name, caps in candidates.items() if caps.in_caller)
    if not wishes.timeout:
        return Plan(home, 1, ("it begins as a plain loop, to see what a call costs.",))
    watched = next(name for name, caps in candidates.items() if caps.overlaps_waiting and not caps.in_event_loop)
    return Plan(watched, 1, ("it begins in one thread, so that the timeout can be kept.",))


def _nothing() -> None:
    """What is prepared when it is all over."""
