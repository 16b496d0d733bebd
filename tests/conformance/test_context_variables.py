"""Context variables are the caller's wherever a task runs, as far as they can travel."""

from __future__ import annotations

import asyncio
import contextvars
import subprocess
import sys
import threading
from typing import Any

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
