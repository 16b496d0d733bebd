"""Whatever ends a run from async code, at whatever step of the loop: nothing is left, and nothing complains.

Each case is run again and again, and interrupted after 0, 1, 2, … steps of the event loop, until it ends before that.
"""

from __future__ import annotations

import asyncio
import gc
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from typing import Any

import pytest

import alongside
from tests.conftest import own_threads, wait_until

ALL, MOST = 24, 200_000
"""Every step is tried up to the first, then ever fewer, up to the second: a run beside the loop has many."""


LOOP: Any = {"backend": "asyncio"}
"""Why not left to be chosen: on a busy machine such brief coroutines may pass for computing, and be sent elsewhere."""


class Flock:
    """Async functions that know how many of their calls are under way, with cleanup that has to wait."""

    def __init__(self) -> None:
        self.under_way = 0

    async def waits(self, x: int) -> int:
        self.under_way += 1
        try:
            await asyncio.sleep(0)
            await asyncio.sleep(0.0005)
            return x
        finally:
            try:
                await asyncio.sleep(0)
            finally:
                self.under_way -= 1

    async def fails(self, x: int) -> int:
        value = await self.waits(x)
        if x == 4:
            raise LookupError(x)
        return value

    async def waits_for_children(self, x: int) -> int:
        async with asyncio.TaskGroup() as group:
            parts = [group.create_task(self.waits(x)) for _ in range(2)]
        return sum(part.result() for part in parts) // 2

    async def numbers(self) -> AsyncIterator[int]:
        self.under_way += 1
        try:
            for x in range(12):
                await asyncio.sleep(0)
                yield x
        finally:
            try:
                await asyncio.sleep(0)
            finally:
                self.under_way -= 1


def ordinary(x: int) -> int:
    return x


async def amap(flock: Flock) -> None:
    await alongside.amap(flock.waits, range(8), max_workers=3, **LOOP)


async def amap_failing(flock: Flock) -> None:
    with pytest.raises(LookupError):
        await alongside.amap(flock.fails, range(8), max_workers=3, **LOOP)


async def amap_retrying(flock: Flock) -> None:
    with pytest.raises(LookupError):
        await alongside.amap(flock.fails, range(8), max_workers=3, **LOOP, retries=2, backoff=lambda attempt: 0.0005)


async def amap_timeout(flock: Flock) -> None:
    await alongside.amap(flock.waits_for_children, range(5), max_workers=3, **LOOP, timeout=0.003, on_error="skip")


async def amap_async_input(flock: Flock) -> None:
    numbers: Any = flock.numbers()
    async with aclosing(numbers):
        await alongside.amap(flock.waits, numbers, max_workers=3, **LOOP)


async def aimap_to_the_end(flock: Flock) -> None:
    numbers: Any = flock.numbers()
    results: Any = alongside.aimap(flock.waits, numbers, max_workers=3, **LOOP)
    async with aclosing(numbers), aclosing(results):
        async for _ in results:
            await asyncio.sleep(0)


async def aimap_left_early(flock: Flock) -> None:
    results: Any = alongside.aimap(flock.waits, range(1 << 30), max_workers=3, **LOOP, window=6)
    async with aclosing(results):
        async for x in results:
            if x == 5:
                break


async def two_runs_at_once(flock: Flock) -> None:
    async with asyncio.TaskGroup() as group:
        for _ in range(2):
            group.create_task(alongside.amap(flock.waits, range(5), max_workers=2, **LOOP))


async def in_threads(flock: Flock) -> None:
    await alongside.amap(ordinary, range(5), backend="threads", max_workers=2)


async def in_threads_async_input(flock: Flock) -> None:
    numbers: Any = flock.numbers()
    async with aclosing(numbers):
        await alongside.amap(ordinary, numbers, backend="threads", max_workers=2)


async def in_processes(flock: Flock) -> None:
    await alongside.amap(ordinary, range(5), backend="processes", max_workers=1)


async def plain_loop(flock: Flock) -> None:
    results: Any = alongside.aimap(ordinary, range(5))
    async with aclosing(results):
        async for _ in results:
            await asyncio.sleep(0)


IN_LOOP = [
    amap,
    amap_failing,
    amap_retrying,
    amap_timeout,
    amap_async_input,
    aimap_to_the_end,
    aimap_left_early,
    two_runs_at_once,
]
BESIDE = [in_threads, in_threads_async_input, in_processes, plain_loop]
Case = Callable[[Flock], Awaitable[None]]


async def after(steps: int, act: Callable[[], object]) -> None:
    for _ in range(steps):
        await asyncio.sleep(0)
    act()


# --------------------------------------------------------------------------------------- ways in which a run is ended


async def cancelled(case: Case, flock: Flock, steps: int) -> bool:
    run = asyncio.ensure_future(case(flock))
    await after(steps, run.cancel)
    await asyncio.wait([run])
    return run.cancelled()


async def cancelled_twice(case: Case, flock: Flock, steps: int) -> bool:
    """The second time in the midst of the cleanup."""
    run = asyncio.ensure_future(case(flock))
    await after(steps, run.cancel)
    await after(1, run.cancel)
    await asyncio.wait([run])
    await asyncio.sleep(0.002)
    return run.cancelled()


async def timed_out(case: Case, flock: Flock, steps: int) -> bool:
    try:
        async with asyncio.timeout(None) as scope:
            expire = asyncio.create_task(after(steps, lambda: scope.reschedule(0.0)))
            try:
                await case(flock)
            finally:
                expire.cancel()
    except TimeoutError:
        return True
    return False


async def sibling_failed(case: Case, flock: Flock, steps: int) -> bool:
    def fail() -> None:
        raise OSError("a sibling's")

    try:
        async with asyncio.TaskGroup() as group:
            failing = group.create_task(after(steps, fail))
            await case(flock)
            failing.cancel()
    except* OSError:
        ended = True
    else:
        ended = False
    return ended


async def interrupted(case: Case, flock: Flock, steps: int) -> bool:
    strike = asyncio.create_task(after(steps, lambda: signal.raise_signal(signal.SIGINT)))
    try:
        await case(flock)
    finally:
        strike.cancel()
    return False


def attempt(end: Any, case: Case, steps: int) -> bool:
    """Run the case, ended so; whether it was ended before it had run to its end. Checks what is left."""
    complaints: list[str] = []
    flock = Flock()

    async def main() -> bool:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda loop, context: complaints.append(str(context)))
        try:
            return bool(await end(case, flock, steps))
        finally:
            left = asyncio.all_tasks() - {asyncio.current_task()}
            names = [task for task in left if getattr(task.get_coro(), "__name__", "") != "after"]
            if names:
                complaints.append(f"tasks are left: {names}")
            if flock.under_way:
                complaints.append(f"{flock.under_way} calls are under way")

    try:
        ended = asyncio.run(main())
    except KeyboardInterrupt:
        ended = True
    gc.collect()
    assert not complaints, f"ended after {steps} steps: {complaints}"
    assert wait_until(lambda: not own_threads()), f"ended after {steps} steps: {own_threads()}"
    return ended


ENDS = [cancelled, timed_out, sibling_failed, interrupted]


def steps() -> list[int]:
    sparse, step = [], float(ALL)
    while step < MOST:
        sparse.append(int(step))
        step *= 2.0
    return [*range(ALL), *sparse]


def until_it_ends_by_itself(end: Any, case: Case) -> None:
    """Several times, since on a busy machine it may do so early."""
    by_itself = 0
    for n in steps():
        by_itself += not attempt(end, case, n)
        if by_itself == 2:
            return
    raise AssertionError("it never came to its end by itself")


@pytest.mark.parametrize("end", [*ENDS, cancelled_twice])
@pytest.mark.parametrize("case", IN_LOOP)
def test_in_the_loop(case: Case, end: Any) -> None:
    until_it_ends_by_itself(end, case)


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("case", BESIDE)
def test_beside_the_loop(case: Case, end: Any) -> None:
    until_it_ends_by_itself(end, case)
