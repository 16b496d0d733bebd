"""Who ended a worker that ran many tasks side by side: suspects are halved until the culprit is alone."""

from __future__ import annotations

import pytest

from alongside.core import events as ev
from alongside.core.coordinator import Coordinator
from alongside.core.lanes import lanes
from alongside.core.model import Batch, Block, Death, Failure, Part
from alongside.core.policy import Policy


class Crowd:
    """Two workers of many slots, of which the one that holds the culprit is lost whenever all it has has begun."""

    def __init__(self, tasks: int, culprits: set[int]) -> None:
        self.coordinator = Coordinator(Policy(stop_at_failure=False, total=tasks), ev.Crew(2, slots=tasks, name="w"))
        self.culprits = culprits
        self.held: dict[int, list[Batch]] = {}
        self.losses = 0
        self.runs = [0] * tasks
        self.failed: list[int] = []
        self.done = 0
        self.tell(ev.InputArrived(list(range(tasks))))
        self.tell(ev.InputEnded())

    def tell(self, event: ev.Event) -> None:
        for command in self.coordinator.handle(event, 0.0):
            match command:
                case ev.Hire(worker):
                    self.held[worker] = []
                case ev.Dispatch(worker, batch):
                    self.held[worker].append(batch)
                case ev.Deliver(deliveries):
                    for delivery in deliveries:
                        self.failed += [delivery.index] if isinstance(delivery, Failure) else []
                        self.done += len(delivery) if isinstance(delivery, Block) else 0
        self.coordinator.validate()

    def step(self) -> None:
        worker, batches = next((worker, batches) for worker, batches in self.held.items() if batches)
        for batch in batches:
            for item in batch.items:
                self.runs[item] += 1
        if any(item in self.culprits for batch in batches for item in batch.items):
            self.losses += 1
            del self.held[worker]
            self.tell(ev.Lost(worker, Death(signal=9), suspects=[batch.id for batch in batches]))
            return
        self.held[worker] = []
        for batch in batches:
            self.tell(ev.Finished(worker, batch.id, [Part(0, list(batch.items), 0.1)], (), 0.1))


@pytest.mark.parametrize("tasks", [1, 2, 3, 64, 100])
@pytest.mark.parametrize("count", [0, 1, 3])
def test_the_culprits_are_found_and_nobody_else_is_charged(tasks: int, count: int) -> None:
    culprits = {tasks * k // (count + 1) for k in range(1, count + 1)}
    crowd = Crowd(tasks, culprits)
    while not crowd.coordinator.finished:
        crowd.step()
    assert sorted(crowd.failed) == sorted(culprits)
    assert crowd.done == tasks - len(culprits)
    assert crowd.losses <= len(culprits) * (tasks.bit_length() + 1), "halved, not tried one by one"
    assert max(crowd.runs) <= crowd.losses + 1


def test_a_worker_is_hired_before_another_is_filled_and_the_last_tasks_are_shared() -> None:
    crowd = Crowd(40, set())
    held = [sum(len(batch.items) for batch in batches) for batches in crowd.held.values()]
    assert sum(held) == 40
    assert min(held) >= 15


def first_batch(crew: ev.Crew, tasks: int) -> int:
    """How many of so many tasks the first worker is sent."""
    coordinator = Coordinator(Policy(total=tasks), crew)
    commands = coordinator.handle(ev.InputArrived(range(tasks)), 0.0)
    return next(len(command.batch.items) for command in commands if isinstance(command, ev.Dispatch))


def test_shares() -> None:
    assert [first_batch(ev.Crew(1, slots=10), tasks) for tasks in (3, 20, 80)] == [3, 20, 50]
    assert [first_batch(ev.Crew(2, slots=10), tasks) for tasks in (1, 40, 1000)] == [1, 10, 20]
    assert [lanes(None, 2), lanes(1, 8), lanes(7, 2), lanes(100, 8)] == [(2, 100), (1, 1), (2, 3), (8, 12)]
