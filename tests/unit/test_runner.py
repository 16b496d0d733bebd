"""The loop around the user's function: what it has not begun can be taken from it, and each task is run once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from alongside.workers import runner as runners
from alongside.workers.child import Worker
from alongside.workers.runner import AT_LEISURE, HAND_OVER, MOST, Runner

BRIEF = range(100, 100 + 3 * MOST)
"""So many that they are taken some hundreds at a time, since they are brief."""


def ran(items: Sequence[Any], fn: Callable[[Runner, Any], Any]) -> tuple[list[int], list[int]]:
    """The offsets of the tasks that returned, and of those that raised."""
    returned: list[int] = []
    raised: list[int] = []

    def emit(batch: int, stretches: list[Any], broken: list[Any], seconds: float) -> None:
        for offset, values, _ in stretches:
            returned.extend(range(offset, offset + len(values)))
        raised.extend(offset for offset, _, _ in broken)

    runner = Runner(lambda item: fn(runner, item), emit, [0, 0, 0])
    runner.run(1, 0, items)
    return returned, raised


@pytest.mark.parametrize("items", [BRIEF, list(BRIEF)], ids=["a range", "a list"])
@pytest.mark.parametrize("fails", [False, True], ids=["returns", "raises"])
def test_what_was_not_begun_can_be_had_back_from_the_midst_of_a_batch(items: Sequence[int], fails: bool) -> None:
    shed: list[tuple[int, int, int]] = []

    def give_up(runner: Runner, item: int) -> int:
        if item == items[MOST]:
            shed.append(runner.shed())
            if fails:
                raise LookupError(item)
        return item

    returned, raised = ran(items, give_up)
    assert shed == [(1, MOST + 1, len(items))]
    assert (returned, raised) == (list(range(MOST + 1 - fails)), [MOST] * fails)


def test_the_tasks_behind_those_that_raise_are_run_once() -> None:
    def fail(runner: Runner, item: int) -> int:
        if item % 100 == 7:
            raise LookupError(item)
        return item

    returned, raised = ran(BRIEF, fail)
    assert sorted(returned + raised) == list(range(len(BRIEF)))
    assert [BRIEF[offset] for offset in raised] == [item for item in BRIEF if item % 100 == 7]


def test_a_second_taking_back_finds_nothing() -> None:
    shed: list[tuple[int, int, int]] = []

    def give_up(runner: Runner, item: int) -> None:
        if item == BRIEF[10]:
            shed.extend([runner.shed(), runner.shed()])

    ran(BRIEF, give_up)
    assert shed == [(1, 11, len(BRIEF)), (1, 11, 11)]


class Hours:
    """A clock of the runner's that goes only while tasks run, or when it is told to."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 0
        self.emitted: list[tuple[list[Any], float]] = []
        monkeypatch.setattr(runners, "monotonic_ns", lambda: self.now)

    def work(self, nanoseconds: int) -> int:
        self.now += nanoseconds
        return nanoseconds

    def emit(self, batch: int, stretches: list[Any], broken: list[Any], seconds: float) -> None:
        self.emitted.append((stretches, seconds))

    def stretches(self, *batches: list[int]) -> list[list[int]]:
        """How many tasks each stretch of these batches has; items are what the tasks take."""
        runner = Runner(self.work, self.emit, [0, 0, 0])
        found = []
        for number, items in enumerate(batches, 1):
            runner.run(number, 0, items)
            found.append([len(values) for stretches, _ in self.emitted for _, values, _ in stretches])
            self.emitted.clear()
        return found


@pytest.fixture
def hours(monkeypatch: pytest.MonkeyPatch) -> Hours:
    return Hours(monkeypatch)


def test_tasks_that_take_about_as_long_as_those_that_are_timed_are_not_sent_in_pieces(hours: Hours) -> None:
    """Each piece is a message, and 0.15 ms of the parent's time: there were three of them in each batch."""
    about = ([18_000] * 20 + [23_000] * 20) * 3
    known, again = hours.stretches(about, about)
    assert len(known) <= 2
    assert again == [len(about)]


def test_the_first_task_of_a_batch_may_be_a_slow_one(hours: Hours) -> None:
    brief = [12_000] * 100
    _, again = hours.stretches(brief, [55000, *brief])
    assert again == [101]


def test_a_stretch_is_not_charged_with_the_one_before_it(hours: Hours) -> None:
    runner = Runner(hours.work, hours.emit, [0, 0, 0])
    runner.run(1, 0, [1_000_000] + [1_000] * 100)
    ((stretches, seconds),) = hours.emitted
    ((first, values, took),) = stretches
    assert (first, len(values)) == (0, 101), "what was timed and what was not goes in one message"
    assert took == pytest.approx([1e-3] + [1e-6] * 100)
    assert sum(took) == pytest.approx(seconds)


def test_what_a_failed_task_parts_is_sent_apart(hours: Hours) -> None:
    runner = Runner(lambda item: hours.work(1000 // item), hours.emit, [0, 0, 0])
    runner.run(1, 0, [1, 1, 0, 1])
    ((stretches, _),) = hours.emitted
    assert [(first, len(values)) for first, values, _ in stretches] == [(0, 2), (3, 1)]


def test_results_that_are_sent_apart_tell_what_each_part_took() -> None:
    """The whole went to the first one: a task seemed to take as long as its batch, and the next ones were tiny."""
    told: list[tuple[int, float]] = []
    worker: Any = Worker.__new__(Worker)
    worker._forsaken, worker._thread = False, 0
    worker._voice = type("Mute", (), {"send": lambda self, everything: None})()
    worker._send_values = lambda batch, offset, values, took, seconds: told.append((offset, seconds))
    worker._send_fault = lambda batch, offset, error, took, seconds: told.append((offset, seconds))
    worker._return_leases = lambda: None
    worker.emit(1, [(0, ["a"], [0.001]), (1, ["b"] * 50, 0.0001)], [(51, ValueError(), 0.004)], 0.011)
    assert [offset for offset, _ in told] == [0, 1, 51]
    assert [seconds for _, seconds in told] == pytest.approx([0.0011, 0.0055, 0.0044])


@pytest.mark.parametrize(("leisure", "looked"), [(HAND_OVER, [0, 1, 2]), (AT_LEISURE, [0, 0, 1])])
def test_brief_tasks_are_handed_over_by_the_loop_and_a_long_one_by_who_looks_at_it(
    hours: Hours, leisure: int, looked: list[int]
) -> None:
    runner = Runner(lambda item: item(), hours.emit, [0, 0, 0], hand_over=leisure)
    seen = []

    def look(after: int) -> Callable[[], None]:
        def task() -> None:
            hours.now += after
            runner.flush_amid()
            seen.append(len(hours.emitted))

        return task

    brief = lambda: hours.work(10_000)  # noqa: E731
    runner.run(1, 0, [brief] * 40 + [look(20_000)] + [brief] * 1_000 + [look(900_000), look(leisure // 2)])
    assert seen == looked  # the loop by itself once it is time, and whoever looks half of that into the last
    assert [sum(len(values) for _, values, _ in stretches) for stretches, _ in hours.emitted][-1] == 1
