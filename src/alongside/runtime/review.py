"""Second thoughts: looks at how a run is doing after it has left the loop, and moves it again when that was not right.

Owns when to look, and the facts of a run in full swing. Must never weigh them by itself (core/choose.py), nor run, send
or stop anything.
"""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter

from alongside.core.choose import Candidates, Facts, Plan, Wishes, choose, excluded, span, waits, why_not
from alongside.core.events import Command, Event, Finished
from alongside.core.known import SATURATED, SPREAD
from alongside.core.ports import Capabilities

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

FIRST_LOOK, SOON = 0.1, 0.03
"""Seconds after a move before it is looked at again; of threads that should compute side by side, which are soon
seen to take turns."""

AGAIN = 1.2
"""A look that changed nothing is followed by the next when the run is this many times as old."""

RARELY = 10.0
"""Seconds between two looks at most."""

FEW = 2
"""Tasks for each worker that must have been finished since the last look."""

CLEARLY, AT_LEAST = 0.7, 0.05
"""Another move is worth it if the rest takes less than this share of what it takes here, and so many seconds less."""

HOMEWARD = 0.85
"""The same of threads that take turns with the GIL, which can gain nothing over a loop."""

ALIKE = 0.5
"""Share of what a task takes now that it must have taken in the loop for that to be of tasks like these."""


class Review:
    """What a run does on its backend, measured: an observer of its events, asked now and then by whoever drives it.

    `facts`: what was known when it left the loop. `may_come_home`: whether the loop is to be thought of as well.
    """

    def __init__(
        self,
        candidates: Candidates,
        wishes: Wishes,
        facts: Facts,
        total: int | None,
        clock: Callable[[], float] = perf_counter,
    ) -> None:
        self._candidates = candidates
        self._wishes = wishes
        self.total = total
        self.facts = facts
        self.may_come_home = True
        self.turns = False
        """Whether the run was moved since its threads were seen to take turns with the GIL."""
        self._full = False
        """Whether the CPUs were kept busy all the time between the last two looks."""
        self._weigh: Callable[[Facts], Facts] = lambda facts: facts
        self._send_to: Callable[[], Candidates] = lambda: self._candidates
        self._in_turns = False
        self.pause: Callable[[bool], None] = lambda paused: None
        """Has the workers begin nothing more, or go on: where they take turns with the GIL whoever drives the run would
        have it a few milliseconds of each second, and to load and start what is to come takes hundreds of turns."""
        self._clock = clock
        self._finished = self._seen = 0
        self._seconds = 0.0
        self._began: tuple[float, float] | None = None
        self._next_look = FIRST_LOOK

    def begin(self, pilot: Any) -> None:
        """Go by what the pilot of the loop knew, and can still weigh."""
        self.facts, self._weigh, self._send_to = pilot.weighed, pilot.weigh, pilot.candidates_to_send_to

    def on_event(self, event: Event, now: float) -> None:
        if isinstance(event, Finished):
            tasks = sum(len(part.values) for part in event.parts) + len(event.faults)
            self._finished += tasks
            self._seen += tasks
            self._seconds += event.seconds

    def on_command(self, command: Command, now: float) -> None:
        """What is commanded says nothing about the tasks."""

    def close(self) -> None:
        """Nothing is held."""

    def consider(self, plan: Plan, cpu_seconds: Callable[[], float] | None) -> Plan | None:
        """A better plan than the present one, when it is time and the facts say so."""
        if cpu_seconds is None:
            return None
        apart = self._candidates[plan.backend].escapes_gil
        if self._began is None:
            if self._seen:  # what passed before the first task was done was the workers' start
                self._begin(cpu_seconds)
                self._next_look = FIRST_LOOK if apart or waits(self.facts) else SOON
            return None
        began, used = self._began
        if self._clock() - began < self._next_look or self._seen < FEW * self._at_once(plan, apart):
            return None
        cpu = max(0.0, cpu_seconds() - used)
        elapsed = self._clock() - began  # after that: beside threads that compute, to ask can take a second
        facts = self.facts_now(elapsed, cpu, apart)
        self._full = cpu >= SATURATED * facts.cpus * elapsed
        self.pause(self._in_turns)
        better = self.better(plan, facts, elapsed * facts.left / self._seen)
        self._next_look = min(AGAIN * self._next_look, RARELY)
        if better is None:
            self.pause(False)
            self._begin(cpu_seconds)
        else:
            self._began, self._seen = None, 0
        return better

    def _at_once(self, plan: Plan, apart: bool) -> int:
        """How many workers can have something done at the same time, if they should compute."""
        workers = plan.max_workers or 1
        return workers if apart else min(workers, self.facts.cpus)

    def _begin(self, cpu_seconds: Callable[[], float]) -> None:
        used = cpu_seconds()
        self._began = self._clock(), used
        self._seen, self._seconds = 0, 0.0

    def facts_now(self, elapsed: float, cpu: float, apart: bool) -> Facts:
        """What is known of the tasks since the last look. `apart`: the workers do not share one GIL.

        A task that shares its CPU, or the GIL, with others takes longer than by itself. How much longer is not seen;
        where the CPUs are busy it is taken to compute all the time, where they are idle to take what it took.
        """
        known, n = self.facts, max(self._seen, 1)
        busy = cpu / elapsed
        full = SATURATED * (known.cpus if apart else 1)
        wall = cpu / n if busy >= full else max(self._seconds, cpu) / n
        held = known.gil_held
        self._in_turns = not apart and SATURATED <= busy < SPREAD
        if not apart and busy >= SATURATED:
            held = self._in_turns
            if held and wall > known.wall > ALIKE * wall:
                wall = known.wall  # what they take by themselves: each turn with the GIL costs more than that
        return known._replace(
            tasks_seen=n,
            tasks_left=None if self.total is None else max(0, self.total - self._finished),
            wall=wall,
            cpu=min(cpu / n, wall),
            process_cpu=min(cpu / n, wall),
            delayed=0.0,
            gil_held=held,
        )

    def _others(self, plan: Plan, facts: Facts) -> Candidates:
        return {
            name: caps
            for name, caps in self._candidates.items()
            if name != plan.backend and self._may(facts, caps) and not why_not(facts, caps, self._wishes)
        }

    def _may(self, facts: Facts, caps: Capabilities) -> bool:
        """Whether a backend is to be thought of: where all CPUs are busy only the loop, which sends nothing,
        and where threads do not wait for the GIL not what is there to escape it."""
        if caps.runs_coroutines_together:
            return False
        if caps.in_caller:
            return self.may_come_home
        return not self._full and not (facts.gil_held is False and caps.escapes_gil)

    def better(self, plan: Plan, facts: Facts, rest: float) -> Plan | None:
        """Another plan, if it should take clearly less than the `rest` of seconds that the present one would take."""
        others = self._others(plan, facts)
        if any(caps.needs_pickling for caps in others.values()) and facts.item_bytes is None:
            self.facts, self._candidates = self._weigh(self.facts), self._send_to()
            facts = facts._replace(pickle_seconds=self.facts.pickle_seconds, unpicklable=self.facts.unpicklable)
            others = self._others(plan, facts)
        if not others:
            return None
        other = choose(facts, others, self._wishes)
        seconds = other.predictions[other.backend]
        turns = facts.gil_held is True and self._candidates[plan.backend].shares_memory
        clearly = HOMEWARD if turns and self._candidates[other.backend].in_caller else CLEARLY
        if seconds > clearly * rest or rest - seconds < AT_LEAST:
            return None
        if turns and self._in_turns:
            self.turns, self.facts = True, self.facts._replace(gil_held=True)
        why = f"it was on {plan.backend}, where the rest would have taken about {span(rest)}."
        barred = excluded(facts, self._candidates, self._wishes)
        return other._replace(reasons=(*other.reasons, *barred, why))


def cpu_clock(backend: Any) -> Callable[[], float] | None:
    """What tells the CPU seconds that a backend's workers have used or could have, where it can be told."""
    spent = getattr(backend, "spent", None)
    return None if spent is None else lambda: sum(map(sum, spent().values()))
