"""From async code: `amap` and `aimap`, async iterables, cancellation, and leaving early."""

from __future__ import annotations

import asyncio
import contextvars
import itertools
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import aclosing
from typing import Any

import pytest

import alongside


def square(n: int) -> int:
    return n * n


async def square_later(n: int) -> int:
    await asyncio.sleep(0)
    return n * n


def fail(n: int) -> int:
    if n == 3:
        raise ValueError(n)
    return n


async def fail_later(n: int) -> int:
    await asyncio.sleep(0)
    return fail(n)


async def counted(count: int) -> AsyncIterator[int]:
    for n in range(count):
        await asyncio.sleep(0)
        yield n


async def endless() -> AsyncIterator[int]:
    for n in itertools.count():
        await asyncio.sleep(0)
        yield n


async def broken_after(count: int) -> AsyncIterator[int]:
    for n in range(count):
        yield n
    raise OSError("the line is dead")


async def never() -> AsyncIterator[int]:
    yield 0
    await asyncio.Event().wait()


def in_loop(main: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
    """Run `main`, and check that no task is left when it returns."""

    async def checked() -> Any:
        before = asyncio.all_tasks()
        result = await main()
        left = asyncio.all_tasks() - before
        assert not left, f"tasks are left: {left}"
        return result

    return asyncio.run(checked())


async def collect(results: AsyncIterator[Any]) -> list[Any]:
    return [value async for value in results]


BOTH = pytest.mark.parametrize("fn", [square, square_later])
SQUARES = [n * n for n in range(40)]


@BOTH
@pytest.mark.parametrize("source", [lambda: range(40), lambda: iter(range(40)), lambda: counted(40)])
def test_amap_and_aimap_give_what_a_loop_gives(backend: str, fn: Any, source: Any) -> None:
    assert in_loop(lambda: alongside.amap(fn, source(), backend=backend)) == SQUARES
    assert in_loop(lambda: collect(alongside.aimap(fn, source(), backend=backend))) == SQUARES
    unordered = in_loop(lambda: collect(alongside.aimap(fn, source(), backend=backend, ordered=False)))
    assert sorted(unordered) == SQUARES


@pytest.mark.parametrize("fn", [max, None])
def test_several_inputs_of_which_some_are_async(backend: str, fn: Any) -> None:
    async def add(a: int, b: int) -> int:
        return a + b

    expected = [5 + n for n in range(6)] if fn else [5 + 2 * n for n in range(6)]
    assert in_loop(lambda: alongside.amap(fn or add, counted(6), itertools.count(5), backend=backend)) == expected


@pytest.mark.parametrize("fn", [fail, fail_later])
def test_failures_are_the_same_as_in_ordinary_code(backend: str, fn: Any) -> None:
    with pytest.raises(ValueError) as caught:
        in_loop(lambda: alongside.amap(fn, range(9), backend=backend))
    assert caught.value.__notes__[-1].startswith("alongside: task 3 failed")
    found: list[int] = []

    async def main() -> None:
        async for value in alongside.aimap(fn, counted(9), backend=backend):
            found.append(value)  # noqa: PERF401  (what came before the failure must be kept)

    with pytest.raises(ValueError) as caught:
        in_loop(main)
    assert found == [0, 1, 2]
    assert caught.value.__notes__[-1].startswith("alongside: task 3 failed")
    kept = in_loop(lambda: alongside.amap(fn, counted(5), backend=backend, on_error="return"))
    assert [type(value).__name__ for value in kept] == ["int", "int", "int", "Failure", "int"]


@BOTH
def test_an_async_input_that_raises_midway(backend: str, fn: Any) -> None:
    found: list[int] = []

    async def main() -> None:
        async for value in alongside.aimap(fn, broken_after(3), backend=backend):
            found.append(value)  # noqa: PERF401  (what came before the failure must be kept)

    with pytest.raises(OSError, match="the line is dead"):
        in_loop(main)
    assert found == [0, 1, 4]
    with pytest.raises(OSError, match="the line is dead"):
        in_loop(lambda: alongside.amap(fn, broken_after(3), backend=backend))


@BOTH
@pytest.mark.parametrize("source", [itertools.count, endless])
def test_leaving_an_endless_stream_early(backend: str, fn: Any, source: Any) -> None:
    async def main() -> list[int]:
        found = []
        async with aclosing(alongside.aimap(fn, source(), backend=backend)) as results:  # type: ignore[type-var]
            async for value in results:
                found.append(value)
                if len(found) == 5:
                    break
        return found

    assert in_loop(main) == [0, 1, 4, 9, 16]


class Started:
    """Tasks that say that they began, and then wait for ever."""

    def __init__(self) -> None:
        self.began = asyncio.Event()
        self.ended = 0

    async def __call__(self, n: int) -> None:
        self.began.set()
        try:
            await asyncio.Event().wait()
        finally:
            self.ended += 1


def test_cancelling_amap_cancels_its_coroutines_and_waits_for_their_cleanup() -> None:
    async def main() -> int:
        tasks = Started()
        run = asyncio.create_task(alongside.amap(tasks, range(10), max_workers=3))
        await tasks.began.wait()
        run.cancel()
        with pytest.raises(asyncio.CancelledError):
            await run
        return tasks.ended

    assert 1 <= in_loop(main) <= 3


def test_leaving_aimap_cancels_its_coroutines() -> None:
    async def main() -> int:
        tasks = Started()
        run = asyncio.create_task(collect(alongside.aimap(tasks, endless(), max_workers=3)))
        await tasks.began.wait()
        run.cancel()
        with pytest.raises(asyncio.CancelledError):
            await run
        return tasks.ended

    assert 1 <= in_loop(main) <= 3


@pytest.mark.parametrize("named", ["serial", "threads", "processes", "auto"])
def test_cancelling_amap_of_an_ordinary_function(named: str) -> None:
    async def main() -> None:
        begun = asyncio.Event()
        loop = asyncio.get_running_loop()

        def items() -> Any:
            for n in itertools.count():
                loop.call_soon_threadsafe(begun.set)
                yield n

        run = asyncio.create_task(alongside.amap(square, items(), backend=named))
        await begun.wait()
        run.cancel()
        with pytest.raises(asyncio.CancelledError):
            await run

    in_loop(main)


def test_cancelling_amap_whose_async_input_gives_nothing(backend: str) -> None:
    async def main() -> None:
        asked = asyncio.Event()

        async def silent() -> AsyncIterator[int]:
            asked.set()
            await asyncio.Event().wait()
            yield 0

        for run in (
            asyncio.create_task(alongside.amap(square, silent(), backend=backend)),
            asyncio.create_task(collect(alongside.aimap(square, silent(), backend=backend))),
        ):
            await asked.wait()
            run.cancel()
            with pytest.raises(asyncio.CancelledError):
                await run

    in_loop(main)


def test_a_result_does_not_wait_for_the_next_item_of_a_slow_async_input(backend: str) -> None:
    async def main() -> int:
        async with aclosing(alongside.aimap(square_later, never(), backend=backend)) as results:  # type: ignore[type-var]
            return int(await anext(results))

    assert in_loop(main) == 0


def test_the_loop_is_not_blocked_meanwhile(backend: str) -> None:
    async def main() -> list[int]:
        gate = asyncio.Event()

        async def items() -> AsyncIterator[int]:
            yield 1
            await gate.wait()  # would never be set, were the loop blocked
            yield 2

        run = asyncio.create_task(alongside.amap(square, items(), backend=backend))
        await asyncio.sleep(0)
        gate.set()
        return await run

    assert in_loop(main) == [1, 4]


user: contextvars.ContextVar[str] = contextvars.ContextVar("user", default="nobody")


@pytest.mark.parametrize("named", ["serial", "threads", "asyncio", "auto"])
@pytest.mark.parametrize("later", [False, True])
def test_context_variables_are_the_callers(named: str, later: bool) -> None:
    def who(_: int) -> str:
        return user.get()

    async def who_later(_: int) -> str:
        return user.get()

    async def main() -> list[list[str]]:
        user.set("me")
        fn: Any = who_later if later else who
        return [
            await alongside.amap(fn, range(2), backend=named),
            await collect(alongside.aimap(fn, counted(2), backend=named)),
        ]

    assert in_loop(main) == [["me"] * 2] * 2


def test_a_wrong_call_is_refused_at_once(backend: str) -> None:
    async def main() -> None:
        with pytest.raises(alongside.OptionError):
            await alongside.amap(square, 5, backend=backend)
        with pytest.raises(alongside.OptionError, match="did you mean 'retries'"):
            alongside.aimap(square, [5], backend=backend, retrys=5)

    in_loop(main)


async def _doubled(number: int) -> int:
    await asyncio.sleep(0)
    return 2 * number


def test_a_lambda_around_an_async_function_is_awaited() -> None:
    assert alongside.map(lambda number: _doubled(number), range(4)) == [0, 2, 4, 6]
    assert alongside.gather(lambda: _doubled(1), lambda: 5) == (2, 5)
