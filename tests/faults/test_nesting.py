"""Maps inside maps: no deadlock, no more busy processes than CPUs, BLAS kept to one thread in workers only."""

from __future__ import annotations

import os
import threading
import time
from functools import partial
from pathlib import Path
from typing import Any

import pytest

import alongside
from tests.faults.support import count, executions

THREE_LEVELS = [(backend, inner) for backend in ("processes",) for inner in ("processes", "auto", "threads", "serial")]


def leaf(x: int) -> int:
    return x + 1


def middle(backend: str, x: int) -> int:
    return sum(alongside.map(leaf, range(x, x + 20), backend=backend))


def outer(backend: str, x: int) -> int:
    return sum(alongside.map(partial(middle, backend), range(x, x + 4), backend=backend))


@pytest.mark.parametrize(("backend", "inner"), THREE_LEVELS)
def test_three_deep(backend: str, inner: str) -> None:
    results = alongside.map(partial(outer, inner), range(6), backend=backend, max_workers=2)
    assert results == [sum(sum(range(y + 1, y + 21)) for y in range(x, x + 4)) for x in range(6)]


def busy(tally: str, seconds: float, x: int) -> int:
    """Compute, and note how many others do so at the same time."""
    count(tally, f"begins-{time.monotonic_ns()}")
    until = time.thread_time() + seconds
    while time.thread_time() < until:
        pass
    count(tally, f"ends-{time.monotonic_ns()}")
    return x


def nested_busy(tally: str, x: int) -> list[int]:
    return alongside.map(partial(busy, tally, 0.02), range(4), backend="processes")


def at_once(tally: str) -> int:
    """The largest number of tasks that were under way at the same time."""
    marks = sorted((int(mark.partition("-")[2]), mark.startswith("begins")) for mark in executions(tally))
    most = present = 0
    for _, begins in marks:
        present += 1 if begins else -1
        most = max(most, present)
    return most


def test_never_more_busy_processes_than_cpus(tmp_path: Path) -> None:
    tally = str(tmp_path / "tally")
    results = alongside.map(partial(nested_busy, tally), range(6), backend="processes")
    assert results == [[0, 1, 2, 3]] * 6
    assert 1 <= at_once(tally) <= alongside.cpu_count()


def cpus_here(_: int) -> int:
    return alongside.cpu_count()


@pytest.mark.parametrize(("cpus", "workers", "share"), [(8, 2, 4), (8, 3, 2), (2, 8, 1), (1, 1, 1), (6, 6, 1)])
def test_a_worker_counts_on_its_share_of_cpus(
    cpus: int, workers: int, share: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ALONGSIDE_CPU_COUNT", str(cpus))
    assert set(alongside.map(cpus_here, range(20), backend="processes", max_workers=workers)) == {share}


def plan_here(_: int) -> str:
    run = alongside.run(partial(busy, os.devnull, 0.004), range(10))
    return run.plan.backend


def test_automatic_inside_a_worker_with_one_cpu_starts_no_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALONGSIDE_CPU_COUNT", "2")
    assert "processes" not in alongside.map(plan_here, range(2), backend="processes", max_workers=2)


def blas_threads(_: int) -> list[int]:
    import numpy as np
    from threadpoolctl import threadpool_info

    (np.eye(10) @ np.eye(10)).sum()
    return [pool["num_threads"] for pool in threadpool_info()]


def test_blas_is_kept_to_one_thread_in_workers_only(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        monkeypatch.delenv(name, raising=False)
    here, environment = blas_threads(0), dict(os.environ)
    for there in alongside.map(blas_threads, range(4), backend="processes", max_workers=2):
        assert there
        assert set(there) == {1}
    assert blas_threads(0) == here
    assert dict(os.environ) == environment


def blas_variables(_: int) -> str | None:
    return os.environ.get("OPENBLAS_NUM_THREADS")


def test_what_the_user_has_set_for_blas_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "3")
    assert alongside.map(blas_variables, [0], backend="processes", max_workers=1) == ["3"]


def map_in_a_thread(x: int) -> list[int]:
    got: list[Any] = []
    thread = threading.Thread(target=lambda: got.extend(alongside.map(leaf, range(x), backend="processes")))
    thread.start()
    thread.join()
    return got


def test_a_nested_map_from_a_thread_of_the_worker() -> None:
    results = alongside.map(map_in_a_thread, range(10), backend="processes", max_workers=2)
    assert results == [list(range(1, x + 1)) for x in range(10)]
