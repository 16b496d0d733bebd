"""The pilots: what they do while workers that were made ahead are not there yet."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from alongside import compose
from alongside.backends.serial import SerialBackend
from alongside.compose import candidates
from alongside.core.choose import Facts, Plan, Wishes
from alongside.core.model import Batch, Block, Job
from alongside.runtime import probe
from alongside.runtime.loop import Spent, Stopwatch
from alongside.runtime.pilot import Pilot, Tally
from alongside.runtime.pilot_any import MEANWHILE
from alongside.runtime.pilot_async import CoroutinePilot, Mark
from alongside.runtime.pilot_loop import LoopPilot, _by_the_newest, _without_the_first
from alongside.runtime.source import Source
from alongside.workers import ahead
from alongside.workers.supervisor import supervisor

FACTS = Facts(tasks_seen=5, tasks_left=1000, wall=0.01, cpu=0.01, process_cpu=0.01, gil_held=True, cpus=2)


class Weighed(Pilot):
    """A pilot that has the facts it is given."""

    given = FACTS

    def better(self) -> Plan | None:
        return self._better(self.given)

    def _weighed(self, facts: Facts) -> Facts:
        return facts


def test_the_loop_goes_on_while_workers_come_to_be_and_the_plan_says_so() -> None:
    coming = {"processes"}
    pilot = Weighed(candidates, Wishes(), FACTS, abs, 1005, coming=lambda name: name in coming)
    assert pilot.better() is None
    assert pilot.awaiting
    assert pilot.plan is not None
    assert pilot.plan.backend == "serial"
    assert pilot.plan.reasons[-1] == MEANWHILE
    coming.clear()
    assert pilot.awaited
    assert not pilot.awaiting
    plan = pilot.better()
    assert plan is not None
    assert plan.backend == "processes"
    assert not pilot.awaited


def test_workers_nobody_has_asked_for_are_asked_for_and_the_loop_goes_on_meanwhile() -> None:
    asked: list[bool] = []
    start, coming = lambda values: asked.append(True), lambda name: bool(asked) and name == "processes"
    pilot = Weighed(candidates, Wishes(), FACTS, abs, 1005, start, coming)
    assert pilot.better() is None
    assert asked
    assert pilot.awaiting


def test_what_does_not_need_them_does_not_wait_for_them() -> None:
    asked: list[bool] = []
    start, coming = lambda values: asked.append(True), lambda name: name == "processes"
    pilot = Weighed(candidates, Wishes(), FACTS, abs, 1005, start, coming)
    pilot.given = FACTS._replace(gil_held=False)
    plan = pilot.better()
    assert plan is not None
    assert plan.backend == "threads"
    assert not asked


def test_coroutines_stay_in_their_loop_meanwhile() -> None:
    async def main() -> Plan | None:
        pilot = Kept(candidates, Wishes(), Facts(coroutine=True, cpus=2), abs, 1005, coming=lambda name: True)
        try:
            while pilot.consider() is None and not pilot.awaiting:
                pilot._next_look, pilot._seen = 0.0, 5
            return pilot.plan
        finally:
            pilot.close()

    class Kept(CoroutinePilot):
        def facts(self, since: Mark | None = None) -> Facts:
            return FACTS._replace(coroutine=True, kept=0.01)

        def _weighed(self, facts: Facts) -> Facts:
            return facts

    plan = asyncio.run(main())
    assert plan is not None
    assert (plan.backend, plan.reasons[-1]) == ("asyncio", MEANWHILE)


def test_a_tally_that_was_read_before_the_loop_had_done_anything() -> None:
    """The loop goes on while it is read from beside it: by the time of the second look it may have done much."""
    watch = Stopwatch(abs, Source((range(100),)))
    before = Tally(watch.done, watch.wall, watch.cpu, watch.process_cpu, watch.delayed)
    watch.first, watch.done, watch.wall = Spent(1, 1.0, 1.0, 1.0), 50, 1.1
    assert _without_the_first(before, watch) == before


@pytest.fixture
def no_workers() -> Iterator[None]:
    supervisor.close()
    yield
    supervisor.close()


@pytest.mark.usefixtures("no_workers")
def test_workers_made_ahead_are_coming_until_the_first_is_up() -> None:
    assert not supervisor.coming
    supervisor.prepare((), 2)
    if not supervisor.segments:
        assert (supervisor.up, supervisor.coming) == (0, False)  # none is made where that takes long
        return
    while supervisor.coming:
        pass
    assert supervisor.up >= 1
    worker = supervisor.borrow()
    supervisor.give_back(worker)
    assert supervisor.up >= 1


@pytest.mark.usefixtures("no_workers")
def test_what_was_prepared_and_is_not_wanted_ends_unless_it_is_there() -> None:
    supervisor.prepare((), 2)
    if not supervisor.segments:
        return  # nothing is prepared there
    helper = supervisor._nursery._helper._pid
    supervisor.let_go()
    with pytest.raises(ProcessLookupError):
        os.kill(helper, 0)
    assert not supervisor.coming
    supervisor.prepare((), 1)
    while not supervisor.up:
        pass
    supervisor.let_go()
    assert supervisor.up


@pytest.mark.usefixtures("no_workers")
def test_threads_that_are_chosen_let_go_of_processes_that_are_not_there_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    let_go: list[str] = []
    monkeypatch.setattr(ahead, "let_go", lambda: let_go.append("processes"))
    compose.let_go("processes")
    assert not let_go
    compose.let_go("threads")
    compose.let_go()
    assert let_go == ["processes", "processes"]


@pytest.mark.usefixtures("no_workers")
def test_nobody_waits_for_workers_whose_helper_has_gone() -> None:
    supervisor.prepare((), 2)
    if supervisor.segments:
        supervisor._nursery.close()
    assert not supervisor.coming


@pytest.mark.parametrize(
    ("tasks", "wall", "each"),
    [(1, 0.0069, 0.006), (1, 0.010, 0.010), (500, 0.010, 0.006)],
    ids=["alike", "slow", "fast"],
)
def test_a_stretch_tells_of_other_tasks_only_where_it_is_much_slower(tasks: int, wall: float, each: float) -> None:
    ten = Tally(10, 0.060, 0.060, 0.060, 0.0)
    told = _by_the_newest(ten, Spent(tasks, wall, wall, wall), begun=10 + tasks)
    assert told.wall / told.seen == pytest.approx(each)


def seen(pilot: Pilot, tasks: int, each: float) -> None:
    pilot.see(Block(0, range(tasks), [None] * tasks, each, "serial-1"))


def test_a_pilot_goes_by_what_the_tasks_took_not_by_what_the_engine_did_between_them() -> None:
    pilot = Pilot(candidates, Wishes(), Facts(cpus=2), abs, 1000)
    pilot._began = tuple(then - 1.0 for then in pilot._began)  # type: ignore[assignment]  # a second of set-up
    seen(pilot, 100, 20e-6)
    facts = pilot.facts()
    assert facts.wall == pytest.approx(20e-6)
    assert facts.cpu <= facts.wall


def test_where_others_had_the_cpus_what_tasks_computed_is_not_taken_for_waiting() -> None:
    pilot = Pilot(candidates, Wishes(), Facts(cpus=2), abs, 1000)
    wall, cpu, process_cpu, delayed = pilot._began
    pilot._began = wall - 0.1, cpu - 0.05, process_cpu - 0.05, delayed - 0.05  # half of it without a CPU
    pilot.computed = lambda: (0.010, 0.010)
    seen(pilot, 10, 0.002)
    facts = pilot.facts()
    assert facts.wall == pytest.approx(0.002)
    assert facts.waiting < 0.2 * facts.wall
    assert facts.cpu == pytest.approx(0.001, rel=0.2)


def test_what_the_engine_waited_for_between_tasks_is_no_waiting_of_theirs() -> None:
    pilot = Pilot(candidates, Wishes(), Facts(cpus=2), abs, 1000)
    wall, cpu, process_cpu, delayed = pilot._began
    pilot._began = wall - 0.1, cpu - 0.02, process_cpu - 0.02, delayed  # it waited for the GIL, or for a file
    pilot.computed = lambda: (0.02, 0.02)
    seen(pilot, 10, 0.002)
    assert pilot.facts().waiting == pytest.approx(0.0, abs=1e-4)


def test_a_plain_loop_tells_what_its_tasks_computed() -> None:
    backend = SerialBackend()
    backend.open(Job(compute_and_wait))
    backend.dispatch(1, Batch(1, 0, [0.02, 0.02]))
    backend.wait(0)
    computed, of_process = backend.computed()
    assert (computed, of_process) == pytest.approx((0.04, 0.04), rel=0.5)  # of 0.08 s
    backend.close()


def compute_and_wait(seconds: float) -> None:
    time.sleep(seconds)
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        pass


def test_a_first_task_that_took_far_longer_says_nothing_of_the_others() -> None:
    pilot = Pilot(candidates, Wishes(), Facts(cpus=2), abs, 3001)
    seen(pilot, 1, 0.060)
    assert pilot.facts().wall == pytest.approx(0.060)
    seen(pilot, 4, 5e-6)
    assert pilot.facts().wall > 0.010, "they are few"
    seen(pilot, 340, 5e-6)
    assert pilot.facts().wall == pytest.approx(5e-6)
    first, rest = pilot.done()
    assert first is not None and rest is not None
    assert (first.tasks, rest.tasks) == (1, 344)
    assert (first.seconds, rest.seconds) == pytest.approx((0.060, 344 * 5e-6))


def test_what_the_loop_of_a_map_has_done_is_told_with_its_first_task_apart() -> None:
    watch = Stopwatch(abs, Source((range(100),)))
    pilot = LoopPilot(candidates, Facts(cpus=2), abs, watch, lambda values: None, lambda name: False)
    assert pilot.done() == (None, None)
    into: list[int] = []
    watch.stretch(into)
    assert pilot.done()[1] is None
    watch.stretch(into)
    first, rest = pilot.done()
    assert first is not None and rest is not None
    assert (first.tasks, rest.tasks) == (1, watch.done - 1)
    assert first.seconds + rest.seconds == pytest.approx(watch.wall)


def test_with_a_timeout_the_tasks_compute_in_another_thread_than_the_pilots() -> None:
    pilot = Pilot(candidates, Wishes(timeout=True), Facts(cpus=2), abs, 100)
    done = threading.Event()

    def compute() -> None:
        end = time.thread_time() + 0.05
        while time.thread_time() < end:
            pass
        done.set()

    threading.Thread(target=compute).start()
    done.wait()
    pilot._seen = 10
    assert pilot.facts().cpu >= 0.005 * 0.9
    assert not pilot.settled()  # it listens to what computes, not to who waits
    assert pilot._watcher is not None
    assert pilot._watcher.computed() >= 0.05
    pilot.close()


def test_what_pickling_nothing_takes_is_not_charged_to_each_item(monkeypatch: pytest.MonkeyPatch) -> None:
    """Many items are sent in one pickle. A loop over files stayed one for what their names seemed to take to send."""
    clock = [0.0]
    takes = {None: 5e-6, "name": 5.5e-6, "result": 5.25e-6, 1: 5e-6, 2: 4e-6}

    def size_of(value: Any) -> int:
        clock[0] += takes.get(value, 0.0) if not callable(value) else 1.0
        return 10

    monkeypatch.setattr(probe, "_size_of", size_of)
    monkeypatch.setattr("alongside.runtime.probe.time.perf_counter", lambda: clock[0])
    weight = probe.Weight()
    weight.measure(abs, "name", "result")
    assert weight.seconds == pytest.approx(2 * 0.75e-6 + 20 / probe.BANDWIDTH)
    weight.measure(abs, 1, 2)
    assert weight.seconds == pytest.approx(2 * probe.ATOM + 20 / probe.BANDWIDTH)
