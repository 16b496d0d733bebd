"""Every way a competent user would run a function over items with the standard tools, and `auto`.

Owns: how each tool is imported, sized and opened. Must never: time anything, or import a tool before it is asked for.

A way is a context manager: it is given the case and gives a callable that does all of the work once. What it imports
and starts belongs to its own cost, so all of it happens inside.
"""

from __future__ import annotations

import asyncio
import os
import pickle
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from typing import Any

Call = Callable[[], list[Any]]


@dataclass(frozen=True)
class Case:
    """One workload, ready to run: `items` gives a fresh iterable each time, `constant` what a pool can hand to its
    workers once."""

    fn: Callable[[Any], Any]
    items: Callable[[], Any]
    constant: Any = None

    def times(self, number: int) -> Case:
        """The same with each item `number` times over, in its place, so that what comes early still comes early."""
        if number == 1:
            return self
        items = list(self.items())
        repeated = [another for item in items for another in _copies(item, number)]
        lazy = isinstance(self.items(), Iterator)
        return replace(self, items=lambda: iter(repeated) if lazy else repeated)


def _copies(item: Any, number: int) -> Iterator[Any]:
    """Frames and the like anew each time: of one that comes again pickle sends a reference."""
    content = pickle.dumps(item, 5) if hasattr(item, "memory_usage") else b""
    for _ in range(number):
        yield pickle.loads(content) if content else item


Way = Callable[[Case], AbstractContextManager[Call]]


def cpus() -> int:
    """The CPUs this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextmanager
def loop(case: Case) -> Iterator[Call]:
    """A list comprehension."""
    yield lambda: [case.fn(item) for item in case.items()]


def threads(workers: int | None) -> Way:
    """`ThreadPoolExecutor`, of its own default size or another."""

    @contextmanager
    def opened(case: Case) -> Iterator[Call]:
        from concurrent.futures import ThreadPoolExecutor

        with ThreadPoolExecutor(workers) as executor:
            yield lambda: list(executor.map(case.fn, case.items()))

    return opened


def executor(chunked: bool) -> Way:
    """`ProcessPoolExecutor`, one task at a time or in four chunks per worker."""

    @contextmanager
    def opened(case: Case) -> Iterator[Call]:
        from concurrent.futures import ProcessPoolExecutor

        def call() -> list[Any]:
            items = list(case.items())
            size = max(1, len(items) // (4 * cpus())) if chunked else 1
            return list(workers.map(case.fn, items, chunksize=size))

        with ProcessPoolExecutor(cpus()) as workers:
            yield call

    return opened


def pool(chunksize: int | None) -> Way:
    """`multiprocessing.Pool.map`, in the chunks it makes by itself or one task at a time."""

    @contextmanager
    def opened(case: Case) -> Iterator[Call]:
        from multiprocessing import Pool

        with Pool(cpus()) as workers:
            yield lambda: workers.map(case.fn, case.items(), chunksize)

    return opened


@contextmanager
def joblib(case: Case) -> Iterator[Call]:
    """`joblib.Parallel` with its own batching, kept open between calls."""
    from joblib import Parallel, delayed

    with Parallel(n_jobs=cpus()) as parallel:
        yield lambda: list(parallel(delayed(case.fn)(item) for item in case.items()))


_constant: Any = None


def _keep(constant: Any) -> None:
    global _constant
    _constant = constant


def _with_constant(what: tuple[Callable[[Any, Any], Any], Any]) -> Any:
    fn, item = what
    return fn(_constant, item)


@contextmanager
def pool_constant(case: Case) -> Iterator[Call]:
    """`Pool` with the large constant given once to each worker, through its initializer; forked, so without a copy."""
    from functools import partial
    from multiprocessing import Pool

    assert isinstance(case.fn, partial)
    bare = case.fn.func
    with Pool(cpus(), _keep, (case.constant,)) as workers:
        yield lambda: workers.map(_with_constant, [(bare, item) for item in case.items()])


# ------------------------------------------------------------------------------------------------------- coroutines


@contextmanager
def one_by_one(case: Case) -> Iterator[Call]:
    """Each awaited before the next is begun."""

    async def work() -> list[Any]:
        return [await case.fn(item) for item in case.items()]

    yield lambda: asyncio.run(work())


def gathered(limit: int) -> Way:
    """`asyncio.gather` with a semaphore."""

    @contextmanager
    def opened(case: Case) -> Iterator[Call]:
        async def work() -> list[Any]:
            gate = asyncio.Semaphore(limit)

            async def one(item: Any) -> Any:
                async with gate:
                    return await case.fn(item)

            return list(await asyncio.gather(*map(one, case.items())))

        yield lambda: asyncio.run(work())

    return opened


@contextmanager
def aiomultiprocess(case: Case) -> Iterator[Call]:
    """`aiomultiprocess.Pool`, opened for each call: it belongs to one event loop."""
    from aiomultiprocess import Pool

    async def work() -> list[Any]:
        async with Pool(cpus()) as workers:
            return list(await workers.map(case.fn, list(case.items())))

    yield lambda: asyncio.run(work())


class Ran:
    """Runs one coroutine to its end: what a process pool has to be given for an async function."""

    def __init__(self, fn: Callable[[Any], Any]) -> None:
        self.fn = fn

    def __call__(self, item: Any) -> Any:
        return asyncio.run(self.fn(item))


@contextmanager
def pool_of_loops(case: Case) -> Iterator[Call]:
    """`Pool.map`, an event loop for each coroutine."""
    with pool(None)(Case(Ran(case.fn), case.items)) as call:
        yield call


# ------------------------------------------------------------------------------------------------------------- auto


@contextmanager
def auto(case: Case) -> Iterator[Call]:
    """`alongside.map` without an option."""
    import alongside

    yield lambda: alongside.map(case.fn, case.items())


WAYS: dict[str, Way] = {
    "loop": loop,
    "threads": threads(None),
    "threads, 32": threads(32),
    "executor": executor(chunked=False),
    "executor, chunks": executor(chunked=True),
    "Pool": pool(None),
    "Pool, one by one": pool(1),
    "joblib": joblib,
    "Pool, constant": pool_constant,
    "await": one_by_one,
    "gather": gathered(1000),
    "gather, 20": gathered(20),
    "aiomultiprocess": aiomultiprocess,
    "Pool of loops": pool_of_loops,
    "auto": auto,
}
COMPUTING = ("loop", "threads", "executor, chunks", "Pool", "Pool, one by one", "joblib")
WAITING = ("loop", "threads", "threads, 32", "Pool", "joblib")
UNSENDABLE = ("loop", "threads", "threads, 32", "joblib")
COROUTINES = ("await", "gather", "gather, 20", "aiomultiprocess", "Pool of loops")
