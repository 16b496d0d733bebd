"""A function called harmless is one that the reading of its bytecode has nothing to say about."""

from __future__ import annotations

import math
import os
import random
from random import gauss
from typing import Any

import pytest

from alongside.runtime.harmless import is_harmless
from alongside.runtime.reading import Reading, read

results: list[int] = []
count = 0
LIMIT = 10
never_seen_before: int


class Settings:
    speed = 1


def square(x: int) -> int:
    return x * x


def with_modules(x: float) -> float:
    return math.sqrt(x) + len(os.path.join("a", "b")) + LIMIT


def appends(x: int) -> None:
    results.append(x)


def counts(x: int) -> None:
    global count
    count += x


def makes(x: int) -> None:
    global never_seen_before
    never_seen_before = x


def sets(x: int) -> None:
    Settings.speed = x


def draws(x: int) -> float:
    return random.random() * x


def draws_by_name(x: int) -> float:
    return gauss(0, x)


def calls_another(x: int) -> None:
    appends(x)


def keeps(x: int, seen: list[int] = []) -> None:  # noqa: B006  (what it is about)
    seen.append(x)


def nested(x: int) -> None:
    def inner() -> None:
        results.append(x)

    inner()


@pytest.mark.parametrize("fn", [square, with_modules])
def test_most_functions_are(fn: Any) -> None:
    assert is_harmless(fn)
    assert read(fn) == Reading()


FIND = [appends, counts, makes, sets, draws, draws_by_name, calls_another, keeps, nested, results.append, Settings]


@pytest.mark.parametrize("fn", FIND)
def test_others_are_read(fn: Any) -> None:
    assert not is_harmless(fn)
