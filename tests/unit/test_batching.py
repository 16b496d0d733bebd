"""How many tasks go together."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alongside.core.batching import GROWTH, HEAVY, Sizer

DURATIONS = st.one_of(st.just(0.0), st.floats(0.0, 1e4))


@given(st.lists(st.tuples(st.integers(0, 1000), DURATIONS, st.integers(0, 1 << 40)), max_size=60), st.integers(1, 64))
def test_a_batch_always_has_a_sensible_size(seen: list[tuple[int, float, int]], workers: int) -> None:
    sizer = Sizer(most=5000)
    largest = 0
    for count, seconds, nbytes in seen:
        sizer.record(count, seconds, nbytes)
        largest = max(largest, count)
        assert 1 <= sizer.full() <= max(1, min(5000, GROWTH * largest))
        for backlog in (1, 10, 1 << 40):
            assert 1 <= sizer.next(backlog, workers) <= sizer.full()


def test_tasks_that_take_no_time_at_all_for_ever() -> None:
    sizer = Sizer()
    sizer.record(1, 1.0)
    for _ in range(2000):
        sizer.record(1, 0.0)
        assert 1 <= sizer.full() <= GROWTH
    assert sizer.full() == GROWTH


@pytest.mark.parametrize(("each", "size"), [(1.0, 1), (0.004, 1), (0.001, 4), (0.0001, 40)])
def test_a_batch_lasts_about_the_target(each: float, size: int) -> None:
    sizer = Sizer(target=0.004)
    sizer.record(100, 100 * each)
    assert sizer.full() == size


def test_sizes_grow_step_by_step() -> None:
    sizer, sizes = Sizer(), []
    for _ in range(5):
        sizes.append(sizer.full())
        sizer.record(sizes[-1], 1e-7 * sizes[-1])
    assert sizes == [1, 4, 16, 64, 256]


def test_a_job_that_turns_slow_is_noticed_within_a_batch() -> None:
    sizer = Sizer(target=0.004)
    sizer.record(1000, 0.001)
    assert sizer.full() > 1000
    sizer.record(1000, 10.0)
    assert sizer.full() == 1


def test_heavy_items_make_small_batches() -> None:
    sizer = Sizer()
    for _ in range(20):
        sizer.record(100, 0.0001, nbytes=100 * HEAVY // 2)
    assert sizer.full() == 2


def test_a_fixed_size_is_kept() -> None:
    sizer = Sizer(fixed=7)
    sizer.record(7, 100.0)
    assert (sizer.full(), sizer.next(backlog=1, workers=9)) == (7, 7)


def test_nothing_is_expected_before_anything_is_known() -> None:
    sizer = Sizer()
    assert sizer.expected(3) == float("inf")
    sizer.record(2, 1.0)
    assert sizer.expected(3) == 1.5
