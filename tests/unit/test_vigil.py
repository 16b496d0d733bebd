"""How the two ends of a call sent alone wait for each other: asleep, or looking, whichever has been faster."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count

import pytest

from alongside.workers import vigil
from alongside.workers.page import FIELDS, KEEN
from alongside.workers.vigil import AGED, LATE, PATIENCE, SOON, TRIPS, Vigil, look

ASLEEP, LOOKED = 100_000, 40_000


class Trips:
    """Calls sent alone, one after another; `takes` says how many nanoseconds one lasts, by how it is waited for."""

    def __init__(self, takes: Callable[[bool], int]) -> None:
        self.now = 1
        self.takes = takes
        self.page = [0] * FIELDS
        self.vigil = Vigil(lambda: self.now)

    def timing(self) -> bool:
        """As many trips as are timed together; how they were waited for."""
        keen = self.vigil.keen
        for _ in range(TRIPS):
            self.vigil.begin(self.page)
            self.now += self.takes(keen)
            self.vigil.end()
        return keen

    def timings(self, many: int) -> list[bool]:
        return [self.timing() for _ in range(many)]


def test_looks_where_that_is_faster_and_times_the_other_way_now_and_then() -> None:
    trips = Trips(lambda keen: LOOKED if keen else ASLEEP)
    assert trips.timings(2 + AGED) == [False] + AGED * [True] + [False]
    assert trips.timing()


def test_sleeps_where_looking_is_slower_and_tries_it_ever_less_often() -> None:
    trips = Trips(lambda keen: 2 * ASLEEP if keen else ASLEEP)
    assert trips.timings(1 + PATIENCE + SOON) == [False] + PATIENCE * [True] + SOON * [False]
    assert trips.timings(PATIENCE + 2 * SOON) == PATIENCE * [True] + 2 * SOON * [False]
    for _ in range(20):
        trips.timings(LATE)
    tried = sum(trips.timings(2 * (LATE + PATIENCE)))
    assert tried == 2 * PATIENCE


def test_sleeps_where_looking_gains_too_little_for_the_cpu_it_takes() -> None:
    trips = Trips(lambda keen: ASLEEP - ASLEEP // 20 if keen else ASLEEP)
    assert sum(trips.timings(1 + PATIENCE + SOON)) == PATIENCE


def test_goes_back_to_sleep_when_the_cpus_are_wanted() -> None:
    trips = Trips(lambda keen: LOOKED if keen else ASLEEP)
    trips.timings(10)
    trips.takes = lambda keen: 5 * ASLEEP if keen else ASLEEP
    assert trips.timings(PATIENCE + 1) == PATIENCE * [True] + [False]


def test_one_trip_that_is_held_up_does_not_end_the_looking() -> None:
    held_up: Iterator[int] = count()
    trips = Trips(lambda keen: 10**9 if keen and next(held_up) == 3 * TRIPS else (LOOKED if keen else ASLEEP))
    assert sum(trips.timings(10)) == 9


def test_a_call_that_was_joined_by_another_is_not_timed() -> None:
    trips = Trips(lambda keen: ASLEEP)
    for _ in range(3 * TRIPS):
        trips.vigil.begin(trips.page)
        assert trips.vigil.on
        trips.vigil.break_off()
        assert not trips.vigil.on
    assert not trips.vigil.keen


def test_the_worker_is_told_how_to_wait_for_the_next() -> None:
    trips = Trips(lambda keen: LOOKED if keen else ASLEEP)
    trips.timing()
    assert not trips.page[KEEN]
    trips.timing()
    assert trips.page[KEEN]


def test_looks_until_something_is_said_or_time_is_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vigil, "monotonic_ns", lambda: 0)
    said = iter(["", "", "here"])
    assert look(lambda _: next(said)) == "here"
    monkeypatch.setattr(vigil, "monotonic_ns", count(step=vigil.LOOKING // 4).__next__)
    asked: list[int] = []
    assert not look(asked.append)
    assert 1 < len(asked) < 10
