"""Second thoughts about a run that has left the loop."""

from __future__ import annotations

from functools import cache
from types import SimpleNamespace

import pytest

from alongside.compose import candidates
from alongside.compose.composition import Composition, Manner
from alongside.core import events as ev
from alongside.core.choose import Facts, Plan, Wishes, choose
from alongside.core.model import Fault, Job, Part
from alongside.runtime import watcher
from alongside.runtime.review import FIRST_LOOK, SOON, Review

HERE = candidates()
COMPUTING = Facts(tasks_seen=5, wall=0.010, cpu=0.010, process_cpu=0.010, gil_held=True, cpus=4)
WAITING = COMPUTING._replace(cpu=0.0001, process_cpu=0.0001, gil_held=None)


class Going:
    """A run that goes on: so many tasks in so many seconds, in which the workers compute so much."""

    def __init__(self, facts: Facts, total: int | None = 1000, wishes: Wishes = Wishes()) -> None:
        self.now = self.cpu = 0.0
        self.review = Review(HERE, wishes, facts, total, clock=lambda: self.now)
        self.plan = choose(facts._replace(tasks_left=total), HERE)
        self.review.on_event(ev.Finished(1, 1, [Part(0, [None], 0.1)], seconds=0.1), 0.0)
        self.review.consider(self.plan, self.cpu_seconds)

    def cpu_seconds(self) -> float:
        return self.cpu

    def on(self, tasks: int, elapsed: float, each: float, cpu: float) -> Plan | None:
        self.now += elapsed
        self.cpu += cpu
        self.review.on_event(ev.Finished(1, 1, [Part(0, [None] * tasks, each)], seconds=tasks * each), self.now)
        return self.review.consider(self.plan, self.cpu_seconds)


def test_what_goes_as_predicted_stays() -> None:
    going = Going(COMPUTING)
    assert going.plan.backend == "processes"
    for _ in range(20):
        assert going.on(40, 0.1, 0.010, 0.4) is None


def test_where_the_wishes_leave_nothing_else_it_stays() -> None:
    going = Going(COMPUTING, wishes=Wishes(timeout=True))  # all CPUs are busy, and a loop cannot keep a timeout
    assert going.on(40, 0.1, 0.010, 0.4) is None
    cannot = "its items cannot be sent."
    going = Going(WAITING, wishes=Wishes(timeout=True))
    going.review.facts = going.review.facts._replace(unpicklable=cannot, item_bytes=1)
    assert going.on(70, 0.7, 0.3, 0.7) is None


def test_tasks_that_turn_to_waiting_go_to_threads() -> None:
    going = Going(COMPUTING)
    better = going.on(20, 0.2, 0.040, 0.002)
    assert better is not None
    assert better.backend == "threads"
    assert "it was on processes, where the rest would have taken about" in better.reasons[-1]


def test_tasks_that_turn_to_computing_with_the_gil_go_to_processes() -> None:
    going = Going(WAITING)
    assert going.plan.backend == "threads"
    better = going.on(70, 0.7, 0.3, 0.7)
    assert better is not None
    assert better.backend == "processes"


def test_threads_that_turn_out_to_take_turns_come_home_to_what_the_loop_took() -> None:
    going = Going(COMPUTING._replace(gil_held=False, pickle_seconds=1.0, item_bytes=1))
    assert going.plan.backend == "threads"
    better = going.on(80, 1.0, 0.05, 1.1)  # 14 ms of CPU and 12.5 ms of time each, where the loop took 10
    assert better is not None
    assert better.backend == "serial"
    assert going.review.turns
    assert going.review.facts.gil_held


def test_while_threads_that_take_turns_are_thought_about_they_begin_nothing() -> None:
    """To load and start what is to come took a second beside 32 of them."""
    going, paused = Going(WAITING), list[bool]()
    going.review.pause = paused.append
    assert going.on(70, 0.7, 0.3, 0.02) is None
    assert going.on(70, 0.7, 0.3, 0.7) is not None
    assert paused == [False, False, True], "and what is not begun goes along"


def test_they_go_on_where_nothing_is_better() -> None:
    going, paused = Going(WAITING, total=100), list[bool]()
    going.review.pause = paused.append
    assert going.on(99, 0.7, 0.3, 0.7) is None
    assert paused == [True, False]


def test_what_is_computed_while_it_asks_is_not_of_the_time_before() -> None:
    """Beside threads that compute, asking took a second; a GIL that was held seemed to be let go."""
    going = Going(WAITING)
    asked = going.cpu_seconds

    def slowly() -> float:
        going.now, going.cpu = going.now + 0.6, going.cpu + 0.6
        return asked()

    going.cpu_seconds = slowly  # type: ignore[method-assign]
    better = going.on(70, 0.5, 0.3, 0.5)
    assert better is not None
    assert better.backend == "processes"


def test_threads_are_looked_at_when_as_many_are_done_as_can_compute_at_once() -> None:
    going = Going(WAITING)
    assert going.plan.max_workers == 32
    assert going.on(2 * WAITING.cpus, 0.7, 0.3, 0.7) is not None


def test_who_comes_home_is_told_what_could_not_be_used_and_why() -> None:
    going = Going(COMPUTING._replace(gil_held=False, unpicklable="it reads settings.scale.", item_bytes=1))
    better = going.on(80, 1.0, 0.05, 1.1)
    assert better is not None
    assert "processes cannot be used: it reads settings.scale." in better.reasons


def test_threads_that_compute_are_looked_at_soon_and_others_later() -> None:
    brief = COMPUTING._replace(wall=0.003, cpu=0.003, process_cpu=0.003)
    going = Going(brief._replace(gil_held=False, pickle_seconds=1.0, item_bytes=1))
    assert going.on(8, SOON + 0.001, 0.015, SOON) is not None
    for facts in (COMPUTING, WAITING):
        going = Going(facts._replace(pickle_seconds=1.0) if facts is WAITING else facts)
        going.review.better = lambda *_: pytest.fail("looked at too soon")  # type: ignore[method-assign]
        assert going.on(70, FIRST_LOOK - 0.001, 0.3, 0.01) is None


def test_a_function_whose_threads_took_turns_is_not_listened_to_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watcher, "_took_turns", {})
    going, moved = Composition.__new__(Composition), list[Plan]()
    home = Plan("serial")
    going.job = Job(nothing)
    going._manner = Manner()
    going.plan = Plan("threads")
    going.driver = SimpleNamespace(backend=None)  # type: ignore[assignment]
    going._move = moved.append  # type: ignore[method-assign, assignment]
    for turns, held in [(False, None), (True, True)]:
        going.review = SimpleNamespace(turns=turns, consider=lambda *_: home)  # type: ignore[assignment]
        going._look_again()
        beside = watcher.Watcher(fn=nothing)
        beside.stop()
        assert beside.held is held
        assert not beside.samples
    assert moved == [home, home]


def test_that_threads_took_turns_is_remembered_for_some_runs_and_of_functions_that_can_be_told_apart(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(watcher, "_took_turns", {})
    watcher.took_turns(cache(sorted))  # has no code by which it could be known again
    assert not watcher._took_turns
    watcher.took_turns(nothing)
    seen = [watcher.Watcher(fn=nothing) for _ in range(watcher.RUNS + 1)]
    for one in seen:
        one.stop()
    assert [one._turns for one in seen] == [True] * watcher.RUNS + [False]


def nothing(item: object) -> None:
    """A function."""


def test_tasks_that_have_become_longer_are_not_taken_to_be_what_they_were_in_the_loop() -> None:
    going = Going(COMPUTING._replace(gil_held=False, pickle_seconds=1.0, item_bytes=1))
    assert going.on(30, 1.0, 0.05, 1.1) is None


def test_tasks_that_compute_on_all_cpus_in_threads_stay_there() -> None:
    going = Going(COMPUTING._replace(gil_held=False))
    assert going.plan.backend == "threads"
    assert going.on(80, 0.2, 0.01, 0.8) is None


def test_a_busy_machine_is_not_taken_for_waiting() -> None:
    going = Going(COMPUTING)
    assert going.on(10, 0.4, 0.1, 1.6) is None  # ready to run all the time, though with half a CPU


def test_tasks_that_cost_more_to_send_than_to_run_come_home_or_nearly() -> None:
    for may, backend in ((True, "serial"), (False, "threads")):
        going = Going(COMPUTING)
        going.review.may_come_home = may
        better = going.on(20, 0.4, 0.0005, 0.01)
        assert (better and better.backend) == backend


def test_it_does_not_look_too_soon_nor_without_tasks_nor_without_a_clock() -> None:
    going = Going(COMPUTING)
    assert going.on(20, FIRST_LOOK / 2, 0.04, 0.0) is None
    assert Going(COMPUTING).on(0, 1.0, 0.0, 0.0) is None
    assert going.review.consider(going.plan, None) is None


def test_failures_count_as_tasks_and_an_unknown_length_is_no_harm() -> None:
    going = Going(COMPUTING, total=None)
    going.review.on_event(ev.Finished(1, 1, [], [Fault(0, ValueError(), 0.04)] * 20, 0.8), 0.0)
    going.now += 0.2
    better = going.review.consider(going.plan, going.cpu_seconds)
    assert better is None or better.backend in HERE


def test_a_few_tasks_left_are_not_moved_again() -> None:
    going = Going(COMPUTING, total=21)
    assert going.on(20, 0.2, 0.040, 0.002) is None


@pytest.mark.parametrize("name", list(HERE))
def test_candidates_have_what_they_cost_here(name: str) -> None:
    assert HERE[name].start_seconds >= 0.0


def test_what_has_to_be_sent_is_weighed_before_it_is_thought_of() -> None:
    heavy = WAITING._replace(tasks_left=1000)
    going = Going(heavy)
    going.review._weigh = lambda facts: facts._replace(item_bytes=1 << 23, pickle_seconds=0.05)
    assert going.on(70, 0.7, 0.3, 0.7) is None
