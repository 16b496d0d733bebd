"""Is `auto` as good as an oracle? `python -m benchmarks regret`.

Owns: the rounds (every way of every workload in an interpreter of its own, in turn), and the keeping of what they told.
Must never: time anything itself, or forget a way that failed.

Can be run in pieces: what `--json FILE` already holds of other workloads is kept, and the table is made of all of it.
`--long FILE` makes a second table, of jobs one would rather not wait for: each workload has as many times its items
as keep the best way of FILE, a table of this benchmark, busy for a second; of the ways those are tried that took at
most `HOPELESS` times the best there, once warm. `--times N` gives every workload N times its items instead.
"""

from __future__ import annotations

import argparse
import compileall
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, replace
from pathlib import Path
from statistics import median
from typing import Any

import alongside
from benchmarks import commandline, machine, regret_report
from benchmarks.harness import say, why
from benchmarks.regret_report import Told
from benchmarks.regret_rows import ROWS, Workload

DEADLINE = 120.0
"""Seconds for one process."""

LONG, MOST_TIMES = 1.0, 100
"""Seconds that the best way should take where jobs are long, and times its items that a workload has at most then."""

HOPELESS = 2.5
"""Times the best from which a way is not measured again, in a first call and in later ones."""


def main(arguments: list[str]) -> int:
    """Run the workloads asked for and print the table."""
    parser = commandline.parser("regret", __doc__, ROWS)
    parser.add_argument("--times", type=int, default=1, metavar="N", help="N times the items, in the same order")
    parser.add_argument("--long", type=Path, metavar="FILE", help="items for a second of the best way of that table")
    options = parser.parse_args(arguments)
    about, kept = machine.line(), _kept(options.json)
    short = _kept(options.long)
    _compile()
    print(about, flush=True)
    for name in options.only or ROWS:
        kept[name] = measure(name, options, short.get(name))
        print(regret_report.text(kept[name]), flush=True)
        rows = [kept[row] for row in ROWS if row in kept]
        commandline.keep(options, about, [asdict(row) for row in rows], regret_report.markdown(about, rows))
    rows = [kept[row] for row in ROWS if row in kept]
    print("\n" + "\n".join(regret_report.summary(rows)))
    return 0


def measure(name: str, options: argparse.Namespace, short: Told | None = None) -> Told:
    """Every way in turn, round after round. `short`: what is known of the workload where it is not long."""
    workload = ROWS[name]
    told = Told(name, workload.title, times=options.times)
    if short is not None:
        told.times = _times(short) if workload.grows else 1
        workload = replace(workload, warm=1, ways=tuple(way for way in workload.ways if not _slow(short, way)))
    with _folder(workload) as folder:
        for number in range(options.rounds or (1 if options.quick else workload.rounds)):
            for way in (*workload.ways, "auto"):
                if way not in told.excluded and not hopeless(told, way):
                    _measure_way(told, workload, way, folder, options)
            if not options.quick or number == 0:
                _count(told, folder)
            say(f"  {name}: round {number + 1}")
    return told


def hopeless(told: Told, way: str) -> bool:
    """Whether a way was so slow, fresh and warm, that it cannot be the best: its first rounds say enough."""
    return way != "auto" and all(
        way in figures and median(figures[way]) > HOPELESS * min(map(median, figures.values()))
        for figures in (told.first, told.warm)
    )


def _times(short: Told) -> int:
    """How many times its items keep the best way busy for long."""
    return min(MOST_TIMES, max(1, round(LONG / median(short.warm[short.best(short.warm)]))))


def _slow(short: Told, way: str) -> bool:
    warm = short.warm
    return way not in warm or median(warm[way]) > HOPELESS * median(warm[short.best(warm)])


def _measure_way(told: Told, workload: Workload, way: str, folder: str, options: argparse.Namespace) -> None:
    try:
        warm = 1 if options.quick else workload.warm
        found = _child(told.row, way, folder, str(warm), str(told.times))
    except Exception as failure:
        told.excluded[way] = why(failure)
        told.first.pop(way, None)
        told.warm.pop(way, None)
        return
    told.first.setdefault(way, []).append(found["first"])
    told.warm.setdefault(way, []).append(median(found["warm"]))
    _compare(told, way, found)


_answers: dict[str, str] = {}


def _compare(told: Told, way: str, found: dict[str, Any]) -> None:
    """A way whose answer is not that of the first one falls out."""
    right = _answers.setdefault(told.row, found["answer"])
    if found["answer"] != right:
        told.excluded[way] = "WRONG ANSWER"
        del told.first[way], told.warm[way]


def _count(told: Told, folder: str) -> None:
    try:
        told.plans.append(_child(told.row, "--count", folder, "0", str(told.times)))
    except Exception as failure:
        told.excluded["the count"] = why(failure)


def _child(*arguments: str) -> dict[str, Any]:
    command = [sys.executable, "-m", "benchmarks.regret_child", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=DEADLINE, env=_with_bytecode())
    if done.returncode:
        raise RuntimeError(f"exit code {done.returncode}: {done.stderr.strip().splitlines()[-1:]}")
    told: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return told


def _with_bytecode() -> dict[str, str]:
    """The environment in which bytecode is kept, as after an installation, whatever the caller's says."""
    left_out = "PYTHONDONTWRITEBYTECODE", "PYTHONPYCACHEPREFIX"
    return {name: value for name, value in os.environ.items() if name not in left_out}


def _compile() -> None:
    """Have the bytecode of what is tried out of its source folder, as an installation would have it."""
    for package in (Path(alongside.__file__).parent, Path(__file__).parent):
        compileall.compile_dir(package, quiet=2)


@contextmanager
def _folder(workload: Workload) -> Iterator[str]:
    """What the workload reads: files, and the port of the server it asks.

    Files are on the disk before anything is timed: the system writes them back some seconds later otherwise, in the
    midst of whichever way has its turn then (240 MB made that one twice as slow).
    """
    from alongside.cli.loopback import SlowServer

    with tempfile.TemporaryDirectory() as folder:
        workload.prepare(Path(folder))
        os.sync()
        with nullcontext() if workload.latency is None else SlowServer(workload.latency) as server:
            if server is not None:
                Path(folder, "port").write_text(str(server.port))
            yield folder


def _kept(file: Path | None) -> dict[str, Told]:
    if file is None or not file.exists():
        return {}
    return {plain["row"]: Told(**plain) for plain in json.loads(file.read_text())["rows"]}
