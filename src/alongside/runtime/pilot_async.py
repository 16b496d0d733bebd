"""The pilot of an automatic run of coroutines: looks at how busy they keep their loop, and moves the run to several.

Owns when to look, and the facts about the loop it is called in. Must never weigh them by itself (core/choose.py), nor
be called from another thread than the loop's.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import ceil
from time import monotonic, thread_time

from alongside.clocks import run_delay
from alongside.core.choose import HINDERED, Facts, Plan, choose, predict
from alongside.light import NamedTuple
from alongside.runtime.pilot import KNOWN
from alongside.runtime.pilot_any import AnyPilot, unweighed
from alongside.workers.loopwatch import LoopWatch

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

FIRST_LOOK = 0.03
"""Seconds of a run before anything but one loop is thought of."""

FEW, EARLY = 2, 0.25
"""Tasks that have to be done by then: a single one that is slow says little about the others. And how many for each
that is under way: of what those compute it is not known how much is still to come."""

HALF = 0.5
"""How much of a coroutine its beginning counts for, and its end: a thousand may be begun before the first one ends."""

WORTH = 0.1
"""Seconds in which the tasks left would keep the loop, for other loops to be worth a thought."""


class Mark(NamedTuple):
    """A moment of a run: the clocks, of the wall, of the thread, of its time without a CPU; by how much the loop was
    late so far; the tasks ended and under way, and the seconds that those which have ended took."""

    at: float
    cpu: float
    delayed: float
    late: float
    seen: int
    under_way: int
    seconds: float


class CoroutinePilot(AnyPilot):
    """Decides, between two steps of the driver, whether to go on in one loop.

    `under_way` tells how many coroutines are begun and have not ended.
    """

    def _begin(self) -> None:
        self.under_way: Callable[[], int] = int
        self._moved: tuple[Facts, int, float, int] | None = None
        """The facts by which it went elsewhere, how many tasks were done by then, when, and to how many loops."""
        self._watch: LoopWatch | None = None
        self._start = self._mark = Mark(0.0, 0.0, 0.0, 0.0, 0, 0, 0.0)
        """When the run began, and when it was last looked at."""
        self._next_look = FIRST_LOOK

    @property
    def few(self) -> int:
        facts = self.weighed
        return max(2, ceil(2 * facts.wall / facts.kept)) if facts and self.awaited else 0

    def consider(self) -> Plan | None:
        """The plan to move to, when it is time and the facts say so."""
        if self._watch is None:
            self._watch = LoopWatch()
            self._start = self._mark = self._now()
        enough = self._seen >= max(FEW, EARLY * self.under_way())
        if not self._is_time(enough and monotonic() - self._start.at >= self._next_look):
            return None
        facts = self.facts(self._mark)
        self._mark = self._now()
        self._next_look = 2 * (self._mark.at - self._start.at)
        at_once = self.under_way()
        if facts.left <= at_once:
            return None  # what has begun can go nowhere else
        if facts.left * facts.kept < WORTH or facts.cpus < 2:
            self._stay(facts, at_once=at_once)
            return None
        plan = self._chosen(facts)
        return None if self._candidates[plan.backend].in_event_loop else self.unless_awaited(plan)

    def at_once(self, known: Facts, peek: Callable[[], Sequence[Any]]) -> Plan | None:
        left, base = self._left(0), self._base
        facts = unweighed(known)._replace(tasks_left=left, cpus=base.cpus, in_worker=base.in_worker)
        if left is None:
            return None
        if left * known.kept < WORTH or base.cpus < 2:
            self._stay(facts, KNOWN)
            return None
        self._weigh_next(peek)
        plan = self._chosen(facts)
        return None if self._candidates[plan.backend].in_event_loop else plan._replace(reasons=(*plan.reasons, KNOWN))

    def _stay(self, facts: Facts, reason: str = "", at_once: int = 0) -> None:
        """Note what it should take to go on in one loop, with so many under way if that is known by now."""
        home = {name: caps for name, caps in self._candidates.items() if caps.in_event_loop}
        plan = choose(facts, home, self._wishes)
        if reason:
            plan = plan._replace(reasons=(*plan.reasons, reason))
        if at_once:
            plan = plan._replace(predictions={name: predict(facts, caps, at_once) for name, caps in home.items()})
        self.plan = plan

    def unless_awaited(self, plan: Plan) -> Plan | None:
        """As ever; notes what led to it."""
        going = super().unless_awaited(plan)
        if going is not None and self.weighed is not None:
            self._moved = self.weighed, self._seen, monotonic(), going.max_workers or 1
        return going

    def learned(self) -> Facts | None:
        """What the next run of the function may begin with: what this one has shown, where it stayed in its loop; where
        it moved, what made it move, but no more than its workers can have computed since."""
        if self._moved is None:
            return self.facts() if self._watch is not None and self._seen >= FEW else None
        facts, seen, began, workers = self._moved
        return facts._replace(kept=min(facts.kept, workers * (monotonic() - began) / max(1, self._seen - seen)))

    def facts(self, since: Mark | None = None) -> Facts:
        """What is known now, by what has come since then. In a loop that others use too, what those do counts as the
        coroutines' own.

        How long a call takes by itself is not seen in a loop that is busy: what it waits for the loop is taken off.
        """
        then, now = since or self._start, self._now()
        elapsed, used, waited = now.at - then.at, now.cpu - then.cpu, now.delayed - then.delayed
        hindered = min(waited, HINDERED * used)
        woken_late = waited - hindered  # so was everything else that waited here
        kept = min(max(used + hindered, now.late - then.late - woken_late), elapsed)
        ended = now.seen - then.seen
        n = max(ended + HALF * (now.under_way - then.under_way), HALF)
        return self._base._replace(
            tasks_seen=self._seen,
            tasks_left=self._left(self._seen),
            wall=max(kept / n, (now.seconds - then.seconds) * (1.0 - kept / elapsed) / max(ended, 1)),
            cpu=used / n,
            delayed=waited / n,
            kept=kept / n,
        )

    def _now(self) -> Mark:
        late = self._watch.late if self._watch is not None else 0.0
        return Mark(monotonic(), thread_time(), run_delay(), late, self._seen, self.under_way(), self._seconds)

    def close(self) -> None:
        super().close()
        self.under_way = int
        if self._watch is not None:
            self._watch.close()
