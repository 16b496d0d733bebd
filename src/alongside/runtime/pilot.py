"""The pilot of an automatic run: looks at the facts while a loop runs, and moves the run when something is better.

Owns when to look again. Must never measure by itself (probe.py) or weigh facts by itself (core/choose.py).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from time import perf_counter, process_time, thread_time

from alongside.clocks import run_delay
from alongside.core.choose import Facts, Plan, choose
from alongside.core.known import Phase, is_special
from alongside.light import NamedTuple
from alongside.runtime.loop import AHEAD, WORTH_IMPORTING
from alongside.runtime.pilot_any import AnyPilot, unweighed
from alongside.runtime.watcher import Watcher

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

PATIENCE = 0.003
"""Seconds of work before anything but the loop is thought of."""

MOSTLY = 0.8
"""Share of its time that a task waits from which the GIL does not matter."""

WORTH = 0.005
"""Seconds of work that must be left for a look to be worth its cost."""

STRAIGHT, WORTHWHILE = 0.000_002, 0.030
"""Seconds of a call, and of all of them, from which a loop is not tried again for a function seen before: what is
briefer is soon done, or nothing is saved by it."""

KNOWN = "so it was in an earlier call with this function."
"""The reason that tells where the facts are from."""


class Tally(NamedTuple):
    """What a loop has spent so far, seconds in all: by the clock, of this thread, of all threads, and without a CPU."""

    seen: int
    wall: float
    cpu: float
    process_cpu: float
    delayed: float


class Pilot(AnyPilot):
    """Decides, while a plain loop goes on, whether to go on in it.

    It counts for itself what the loop spends (`see`), or reads it from a `Stopwatch` (`LoopPilot`). With a timeout the
    loop is in a thread of its own, so that all that the process computes counts as its tasks'.
    """

    def _begin(self) -> None:
        self._elsewhere = process_time if self._wishes.timeout else None
        self._computed = self._elsewhere or thread_time
        self.computed: Callable[[], tuple[float, float]] | None = None
        """CPU seconds of the loop's thread and of the process while tasks ran, where the loop tells of them."""
        self._began = (perf_counter(), self._computed(), process_time(), run_delay())
        self._next_look = PATIENCE
        self._watcher: Watcher | None = None
        self._prepared = False
        self._known: Facts | None = None

    @property
    def patience(self) -> bool:
        """Whether too little was seen as yet to think of anything but the loop."""
        return self._seconds < PATIENCE

    def done(self) -> tuple[Phase | None, Phase | None]:
        """What the loop has done: its first task, where that is known apart, and the others."""
        spent = self._spent()
        part = min(1.0, self._first / spent.wall) if self._first else 0.0
        first = _phase(1, spent, part) if part else None
        rest = spent.seen - (first is not None)
        return first, _phase(rest, spent, 1.0 - part) if rest else None

    def consider(self) -> Plan | None:
        """The plan to move to, when it is time and the facts say so."""
        spent = self._tally().wall
        if not self._is_time(spent >= self._next_look) or self._seen == 0:
            return None
        facts = self.facts()
        if facts.left * facts.wall < WORTH:
            return None
        if facts.waiting < MOSTLY * facts.wall and not self._listened():
            self._get_ahead(facts)
            return None
        self._next_look = 2 * spent
        return self._better(facts)

    def at_once(self, known: Facts, peek: Callable[[], Sequence[Any]]) -> Plan | None:
        left = self._left(0)
        if not straight(known, left):
            return None
        self._known = unweighed(known)
        self._weigh_next(peek)
        plan = self._chosen(self.facts())
        if not self._candidates[plan.backend].in_caller or self._wanted_again():
            return self.plan
        self._known, self._prepared = None, True  # it measures afresh, and makes no workers ahead on a guess
        return None

    def _wanted_again(self) -> bool:
        """Whether workers that would pay if they were there are being made from now on: a function that is called again
        will be called once more, so that what their start costs is not this call's alone."""
        plan = self._chosen(self.facts(), there=True)
        if self._candidates[plan.backend].in_caller:
            return False
        return self._got_ready() and self._coming(plan.backend)

    def facts(self) -> Facts:
        """What is known now: of an earlier call, until this one has shown more."""
        now, known = self._seen_here(), self._known
        if known is None or now.tasks_seen >= known.tasks_seen:
            return now
        held = now.gil_held if known.gil_held is None else known.gil_held
        here = {"cpus": now.cpus, "in_worker": now.in_worker, "gil_held": held, **self._weights()}
        return known._replace(tasks_seen=now.tasks_seen, tasks_left=now.tasks_left, **here)

    def _seen_here(self) -> Facts:
        tally = self._tally()
        seen = max(tally.seen, 1)
        return self._base._replace(
            tasks_seen=tally.seen,
            tasks_left=self._left(tally.seen),
            wall=tally.wall / seen,
            cpu=min(tally.cpu, tally.wall) / seen,
            process_cpu=tally.process_cpu / seen,
            delayed=tally.delayed / seen,
            **self._heard(),
            **self._weights(),
        )

    def verdict(self, seen_as: Callable[[Facts], Facts] = lambda facts: facts) -> Plan:
        """The plan for what is left (or for the facts as `seen_as` has them), without running more."""
        return choose(self._weighed(seen_as(self.facts())), self.candidates_to_send_to(), self._wishes)

    def settled(self) -> bool:
        """Whether more running would tell more: asks for the GIL to be watched while it goes on."""
        facts = self.facts()
        return facts.waiting >= MOSTLY * facts.wall or self._listened()

    def close(self) -> None:
        super().close()
        if self._watcher is not None:
            self._watcher.stop()

    # ---------------------------------------------------------------------------------------------------- inside

    def _tally(self) -> Tally:
        return _without_a_special(self._spent(), self._first)

    def _spent(self) -> Tally:
        now = (perf_counter(), self._computed(), process_time(), run_delay())
        wall, cpu, process_cpu, delayed = (one - began for one, began in zip(now, self._began, strict=True))
        if self._seconds and not self._elsewhere:  # the rest is the engine's, between the tasks
            all_idle, wall = wall - cpu, self._seconds
            cpu, process_cpu = self.computed() if self.computed else (cpu, process_cpu)
            delayed *= min(1.0, max(0.0, wall - cpu) / max(all_idle, 1e-9))  # the engine, too, was kept from a CPU
        seen, base = self._base.tasks_seen, self._base
        return Tally(
            self._seen,
            wall + seen * base.wall,
            cpu + seen * base.cpu,
            process_cpu + seen * base.process_cpu,
            delayed + seen * base.delayed,
        )

    def _leave_out(self, before: Tally) -> None:
        """What has been spent since `before` is not the function's: begin that much later."""
        spent = [now - then for now, then in zip(self._tally()[1:], before[1:], strict=True)]
        wall, cpu, process_cpu, delayed = (began + more for began, more in zip(self._began, spent, strict=True))
        self._began = (wall, cpu, process_cpu, delayed)

    def _better(self, facts: Facts) -> Plan | None:
        """The plan by these facts, if it is anything but the loop."""
        plan = self._chosen(facts)
        return None if self._candidates[plan.backend].in_caller else self.unless_awaited(plan)

    def _chosen(self, facts: Facts, there: bool = False) -> Plan:
        plan = super()._chosen(facts, there)
        if self._known is not None and facts.wall == self._known.wall:
            plan = self.plan = plan._replace(reasons=(*plan.reasons, KNOWN))
        return plan

    def _weights(self) -> dict[str, Any]:
        """What has been weighed; of the result what is known, as long as there is none."""
        found, known = super()._weights(), self._known
        if known is None or not found:
            return found
        heavier = max(known.pickle_seconds, found["pickle_seconds"])
        return {**found, "result_bytes": known.result_bytes, "pickle_seconds": heavier}

    def _heard(self) -> dict[str, Any]:
        watcher = self._watcher
        return {"gil_held": watcher.held, "lateness": watcher.lateness} if watcher else {}

    def _listened(self) -> bool:
        if self._watcher is None:
            self._watcher = Watcher(fn=self._fn, computed=self._elsewhere)
        return self._watcher.held is not None or self._watcher.ended

    def _get_ahead(self, facts: Facts) -> None:
        left = facts.left * facts.wall
        if self._prepared or facts.cpus < 2 or left <= AHEAD:
            return
        if left > WORTH_IMPORTING * self._to_import():
            self._prepared = True
            self._got_ready()

    def _weighed(self, facts: Facts) -> Facts:
        if self._weight is None and self._sample is not None:
            before = self._tally()
            facts = self.weigh(facts)
            self._leave_out(before)
        return facts


def straight(known: Facts, left: int | None) -> bool:
    """Whether a function seen before, with so many tasks to do, is not to be tried in a loop first."""
    return left is not None and known.wall >= STRAIGHT and left * known.wall >= WORTHWHILE


def _phase(tasks: int, spent: Tally, share: float) -> Phase:
    """So many tasks of a loop, which took this share of what it has spent."""
    wall = share * spent.wall
    return Phase(tasks, wall, wall, share * spent.cpu, share * spent.delayed, True)


def _without_a_special(tally: Tally, first: float) -> Tally:
    """The tally, as if the first task had been like the others, where it took far longer."""
    rest, others = tally.seen - 1, tally.wall - first
    if not is_special(first, rest, others):
        return tally
    share = others / rest * tally.seen / tally.wall
    return Tally(tally.seen, *(spent * share for spent in tally[1:]))


def pilot_of_coroutines() -> Any:
    """The pilot of a run of coroutines; loads `asyncio`."""
    from alongside.runtime.pilot_async import CoroutinePilot

    return CoroutinePilot
