"""Values, order, inputs and callables: the same on every backend as in a plain loop."""

from __future__ import annotations

import asyncio
import contextvars
import itertools
import math
import operator
import threading
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any
from unittest.mock import AsyncMock, Mock

import pytest

import alongside


def square(n: int) -> int:
    return n * n


async def square_later(n: int) -> int:
    await asyncio.sleep(0)
    return n * n


def add(a: int, b: int) -> int:
    return a + b


async def add_later(a: int, b: int) -> int:
    await asyncio.sleep(0)
    return a + b


class Scale:
    """Something callable that is no function, with a method to be called too."""

    def __init__(self, factor: int) -> None:
        self.factor = factor

    def __call__(self, n: int) -> int:
        return self.factor * n

    def times(self, n: int) -> int:
        return self.factor * n

    async def later(self, n: int) -> int:
        await asyncio.sleep(0)
        return self.factor * n

    @classmethod
    def three(cls, n: int) -> int:
        return 3 * n

    @staticmethod
    def plain(n: int) -> int:
        return 3 * n


class ScaleLater:
    async def __call__(self, n: int) -> int:
        await asyncio.sleep(0)
        return 3 * n


def closure(factor: int) -> Callable[[int], int]:
    return lambda n: factor * n


TRIPLERS: dict[str, Callable[[int], Any]] = {
    "lambda": lambda n: 3 * n,
    "closure": closure(3),
    "bound method": Scale(3).times,
    "class method": Scale.three,
    "static method": Scale.plain,
    "partial": partial(operator.mul, 3),
    "partial of a coroutine function": partial(add_later, 0),
    "callable object": Scale(3),
    "async callable object": ScaleLater(),
    "async bound method": Scale(3).later,
    "builtin": abs,
    "builtin method": [3, 6, 9].count,
    "class": str,
    "user class": Scale,
    "math": math.sqrt,
}


def plainly(fn: Callable[..., Any], *iterables: Any) -> list[Any]:
    """What a loop gives."""
    values = list(map(fn, *iterables))
    return [asyncio.run(value) if asyncio.iscoroutine(value) else value for value in values]


@pytest.mark.parametrize("kind", [kind for kind in TRIPLERS if kind != "user class"])
def test_any_callable_gives_what_a_loop_gives(backend: str, kind: str) -> None:
    fn = TRIPLERS[kind]
    assert alongside.map(fn, range(12), backend=backend) == plainly(fn, range(12))


class Elusive:
    """Something to call that has no attribute anybody may ask for."""

    def __call__(self, n: int) -> int:
        return 3 * n

    def __getattr__(self, name: str) -> Any:
        raise RuntimeError(f"who wants to know {name}?")


class Willing(Elusive):
    """Something to call that has whatever attribute it is asked for."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") and name not in ("__code__", "__func__", "__qualname__", "__module__"):
            raise AttributeError(name)
        return Willing()


@pytest.mark.parametrize("make", [Elusive, Willing, partial(Mock, return_value=3)], ids=["elusive", "willing", "mock"])
def test_whatever_can_be_called_is_called(backend: str, make: Callable[[], Any]) -> None:
    assert alongside.map(make(), [1, 1], backend=backend) == [3, 3]
    assert str(alongside.advise(make(), [1, 1])).startswith("For ")


def test_a_mock_of_an_async_function_is_awaited() -> None:
    assert alongside.map(AsyncMock(return_value=3), [1, 1]) == [3, 3]


def test_a_class_makes_instances(backend: str) -> None:
    assert [scale.factor for scale in alongside.map(Scale, range(5), backend=backend)] == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("fn", [square, square_later])
@pytest.mark.parametrize("workers", [1, 2, 5])
def test_order_and_values_with_few_and_many_workers(backend: str, fn: Any, workers: int) -> None:
    assert alongside.map(fn, range(300), backend=backend, max_workers=workers) == plainly(fn, range(300))


@pytest.mark.parametrize("fn", [add, add_later])
def test_several_iterables_end_with_the_shortest(backend: str, fn: Any) -> None:
    assert alongside.map(fn, range(10), itertools.count(5), [1] * 7, backend=backend, on_error="skip") == []
    assert alongside.map(fn, range(10), itertools.count(5), backend=backend) == [5 + 2 * n for n in range(10)]


@pytest.mark.parametrize("fn", [square, square_later])
@pytest.mark.parametrize("count", [0, 1, 2])
def test_short_inputs(backend: str, fn: Any, count: int) -> None:
    assert alongside.map(fn, range(count), backend=backend) == plainly(fn, range(count))
    assert alongside.map(fn, iter(range(count)), backend=backend) == plainly(fn, range(count))
    assert list(alongside.imap(fn, iter(range(count)), backend=backend)) == plainly(fn, range(count))
    assert alongside.run(fn, range(count), backend=backend).results == plainly(fn, range(count))


@pytest.mark.parametrize("size", [1, 3, 1000])
def test_batches_of_any_size(backend: str, size: int) -> None:
    assert alongside.map(square, range(100), backend=backend, batch_size=size) == plainly(square, range(100))


@pytest.mark.parametrize("window", [1, 2, 1000])
def test_windows_of_any_size(backend: str, window: int) -> None:
    assert alongside.map(square, range(60), backend=backend, window=window) == plainly(square, range(60))
    assert list(alongside.imap(square, range(60), backend=backend, window=window)) == plainly(square, range(60))


def mutate(item: list[int]) -> list[int]:
    item.append(len(item))
    return item


def test_mutable_items_come_back_changed(backend: str) -> None:
    assert alongside.map(mutate, [[], [0], [0, 1]], backend=backend) == [[0], [0, 1], [0, 1, 2]]


def test_results_of_every_kind(backend: str) -> None:
    odd: list[Any] = [None, ..., True, float("inf"), b"", "é\udc80", (), {"a": [1]}, {1, 2}, 10**100, range(3), int]
    assert alongside.map(lambda place: odd[place], range(len(odd)), backend=backend) == odd


def test_results_that_are_exceptions_are_values(backend: str) -> None:
    found = alongside.run(lambda n: ValueError(n), range(3), backend=backend)
    assert [(type(value), value.args) for value in found.results] == [(ValueError, (n,)) for n in range(3)]
    assert not found.failures


def test_an_item_may_be_anything(backend: str) -> None:
    items = [None, (), (1, 2), [1], {"k": 1}, "text", ValueError("item")]
    assert alongside.map(repr, items, backend=backend) == list(map(repr, items))


def test_outcomes_say_what_is_known(backend: str) -> None:
    run = alongside.run(square, range(20), backend=backend)
    assert [(o.index, o.item, o.value, o.ok, o.exception, o.attempts) for o in run.outcomes] == [
        (n, n, n * n, True, None, 1) for n in range(20)
    ]
    assert all(0 <= outcome.seconds < 60 for outcome in run.outcomes)
    assert all(outcome.worker for outcome in run.outcomes)
    assert (run.stats.tasks, run.stats.succeeded, run.stats.failed, run.stats.retried) == (20, 20, 0, 0)
    assert run.stats.workers >= 1
    assert run.plan.reasons
    assert run.replay(7) == 49


def test_replay_of_an_async_function_also_inside_a_loop(backend: str) -> None:
    run = alongside.run(add_later, [1, 2], [10, 20], backend=backend)

    async def inside() -> int:
        return int(run.replay(1))

    assert run.replay(0) == 11
    assert asyncio.run(inside()) == 22


def test_gather_calls_different_functions(backend: str) -> None:
    assert alongside.gather(lambda: 1, partial(square, 3), str, backend=backend) == (1, 9, "")
    assert alongside.gather(backend=backend) == ()


def test_gather_awaits_what_is_async(backend: str) -> None:
    assert alongside.gather(partial(square_later, 2), lambda: 5, backend=backend) == (4, 5)
    assert alongside.gather(lambda: square_later(2), lambda: 5, backend=backend) == (4, 5)


# ------------------------------------------------------------------------------------------------- from where


async def _in_a_loop(fn: Any, backend: str) -> tuple[list[Any], list[Any], int]:
    mapped = alongside.map(fn, range(30), backend=backend)
    streamed = list(alongside.imap(fn, range(30), backend=backend))
    with_next = next(iter(alongside.imap(fn, itertools.count(), backend=backend)))
    return mapped, streamed, with_next


@pytest.mark.parametrize("fn", [square, square_later])
def test_from_inside_a_running_event_loop(backend: str, fn: Any) -> None:
    expected = plainly(fn, range(30))
    assert asyncio.run(_in_a_loop(fn, backend)) == (expected, expected, 0)


@pytest.mark.parametrize("fn", [square, square_later])
def test_from_another_thread(backend: str, fn: Any) -> None:
    found: list[list[Any]] = []
    thread = threading.Thread(
        target=lambda: found.extend(
            [alongside.map(fn, range(30), backend=backend), list(alongside.imap(fn, range(30), backend=backend))]
        )
    )
    thread.start()
    thread.join()
    assert found == [plainly(fn, range(30))] * 2


def test_two_runs_at_once_in_two_threads(backend: str) -> None:
    found: dict[int, list[int]] = {}

    def call(offset: int) -> None:
        found[offset] = alongside.map(square, range(offset, offset + 200), backend=backend)

    threads = [threading.Thread(target=call, args=(offset,)) for offset in (0, 1000, 2000)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {offset: plainly(square, range(offset, offset + 200)) for offset in (0, 1000, 2000)}


def test_a_run_inside_a_task(backend: str) -> None:
    assert alongside.map(_nested, [3, 4], backend=backend) == [[0, 1, 4], [0, 1, 4, 9]]


def _nested(n: int) -> list[Any]:
    return alongside.map(square, range(n), max_workers=2)


# --------------------------------------------------------------------------------------------- context variables

user: contextvars.ContextVar[str] = contextvars.ContextVar("user", default="nobody")


def who(_: int) -> str:
    return user.get()


async def who_later(_: int) -> str:
    await asyncio.sleep(0)
    return user.get()


SHARED = ["serial", "threads", "asyncio", "auto"]
"""Where the function sees the caller's context variables (a process starts with fresh ones)."""


@pytest.mark.parametrize("shared", SHARED)
@pytest.mark.parametrize("fn", [who, who_later])
@pytest.mark.parametrize("looped", [False, True])
def test_context_variables_are_the_callers(shared: str, fn: Any, looped: bool) -> None:
    def calls() -> list[list[str]]:
        token = user.set("me")
        try:
            return [
                alongside.map(fn, range(3), backend=shared),
                list(alongside.imap(fn, range(3), backend=shared)),
                alongside.map(fn, range(3), backend=shared, timeout=60),
            ]
        finally:
            user.reset(token)

    async def inside() -> list[list[str]]:
        return calls()

    assert (asyncio.run(inside()) if looped else calls()) == [["me"] * 3] * 3


# -------------------------------------------------------------------------------------------- initializer, progress

_local = threading.local()


def remember(*values: int) -> None:
    _local.values = values


def recall(n: int) -> int:
    return n + int(sum(_local.values))


@pytest.mark.parametrize("named", ["serial", "threads", "processes", "auto"])
def test_every_worker_is_initialized_before_its_first_task(named: str) -> None:
    found = alongside.map(recall, range(50), backend=named, max_workers=2, initializer=remember, initargs=(1, 2))
    assert found == [n + 3 for n in range(50)]
    assert list(alongside.imap(recall, range(9), backend=named, initializer=remember, initargs=(5,)))[:2] == [5, 6]


def test_asyncio_is_initialized_once_in_its_loop() -> None:
    calls: list[int] = []
    assert alongside.map(square_later, range(5), backend="asyncio", initializer=calls.append, initargs=(7,))[4] == 16
    assert calls == [7]


def fail_to_start() -> None:
    raise LookupError("no database")


def test_an_initializer_that_raises_ends_the_run_with_its_error(backend: str) -> None:
    with pytest.raises(LookupError, match="no database"):
        alongside.map(square, range(10), backend=backend, initializer=fail_to_start)
    with pytest.raises(LookupError, match="no database"):
        list(alongside.imap(square, range(10), backend=backend, initializer=fail_to_start))


class Bar:
    """What a progress object must be able to do, and no more."""

    def __init__(self) -> None:
        self.count = 0

    def update(self, count: int) -> None:
        self.count += count


@pytest.mark.parametrize("on_error", ["return", "skip"])
def test_progress_counts_every_task_once(backend: str, on_error: Any) -> None:
    bar = Bar()
    alongside.map(fail_on_multiples_of_five, range(50), backend=backend, progress=bar, on_error=on_error)
    assert bar.count == 50


def fail_on_multiples_of_five(n: int) -> int:
    if n % 5 == 0:
        raise ValueError(n)
    return n


def endless() -> Iterator[int]:
    yield from itertools.count()
