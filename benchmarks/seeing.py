"""What watching costs: progress and the timeline, on against off, over a million tiny tasks.

Two ways of measuring: pairs of runs, one right after the other and in turns, so that whatever else the machine does
falls on both; and, since a run of a fifth of a second is not repeated to within 1 % here, the share of a run that is
spent inside the watcher. And the page of such a run (seeing_page.py). Owns nothing but its rows. `python -m benchmarks
seeing --record` writes benchmarks/SEEING.md.
"""

from __future__ import annotations

import argparse
import io
import statistics
import sys
import time
from collections.abc import Callable
from contextlib import redirect_stderr
from pathlib import Path
from typing import Any

import alongside
from alongside.compose import ordinary
from alongside.observe.progress import Progress
from alongside.observe.timeline import Timeline
from benchmarks import seeing_page
from benchmarks.machine import line

TASKS = 1_000_000
RESULTS = Path(__file__).parent / "SEEING.md"


class Terminal(io.StringIO):
    """Takes a bar as a terminal would, and shows it to nobody."""

    def isatty(self) -> bool:
        return True


def tiny(n: int) -> int:
    return n


def mapped(backend: str, progress: bool) -> float:
    """Seconds of a map over a million tiny tasks."""
    items = range(TASKS)
    with redirect_stderr(Terminal()):
        began = time.perf_counter()
        alongside.map(tiny, items, backend=backend, max_workers=2, progress=progress)
        return time.perf_counter() - began


def streamed(backend: str, watched: bool) -> float:
    """Seconds of the same through the engine, with and without a timeline."""
    began = time.perf_counter()
    options = {"backend": backend, "max_workers": 2}
    for _ in ordinary.stream(tiny, (range(TASKS),), options, True, watched=watched):
        pass
    return time.perf_counter() - began


def pairs(run: Callable[[bool], float], rounds: int) -> list[tuple[float, float]]:
    """Seconds off and on, in turns: off-on, on-off, …"""
    run(False)
    found = []
    for number in range(rounds):
        if number % 2:
            on = run(True)
            off = run(False)
        else:
            off = run(False)
            on = run(True)
        found.append((off, on))
    return found


def share(watcher: type[Any], run: Callable[[], object], rounds: int) -> float:
    """The median share of a run that is spent in the watcher's two methods, the stopwatch around them included."""
    spent = 0.0

    def timed(method: Callable[..., None]) -> Callable[..., None]:
        def call(*arguments: Any) -> None:
            nonlocal spent
            began = time.perf_counter()
            method(*arguments)
            spent += time.perf_counter() - began

        return call

    methods = {name: getattr(watcher, name) for name in ("on_event", "on_command")}
    shares = []
    try:
        for name, method in methods.items():
            setattr(watcher, name, timed(method))
        for _ in range(rounds):
            spent, began = 0.0, time.perf_counter()
            run()
            shares.append(spent / (time.perf_counter() - began))
    finally:
        for name, method in methods.items():
            setattr(watcher, name, method)
    return statistics.median(shares)


def share_rows(rounds: int) -> list[str]:
    """For each backend: progress, the timeline."""
    found = []
    for backend in ("serial", "threads", "processes"):
        progress = share(Progress, lambda b=backend: mapped(b, True), rounds)  # type: ignore[misc]
        timeline = share(Timeline, lambda b=backend: streamed(b, True), rounds)  # type: ignore[misc]
        found.append(f"| {backend} | {100 * progress:.2f} % | {100 * timeline:.2f} % |")
    return found


ROWS: dict[str, Callable[[bool], float]] = {
    "progress, serial": lambda on: mapped("serial", on),
    "progress, threads": lambda on: mapped("threads", on),
    "progress, processes": lambda on: mapped("processes", on),
    "timeline, serial": lambda on: streamed("serial", on),
    "timeline, processes": lambda on: streamed("processes", on),
}


def row(name: str, found: list[tuple[float, float]]) -> str:
    ratios = sorted(on / off for off, on in found)
    median, low, high = statistics.median(ratios), ratios[len(ratios) // 4], ratios[-1 - len(ratios) // 4]
    off, on = (statistics.median(column) for column in zip(*found, strict=True))
    told = [f"{100 * (ratio - 1):+.2f} %" for ratio in (median, low, high)]
    return f"| {name} | {off:.3f} | {on:.3f} | {told[0]} | {told[1]} … {told[2]} |"


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks seeing", description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--only", default="")
    parser.add_argument("--record", action="store_true", help=f"write {RESULTS.name}")
    chosen: Any = parser.parse_args(arguments)
    lines = [
        "| what, on which backend | off, s | on, s | median of the pairs' ratios | middle half of them |",
        "|---|---|---|---|---|",
    ]
    for name, run in ROWS.items():
        if chosen.only in name:
            lines.append(row(name, pairs(run, chosen.rounds)))
            print(lines[-1], flush=True)
    shares = ["| backend | progress | timeline |", "|---|---|---|", *share_rows(chosen.rounds)]
    print(*shares, sep="\n")
    page = "\n".join(seeing_page.rows(5))
    print(page)
    if chosen.record:
        told = {"table": "\n".join(lines), "shares": "\n".join(shares), "page": page}
        told |= {"machine": line(), "rounds": chosen.rounds}
        RESULTS.write_text(PAGE.format(**told), encoding="utf-8")
    return 0


PAGE = """# What watching costs

A million calls of `def tiny(n): return n` with two workers. Aimed at: progress within 1 %.

The share of a run that is spent inside the watcher, median of {rounds} runs:

{shares}

With and without the watcher, {rounds} pairs, one right after the other, in turns which comes first. The timeline is
always on for `alongside.run`; off and on are compared through the same stream of results. Where the middle half of the
pairs spans more than 1 %, the pairs cannot tell whether the aim is met, and the shares above do.

{table}

The page of such a run, in which one task in ten thousand fails. Aimed at: under 10 MB, opened in 2 s. Opened five
times, in Chromium without a window: from asking for the file until the figures are on the screen, the median and the
slowest.

{page}

The bar draws into a stand-in for a terminal. Measured on: {machine}. Made by `./scripts/bench seeing --record`.
"""

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
