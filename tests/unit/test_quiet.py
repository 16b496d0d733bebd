"""When workers may go unheard: while nobody waits for a result, and each has more to do than until the next look."""

from __future__ import annotations

from threading import Thread
from typing import Any

import pytest

from alongside.core import events as ev
from alongside.core.coordinator import Coordinator
from alongside.core.model import Part
from alongside.core.policy import AT_HAND, Policy
from alongside.workers.bell import Bell

EACH = 0.001
QUIET = 0.010
CREW = ev.Crew(2, depth=2, target_seconds=0.008, recalls=True, quiet=QUIET)


class Pair:
    """Two workers, each with a batch of 8 ms in hand and another ahead, at the time `now`; `weighs`: bytes a task."""

    def __init__(self, crew: ev.Crew = CREW, weighs: int = 10, patient: bool = True, **policy: Any) -> None:
        self.coordinator = Coordinator(Policy(total=100_000, patient=patient, **policy), crew)
        self.sent: list[ev.Dispatch] = []
        self.weighs = weighs
        self.now = 0.0
        self.tell(ev.Tick(), ev.InputArrived(range(100_000)))
        while len(self.sent) < 4 or any(len(sent.batch.items) < 8 for sent in self.sent):
            self.done(0)

    def tell(self, *events: ev.Event) -> None:
        for event in events:
            self.sent += [c for c in self.coordinator.handle(event, self.now) if isinstance(c, ev.Dispatch)]
            self.coordinator.validate()

    def done(self, place: int) -> ev.Dispatch:
        """The batch at this place of those sent comes back, and took as long as it should."""
        worker, batch = sent = self.sent.pop(place)
        count = len(batch.items)
        parts = [Part(0, list(batch.items), EACH)]
        self.tell(ev.Finished(worker, batch.id, parts, (), EACH * count, self.weighs * count))
        return sent

    def quiet(self) -> float:
        return self.coordinator.quiet(self.now)


def test_two_workers_go_unheard_until_half_of_what_waits_with_them_is_done() -> None:
    pair = Pair(CREW._replace(quiet=1.0))
    assert pair.quiet() == pytest.approx(0.012)
    pair.now = 0.005
    assert pair.quiet() == pytest.approx(0.007)


def test_never_for_longer_than_what_they_send_may_lie_unread() -> None:
    assert Pair().quiet() == pytest.approx(QUIET)


def test_whoever_waits_for_single_results_hears_of_them_at_once() -> None:
    assert Pair(patient=False).quiet() == 0.0


def test_a_crew_that_does_not_say_so_is_always_heard() -> None:
    assert Pair(CREW._replace(quiet=0.0)).quiet() == 0.0


def test_a_worker_that_may_soon_have_nothing_to_do_is_heard() -> None:
    pair = Pair()
    pair.now = 0.012
    assert pair.quiet() == 0.0


def test_who_may_have_lost_what_waits_with_it_is_heard() -> None:
    pair = Pair()
    pair.tell(ev.Moved(CREW._replace(name="other")))
    assert pair.quiet() == 0.0, "what the old crew has not begun is asked back"


def test_what_would_not_find_room_on_its_way_is_read_at_once() -> None:
    assert Pair(weighs=10_000).quiet() == 0.0


def test_after_a_time_of_quiet_a_batch_began_when_the_one_before_it_ended() -> None:
    pair = Pair(CREW._replace(quiet=1.0))
    first = min(sent.worker for sent in pair.sent)
    assert pair.quiet() == pytest.approx(0.012)
    pair.now = 0.012
    for worker in (first, first + 1):
        pair.done(next(place for place, sent in enumerate(pair.sent) if sent.worker == worker))
    assert pair.quiet() == pytest.approx(0.008), "4 ms of the second batch are done, half of the third has to wait"


def test_what_comes_while_they_are_heard_has_just_happened() -> None:
    pair = Pair(CREW._replace(quiet=1.0))
    pair.now = 0.012
    assert pair.quiet() == 0.0
    for worker in {sent.worker for sent in pair.sent}:
        pair.done(next(place for place, sent in enumerate(pair.sent) if sent.worker == worker))
    assert pair.quiet() == pytest.approx(0.012)


def test_a_bell_that_rings_ends_the_wait_for_it() -> None:
    bell = Bell()
    waiting = Thread(target=bell.wait, args=(600.0,))
    waiting.start()
    bell.ring()
    waiting.join()
    bell.close()


@pytest.mark.parametrize(("at_hand", "pulled"), [(True, AT_HAND), (False, 5)])
def test_items_that_are_there_already_are_taken_many_at_a_time(at_hand: bool, pulled: int) -> None:
    coordinator = Coordinator(Policy(total=100_000, at_hand=at_hand), CREW)
    assert coordinator.handle(ev.Tick(), 0.0) == [ev.Pull(pulled)]
