"""What the pilots of a loop and of coroutines have in common: a sample to weigh, the plan made of it, its workers.

Owns how a plan is made of the facts, and what becomes of one whose workers have yet to come. Must never say when to
look (each pilot does), nor weigh facts by itself (core/choose.py).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from alongside.core.choose import Candidates, Facts, Plan, Wishes, choose
from alongside.runtime.known import recall

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from alongside.core.model import Delivery
    from alongside.runtime.probe import Weight

MEANWHILE = "until the workers are there, it goes on where it is."
"""The reason why a run is not where the plan would have it."""


class AnyPilot:
    """What the pilots of a loop and of coroutines have in common: what they are given, one sample that they can weigh,
    and the plan they have made of it.
    """

    def __init__(
        self,
        candidates: Callable[..., Candidates],
        wishes: Wishes,
        base: Facts,
        fn: Callable[..., Any],
        total: int | None,
        prepare: Callable[[tuple[Any, ...]], None] = lambda values: None,
        coming: Callable[[str], bool] = lambda name: False,
    ) -> None:
        self._look_up = candidates
        self._candidates = candidates()
        self._coming = coming
        self.awaited: list[str] = []
        """Backends whose workers were about to be there at the last look."""
        self._wishes = wishes
        self.initialized = False
        """Whether an initializer sets up workers: what they would not have otherwise they may have from there."""
        self._base = base
        self._fn = fn
        self.total = total
        self._prepare = prepare
        self._seen = base.tasks_seen
        self._seconds = self._first = 0.0
        """What the tasks seen have taken, and the first of them, where that came alone."""
        self._sample: tuple[Any, Any] | None = None
        self._weight: Weight | None = None
        self.plan: Plan | None = None
        self.weighed: Facts | None = None
        """The facts behind the plan."""
        self._begin()

    def _begin(self) -> None:
        """Set the clocks."""
        raise NotImplementedError

    def at_once(self, known: Facts, peek: Callable[[], Sequence[Any]]) -> Plan | None:
        """The plan to begin with, by what an earlier call has shown; None where it is best to begin where runs do, or
        where that soon tells more. `peek` gives an item that can be weighed."""
        raise NotImplementedError

    @property
    def few(self) -> int:
        """How many coroutines keep their loop busy while it waits for the workers of others; 0: it waits for none."""
        return 0

    @property
    def awaiting(self) -> bool:
        """Whether workers are about to be there that were not at the last look."""
        return any(map(self._coming, self.awaited))

    def _is_time(self, otherwise: bool) -> bool:
        """Whether to look: not while workers are awaited, and at once when they are there."""
        return not self.awaiting if self.awaited else otherwise

    def learned(self) -> Facts | None:
        """What the next run of the function may begin with, as far as this one stayed where it began."""
        return None if self.weighed is None else self.facts()

    def facts(self) -> Facts:
        """What is known now."""
        raise NotImplementedError

    def close(self) -> None:
        """Stop measuring, and let go of the run."""
        self._prepare = _nothing

    def see(self, delivery: Delivery) -> None:
        """Count what has come, and keep one item and its result to weigh."""
        from alongside.core.model import Block, size
        from alongside.workers.runner import spent

        tasks = size(delivery)
        seconds = spent(tasks, delivery.seconds)
        if self._seen == 0 and tasks == 1:
            self._first = seconds
        self._seen += tasks
        self._seconds += seconds
        if self._sample is None and isinstance(delivery, Block):
            self._sample = delivery.items[0], delivery.values[0]

    @property
    def sample(self) -> tuple[Any, Any] | None:
        """An item and its result."""
        return self._sample

    def _weigh_next(self, peek: Callable[[], Sequence[Any]]) -> None:
        """Have the next item weighed, of which there is no result yet."""
        items = peek()
        self._sample = (items[0], None) if items else None

    def weigh(self, facts: Facts) -> Facts:
        """The facts with what a task weighs, if there is one to weigh."""
        if self._weight is None and self._sample is not None:
            from alongside.runtime.leftbehind import left_behind
            from alongside.runtime.probe import Weight

            self._weight = Weight()
            self._weight.measure(self._fn, *self._sample)
            if not (self._weight.problem or self.initialized):
                self._weight.problem = left_behind(self._fn)
        return facts._replace(**self._weights())

    def _weighed(self, facts: Facts) -> Facts:
        """The facts for a choice of what is sent."""
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
        return None if self.total is None else max(0, self.total - seen)

    def unless_awaited(self, plan: Plan) -> Plan | None:
        """The plan, unless its workers have yet to come: then it is noted that all goes on as it is until then.

        To stand and wait for them would cost as much as they take, which nobody knows who does not know what they
        import. Those that nobody has asked for are asked for now.
        """
        in_loop, able = self._base.coroutine, self._candidates.items()
        home = next(name for name, caps in able if (caps.in_event_loop if in_loop else caps.in_caller))
        if self._candidates[plan.backend].needs_pickling and not self._got_ready():
            plan = self._chosen(self.facts())
            return None if plan.backend == home else plan
        self.awaited = [name for name in self._candidates if self._coming(name)]
        if plan.backend not in self.awaited:
            return plan
        self.plan = plan._replace(backend=home, max_workers=None, slots=1, reasons=(*plan.reasons, MEANWHILE))
        return None

    def _got_ready(self) -> bool:
        """Have workers made; False, and they are not thought of again, where that cannot be done."""
        try:
            self._prepare(self._sample or ())
        except Exception as error:
            from alongside.runtime.probe import Weight

            self._weight = self._weight or Weight()
            self._weight.problem = f"their workers could not be started ({type(error).__name__}: {error})"
            return False
        return True

    def _chosen(self, facts: Facts, there: bool = False) -> Plan:
        """The plan by these facts, which is noted; `there`: as if all workers had been started already.

        Only where a plan would have it sent is it weighed, and asked what workers will import: both only speak against
        that, of facts that say nothing of either. To weigh loads what pickles, which takes 10 ms where the function is
        the script's own.
        """
        self.awaited = []
        self._candidates = self._look_up(there)
        self.weighed, self.plan = facts, choose(facts, self._candidates, self._wishes)
        if self._candidates[self.plan.backend].needs_pickling:
            self.weighed = self._weighed(facts)
            self._candidates = self._look_up(there, self._to_import())
            self.plan = choose(self.weighed, self._candidates, self._wishes)
        return self.plan

    def _to_import(self) -> float:
        """Seconds that workers which are not there take to import, roughly; of a function that is run again, and so
        will be once more, that is not this call's alone."""
        if recall(self._fn) is not None:
            return 0.0
        from alongside.workers.preloads import modules_of, seconds_to_import

        return seconds_to_import(modules_of(self._fn, self._sample or ()))

    def candidates_to_send_to(self) -> Candidates:
        """The backends, with what workers that are not there would import."""
        return self._look_up(False, self._to_import())


def unweighed(known: Facts) -> Facts:
    """The facts of an earlier call, without what says whether its items could be sent: these are others."""
    return known._replace(item_bytes=None, unpicklable="")


def _nothing(values: tuple[Any, ...]) -> None:
    """What is prepared when it is all over."""
