"""The pilot of an automatic run: looks at the facts while a loop runs, and moves the run when something is better.

Owns when to look again. Must never measure by itself (probe.py) or weigh facts by itself (core/choose.py).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from time import perf_counter, process_time, thread_time

from alongside.clocks import run_delay
from alongside.core.choose import Candidates, Facts, Plan, Wishes, choose
from alongside.core.lanes import lanes
from alongside.core.model import Block, Delivery
from alongside.light import NamedTuple
from alongside.runtime.loop import AHEAD, LOOK_EVERY, Spent, Stopwatch
from alongside.runtime.probe import Weight
from alongside.runtime.watcher import Watcher

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

PATIENCE = 0.003
"""Seconds of work before anything but the loop is thought of."""

SURPRISE = 5
"""Times as long as it was made to last from which a stretch is a surprise."""

MOSTLY = 0.8
"""Share of its time that a task waits from which the GIL does not matter."""

WORTH = 0.005
"""Seconds of work that must be left for a look to be worth its cost."""

MEANWHILE = "until the workers are there, it goes on where it is."
"""The reason why a run is not where the plan would have it."""


class Tally(NamedTuple):
    """What a loop has spent so far, seconds in all: by the clock, of this thread, of all threads, and without a CPU."""

    seen: int
    wall: float
    cpu: float
    process_cpu: float
    delayed: float


class AnyPilot:
    """What the pilots of a loop and of coroutines have in common: what they are given, one sample that they can weigh,
    and the plan they have made of it.
    """

    def __init__(
        self,
        candidates: Callable[[], Candidates],
        wishes: Wishes,
        base: Facts,
        fn: Callable[..., Any],
        total: int | None,
        prepare: Callable[[], None] = lambda: None,
        coming: Callable[[str], bool] = lambda name: False,
    ) -> None:
        self._look_up = candidates
        self._candidates = candidates()
        self._coming = coming
        self.awaited: list[str] = []
        """Backends whose workers were about to be there at the last look."""
        self._wishes = wishes
        self._base = base
        self._fn = fn
        self._total = total
        self._prepare = prepare
        self._seen = base.tasks_seen
        self._sample: tuple[Any, Any] | None = None
        self._weight: Weight | None = None
        self.plan: Plan | None = None
        self.weighed: Facts | None = None
        """The facts behind the plan."""
        self._begin()

    def _begin(self) -> None:
        """Set the clocks."""
        raise NotImplementedError

    @property
    def awaiting(self) -> bool:
        """Whether workers are about to be there that were not at the last look."""
        return any(map(self._coming, self.awaited))

    def _is_time(self, otherwise: bool) -> bool:
        """Whether to look: not while workers are awaited, and at once when they are there."""
        return not self.awaiting if self.awaited else otherwise

    def see(self, delivery: Delivery) -> None:
        """Count what has come, and keep one item and its result to weigh."""
        self._seen += len(delivery) if isinstance(delivery, Block) else 1
        if self._sample is None and isinstance(delivery, Block):
            self._sample = delivery.items[0], delivery.values[0]

    def weigh(self, facts: Facts) -> Facts:
        """The facts with what a task weighs, if there is one to weigh."""
        if self._weight is None and self._sample is not None:
            self._weight = Weight()
            self._weight.measure(self._fn, *self._sample)
        return facts._replace(**self._weights())

    def _weighed(self, facts: Facts) -> Facts:
        """The facts for a choice."""
        return self.weigh(facts)

    def _weights(self) -> dict[str, Any]:
        weight = self._weight
        if weight is None:
            return {}
        return {
            "item_bytes": weight.item_bytes,
            "result_bytes": weight.result_bytes,
            "pickle_seconds": weight.seconds,
            "unpicklable": weight.problem,
        }

    def _left(self, seen: int) -> int | None:
        return None if self._total is None else max(0, self._total - seen)

    def _unless_awaited(self, plan: Plan) -> Plan | None:
        """The plan, unless its workers are about to be there: then it is noted that all goes on as it is until then.

        To stand and wait for them would cost as much as they take, which nobody knows who does not know what they
        import.
        """
        self.awaited = [name for name in self._candidates if self._coming(name)]
        if plan.backend not in self.awaited:
            return plan
        in_loop, able = self._base.coroutine, self._candidates.items()
        home = next(name for name, caps in able if (caps.in_event_loop if in_loop else caps.in_caller))
        self.plan = plan._replace(backend=home, max_workers=None, slots=1, reasons=(*plan.reasons, MEANWHILE))
        return None

    def _chosen(self, facts: Facts) -> Plan:
        """The plan by these facts, which is noted."""
        self.weighed = self._weighed(facts)
        self._candidates = self._look_up()
        self.plan = choose(self.weighed, self._candidates, self._wishes)
        return self.plan


class Pilot(AnyPilot):
    """Decides, while a plain loop goes on, whether to go on in it.

    It counts for itself what the loop spends (`see`), or reads it from a `Stopwatch` (`LoopPilot`).
    """

    def _begin(self) -> None:
        self._began = (perf_counter(), thread_time(), process_time(), run_delay())
        self._next_look = PATIENCE
        self._watcher: Watcher | None = None
        self._prepared = False

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

    def facts(self) -> Facts:
        """What is known now."""
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
        return choose(self._weighed(seen_as(self.facts())), self._candidates, self._wishes)

    def settled(self) -> bool:
        """Whether more running would tell more: asks for the GIL to be watched while it goes on."""
        facts = self.facts()
        return facts.waiting >= MOSTLY * facts.wall or self._listened()

    def close(self) -> None:
        """Stop measuring."""
        self._prepare = _nothing
        if self._watcher is not None:
            self._watcher.stop()

    # ---------------------------------------------------------------------------------------------------- inside

    def _tally(self) -> Tally:
        now = (perf_counter(), thread_time(), process_time(), run_delay())
        wall, cpu, process_cpu, delayed = (one - began for one, began in zip(now, self._began, strict=True))
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
        return None if self._candidates[plan.backend].in_caller else self._unless_awaited(plan)

    def _heard(self) -> dict[str, Any]:
        watcher = self._watcher
        return {"gil_held": watcher.held, "lateness": watcher.lateness} if watcher else {}

    def _listened(self) -> bool:
        if self._watcher is None:
            self._watcher = Watcher()
        return self._watcher.held is not None or self._watcher.ended

    def _get_ahead(self, facts: Facts) -> None:
        if not self._prepared and facts.left * facts.wall > AHEAD and facts.cpus > 1:
            self._prepared = True
            self._prepare()

    def _weighed(self, facts: Facts) -> Facts:
        if self._weight is None and self._sample is not None and facts.gil_held is not False:
            before = self._tally()
            facts = self.weigh(facts)
            self._leave_out(before)
        return facts


class LoopPilot(Pilot):
    """As `Pilot`, for the loop of a `Stopwatch`; may be asked from another thread while the loop is stuck in a task."""

    def __init__(
        self,
        candidates: Callable[[], Candidates],
        base: Facts,
        fn: Callable[..., Any],
        watch: Stopwatch,
        coming: Callable[[str], bool],
    ) -> None:
        super().__init__(candidates, Wishes(), base, fn, watch.source.total, coming=coming)
        self._watch = watch
        self._waits = False

    def look(self, watcher: Watcher | None, waits: bool) -> Plan | None:
        """The plan to move to, if the facts say so. `waits`: the loop was seen to wait, so that it did not want what
        the watcher computed meanwhile."""
        self._watcher, self._waits = watcher, waits
        self._sample = self._watch.sample or self._next_item()
        return self._better(self.facts())

    def _next_item(self) -> tuple[Any, Any] | None:
        """While the loop is stuck in its first task: an item that can be weighed, with no result yet."""
        items = self._watch.source.peek() if self._watch.relieved else []
        return (items[0], None) if items else None

    def _left(self, seen: int) -> int | None:
        return self._watch.source.left(seen)

    def _tally(self) -> Tally:
        watch = self._watch
        whole = Tally(watch.done, watch.wall, watch.cpu, watch.process_cpu, watch.delayed)
        tally = _by_the_newest(_without_the_first(whole, watch), self._newest(), watch.begun())
        watchers = self._watcher.used() if self._watcher else 0.0
        return _without(tally, watchers, 0.0 if self._waits else watchers)

    def _newest(self) -> Spent:
        """The stretch in hand, if there is one, or what of it came after a note was taken, if that is slower. The task
        in hand takes at least as long as it has taken."""
        watch, watcher, since = self._watch, self._watcher, self._watch.since
        if since is None or watcher is None:
            return watch.last
        now, cpu, process = perf_counter(), watcher.computed(), process_time()
        whole = Spent(watch.begun() - watch.done, now - since, cpu - watch.cpu_since, process - watch.process_since)
        noted, begun, then, cpu_then, process_then = watch.noted
        if noted != since or now - then < SURPRISE * LOOK_EVERY:
            return whole
        part = Spent(watch.begun() - begun + 1, now - then, cpu - cpu_then, process - process_then)
        return max(whole, part, key=lambda spent: spent.wall / max(spent.tasks, 1))

    def _leave_out(self, before: Tally) -> None:
        """A stopwatch does not run between two stretches."""


def _without_the_first(tally: Tally, watch: Stopwatch) -> Tally:
    """The tally, as if the first task had been like the others, where it was a special one."""
    tasks, wall = watch.usual()
    if watch.first is None or tasks == tally.seen:
        return tally
    share, first = tally.seen / tasks, watch.first
    cpu, process_cpu = tally.cpu - first.cpu, tally.process_cpu - first.process_cpu
    return Tally(tally.seen, wall * share, cpu * share, process_cpu * share, tally.delayed * wall / tally.wall)


def _without(tally: Tally, watchers: float, hindering: float) -> Tally:
    """The tally without the seconds that the watcher has computed. In so many of them a loop that computes may have had
    to wait for the GIL, which is no waiting of the tasks'."""
    idle = max(0.0, tally.wall - tally.cpu)
    process_cpu = max(tally.cpu, tally.process_cpu - watchers)
    return tally._replace(process_cpu=process_cpu, delayed=min(idle, tally.delayed + min(hindering, tally.cpu)))


def _by_the_newest(tally: Tally, newest: Spent, begun: int) -> Tally:
    """The tally, as if all that was begun had been like the newest stretch, where that tells of slower tasks.

    A stretch is made to last half a millisecond by what was seen before. One that lasts much longer has come to tasks
    of another kind, and those that follow are more likely to be of this kind than of the other.
    """
    tasks = newest.tasks
    if tasks < 1 or newest.wall < SURPRISE * LOOK_EVERY or newest.wall / tasks < tally.wall / max(tally.seen, 1):
        return tally
    share = begun / tasks
    part = newest.wall / max(tally.wall, newest.wall)
    delayed = max(0.0, min(part * tally.delayed, newest.wall - newest.cpu))
    return Tally(begun, newest.wall * share, newest.cpu * share, newest.process_cpu * share, delayed * share)


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
