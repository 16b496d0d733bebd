"""When workers are left alone: while nobody waits for a result, and each has a batch behind the one at hand."""

from __future__ import annotations

from collections.abc import Sequence
from threading import Thread
from types import SimpleNamespace
from typing import Any

import pytest

from alongside.core import events as ev
from alongside.core.coordinator import Coordinator
from alongside.core.model import Part
from alongside.core.policy import AT_HAND, Policy
from alongside.workers import rest
from alongside.workers.bell import Bell
from alongside.workers.rest import LASTING, LITTLE, LONGEST, LOOK, Rest
from alongside.workers.runner import BATCH


class Hours:
    """A clock that only a wait for the bell moves, and a bell that may be rung during the n-th wait."""

    def __init__(self, rung_in: int = 0) -> None:
        self.now, self.waits, self.rung_in = 100.0, 0, rung_in

    def wait(self, seconds: float) -> bool:
        assert 0 < seconds <= LOOK
        self.now += seconds
        self.waits += 1
        return self.waits == self.rung_in


@pytest.fixture
def hours(monkeypatch: pytest.MonkeyPatch) -> Hours:
    hours = Hours()
    monkeypatch.setattr(rest, "monotonic", lambda: hours.now)
    return hours


def rested(nbytes: int = 100, seconds: float = LASTING, allowed: bool = True) -> Rest:
    """One that has heard of results of so many bytes, which took so long."""
    begun = Rest()
    begun.allowed = allowed
    begun.heard(nbytes, seconds)
    return begun


def worker(at: int, *batches: int, congested: bool = False) -> tuple[Any, Sequence[int]]:
    """One that is busy with the batch `at`, and was given these."""
    page = [0] * 8
    page[BATCH] = at
    return SimpleNamespace(page=page, channel=SimpleNamespace(congested=congested)), batches


MORE = worker(3, 3, 5)


def test_workers_with_a_batch_ahead_are_left_alone_for_a_while(hours: Hours) -> None:
    assert rested().take(0.2, hours, [MORE, worker(2, 4, 6)]) == pytest.approx(0.2 - LONGEST)  # type: ignore[arg-type]


def test_never_for_longer_than_whoever_drives_the_run_can_wait(hours: Hours) -> None:
    assert rested().take(0.02, hours, [MORE]) == pytest.approx(0.0)  # type: ignore[arg-type]
    assert hours.now == pytest.approx(100.02)


def test_until_one_has_begun_the_last_of_its_batches(hours: Hours) -> None:
    other = worker(4, 4, 6)
    wait = hours.wait

    def goes_on(seconds: float) -> bool:
        if hours.waits == 2:
            other[0].page[BATCH] = 6
        return wait(seconds)

    hours.wait = goes_on  # type: ignore[method-assign]
    rested().take(1.0, hours, [MORE, other])  # type: ignore[arg-type]
    assert hours.waits == 3, "seen at the next look"


@pytest.mark.parametrize(
    "crew",
    [
        [],
        [MORE, worker(3, 3)],
        [MORE, worker(2)],
        [MORE, worker(5, 3, 5)],
        [MORE, worker(3, 3, 5, congested=True)],
    ],
)
def test_not_where_one_may_soon_have_nothing_to_do(crew: Any, hours: Hours) -> None:
    assert rested().take(1.0, hours, crew) == 1.0  # type: ignore[arg-type]
    assert hours.waits == 0


def test_a_bell_that_rings_ends_it(hours: Hours) -> None:
    hours.rung_in = 2
    rested().take(1.0, hours, [MORE])  # type: ignore[arg-type]
    assert hours.waits == 2


@pytest.mark.parametrize("resting", [Rest(), rested(LITTLE + 1), rested(seconds=0.0001), rested(allowed=False)])
def test_only_where_results_are_small_and_do_not_come_soon_and_nobody_waits_for_them(resting: Rest) -> None:
    assert not resting.may


def test_whoever_was_asked_for_something_is_heard_until_the_next_result() -> None:
    resting = rested()
    assert resting.may
    resting.break_off()
    assert not resting.may
    resting.heard(10, 1.0)
    assert resting.may


def test_a_bell_that_rings_ends_the_wait_for_it() -> None:
    bell = Bell()
    waiting = Thread(target=bell.wait, args=(600.0,))
    waiting.start()
    bell.ring()
    waiting.join()
    assert bell.wait(0.0)
    bell.hear()
    assert not bell.wait(0.0)
    bell.close()


def sizes(patient: bool) -> int:
    """Tasks in the largest of the first batches, where each task takes a millisecond."""
    crew = ev.Crew(1, depth=1, target_seconds=0.008, patient_seconds=0.025)
    coordinator = Coordinator(Policy(total=1000, patient=patient), crew)
    coordinator.handle(ev.Tick(), 0.0)
    sent = [c for c in coordinator.handle(ev.InputArrived(range(1000)), 0.0) if isinstance(c, ev.Dispatch)]
    largest = 0
    for _ in range(8):
        worker, batch = sent.pop()
        count = len(batch.items)
        largest = max(largest, count)
        event = ev.Finished(worker, batch.id, [Part(0, list(batch.items), 0.001)], (), 0.001 * count)
        sent += [c for c in coordinator.handle(event, 0.0) if isinstance(c, ev.Dispatch)]
    return largest


def test_where_nobody_looks_at_a_result_before_all_are_there_batches_last_longer() -> None:
    assert (sizes(patient=False), sizes(patient=True)) == (8, 25)


@pytest.mark.parametrize(("at_hand", "pulled"), [(True, AT_HAND), (False, 5)])
def test_items_that_are_there_already_are_taken_many_at_a_time(at_hand: bool, pulled: int) -> None:
    crew = ev.Crew(2, depth=2, target_seconds=0.008, recalls=True)
    coordinator = Coordinator(Policy(total=100_000, at_hand=at_hand), crew)
    assert coordinator.handle(ev.Tick(), 0.0) == [ev.Pull(pulled)]
