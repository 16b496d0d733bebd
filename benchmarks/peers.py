"""Opening the peers: each function gives a warm pool, ready to be timed.

Owns: how each library is imported, started, warmed and closed. Must never: time anything.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import contextmanager
from importlib import import_module
from multiprocessing.pool import Pool
from types import ModuleType
from typing import Any

from benchmarks.harness import CannotDo
from benchmarks.tasks import same, spin

WORKERS = 2


def library(name: str) -> ModuleType:
    """Import a peer, or say that it is not installed."""
    try:
        return import_module(name)
    except ImportError as missing:
        raise CannotDo(f"not installed ({missing})") from missing


def alongside_name(name: str) -> Any:
    """A public name of alongside, or the reason why the row cannot be done yet."""
    found = getattr(library("alongside"), name, None)
    if found is None:
        raise CannotDo(f"alongside.{name} is not there yet")
    return found


def both_busy(executor: Executor) -> None:
    """Make an executor start all its workers: each gets a task long enough that the other must take the next."""
    list(executor.map(spin, [0.05] * (2 * WORKERS)))


async def worker_loop(call: Callable[[int], Awaitable[int]], count: int, at_once: int) -> list[int]:
    """The loop that a careful person writes: so many workers, each of which takes the next number when it is done."""
    results = [-1] * count
    numbers = iter(range(count))

    async def work() -> None:
        for number in numbers:
            results[number] = await call(number)

    await asyncio.gather(*(work() for _ in range(at_once)))
    return results


@contextmanager
def stdlib_executor(workers: int = WORKERS) -> Iterator[ProcessPoolExecutor]:
    """concurrent.futures.ProcessPoolExecutor with its workers started."""
    with ProcessPoolExecutor(workers) as executor:
        both_busy(executor)
        yield executor


@contextmanager
def stdlib_pool(workers: int = WORKERS) -> Iterator[Pool]:
    """multiprocessing.Pool, warm."""
    with multiprocessing.Pool(workers) as pool:
        pool.map(same, range(100))
        yield pool


@contextmanager
def loky_executor() -> Iterator[Executor]:
    """loky's own executor with its workers started."""
    executor = library("loky").ProcessPoolExecutor(WORKERS)
    try:
        both_busy(executor)
        yield executor
    finally:
        executor.shutdown(wait=True, kill_workers=True)


@contextmanager
def pebble_pool() -> Iterator[Any]:
    """pebble.ProcessPool with its workers started."""
    pool = library("pebble").ProcessPool(max_workers=WORKERS)
    try:
        list(pool.map(same, range(100)).result())
        yield pool
    finally:
        pool.stop()
        pool.join()


@contextmanager
def joblib_parallel(**options: Any) -> Iterator[Any]:
    """joblib.Parallel on its loky workers, kept open and warm."""
    joblib = library("joblib")
    with joblib.Parallel(n_jobs=WORKERS, **options) as parallel:
        parallel(joblib.delayed(same)(item) for item in range(100))
        yield parallel


@contextmanager
def mpire_pool() -> Iterator[Any]:
    """mpire.WorkerPool with keep_alive, warm."""
    with library("mpire").WorkerPool(n_jobs=WORKERS, keep_alive=True) as pool:
        pool.map(same, range(100))
        yield pool


@contextmanager
def dask_client() -> Iterator[Any]:
    """A local Dask cluster of two single-threaded worker processes, without its dashboard."""
    distributed = library("distributed")
    options = {"n_workers": WORKERS, "threads_per_worker": 1, "dashboard_address": None, "silence_logs": 50}
    with distributed.LocalCluster(**options) as cluster, distributed.Client(cluster) as client:
        client.gather(client.map(same, range(100)))
        yield client


@contextmanager
def ray_session() -> Iterator[Any]:
    """A local Ray with two CPUs, quiet."""
    ray = library("ray")
    ray.init(num_cpus=WORKERS, include_dashboard=False, log_to_driver=False, configure_logging=False)
    try:
        yield ray
    finally:
        ray.shutdown()


@contextmanager
def alongside_executor() -> Iterator[Executor]:
    """alongside.Executor with its workers started."""
    with alongside_name("Executor")(backend="processes", max_workers=WORKERS) as executor:
        both_busy(executor)
        yield executor


def alongside_map(function: Callable[..., object], *iterables: Iterable[object], workers: int = WORKERS) -> list[Any]:
    """alongside.map on worker processes."""
    answer: list[Any] = alongside_name("map")(function, *iterables, backend="processes", max_workers=workers)
    return answer


def best_of(candidates: Iterable[int], work: Callable[[int], object]) -> int:
    """The candidate setting whose run is the shortest (after one run to warm up)."""
    tried = list(candidates)
    work(tried[-1])
    return min(tried, key=lambda candidate: _seconds(work, candidate))


def _seconds(work: Callable[[int], object], candidate: int) -> float:
    start = time.perf_counter()
    work(candidate)
    return time.perf_counter() - start
