"""When threads only take turns with the GIL, and who is then held back."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from alongside.core.known import SATURATED, SPREAD
from alongside.workers import convoy
from alongside.workers.convoy import COMPUTES, FEWEST, HOLD, WINDOW, Convoy


class Threads(list[Any]):
    """Some that compute, and the time."""

    def __init__(self, count: int) -> None:
        self.now = self.used = 0.0
        super().__init__(SimpleNamespace(computed=lambda: self.used / count) for _ in range(count))

    def monotonic(self) -> float:
        return self.now

    def on(self, seconds: float, cpus: float) -> None:
        self.now += seconds
        self.used += cpus * seconds


@pytest.fixture
def threads(monkeypatch: pytest.MonkeyPatch) -> Threads:
    made = Threads(4)
    monkeypatch.setattr(convoy, "time", made)
    monkeypatch.setattr(convoy, "STEADY", True)
    return made


def thread(tasks: int, each: float) -> Any:
    """One that has done so many tasks since it was last asked."""
    return SimpleNamespace(since_last=lambda: (tasks, tasks * each))


@pytest.mark.parametrize(
    ("cpus", "full"),
    [(0.5, False), (SATURATED - 0.01, False), (SATURATED + 0.01, True), (1.1, True), (SPREAD, False), (3.0, False)],
)
def test_they_take_turns_where_one_cpu_is_busy_and_no_second(threads: Threads, cpus: float, full: bool) -> None:
    seen = Convoy()
    threads.on(2 * WINDOW, cpus)
    seen.look(threads)
    assert seen.full is full


def test_it_is_seen_over_a_while_only(threads: Threads) -> None:
    seen = Convoy()
    threads.on(WINDOW / 2, 1.0)
    seen.look(threads)
    assert not seen.full


def test_of_many_threads_it_is_seen_less_often(threads: Threads) -> None:
    seen = Convoy()
    many = Threads(1000)
    threads.on(2 * WINDOW, 1.0)
    seen.look(many)
    assert not seen.full, "their clocks alone would take a twentieth of that"


def test_without_a_gil_nobody_takes_turns(threads: Threads, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(convoy, "STEADY", False)
    seen = Convoy()
    threads.on(2 * WINDOW, 1.0)
    seen.look(threads)
    assert not seen.full


def test_only_who_computes_joins_them(threads: Threads) -> None:
    seen = Convoy()
    threads.on(2 * WINDOW, 1.0)
    seen.look(threads)
    assert seen.joined_by(thread(3, 2 * COMPUTES), 3)
    assert not seen.joined_by(thread(3, 2 * COMPUTES), FEWEST), "some go on"
    assert not seen.joined_by(thread(50, COMPUTES / 2), 3), "it asks servers, and waits"
    assert not seen.joined_by(thread(0, 0.0), 3), "it has been let in, or has just begun"
    threads.on(2 * WINDOW, 0.5)
    seen.look(threads)
    assert not seen.joined_by(thread(3, 2 * COMPUTES), 3), "there is time left"


def test_who_was_held_back_goes_on_when_there_is_time_left_and_one_by_one_in_any_case(threads: Threads) -> None:
    seen = Convoy()
    threads.on(2 * WINDOW, 1.0)
    seen.look(threads)
    assert seen.lets_in(FEWEST) == 0
    threads.on(HOLD, 1.0)
    seen.look(threads)
    assert seen.lets_in(FEWEST) == 1, "the others may be waiting, busily, for one that has not begun"
    assert seen.lets_in(FEWEST) == 0
    threads.on(2 * WINDOW, 0.5)
    seen.look(threads)
    assert seen.lets_in(0) == 1
    assert seen.lets_in(4) == 4, "twice as many as there are"


def test_while_it_is_paused_nobody_goes_on(threads: Threads) -> None:
    seen = Convoy()
    seen.paused = True
    assert seen.holds_back(0)
    assert seen.joined_by(thread(0, 0.0), 1)
    assert seen.lets_in(1) == 0
