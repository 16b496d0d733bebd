"""The contenders of the torture page, each used with as much care as its interface allows.

That is a call per task, results asked for one by one, and its own timeout where it has one.

Owns how each library is called. Must never judge what comes of it.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from importlib import import_module
from itertools import islice
from typing import Any

WORKERS = 2
Told = tuple[str, Any]
"""("ok", value) or ("error", the name of its type)."""


class Cannot(Exception):
    """The library has no way to do this; the message says what is missing."""


def told(get: Callable[[], Any]) -> Told:
    """What one task came to. Whatever it raised is caught, `SystemExit` too; only Ctrl-C is not the task's."""
    try:
        return "ok", get()
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        return "error", type(error).__name__


def all_or_nothing(get: Callable[[], list[Any]], count: int) -> list[Told]:
    """Where a failure is the failure of all."""
    kind, found = told(get)
    return [("ok", value) for value in found] if kind == "ok" else [(kind, found)] * count


class Alongside:
    """alongside.run."""

    def each(self, fn: Any, items: list[Any], timeout: float | None) -> list[Told]:
        import alongside

        run = alongside.run(fn, items, backend="processes", max_workers=WORKERS, timeout=timeout)
        return [("ok", one.value) if one.ok else ("error", type(one.exception).__name__) for one in run.outcomes]

    def lazily(self, fn: Any, items: Iterable[Any], count: int) -> list[Any]:
        import alongside

        return list(islice(alongside.imap(fn, items, backend="processes", max_workers=WORKERS), count))


class Pool:
    """multiprocessing.Pool: apply_async, and get of each."""

    def each(self, fn: Any, items: list[Any], timeout: float | None) -> list[Told]:
        with multiprocessing.Pool(WORKERS) as pool:
            waiting = [pool.apply_async(fn, (item,)) for item in items]
            return [told(lambda one=one: one.get(timeout)) for one in waiting]  # type: ignore[misc]

    def lazily(self, fn: Any, items: Iterable[Any], count: int) -> list[Any]:
        with multiprocessing.Pool(WORKERS) as pool:
            return list(islice(pool.imap(fn, items), count))


class Futures:
    """concurrent.futures.ProcessPoolExecutor: submit, and result of each."""

    def pool(self) -> Any:
        return ProcessPoolExecutor(WORKERS)

    def each(self, fn: Any, items: list[Any], timeout: float | None) -> list[Told]:
        with self.pool() as pool:
            futures = [told(lambda item=item: pool.submit(fn, item)) for item in items]  # type: ignore[misc]
            return [
                told(lambda future=future: future.result(timeout)) if kind == "ok" else (kind, future)  # type: ignore[misc]
                for kind, future in futures
            ]

    def lazily(self, fn: Any, items: Iterable[Any], count: int) -> list[Any]:
        with self.pool() as pool:
            return list(islice(pool.map(fn, items), count))


class Loky(Futures):
    """loky's executor, the same way."""

    def pool(self) -> Any:
        return import_module("loky").ProcessPoolExecutor(WORKERS)


class Joblib:
    """joblib.Parallel: one call for all; it has no other."""

    def each(self, fn: Any, items: list[Any], timeout: float | None) -> list[Told]:
        joblib = import_module("joblib")
        parallel = joblib.Parallel(n_jobs=WORKERS, timeout=timeout)
        return all_or_nothing(lambda: parallel(joblib.delayed(fn)(item) for item in items), len(items))

    def lazily(self, fn: Any, items: Iterable[Any], count: int) -> list[Any]:
        joblib = import_module("joblib")
        parallel = joblib.Parallel(n_jobs=WORKERS, return_as="generator")
        return list(islice(parallel(joblib.delayed(fn)(item) for item in items), count))


class Mpire:
    """mpire.WorkerPool: apply_async with its task_timeout, and get of each."""

    def each(self, fn: Any, items: list[Any], timeout: float | None) -> list[Told]:
        with import_module("mpire").WorkerPool(WORKERS) as pool:
            waiting = [pool.apply_async(fn, (item,), task_timeout=timeout) for item in items]
            return [told(one.get) for one in waiting]

    def lazily(self, fn: Any, items: Iterable[Any], count: int) -> list[Any]:
        with import_module("mpire").WorkerPool(WORKERS) as pool:
            return list(islice(pool.imap(fn, items), count))


class Pebble:
    """pebble.ProcessPool: schedule with its timeout, and result of each."""

    def each(self, fn: Any, items: list[Any], timeout: float | None) -> list[Told]:
        with import_module("pebble").ProcessPool(WORKERS) as pool:
            futures = [pool.schedule(fn, args=[item], timeout=timeout) for item in items]
            return [told(future.result) for future in futures]

    def lazily(self, fn: Any, items: Iterable[Any], count: int) -> list[Any]:
        with import_module("pebble").ProcessPool(WORKERS) as pool:
            results: Iterator[Any] = pool.map(fn, items).result()
            return list(islice(results, count))


TOOLS: dict[str, Any] = {
    "alongside": Alongside,
    "multiprocessing.Pool": Pool,
    "ProcessPoolExecutor": Futures,
    "joblib": Joblib,
    "loky": Loky,
    "mpire": Mpire,
    "pebble": Pebble,
}
MODULES = {"joblib": "joblib", "loky": "loky", "mpire": "mpire", "pebble": "pebble"}
