"""The workloads of `regret`: what is run over which items, and by which ways.

Owns: the list. Must never: import numpy, pandas or scikit-learn for a workload without them, or time anything.
"""

from __future__ import annotations

import json
import random
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks import regret_waiting as waiting
from benchmarks import regret_work as work
from benchmarks.regret_ways import COMPUTING, COROUTINES, UNSENDABLE, WAITING, Case

Items = Callable[[Path], list[Any]]


@dataclass(frozen=True)
class Workload:
    """`case` makes it ready in the process that runs it; `prepare` writes once what it reads from the folder.

    `latency`: seconds after which a server answers each of its requests, whose port is in the folder's file `port`.
    `grows`: whether there can be many times its items: not where it is about how few there are, or they fill memory.
    """

    title: str
    case: Callable[[Path], Case]
    ways: tuple[str, ...] = COMPUTING
    prepare: Callable[[Path], object] = lambda folder: None
    latency: float | None = None
    rounds: int = 3
    warm: int = 2
    grows: bool = True


def _of(fn: Callable[[Any], Any], items: list[Any]) -> Callable[[Path], Case]:
    return lambda folder: Case(fn, lambda: items)


def _computing(title: str, seconds: list[float], **more: Any) -> Workload:
    return Workload(title, _of(work.compute, seconds), **more)


def _steps(title: str, items: list[Any], **more: Any) -> Workload:
    return Workload(title, _of(work.step, items), **more)


def _tail(count: int) -> list[float]:
    chance = random.Random(4)
    return [min(0.3, 0.001 * chance.paretovariate(1.1)) for _ in range(count)]


def _texts(count: int, size: int) -> list[str]:
    chance = random.Random(7)
    some = ["walking", "the", "tested", "runner", "a", "over", "singing", "birds", "under", "trees", "carried", "far"]
    return [" ".join(chance.choices(some, k=size)) for _ in range(count)]


def _documents(count: int) -> list[str]:
    return [json.dumps([{"id": n, "name": f"item {n}", "at": [n, n / 7]} for n in range(600)]) for _ in range(count)]


def _blocks(count: int, megabytes: float) -> list[bytes]:
    base = b"".join(line.encode() for line in _texts(200, 80))
    whole = (base * (int(megabytes * 1e6) // len(base) + 1))[: int(megabytes * 1e6)]
    return [bytes([n % 256]) + whole for n in range(count)]


# ------------------------------------------------------------------------------------------- files, pages, databases


def _write_files(folder: Path, count: int, text: str) -> None:
    for number in range(count):
        (folder / f"{number}.txt").write_text(text + str(number))


def _files(folder: Path) -> list[Any]:
    return [str(path) for path in sorted(folder.glob("*.txt"))]


def _write_table(folder: Path) -> None:
    with sqlite3.connect(folder / "numbers.db") as connection:
        connection.execute("CREATE TABLE numbers (id INTEGER PRIMARY KEY, value REAL)")
        connection.executemany("INSERT INTO numbers VALUES (?, ?)", ((n, n % 100) for n in range(60_000)))
    connection.close()


def _urls(folder: Path, count: int) -> list[str]:
    port = (folder / "port").read_text()
    return [f"http://127.0.0.1:{port}/page/{number}" for number in range(count)]


def _reads(fn: Callable[[Any], Any], items: Items) -> Callable[[Path], Case]:
    def case(folder: Path) -> Case:
        found = items(folder)
        return Case(fn, lambda: found)

    return case


# ------------------------------------------------------------------------------------------------------------ arrays


def _arrays(name: str, count: int) -> Callable[[Path], Case]:
    def case(folder: Path) -> Case:
        from benchmarks import regret_arrays

        return Case(getattr(regret_arrays, name), lambda: range(count))

    return case


def _large_arguments(folder: Path) -> Case:
    import numpy as np

    from benchmarks import regret_arrays

    arrays = [np.full(1_000_000, float(number)) for number in range(24)]
    return Case(regret_arrays.weigh, lambda: arrays)


def _large_constant(folder: Path) -> Case:
    import numpy as np

    from benchmarks import regret_arrays

    table = np.arange(10_000_000, dtype=np.float64)
    return Case(partial(regret_arrays.look_up, table), lambda: range(300), table)


def _groups(folder: Path) -> Case:
    import numpy as np
    import pandas as pd

    from benchmarks import regret_frames

    rng = np.random.default_rng(1)
    count = 300_000
    frame = pd.DataFrame(
        {"group": rng.integers(0, 60, count), "when": rng.integers(0, 1 << 40, count), "value": rng.normal(size=count)}
    )
    groups = [group for _, group in frame.groupby("group")]
    return Case(regret_frames.summarise, lambda: groups)


def _models(folder: Path) -> Case:
    import sklearn.tree  # noqa: F401  # a script that fits models has imported this at its top

    from benchmarks import regret_frames

    return Case(regret_frames.fit, lambda: range(40))


# ------------------------------------------------------------------------------------------------------ odd functions


def _lambda(folder: Path) -> Case:
    return Case(lambda seconds: work.compute(seconds), lambda: [0.005] * 120)


def _generator(folder: Path) -> Case:
    return Case(work.compute, lambda: (0.002 for _ in range(300)))


def _unpicklable(folder: Path) -> Case:
    items = [work.Locked(0.005) for _ in range(80)]
    return Case(work.compute_locked, lambda: items)


FAST, SLOW = ("compute", 5e-6), ("compute", 0.010)

ROWS: dict[str, Workload] = {
    "guide-squares": Workload("the guide's squares of 1 to 5", _of(work.square, [1, 2, 3, 4, 5]), grows=False),
    "guide-primes": Workload("the guide's primes, 8 limits", _of(work.count_primes, [60_000] * 8)),
    "guide-pages": Workload(
        "the guide's pages: 20 coroutines, 50 ms each",
        _reads(waiting.fetch_async, lambda folder: _urls(folder, 20)),
        COROUTINES,
        latency=0.05,
    ),
    "no-item": Workload("no item at all", _of(work.square, []), grows=False),
    "one-item": _computing("one item of 50 ms", [0.05], grows=False),
    "tiny": Workload(
        "200,000 items of 0.1 µs",
        _of(work.small, list(range(200_000))),
        ("loop", "executor, chunks", "Pool", "joblib"),
    ),
    "few-ms": _computing("10 items of 1 ms", [0.001] * 10, grows=False),
    "python-1ms": _computing("1,200 items of 1 ms of Python", [0.001] * 1200),
    "python-50ms": _computing("20 items of 50 ms of Python", [0.05] * 20),
    "python-2s": _computing(
        "4 items of 2 s of Python", [2.0] * 4, rounds=1, warm=1, ways=("loop", "executor, chunks", "Pool")
    ),
    "heavy-tail": _computing("250 items of 1 ms to 0.3 s, heavy-tailed", _tail(250)),
    "elementwise": Workload("30 arrays of 8 MB, elementwise", _arrays("elementwise", 30)),
    "blas": Workload("40 matrix products, already parallel inside", _arrays("multiply", 40)),
    "hashing": Workload("120 blocks of 8 MB to SHA-256", _of(work.digest, _blocks(1, 8) * 120)),
    "compression": Workload("40 blocks of 1 MB to zlib", _of(work.compress, _blocks(1, 1) * 40)),
    "json": Workload("400 documents of 30 kB", _of(work.parse, _documents(1) * 400)),
    "regex": Workload("300 texts of 6,000 words", _of(work.match, _texts(1, 6000) * 300)),
    "sleeps": Workload("60 waits of 20 ms", _of(work.nap, [0.02] * 60), WAITING),
    "short-sleeps": Workload("500 waits of 1 ms", _of(work.nap, [0.001] * 500), WAITING),
    "http": Workload(
        "60 pages of 30 ms, in ordinary code",
        _reads(waiting.fetch, lambda folder: _urls(folder, 60)),
        WAITING,
        latency=0.03,
    ),
    "http-async": Workload(
        "200 pages of 30 ms, in async code",
        _reads(waiting.fetch_async, lambda folder: _urls(folder, 200)),
        COROUTINES,
        latency=0.03,
    ),
    "async-computes": Workload(
        "60 coroutines that wait 2 ms and compute 15 ms",
        _of(waiting.fetch_and_compute, [(0.002, 0.015)] * 60),
        COROUTINES,
    ),
    "async-never-awaits": Workload(
        "40 coroutines of 20 ms that never await", _of(waiting.compute_async, [0.02] * 40), COROUTINES
    ),
    "async-sleeps": Workload("1,000 coroutines that wait 20 ms", _of(waiting.nap_async, [0.02] * 1000), COROUTINES),
    "small-files": Workload(
        "3,000 files of 1 kB",
        _reads(work.read_small, _files),
        WAITING,
        lambda folder: _write_files(folder, 3000, "x" * 1000),
    ),
    "large-files": Workload(
        "30 files of 8 MB",
        _reads(work.read_large, _files),
        WAITING,
        lambda folder: _write_files(folder, 30, ("x" * 79 + "\n") * 100_000),
    ),
    "sqlite": Workload(
        "120 aggregates over a table of 60,000 rows",
        _reads(waiting.query, lambda folder: [(str(folder / "numbers.db"), n % 7) for n in range(120)]),
        (*COMPUTING, "threads, 32"),
        _write_table,
    ),
    "subprocesses": Workload("40 programs of 20 ms", _of(waiting.run_command, [0.02] * 40), WAITING),
    "large-arguments": Workload("24 arrays of 8 MB as arguments", _large_arguments, grows=False),
    "large-results": Workload("40 arrays of 8 MB as results", _arrays("make", 40), grows=False),
    "large-constant": Workload(
        "300 look-ups in a constant of 80 MB", _large_constant, (*COMPUTING, "Pool, constant"), warm=2
    ),
    "frames": Workload("60 groups of a frame of 300,000 rows", _groups),
    "models": Workload("40 decision trees", _models),
    "unpicklable": Workload("80 items that hold a lock, 5 ms each", _unpicklable, UNSENDABLE),
    "lambda": Workload("a lambda, 120 times 5 ms", _lambda, ("loop", "threads", "joblib")),
    "generator": Workload("a generator of unknown length, 300 times 2 ms", _generator),
    "mixed": Workload(
        "80 items that wait 8 ms and compute 4 ms",
        _of(work.steps, [(("wait", 0.008), ("compute", 0.004))] * 80),
        (*COMPUTING, "threads, 32"),
    ),
    "first-fast": _steps("100 of 5 µs, then 80 of 10 ms", [FAST] * 100 + [SLOW] * 80),
    "first-slow": _steps("one of 60 ms, then 3,000 of 5 µs", [("compute", 0.06)] + [FAST] * 3000),
    "one-in-ten": _steps("every tenth of 400 takes 20 ms", ([FAST] * 9 + [("compute", 0.02)]) * 40),
    "slower-with-time": _steps("300 items, each slower: 10 µs to 6 ms", [("compute", 2e-5 * n) for n in range(300)]),
    "long-first": _steps("one of 1 s, then 40 of 25 ms", [("compute", 1.0)] + [("compute", 0.025)] * 40),
    "waits-then-computes": _steps("20 waits of 5 ms, then 60 of 10 ms", [("wait", 0.005)] * 20 + [SLOW] * 60),
    "computes-then-waits": _steps(
        "20 of 5 ms, then 60 waits of 15 ms",
        [("compute", 0.005)] * 20 + [("wait", 0.015)] * 60,
        ways=(*COMPUTING, "threads, 32"),
    ),
}
