"""Putting outcomes back into order."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from alongside.core.model import Block, Delivery, Failure, first_index, size
from alongside.core.ordering import Ordering


def pieces(sizes: list[int], first: int = 0) -> list[Delivery]:
    """Neighbouring deliveries: blocks of these sizes, and a failure for each zero."""
    made: list[Delivery] = []
    for count in sizes:
        items = list(range(first, first + count))
        made.append(Block(first, items, items, 0.0, "w-1") if count else Failure(first, first, exception=KeyError()))
        first += count or 1
    return made


@given(st.data(), st.lists(st.integers(0, 4), max_size=30), st.integers(0, 100))
def test_whatever_the_order_of_arrival_the_input_s_order_goes_out(
    data: st.DataObject, sizes: list[int], first: int
) -> None:
    deliveries = pieces(sizes, first)
    ordering = Ordering(first=first)
    out: list[Delivery] = []
    for delivery in data.draw(st.permutations(deliveries)):
        out += ordering.add(delivery)
        assert [first_index(d) for d in out] == [first_index(d) for d in deliveries[: len(out)]]
        assert ordering.held >= 0
    assert out == deliveries
    assert ordering.held == 0
    assert ordering.next == first + sum(map(size, deliveries))


def test_without_order_everything_goes_out_at_once() -> None:
    ordering = Ordering(ordered=False)
    late, early = pieces([2, 3])[::-1]
    assert ordering.add(late) == [late]
    assert ordering.add(early) == [early]
