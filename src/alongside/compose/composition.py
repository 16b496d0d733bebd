"""One run, put together: coordinator, backend, driver, observers, and who looks out for a better backend.

Owns the making of a run, and its moves from one backend to another. Must never schedule, measure or execute anything
itself, nor know which public call the run is for (its neighbours do).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from alongside import backends
from alongside.compose import base_facts, candidates, coming, fitted, known_plan, let_go, wishes_of, would_begin_again
from alongside.core.beginning import first_plan
from alongside.core.choose import Plan
from alongside.core.coordinator import Coordinator
from alongside.core.events import Finish
from alongside.core.lanes import as_asked, with_loops
from alongside.core.lines import Call
from alongside.core.model import Delivery, Job
from alongside.core.options import Options
from alongside.core.policy import Policy, of_one, of_several
from alongside.core.ports import Backend, Observer
from alongside.exceptions import BackendUnavailable, OptionError
from alongside.light import NamedTuple
from alongside.observe.watchers import timeline_of, watchers
from alongside.runtime import calibration, machine
from alongside.runtime.callables import is_coroutine_function
from alongside.runtime.driver import Driver
from alongside.runtime.fitting import free_memory, room
from alongside.runtime.interrupts import shielded
from alongside.runtime.known import keep_of_loop, recall
from alongside.runtime.ledger import Ledger, Listener
from alongside.runtime.loop import name_task
from alongside.runtime.opening import MANY_AHEAD
from alongside.runtime.pilot import Pilot, pilot_of_coroutines
from alongside.runtime.review import Review, cpu_clock
from alongside.runtime.source import Source
from alongside.runtime.teaching import Teacher
from alongside.runtime.watcher import took_turns

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, TypeAlias

    from alongside.runtime.pushed import Pushed

Fn: TypeAlias = "Callable[..., Any]"
Deliver: TypeAlias = "Callable[[Sequence[Delivery]], None]"


class Manner(NamedTuple):
    """How the public call wants its run."""

    star: bool = False
    """Each item is a tuple of arguments."""
    ordered: bool = True
    eager: bool = True
    """All results are wanted, so that input is taken as fast as it can be done."""
    watched: bool = False
    """With a timeline."""
    endless: bool = False
    """An executor's: nobody learns or teaches from it."""
    call: Callable[[Any], Call] | None = None
    """What a task's function is called with, where that is not its item (`core.lines.Call`)."""
    thread_names: str = ""
    clock: Callable[[], float] = time.monotonic
    """What retries and timeouts go by."""


class Composition:
    """One run, put together and ready to be driven.

    `plan`: by which it runs now; `planned_at`: when that was made. `at_home`: it is where automatic runs begin, and the
    pilot may move it.

    `after`: the plan for what a plain loop has left after so many tasks were `done`. Perhaps not made in the caller's
    thread: its teacher says nothing until it has arrived there.
    """

    def __init__(
        self,
        fn: Fn,
        source: Source | Pushed,
        options: Options,
        deliver: Deliver,
        manner: Manner,
        after: Plan | None = None,
        done: int = 0,
    ) -> None:
        self.options = options
        self._manner, self._deliver = manner, deliver
        self.at_home, self._auto, self._beside = False, options.backend == "auto", after is not None
        given = options.initializer, options.initargs, options.timeout, machine.cpu_count()
        self._patient = manner.ordered and manner.eager and not manner.watched and not options.progress
        rest = options.tasks_per_worker, options.seed, manner.thread_names, room
        self.job = Job(fn, manner.star, is_coroutine_function(fn), *given, 1, *rest, patient=self._patient)
        self.pilot: Any
        plan, self.pilot = (after, None) if after else self._begin(source)
        self.plan, self.planned_at = fitted(plan), time.perf_counter()
        backend = backends.find(self.plan.backend)(self.plan.max_workers)
        self.job, crew = with_loops(self.job, backend.crew(), self.plan.slots, self.plan.grows_to)
        if self.pilot and self.pilot.few:
            crew = crew._replace(opening=0.0)
        total = None if source.total is None else source.total - done
        uncounted = manner.eager and total is None and not self.job.coroutine
        self._uncounted = source if uncounted and isinstance(source, Source) else None
        coordinator = Coordinator(self._policy(source, total), crew, _Jitter(), first_index=done)
        self.timeline = timeline_of(crew) if manner.watched else None
        observers = watchers(options.progress, source.total, done, crew, self.timeline)
        observers += self._second_thoughts(total, backend)
        observers += self._taught(backend)
        self.driver = Driver(
            coordinator, backend, self.job, source, self._received, observers, manner.clock, free_memory
        )

    def _policy(self, source: Source | Pushed, total: int | None) -> Policy:
        options, manner = self.options, self._manner
        return Policy.of(
            options,
            ordered=manner.ordered,
            eager=manner.eager,
            patient=self._patient,
            at_hand=manner.eager and source.at_hand,
            total=total,
            retry=options.retry._replace(asked_for=_asked_for),
            call=manner.call or (of_several if manner.star else of_one),
        )

    def _taught(self, backend: Backend) -> list[Observer]:
        """Who measures what the start of workers costs, and the teacher, where what they report may teach something."""
        self.teacher = Teacher(
            self.job.fn,
            seeded=self.options.seed is not None,
            beside=self._beside,
            star=self.job.star,
            asked=not self._auto,
            initialized=self.options.initializer is not None,
        )
        observers: list[Observer] = []
        if self._manner.endless:
            return observers
        if backend.capabilities.needs_pickling:
            observers.append(Listener(self.plan.backend, calibration.ready(backend)))
        if not (self.at_home or self._beside):
            self.teacher.begins(backend.capabilities, self.plan.max_workers)
        if self._auto or self.job.coroutine or self.teacher.counts:
            observers.append(self.teacher)
        return observers

    def consider(self) -> None:
        """Move the run to a better backend, if the pilot or, later, the review has found one."""
        self.teacher.speak()
        if self.driver.finish is not None:
            return
        if not self.at_home:
            self._look_again()
            return
        if self._uncounted is not None and not self.pilot.patience:
            self._count(self._uncounted)
        plan = self.pilot.consider()
        if self.pilot.plan is not None and self.pilot.plan is not self.plan:
            self.plan, self.planned_at = self.pilot.plan, time.perf_counter()
            if plan is None and not self.pilot.awaiting:
                let_go()
        if plan is not None:
            self.at_home = False
            self.pilot.close()
            if self.review is not None:
                self.review.begin(self.pilot)
            if self.ledger is not None:
                done = self.pilot.done()
                self.ledger.follows(lambda: done)
            self._move(plan)
        elif self.pilot.weighed is not None and not self.pilot.awaiting:
            self.teacher.stays(self.pilot.weighed)

    def _count(self, source: Source) -> None:
        """See how many items there are, where all of them are wanted and nobody knew."""
        self._uncounted = None
        if self.driver.pumped:
            return
        source.look_ahead(MANY_AHEAD)
        self.pilot.total = source.total
        if self.review is not None:
            self.review.total = source.total

    def _look_again(self) -> None:
        if self.review is not None:
            backend = self.driver.backend
            self.review.pause = getattr(backend, "pause", _nothing)
            plan = self.review.consider(self.plan, cpu_clock(backend))
            if plan is not None:
                if self.review.turns and not self._manner.endless:
                    took_turns(self.job.fn)
                self._move(plan)

    def _move(self, plan: Plan) -> None:
        self.plan, self.planned_at = fitted(plan), time.perf_counter()
        plan = self.plan
        let_go(plan.backend)
        backend = backends.find(plan.backend)(plan.max_workers)
        self.job, crew = with_loops(self.job, backend.crew(), plan.slots, plan.grows_to)
        if self.ledger is not None:
            self.ledger.enter(backend)
        self.driver.move(backend, crew, self.job, after=self.job.coroutine and self.options.max_workers is not None)
        self.teacher.begins(backend.capabilities, plan.max_workers)

    def drive(self) -> Finish:
        """Run to the end, in this thread or in a loop beside it. Every backend is closed when it returns or raises."""
        if self.driver.backend.capabilities.in_event_loop:
            from alongside.runtime.loops import run as run_loop

            run_loop(self.drive_async)
        else:
            self._drive()
        assert self.driver.finish is not None
        return self.driver.finish

    async def drive_async(self) -> Finish:
        """As `drive`, in the running event loop."""
        try:
            self.driver.open()
            self.consider()  # sets the pilot's clocks: coroutines may keep the loop to themselves from here on
            while self.driver.finish is None:
                await self.driver.step_async()
                self.consider()
            self._learn()
            return self.driver.finish
        finally:
            self.close()
            await self.driver.close_async()

    def conclude(self) -> None:
        """After the end: raise what ended the run, if something did; say what there is to learn from it."""
        _raise_if_failed(self.driver.finish)
        self.teacher.ended()

    def told_plan(self) -> Plan:
        """The plan as it can be told now: a run that is over before there was anything to decide was a plain loop."""
        undecided = self.at_home and self.pilot is not None and self.pilot.plan is None and not self.job.coroutine
        if undecided and self.driver.finish is not None:
            return self.plan._replace(
                reasons=("it was over before anything but a plain loop could have been worth it.",)
            )
        growth = self.driver.coordinator.growth
        return self.plan._replace(reasons=(*self.plan.reasons, growth.story)) if growth else self.plan

    def close(self) -> None:
        """Stop what only this run needed."""
        if self.pilot is not None:
            self.pilot.close()

    # ---------------------------------------------------------------------------------------------------- inside

    def _learn(self) -> None:
        """Remember what the run has shown of its function; while its workers are there."""
        if self.ledger is not None and self.review is not None and not self.at_home:
            self.ledger.conclude(self.job.fn, self.review.facts)
        elif self.pilot is not None and not self._manner.endless:
            facts = self.pilot.learned()
            if facts is not None:
                keep_of_loop(self.job.fn, facts)

    def _under_way(self) -> int:
        return getattr(self.driver.backend, "under_way", 0)

    def _begin(self, source: Source | Pushed) -> tuple[Plan, Any]:
        options = self.options
        if not self._auto:
            return self._as_asked(), None
        facts = base_facts(self.job.cpus)._replace(coroutine=self.job.coroutine)
        wishes = wishes_of(options)
        plan = first_plan(facts, candidates(), wishes)
        self.at_home = not wishes.memory_limit
        if not self.at_home:
            return plan, None
        kind = pilot_of_coroutines() if facts.coroutine else Pilot
        pilot: Any = kind(candidates, wishes, facts, self.job.fn, source.total, self._get_ahead, coming)
        pilot.initialized = options.initializer is not None
        if facts.coroutine:
            pilot.under_way = self._under_way
        if isinstance(source, Source) and not wishes.timeout:
            plan = self._known_plan(pilot, source) or plan
        if pilot.few and plan.grows_to:  # who has begun cannot go to those loops any more
            plan = plan._replace(max_workers=min(plan.max_workers or pilot.few, pilot.few))
        return plan, pilot

    def _known_plan(self, pilot: Pilot, source: Source) -> Plan | None:
        """The plan to begin with, where an earlier call has shown what the function takes."""
        known = recall(self.job.fn)
        plan = None if known is None else known_plan(pilot, known, source.peek)
        self.at_home = plan is None
        return plan

    def _second_thoughts(self, total: int | None, backend: Backend) -> list[Observer]:
        """Who looks whether it was right to leave the loop, and who remembers what is seen of the function."""
        self.review: Review | None = None
        self.ledger: Ledger | None = None
        if not self._auto or self.job.coroutine:
            return []
        if self.at_home and hasattr(backend, "computed"):
            self.pilot.computed = backend.computed
        self.review = Review(candidates(), wishes_of(self.options), base_facts(self.job.cpus), total)
        if self.pilot and not self.at_home:
            self.review.begin(self.pilot)
        if self._manner.endless:
            return [self.review]
        self.ledger = Ledger()
        self.ledger.enter(backend)
        return [self.review, self.ledger]

    def _get_ahead(self, values: tuple[Any, ...]) -> None:
        """Have the workers that may soon be wanted got ready while the loop goes on."""
        for name in backends.names():
            prepare = getattr(backends.ahead(name), "prepare", None)
            if prepare is not None:
                prepare(self.job.fn, self.job.cpus, values)

    def _as_asked(self) -> Plan:
        """The user's own choice; processes get a worker per CPU this process may use, not per CPU of the machine."""
        able = backends.capabilities(self.options.backend)
        if self.options.memory_limit is not None and not able.killable:
            raise OptionError(
                f"memory_limit needs workers that can be ended one by one, which {self.options.backend!r} has not: "
                "use backend='processes', or leave backend='auto'."
            )
        if able.needs_pickling and would_begin_again():
            return self._at_home_instead()
        workers, slots = as_asked(self.options.max_workers, self.job, able)
        alone = able.in_event_loop and not self.job.coroutine  # an ordinary function has so many threads there
        grows_to = able.grows_to if workers is None and not alone else 0
        return Plan(self.options.backend, workers, ("it was asked for.",), slots=slots, grows_to=grows_to)

    def _at_home_instead(self) -> Plan:
        """A plain loop for what a worker asks for while it imports a module; there is none for an executor's calls."""
        why = "a worker process asks for it while it imports a module, and its own workers might do so again"
        if self._manner.endless:
            raise BackendUnavailable(
                self.options.backend, reason=f"{why}; make that executor or pool in a function, not at a module's top"
            )
        return Plan("serial", None, (f"{why}.",))

    def _received(self, deliveries: Sequence[Delivery]) -> None:
        if self.pilot is not None and (self.at_home or self.job.coroutine):
            for delivery in deliveries:
                self.pilot.see(delivery)
        self._deliver(deliveries)

    def _drive(self) -> None:
        with shielded() as interrupts:
            try:
                self.driver.open()
                interrupts.wake = self.driver.wake
                while self.driver.finish is None:
                    interrupts.check()
                    self.driver.step()
                    self.consider()
                self._learn()
            finally:
                interrupts.wake = None
                with shielded():
                    self.close()
                    self.driver.close()


def _nothing(*_: object) -> None:
    """What a backend does that cannot be paused."""


def _raise_if_failed(finish: Finish | None) -> None:
    """Raise what ended the run, if something did, with a note that names the task."""
    if finish is None or finish.error is None:
        return
    if finish.failure is not None:
        name_task(finish.error, finish.failure.index, finish.failure.item, finish.failure.attempts)
    raise finish.error


def _asked_for(error: BaseException) -> float | None:
    """How long a server asked to be left alone; loaded when a task has failed."""
    from alongside.core.retry_after import asked_for

    return asked_for(error, time.time())


class _Jitter:
    """Randomness for the waits between attempts; `random` costs 5 ms to import, and most runs never retry."""

    def random(self) -> float:
        from random import random

        return random()
