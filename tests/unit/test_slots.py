"""The slots of an event loop, without a run around them."""

from __future__ import annotations

import asyncio

import pytest

from alongside.core.model import Job
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


def test_the_loop_gets_a_turn_though_no_coroutine_awaits() -> None:
    made: list[Slots] = []
    seen: list[str] = []

    async def compute(x: int) -> int:
        seen.append("task")
        made[0]._turn = 0.0  # as if it had computed for long
        return x

    async def main() -> None:
        made.append(slots := Slots(Job(compute, coroutine=True), 1))
        slots.put(1, 0, range(3))
        while slots.busy:
            await asyncio.sleep(0)
            seen.append("turn")
            slots.finished(1)
        await slots.close()

    asyncio.run(main())
    assert seen[:5] == ["task", "turn", "task", "turn", "task"]
