"""Many cycles leave nothing: descriptors, threads, processes, memory."""

from __future__ import annotations

import gc
import os
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any
from weakref import ref

import numpy as np
import psutil
import pytest

import alongside
from alongside.workers.supervisor import supervisor
from tests.faults.support import until

CYCLES = 200 if os.environ.get("ALONGSIDE_LONG_TESTS") else 32
"""Cycles with warm workers; a quarter of them where the helper is started anew each time."""

MARGIN = 8 << 20


def square(x: int) -> int:
    return x * x


def fails(x: int) -> int:
    if x == 77:
        raise ValueError(x)
    return x


def dies(x: int) -> int:
    if x == 77:
        os._exit(3)
    return x


def make(n: int) -> np.ndarray:
    return np.full(200_000, n, dtype=np.int64)


def total(array: np.ndarray) -> int:
    return int(array.sum())


def succeed() -> None:
    assert alongside.map(square, range(300), backend="processes", max_workers=2) == [x * x for x in range(300)]


def raise_early() -> None:
    with pytest.raises(ValueError):
        alongside.map(fails, range(300), backend="processes", max_workers=2)


def lose_a_worker() -> None:
    assert len(alongside.run(dies, range(300), backend="processes", max_workers=2).failures) == 1


def leave_an_iterator() -> None:
    results = alongside.imap(square, range(100_000), backend="processes", max_workers=2)
    assert next(iter(results)) == 0


def send_arrays() -> None:
    arrays = alongside.map(make, range(6), backend="processes", max_workers=2)
    assert alongside.map(total, arrays, backend="processes", max_workers=2) == [200_000 * n for n in range(6)]


def share_a_constant() -> None:
    table = np.full(200_000, 2.0)
    for _ in range(2):
        assert alongside.map(partial(np.dot, table), [table], backend="processes", max_workers=2) == [800_000]
    table[7] = 3.0
    alongside.map(lambda place: float(table[place]), range(20), backend="processes", max_workers=2)


def use_an_initializer() -> None:
    alongside.map(square, range(50), backend="processes", max_workers=2, initializer=partial(square, 1))


def state() -> tuple[list[str], int, int]:
    open_files = []
    for fd in os.listdir("/proc/self/fd"):
        try:
            open_files.append(os.readlink(f"/proc/self/fd/{fd}").split(":")[0])
        except OSError:
            continue
    running = [child for child in psutil.Process().children(recursive=True) if child.status() != "zombie"]
    return sorted(file for file in open_files if not file.startswith("/proc/")), threading.active_count(), len(running)


@pytest.mark.parametrize(
    "cycle",
    [succeed, raise_early, lose_a_worker, leave_an_iterator, send_arrays, share_a_constant, use_an_initializer],
    ids=lambda cycle: cycle.__name__,
)
@pytest.mark.parametrize("opening", ["warm", "closed each time"])
def test_cycles_leave_nothing(cycle: Callable[[], None], opening: str) -> None:
    closing, cycles = (False, CYCLES) if opening == "warm" else (True, CYCLES // 4)
    for _ in range(3):
        cycle()
    supervisor.close()
    gc.collect()
    before, memory = state(), psutil.Process().memory_info().rss
    for _ in range(cycles):
        cycle()
        if closing:
            supervisor.close()
    supervisor.close()
    gc.collect()
    until(lambda: state() == before, f"everything is as before: {before}, {state()}")
    grown = psutil.Process().memory_info().rss - memory
    assert grown < MARGIN, f"{grown / 1e6:.1f} MB more after {cycles} cycles"


def test_killed_workers_are_forgotten(tmp_path: Path) -> None:
    for _ in range(20):
        lose_a_worker()
    succeed()
    nursery = supervisor._nursery
    assert len(nursery._pids) <= len(supervisor._warm)
    assert not nursery._ended
    assert not supervisor._lent


class Thing:
    """Something that can be watched: an item, a result, or a function."""

    def __call__(self, item: Thing) -> Thing:
        return item


@pytest.mark.parametrize("call", [alongside.map, alongside.run], ids=lambda call: call.__name__)
def test_a_run_lets_go_of_what_it_used(call: Callable[..., Any]) -> None:
    """At once, and not only when the garbage collector comes by: what was used may be large."""
    gc.collect()
    gc.disable()
    try:
        fn, items = Thing(), [Thing() for _ in range(50)]
        run = call(fn, items, backend="processes", max_workers=2)
        results = run.results if call is alongside.run else list(run)
        watched = [ref(thing) for thing in (fn, *items, *results)]
        del fn, items, run, results
        until(lambda: not any(one() for one in watched), "everything is let go", cap=2.0)
    finally:
        gc.enable()
