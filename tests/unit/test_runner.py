"""The loop around the user's function: what it has not begun can be taken from it, and each task is run once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from alongside.workers.runner import MOST, Runner

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
