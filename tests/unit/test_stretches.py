"""Stretches that are pushed into a service: parted with piece by piece, and each piece knows its place."""

from __future__ import annotations

import pickle
from typing import Any

import pytest

from alongside.core.model import Block
from alongside.runtime.pushed import Pushed, Stretch
from alongside.workers.calls import Calls


class Whoever:
    """Somebody who is owed a stretch."""

    def __init__(self) -> None:
        self.told: list[tuple[int, list[Any]]] = []

    def take(self, offset: int, values: list[Any]) -> None:
        self.told.append((offset, values))

    def fail(self, offset: int, error: BaseException) -> None:
        raise error

    def abandon(self, error: BaseException) -> None:
        raise error

    def forsake(self, error: BaseException) -> None:
        raise error


def test_a_stretch_is_parted_with_in_order_and_each_part_knows_its_place() -> None:
    owed, source = Whoever(), Pushed()
    source.waiting.append(Stretch(owed, 100, Calls(abs, list(range(10)))))
    taken = [list(source.take(wanted)[0].items) for wanted in (3, 1, 100)]  # type: ignore[attr-defined]
    assert taken == [[0, 1, 2], [3], [4, 5, 6, 7, 8, 9]]
    assert not source.waiting
    for start in (4, 3, 0):
        values = list(range(start, {4: 10, 3: 4, 0: 3}[start]))
        source.settle(Block(start, (), values, 0.0, ""))
    assert owed.told == [(104, [4, 5, 6, 7, 8, 9]), (103, [3]), (100, [0, 1, 2])]
    assert not source.busy


def test_stretches_of_a_range_are_taken_together_as_a_range() -> None:
    owed, source = Whoever(), Pushed()
    source.waiting += [Stretch(owed, 0, Calls(abs, range(3))), Stretch(owed, 3, Calls(abs, range(3, 8)))]
    assert source.take(5)[0].items == range(5)  # type: ignore[attr-defined]
    assert source.take(5)[0].items == range(5, 8)  # type: ignore[attr-defined]


@pytest.mark.parametrize("star", [False, True])
def test_calls_are_cut_and_joined_without_touching_their_items(star: bool) -> None:
    whole = Calls(divmod, [(n, 3) for n in range(10)], star)
    first, second = whole[2:5], whole[5:][:3]
    assert list(first) == list(whole)[2:5]
    assert (first[1], first[-1], len(second)) == (whole[3], whole[4], 3)
    both = first + second
    assert both.items == whole.items[2:8]
    assert list(second + first) == [*second, *first], "these do not follow each other"
    assert list(pickle.loads(pickle.dumps(both))) == list(both)
    assert whole[:].items is whole.items


def test_what_was_not_parted_with_can_be_forgotten() -> None:
    owed, source = Whoever(), Pushed()
    source.waiting.append(Stretch(owed, 0, Calls(abs, list(range(10)))))
    source.take(3)
    source.forget(owed)
    assert not source.waiting
    assert source.take(9) == ([], False, None)
