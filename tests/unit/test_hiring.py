"""When one more worker is hired: for work that is there and that it could help with."""

from __future__ import annotations

import pytest

from alongside.core import events as ev
from alongside.core.coordinator import Coordinator
from alongside.core.model import Part
from alongside.core.policy import HIRE_AGAIN, HIRE_MORE, SILENCE, Policy

TASKS = 1_000_000


class Crowd:
    """A run of many tasks with up to 32 workers on two CPUs, and the batches that were sent."""

    def __init__(self, max_workers: int = 32, cpus: int = 2, reserved: int = 0) -> None:
        crew = ev.Crew(max_workers, depth=2, cpus=cpus, recalls=True)
        self.coordinator = Coordinator(Policy(total=TASKS), crew)
        self.batches: list[ev.Dispatch] = []
        self.hired = 0
        self.tell(ev.Tick(), 0.0)
        self.tell(ev.Reserved(reserved), 0.0)
        self.tell(ev.InputArrived(range(TASKS)), 0.0)

    def tell(self, event: ev.Event, now: float) -> None:
        for command in self.coordinator.handle(event, now):
            self.hired += isinstance(command, ev.Hire)
            if isinstance(command, ev.Dispatch):
                self.batches.append(command)
        self.coordinator.validate()

    def answer(self, each: float, now: float) -> None:
        """The oldest batch comes back; each of its tasks took so long."""
        worker, batch = self.batches.pop(0)
        values = list(batch.items)
        self.tell(ev.Finished(worker, batch.id, [Part(0, values, each)], (), each * len(values)), now)

    def wait(self) -> float:
        """Nothing happens until the coordinator wants to look again."""
        now = self.coordinator.wakeup()
        assert now is not None
        self.tell(ev.Tick(), now)
        return now


def test_first_one_for_each_cpu_then_twice_as_many_each_time_while_all_are_busy() -> None:
    crowd = Crowd()
    assert crowd.hired == 2
    for turn in range(1, 5):
        assert crowd.wait() == pytest.approx(turn * HIRE_MORE)
        assert crowd.hired == 2 * 2**turn


def test_a_worker_for_each_cpu_comes_sooner_than_more_than_that() -> None:
    crowd = Crowd(max_workers=64, cpus=16)
    assert [crowd.wait() for _ in range(2)] == pytest.approx([HIRE_AGAIN, 2 * HIRE_AGAIN])
    assert crowd.hired == 16
    assert crowd.wait() == pytest.approx(2 * HIRE_AGAIN + HIRE_MORE)
    assert crowd.hired == 32


def test_what_happens_meanwhile_does_not_hurry_it() -> None:
    crowd = Crowd()
    crowd.tell(ev.Tick(), HIRE_MORE / 2)
    assert crowd.hired == 2


def test_many_cpus_do_not_have_all_of_their_workers_at_once() -> None:
    crowd = Crowd(max_workers=64, cpus=64)
    assert crowd.hired == 4


def test_tasks_too_brief_to_wait_for_anything_get_no_more_workers_than_cpus() -> None:
    crowd = Crowd()
    for turn in range(20):
        crowd.answer(1e-7, now=turn * 0.001)
    assert crowd.hired == 2
    assert not crowd.coordinator.hungry, "what is pushed now may wait for company"


def test_brief_tasks_are_shared_out_among_those_who_are_there() -> None:
    """Not among all who might be: batches would be smaller for nothing."""
    sizes = []
    for max_workers in (2, 32):
        crowd = Crowd(max_workers)
        for turn in range(20):
            crowd.answer(1e-7, now=turn * 0.001)
        sizes.append([len(one.batch.items) for one in crowd.batches])
    assert sizes[0] == sizes[1]


def test_where_brief_tasks_are_followed_by_long_ones_more_come_all_the_same() -> None:
    crowd = Crowd()
    for turn in range(6):
        crowd.answer(1e-7, now=turn * 0.001)
    last = 5 * 0.001
    assert crowd.wait() == pytest.approx(last + SILENCE)
    assert crowd.hired == 4
    crowd.wait()
    assert crowd.hired == 8


def test_tasks_that_may_be_waiting_get_all_workers() -> None:
    crowd = Crowd()
    for turn in range(40):
        crowd.answer(0.001, now=turn * 0.001)
    assert crowd.hired == 32


def test_where_nobody_counted_the_cpus_only_the_pace_is_kept() -> None:
    crowd = Crowd(cpus=0)
    assert crowd.hired == 4
    for turn in range(40):
        crowd.answer(1e-6, now=turn * 0.001)
    assert crowd.hired == 32


@pytest.mark.parametrize(("cpus", "reserved", "hired"), [(2, 1, 1), (1, 1, 1), (4, 1, 3)])
def test_while_the_caller_computes_beside_them_one_fewer_is_hired(cpus: int, reserved: int, hired: int) -> None:
    crowd = Crowd(max_workers=cpus, cpus=cpus, reserved=reserved)
    assert crowd.hired == hired
    crowd.tell(ev.Reserved(0), 0.1)
    assert crowd.hired == cpus, "now it computes no more"
