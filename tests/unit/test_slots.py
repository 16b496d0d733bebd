"""The slots of an event loop, without a run around them."""

from __future__ import annotations

import asyncio

import pytest

from alongside.core.model import Job
from alongside.workers.inloop import InLoop
from alongside.workers.slots import Slots


async def later(x: int) -> int:
    await asyncio.sleep(0)
    return x


@pytest.mark.parametrize("limit", [1, 2])
@pytest.mark.parametrize("steps", range(8))
def test_what_comes_at_any_step_of_a_slot_that_runs_dry_is_run(limit: int, steps: int) -> None:
    async def main() -> list[int]:
        slots = Slots(Job(later, coroutine=True), limit)
        slots.put(1, 0, [10])
        for _ in range(steps):
            await asyncio.sleep(0)
        slots.put(2, 0, [20])
        found: list[int] = []
        async with asyncio.timeout(20):
            while len(found) < 2:
                await slots.sleep(None)
                found += [value for done in slots.finished(1) for part in done.parts for value in part.values]
        await slots.close()
        return found

    assert asyncio.run(main()) == [10, 20]


class Waiters:
    """Coroutines that wait until they are let go on, and how many of them have been begun."""

    def __init__(self) -> None:
        self.begun: list[int] = []
        self.go_on = asyncio.Event()

    async def wait(self, x: int) -> int:
        self.begun.append(x)
        await self.go_on.wait()
        return x


class Computer:
    """A coroutine that does not await and seems to compute for long. `seen`: what it was called with, or the name given
    for each call.
    """

    def __init__(self, name: str | None = None) -> None:
        self.slots: Slots
        self.seen: list[object] = []
        self._name = name

    async def compute(self, x: int) -> int:
        self.seen.append(x if self._name is None else self._name)
        self.slots._turn = 0.0  # as if it had computed for long
        return x


async def settled(slots: Slots) -> list[int]:
    """What has come when nothing is left."""
    found: list[int] = []
    async with asyncio.timeout(20):
        while slots.busy:
            await slots.sleep(None)
            found += [
                part.offset + place for d in slots.finished(1) for part in d.parts for place in range(len(part.values))
            ]
    return found


def test_slots_are_begun_a_few_at_a_time_and_it_is_told_when_all_are() -> None:
    async def main() -> None:
        waiters = Waiters()
        told: list[tuple[int, float]] = []
        slots = Slots(Job(waiters.wait, coroutine=True), 20, begun=lambda *what: told.append(what))
        slots.put(1, 0, range(50))
        steps = []
        while not told:
            steps.append(len(waiters.begun))
            await asyncio.sleep(0)
        assert steps[:3] == [0, 1, 3], "one, then two more, and so on"
        assert (len(waiters.begun), told[0][0]) == (20, 20)
        assert told[0][1] > 0.0
        waiters.go_on.set()
        assert sorted(await settled(slots)) == list(range(50))
        assert len(told) == 1, "once for each limit"
        await slots.close()

    asyncio.run(main())


def test_what_does_not_await_is_begun_by_one_slot_and_the_rest_can_be_had_back() -> None:
    computer = Computer()
    seen = computer.seen

    async def main() -> None:
        told: list[int] = []
        slots = computer.slots = Slots(Job(computer.compute, coroutine=True), 20, begun=lambda *what: told.append(1))
        slots.put(1, 0, range(40))
        while not seen:
            await asyncio.sleep(0)
        slots.recall()
        found = await settled(slots)
        assert seen == found
        assert len(seen) < 4
        assert list(slots.returned()) == [(1, len(seen), 40)]
        assert not slots.returned(), "it is told once"
        assert not told
        await slots.close()

    asyncio.run(main())


def test_whoever_waits_for_outcomes_comes_before_the_next_task_that_computes() -> None:
    computer = Computer("task")
    seen = computer.seen

    async def main() -> None:
        slots = computer.slots = Slots(Job(computer.compute, coroutine=True), 20)
        slots.put(1, 0, range(4))
        while slots.busy:
            await slots.sleep(None)
            seen.extend("fetched" for _ in slots.finished(1))
        await slots.close()

    asyncio.run(main())
    assert seen == ["task", "fetched"] * 4


def test_what_is_under_way_is_not_given_back() -> None:
    async def main() -> None:
        waiters = Waiters()
        slots = Slots(Job(waiters.wait, coroutine=True), 4)
        slots.put(1, 0, range(3))
        slots.put(2, 5, range(5))
        while len(waiters.begun) < 4:
            await asyncio.sleep(0)
        slots.recall()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert list(slots.returned()) == [(2, 6, 10)]
        waiters.go_on.set()
        assert sorted(await settled(slots)) == [0, 1, 2, 5]
        await slots.close()

    asyncio.run(main())


def test_outcomes_are_handed_over_in_neighbouring_stretches_whatever_the_order() -> None:
    batch = InLoop(7, 10, range(6))
    for offset, _ in batch.pairs:
        if offset == 13:
            batch.fail(offset, ValueError("three"), 0.5)
    for offset in (15, 10, 11, 14):
        batch.values.append(f"value {offset}")
        batch.offsets.append(offset)
        batch.seconds.append(offset / 10)
    done = batch.fetched(1)
    assert [(part.offset, part.values, part.seconds) for part in done.parts] == [
        (10, ["value 10", "value 11"], [1.0, 1.1]),
        (14, ["value 14", "value 15"], [1.4, 1.5]),
    ]
    assert [fault.offset for fault in done.faults] == [13]
    assert done.seconds == pytest.approx(5.5)
    assert batch.fetched(1).parts == []


def test_the_loop_gets_a_turn_though_no_coroutine_awaits() -> None:
    computer = Computer("task")
    seen = computer.seen

    async def main() -> None:
        slots = computer.slots = Slots(Job(computer.compute, coroutine=True), 1)
        slots.put(1, 0, range(3))
        while slots.busy:
            await asyncio.sleep(0)
            seen.append("turn")
            slots.finished(1)
        await slots.close()

    asyncio.run(main())
    assert seen[:5] == ["task", "turn", "task", "turn", "task"]
