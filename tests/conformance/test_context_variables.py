"""Context variables, precision, locale are the caller's wherever a task runs, as far as they can travel."""

from __future__ import annotations

import asyncio
import contextvars
import decimal
import locale
import subprocess
import sys
import threading
from typing import Any

import numpy as np
import pytest

import alongside

user: contextvars.ContextVar[str] = contextvars.ContextVar("user", default="nobody")
lock: contextvars.ContextVar[Any] = contextvars.ContextVar("lock", default=None)


def who(_: int) -> tuple[str, bool]:
    return user.get(), lock.get() is None


async def who_later(_: int) -> tuple[str, bool]:
    await asyncio.sleep(0)
    return who(_)


def change(x: int) -> str:
    before = user.get()
    user.set(f"changed by {x}")
    return before


@pytest.mark.parametrize("fn", [who, who_later])
def test_tasks_see_the_callers_variables(backend: str, fn: Any) -> None:
    def call(name: str) -> list[tuple[str, bool]]:
        user.set(name)
        return alongside.map(fn, range(4), backend=backend)

    for name in ("me", "you"):
        assert contextvars.copy_context().run(call, name) == [(name, True)] * 4
    assert alongside.map(fn, range(2), backend=backend) == [("nobody", True)] * 2


def test_what_cannot_travel_is_left_behind() -> None:
    def call() -> list[tuple[str, bool]]:
        user.set("me")
        lock.set(threading.Lock())
        return alongside.map(who, range(2), backend="processes")

    assert contextvars.copy_context().run(call) == [("me", True)] * 2


def test_the_caller_does_not_see_what_a_worker_process_sets() -> None:
    alongside.map(change, range(4), backend="processes")
    assert user.get() == "nobody"
    assert alongside.map(who, [0], backend="processes") == [("nobody", True)]


class Long:
    """A function whose first call lasts until the others have been made, somewhere beside the loop."""

    def __init__(self) -> None:
        self.others = threading.Event()

    def __call__(self, item: int) -> str:
        if item == 0:
            assert self.others.wait(60), "nobody has taken over"
        elif item == 9:
            self.others.set()
        return user.get()


def test_tasks_see_them_where_somebody_else_has_taken_over_beside_a_long_task() -> None:
    def call() -> list[str]:
        user.set("me")
        return alongside.map(Long(), range(10))

    assert contextvars.copy_context().run(call) == ["me"] * 10


def third(_: int) -> str:
    return str(decimal.Decimal(1) / 3)


def test_decimals_are_as_precise_as_the_callers(backend: str) -> None:
    with decimal.localcontext(prec=4):
        assert alongside.map(third, range(4), backend=backend) == ["0.3333"] * 4
    assert {len(text) for text in alongside.map(third, range(4), backend=backend)} == {30}


HAS_SET = threading.Barrier(2)


def set_and_use(digits: int) -> int:
    decimal.getcontext().prec = digits
    HAS_SET.wait(60)
    return len(str(decimal.Decimal(1) / 3)) - len("0.")


def test_a_thread_that_sets_the_precision_sets_its_own() -> None:
    before = decimal.getcontext().prec
    assert alongside.map(set_and_use, [5, 9], backend="threads", max_workers=2, batch_size=1) == [5, 9]
    assert decimal.getcontext().prec == before


def divide(x: int) -> str:
    try:
        return str(np.float64(x) / np.float64(0))
    except FloatingPointError:
        return "raised"


def test_numpy_treats_errors_as_in_the_caller(backend: str) -> None:
    with np.errstate(divide="raise"):
        assert alongside.map(divide, range(1, 5), backend=backend) == ["raised"] * 4
    with np.errstate(divide="ignore"):
        assert alongside.map(divide, range(1, 5), backend=backend) == ["inf"] * 4


def sorts(_: int) -> str:
    return locale.setlocale(locale.LC_ALL)


def test_the_locale_is_the_callers(backend: str) -> None:
    before = locale.setlocale(locale.LC_ALL)
    try:
        for wanted in ("C", "C.UTF-8"):
            told = locale.setlocale(locale.LC_ALL, wanted)
            assert alongside.map(sorts, range(2), backend=backend) == [told] * 2
    finally:
        locale.setlocale(locale.LC_ALL, before)


PROGRAM = """
import contextvars, alongside
user = contextvars.ContextVar("user", default="nobody")
unset = contextvars.ContextVar("unset")
print(alongside.map(lambda x: user.get(), [1], backend="processes"))
user.set("me")
print(alongside.map(lambda x: (user.get(), unset.get(x)), [1], backend="processes"))
"""


def test_those_of_the_main_script_travel_too() -> None:
    told = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=60, check=True)
    assert told.stdout.splitlines() == ["['nobody']", "[('me', 1)]"]
