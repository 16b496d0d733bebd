"""The pilot of an automatic run of coroutines: looks at how busy they keep their loop, and moves the run to several.

Owns when to look, and the facts about the loop it is called in. Must never weigh them by itself (core/choose.py), nor
be called from another thread than the loop's.
"""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic, thread_time
from typing import Any

from alongside.core.choose import Candidates, Facts, Plan, Wishes, choose
from alongside.core.model import Block, Delivery
from alongside.runtime.clocks import run_delay
from alongside.runtime.probe import Weight
from alongside.workers.loopwatch import LoopWatch

FIRST_LOOK = 0.05
"""Seconds of a run before anything but one loop is thought of."""

FEW = 20
"""Tasks that have to be done by then: one that is slow says little about the others."""

WORTH = 0.1
"""Seconds in which the tasks left would keep the loop, for other loops to be worth a thought."""


class CoroutinePilot:
    """Decides, between two steps of the driver, whether to go on in one loop."""

    def __init__(
        self,
        candidates: Candidates,
        wishes: Wishes,
        base: Facts,
        fn: Callable[..., Any],
        total: int | None,
        prepare: Callable[[], None],
    ) -> None:
        self._candidates = candidates
        self._wishes = wishes
        self._base = base
        self._fn = fn
        self._total = total
        self._prepare = prepare
        self._watch: LoopWatch | None = None
        self._began = (0.0, 0.0, 0.0)
        self._next_look = FIRST_LOOK
        self._seen = 0
        self._seconds = 0.0
        self._sample: tuple[Any, Any] | None = None
        self._weight: Weight | None = None
        self.plan: Plan | None = None
        self.weighed: Facts | None = None

    def see(self, delivery: Delivery) -> None:
        """Count what has come, and keep one item and its result to weigh."""
        if isinstance(delivery, Block):
            self._seen += len(delivery)
            each = delivery.seconds
            self._seconds += each * len(delivery) if isinstance(each, float) else sum(each)
            self._sample = self._sample or (delivery.items[0], delivery.values[0])
        else:
            self._seen += 1
            self._seconds += delivery.seconds

    def consider(self) -> Plan | None:
        """The plan to move to, when it is time and the facts say so."""
        if self._watch is None:
            self._watch = LoopWatch()
            self._began = monotonic(), thread_time(), run_delay()
        if monotonic() - self._began[0] < self._next_look or self._seen < FEW:
            return None
        facts = self.facts()
        if facts.left * facts.kept < WORTH or facts.cpus < 2:
            return None
        if self._weight is None:
            self._prepare()
        self._next_look = 2 * (monotonic() - self._began[0])
        self.weighed = self._weighed(facts)
        self.plan = choose(self.weighed, self._candidates, self._wishes)
        return None if self._candidates[self.plan.backend].in_event_loop else self.plan

    def facts(self) -> Facts:
        """What is known now. In a loop that others use too, what those do counts as the coroutines' own.

        How long a call takes by itself is not seen in a loop that is busy: what it waits for the loop is taken off.
        """
        began, cpu, delayed = self._began
        n, late = max(self._seen, 1), self._watch.late if self._watch is not None else 0.0
        used, waited = thread_time() - cpu, run_delay() - delayed
        elapsed = monotonic() - began
        kept = min(max(used + waited, late), elapsed)
        return self._base._replace(
            tasks_seen=self._seen,
            tasks_left=None if self._total is None else max(0, self._total - self._seen),
            wall=max(kept, self._seconds * (1.0 - kept / elapsed)) / n,
            cpu=used / n,
            delayed=waited / n,
            kept=kept / n,
        )

    def close(self) -> None:
        """Stop measuring."""
        if self._watch is not None:
            self._watch.close()

    def _weighed(self, facts: Facts) -> Facts:
        if self._weight is None and self._sample is not None:
            self._weight = Weight()
            self._weight.measure(self._fn, *self._sample)
        weight = self._weight
        if weight is None:
            return facts
        return facts._replace(
            item_bytes=weight.item_bytes,
            result_bytes=weight.result_bytes,
            pickle_seconds=weight.seconds,
            unpicklable=weight.problem,
        )
