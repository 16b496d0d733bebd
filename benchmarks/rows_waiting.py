"""Rows about threads and coroutines by themselves: brief tasks, naps, coroutines that wait, memory.

Owns: the peers' ways of doing it, each as its documents say. Must never: give alongside a setting others do not get.
"""

from __future__ import annotations

import asyncio
import threading
import time
import tracemalloc
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial

from benchmarks import peers
from benchmarks.harness import SUBJECT, Contender, Row, Target, Work, reported
from benchmarks.scale import Scale

LOOP, BARE, BY_HAND = "plain loop", "bare threads, each its share", "worker loop by hand"
THREADS, AT_ONCE = 64, 1000


def compute(item: int) -> int:
    """About 20 µs of Python that holds the GIL."""
    total = 0
    for number in range(450):
        total += number
    return item


def nap(item: int) -> int:
    """A wait of 1 ms."""
    time.sleep(0.001)
    return item


async def nap_later(item: int) -> int:
    """The same for an event loop."""
    await asyncio.sleep(0.001)
    return item


def brief(scale: Scale) -> Row:
    """Bound by handing over: a lock and a wake-up per task in a pool that takes tasks one by one. The figure is what
    comes on top of a plain loop in the same round."""
    count = scale._size(100_000, 10_000)
    return Row(
        f"{count:,} tasks of about 20 µs in 4 threads: seconds on top of a plain loop",
        (
            _simple("ThreadPoolExecutor", partial(_executor, compute, count, 4)),
            _simple("joblib, threading", partial(_joblib, compute, count, 4)),
            _simple(SUBJECT, partial(_threads, compute, count, 4)),
            _simple(LOOP, partial(_loop, compute, count), limit=True),
        ),
        partial(_in_order, count),
        (Target("at most a fifth of ThreadPoolExecutor's overhead", 0.2, "ThreadPoolExecutor"),),
        subtract=LOOP,
        rounds=scale.rounds(7),
    )


def naps(scale: Scale) -> Row:
    """Bound by the GIL: each nap ends with a wake-up that has to get hold of it."""
    count = scale._size(10_000, 2_000)
    ideal = count * 0.001 / THREADS
    return Row(
        f"{count:,} sleeps of 1 ms in {THREADS} threads; ideal {ideal * 1000:.0f} ms",
        (
            _simple("ThreadPoolExecutor", partial(_executor, nap, count, THREADS)),
            _simple("joblib, threading", partial(_joblib, nap, count, THREADS)),
            _simple(SUBJECT, partial(_threads, nap, count, THREADS)),
            _simple(BARE, partial(_bare, nap, count, THREADS), limit=True),
        ),
        partial(_in_order, count),
        (
            Target("within 10 % of the ideal", 1.1 * ideal),
            Target("within 10 % of bare threads", 1.1, BARE),
        ),
        rounds=scale.rounds(7),
    )


def coroutines(scale: Scale) -> Row:
    """Bound by the event loop: a timer, a future and a wake-up per wait."""
    count = scale._size(100_000, 10_000)
    return Row(
        f"{count:,} coroutines that wait 1 ms, {AT_ONCE:,} at a time",
        (
            _simple(BY_HAND, partial(_run, _worker_loop, count)),
            _simple("gather + semaphore", partial(_run, _gather, count)),
            _simple("TaskGroup + semaphore", partial(_run, _task_group, count)),
            _simple("aiometer", partial(_run, _aiometer, count)),
            _simple("aiomultiprocess, 2 processes", partial(_run, _aiomultiprocess, count)),
            _simple(SUBJECT, partial(_alongside_loop, count)),
        ),
        partial(_in_order, count),
        (
            Target("no slower than the best worker loop by hand", 1.0, BY_HAND),
            Target("faster than every other peer: gather", 1.0, "gather + semaphore"),
            Target("faster than every other peer: TaskGroup", 1.0, "TaskGroup + semaphore"),
            Target("faster than every other peer: aiometer", 1.0, "aiometer"),
            Target("faster than every other peer: aiomultiprocess", 1.0, "aiomultiprocess, 2 processes"),
        ),
        rounds=scale.rounds(7),
    )


def memory(scale: Scale) -> Row:
    """Bound by what is kept per coroutine: one for each slot, or one for each item of the input."""
    count = scale._size(100_000, 10_000)
    return Row(
        f"megabytes at the most for {count:,} coroutines, {AT_ONCE:,} at a time, results not kept",
        (
            Contender("gather + semaphore", lambda: _peak(partial(_run, _gather, count))),
            Contender(SUBJECT, lambda: _peak(partial(_streamed, count))),
        ),
        lambda answer: "" if answer else "nothing came",
        (Target("at most 20 MB, whatever the input's length", 20.0),),
        measure=reported,
        unit="MB",
        rounds=scale.rounds(3),
        warmups=0,
    )


def _simple(name: str, work: Work, limit: bool = False) -> Contender:
    @contextmanager
    def opened() -> Iterator[Work]:
        yield work

    return Contender(name, opened, limit=limit)


def _in_order(count: int, answer: object) -> str:
    return "" if answer == list(range(count)) else "the results are not the items in order"


# -------------------------------------------------------------------------------------------------------- threads


def _loop(fn: Callable[[int], int], count: int) -> list[int]:
    return [fn(item) for item in range(count)]


def _executor(fn: Callable[[int], int], count: int, threads: int) -> list[int]:
    with ThreadPoolExecutor(threads) as executor:
        return list(executor.map(fn, range(count)))


def _joblib(fn: Callable[[int], int], count: int, threads: int) -> list[int]:
    joblib = peers.library("joblib")
    answer: list[int] = joblib.Parallel(threads, backend="threading")(joblib.delayed(fn)(item) for item in range(count))
    return answer


def _threads(fn: Callable[[int], int], count: int, threads: int) -> list[int]:
    answer: list[int] = peers.alongside_name("map")(fn, range(count), backend="threads", max_workers=threads)
    return answer


def _bare(fn: Callable[[int], int], count: int, threads: int) -> list[int]:
    def work(first: int) -> None:
        for item in range(first, count, threads):
            fn(item)

    started = [threading.Thread(target=work, args=(first,)) for first in range(threads)]
    for thread in started:
        thread.start()
    for thread in started:
        thread.join()
    return list(range(count))


# ----------------------------------------------------------------------------------------------------- event loops


def _run(main: Callable[[int], Awaitable[list[int]]], count: int) -> list[int]:
    with asyncio.Runner() as runner:
        return runner.run(main(count))  # type: ignore[arg-type]  # a coroutine


async def _worker_loop(count: int) -> list[int]:
    return await peers.worker_loop(nap_later, count, AT_ONCE)


async def _gather(count: int) -> list[int]:
    semaphore = asyncio.Semaphore(AT_ONCE)

    async def limited(item: int) -> int:
        async with semaphore:
            return await nap_later(item)

    return await asyncio.gather(*(limited(item) for item in range(count)))


async def _task_group(count: int) -> list[int]:
    semaphore = asyncio.Semaphore(AT_ONCE)

    async def limited(item: int) -> int:
        async with semaphore:
            return await nap_later(item)

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(limited(item)) for item in range(count)]
    return [task.result() for task in tasks]


async def _aiometer(count: int) -> list[int]:
    jobs = [partial(nap_later, item) for item in range(count)]
    answer: list[int] = await peers.library("aiometer").run_all(jobs, max_at_once=AT_ONCE)
    return answer


async def _aiomultiprocess(count: int) -> list[int]:
    async with peers.library("aiomultiprocess").Pool(2, childconcurrency=AT_ONCE // 2) as pool:
        return list(await pool.map(nap_later, range(count)))


def _alongside_loop(count: int) -> list[int]:
    answer: list[int] = peers.alongside_name("map")(nap_later, range(count), backend="asyncio", max_workers=AT_ONCE)
    return answer


def _streamed(count: int) -> int:
    imap = peers.alongside_name("imap")
    return sum(1 for _ in imap(nap_later, iter(range(count)), backend="asyncio", max_workers=AT_ONCE))


@contextmanager
def _peak(work: Work) -> Iterator[Work]:
    """The work with its peak of traced memory as the figure."""

    def measured() -> tuple[float, object]:
        tracemalloc.start()
        try:
            answer = work()
            return tracemalloc.get_traced_memory()[1] / 1e6, answer
        finally:
            tracemalloc.stop()

    yield measured
