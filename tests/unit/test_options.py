"""The options: defaults, and what becomes of what was given. (What is refused: test_bad_input.py.)"""

from __future__ import annotations

from dataclasses import fields

import pytest
from tqdm import tqdm

from alongside.core.options import Options
from alongside.core.retry import Backoff
from alongside.exceptions import OptionError

BACKENDS = ["serial", "threads"]


def test_nothing_given() -> None:
    assert Options.of({}, BACKENDS) == Options()


@pytest.mark.parametrize(
    "given",
    [
        {"backend": "threads", "max_workers": 1},
        {"timeout": 0.001, "retries": 0},
        {"timeout": 5, "on_error": "skip"},
        {"batch_size": 1, "window": 1},
        {"initializer": print, "initargs": (1, 2)},
        {"retry_on": (OSError, ValueError)},
        {"backoff": lambda attempt: 0.0},
    ],
)
def test_what_is_given_is_kept(given: dict[str, object]) -> None:
    options = Options.of(given, BACKENDS)
    assert {name: getattr(options, name) for name in given} == given


@pytest.mark.parametrize("seconds", [0, 2, 0.5])
def test_a_number_for_a_backoff_is_its_base(seconds: float) -> None:
    assert Options.of({"backoff": seconds}, BACKENDS).backoff == Backoff(base=seconds)


def test_the_retry_policy_is_made_from_three_options() -> None:
    policy = Options.of({"retries": 2, "retry_on": OSError, "backoff": Backoff(0.0)}, BACKENDS).retry
    assert [policy.delay(error, 1, None) for error in (OSError(), KeyError())] == [0.0, None]


@pytest.mark.parametrize("name", [field.name for field in fields(Options)])
def test_a_slip_of_the_pen_is_told_the_right_name(name: str) -> None:
    slip = name[0] + name
    with pytest.raises(OptionError, match=f"no option '{slip}'; did you mean '{name}'"):
        Options.of({slip: 1}, BACKENDS)


def test_options_cannot_be_changed_afterwards() -> None:
    with pytest.raises(AttributeError):
        Options().retries = 5  # type: ignore[misc]  # that is what is tested


def test_a_bar_of_tqdm_is_taken_as_it_is() -> None:
    """It compares itself only with other bars: asking whether it equals True raises."""
    with tqdm(disable=True) as bar:
        assert Options(progress=bar).progress is bar
