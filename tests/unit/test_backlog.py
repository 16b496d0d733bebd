"""The backlog's stretches: what grows, and what it becomes then."""

from __future__ import annotations

from typing import Any

import pytest

from alongside.core.backlog import Backlog


def together(first: Any, second: Any) -> Any:
    """What both are, where the second comes while the first still waits."""
    backlog = Backlog()
    backlog.append(0, first, join_below=100)
    backlog.append(len(first), second, join_below=100)
    return backlog.take(100).items


@pytest.mark.parametrize("whole", [range(9), range(30, 3, -3)])
def test_neighbouring_ranges_are_one_range(whole: range) -> None:
    joined = together(whole[:1], whole[1:6])
    assert joined == whole[:6]
    assert type(joined) is range


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (range(3), range(4, 6)),
        (range(3), range(3, 9, 2)),
        (range(0, 4, 3), range(4, 8, 3)),
        (range(3), [3]),
        ((0,), [1]),
    ],
)
def test_what_does_not_go_on_as_it_began_is_a_list(first: Any, second: Any) -> None:
    assert together(first, second) == [*first, *second]


def test_a_range_that_was_begun_grows_by_what_is_left_of_it() -> None:
    backlog = Backlog()
    backlog.append(0, range(10), join_below=100)
    backlog.take(7)
    backlog.append(10, range(10, 12), join_below=100)
    assert backlog.take(100).items == range(7, 12)
