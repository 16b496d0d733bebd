"""Whether a failed task is tried again, and when."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alongside.core.retry import Backoff, RetryPolicy


@given(st.integers(1, 10_000), st.floats(0, 100), st.floats(1, 10), st.floats(0, 1), st.integers(0, 99))
def test_a_delay_is_bounded_and_never_negative(
    attempt: int, base: float, factor: float, jitter: float, seed: int
) -> None:
    assert 0 <= Backoff(base, factor, cap=30.0, jitter=jitter).delay(attempt, Random(seed)) <= 30.0


def test_delays_double_up_to_the_cap() -> None:
    backoff = Backoff(base=1.0, cap=5.0, jitter=0.0)
    assert [backoff.delay(attempt, None) for attempt in (1, 2, 3, 4, 99)] == [1.0, 2.0, 4.0, 5.0, 5.0]


def test_the_generator_decides_the_jitter() -> None:
    backoff = Backoff(base=1.0)
    assert backoff.delay(1, Random(1)) == backoff.delay(1, Random(1)) != backoff.delay(1, Random(2))
    assert backoff.delay(1, None) == 1.0


@pytest.mark.parametrize(
    ("retry_on", "error", "again"),
    [
        (Exception, ValueError(), True),
        (Exception, KeyboardInterrupt(), False),
        (BaseException, SystemExit(), True),
        (OSError, ConnectionError(), True),
        (OSError, ValueError(), False),
        ((OSError, ValueError), ValueError(), True),
        ((), ValueError(), False),
        (lambda error: error.args == (1,), ValueError(1), True),
        (lambda error: None, ValueError(1), False),
    ],
)
def test_what_is_tried_again(retry_on: Any, error: BaseException, again: bool) -> None:
    policy = RetryPolicy(2, retry_on, Backoff(0.0))
    assert [policy.delay(error, attempt, None) is not None for attempt in (1, 2, 3)] == [again, again, False]


def test_a_backoff_of_the_user_s_own() -> None:
    policy = RetryPolicy(9, Exception, lambda attempt: 10.0 - 4 * attempt)
    assert [policy.delay(ValueError(), attempt, None) for attempt in (1, 2, 3)] == [6.0, 2.0, 0.0]
