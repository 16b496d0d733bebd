"""Nothing of a run outlives the caller's last reference: no function, no result, and without a garbage collection."""

from __future__ import annotations

import asyncio
import gc
import time
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import alongside
from tests.conftest import wait_until


class Value:
    """Something that can be weakly referenced."""


class Function:
    """A function that can be weakly referenced."""

    def __call__(self, number: int) -> Value:
        return Value()


@pytest.fixture
def no_collection() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("no_collection")
@pytest.mark.parametrize("lazy", [False, True], ids=["map", "imap"])
@pytest.mark.parametrize("backend", ["serial", "threads", "processes", "asyncio", "auto"])
def test_function_and_results_go_with_their_last_reference(backend: str, lazy: bool) -> None:
    fn = Function()
    options: dict[str, Any] = {"backend": backend, "retries": 1}  # an option, so that auto takes the engine too
    results = list(alongside.imap(fn, range(5), **options)) if lazy else alongside.map(fn, range(5), **options)
    function, result = weakref.ref(fn), weakref.ref(results[0])
    del fn, results
    # A thread that is ending may hold them a moment more.
    assert wait_until(lambda: result() is None and function() is None)


def brief() -> Value:
    return Value()


def waits() -> Value:
    time.sleep(0.004)
    return Value()


def computes() -> Value:
    sum(place & 3 for place in range(100_000))
    return Value()


@pytest.mark.usefixtures("no_collection")
@pytest.mark.parametrize("lazy", [False, True], ids=["map", "imap"])
@pytest.mark.parametrize(("work", "backend"), [(brief, "serial"), (waits, "threads"), (computes, "processes")])
def test_a_loop_and_what_takes_over_from_it_let_go(work: Callable[[], Value], backend: str, lazy: bool) -> None:
    """Of items too, and of what the function has around it."""
    used = used_lazily(work, backend) if lazy else used_at_once(work)
    assert wait_until(lambda: not any(one() for one in used))


def used_at_once(work: Callable[[], Value]) -> list[weakref.ref[Any]]:
    around, items = Value(), [Value() for _ in range(150)]
    fn = with_something_around(work, around)
    return watched(around, fn, *items, alongside.map(fn, items)[0][0])


def used_lazily(work: Callable[[], Value], backend: str) -> list[weakref.ref[Any]]:
    around, items = Value(), [Value() for _ in range(150)]
    fn = with_something_around(work, around)
    run = alongside.imap(fn, items)
    results = list(run)
    assert run.plan.backend == backend
    return watched(around, fn, *items, results[0][0])


def with_something_around(work: Callable[[], Value], around: Value) -> Callable[[Value], tuple[Value, Value]]:
    return lambda item: (work(), around)


def watched(*things: Any) -> list[weakref.ref[Any]]:
    return [weakref.ref(thing) for thing in things]


@pytest.mark.usefixtures("no_collection")
@pytest.mark.parametrize("backend", ["asyncio", "auto"])
def test_a_run_of_coroutines_lets_go(backend: str) -> None:
    assert not any(one() for one in used_by_coroutines(backend))


def used_by_coroutines(backend: str) -> list[weakref.ref[Any]]:
    around, items = Value(), [Value() for _ in range(50)]

    async def fn(item: Value) -> tuple[Value, Value]:
        await asyncio.sleep(0)
        return Value(), around

    return watched(around, fn, *items, alongside.map(fn, items, backend=backend)[0][0])
