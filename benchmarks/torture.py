"""Torture: what becomes of the other tasks, of the program and of the machine when one task misbehaves.

Each fault is tried with each tool in a process of its own, with a deadline. Owns the verdicts and the table.
Must never be kind to one tool: every cell is judged by the same rules, from what its process printed and left behind.

    ./scripts/bench torture [--output benchmarks/TORTURE.md] [--only FAULT ...] [--tools TOOL ...]
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import psutil

from benchmarks.harness import say
from benchmarks.machine import processor, usable_cpus
from benchmarks.torture_faults import BAD, FAULTS, ITEMS, Fault
from benchmarks.torture_tools import MODULES, TOOLS

DEADLINE, SETTLING = 12.0, 3.0
MARK = "ALONGSIDE_TORTURE"
GOOD, POOR, BAD_MARK = "✓", "~", "✗"


@dataclass(frozen=True)
class Verdict:
    """A cell: a mark and a few words."""

    mark: str
    words: str

    def __str__(self) -> str:
        return f"{self.mark} {self.words}"


@dataclass
class Ended:
    """How the process of a cell ended: None where it had to be killed; what it printed last; what was left of it."""

    code: int | None
    printed: Any
    tracebacks: int
    left: int
    seconds: float


# --------------------------------------------------------------------------------------------- one cell's process


def alive(mark: str) -> list[psutil.Process]:
    """The processes that bear this mark in their environment."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get(MARK) == mark and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except (psutil.Error, OSError):
            continue
    return found


def left_after(mark: str, seconds: float) -> int:
    """How many of them are still there when they have had so long to go."""
    until = time.monotonic() + seconds
    while (found := alive(mark)) and time.monotonic() < until:
        time.sleep(0.05)
    return len(found)


@contextmanager
def child(tool: str, fault: str, *more: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The process of a cell, and its mark; whatever bears that is gone afterwards."""
    mark = uuid.uuid4().hex
    command = [sys.executable, "-W", "ignore", "-m", "benchmarks.torture_child", tool, fault, *more]
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        process = subprocess.Popen(
            command, text=True, stdout=out, stderr=err, stdin=subprocess.DEVNULL,
            start_new_session=True, env={**os.environ, MARK: mark},
        )  # fmt: skip
        process.files = out, err  # type: ignore[attr-defined]
        try:
            yield process, mark
        finally:
            for one in alive(mark):
                one.kill()
            process.kill()
            process.wait()


def ended(process: subprocess.Popen[str], mark: str, deadline: float = DEADLINE) -> Ended:
    """Wait for it, at most until the deadline."""
    began = time.monotonic()
    try:
        code: int | None = process.wait(deadline)
    except subprocess.TimeoutExpired:
        code = None
    seconds = time.monotonic() - began
    out, err = (_text(file) for file in process.files)  # type: ignore[attr-defined]
    left = left_after(mark, SETTLING) if code is not None else 0
    return Ended(code, _last_json(out), err.count("Traceback (most recent call last)"), left, seconds)


def _text(file: Any) -> str:
    file.seek(0)
    return str(file.read())


def _last_json(out: str) -> Any:
    for line in reversed(out.splitlines()):
        try:
            return json.loads(line)
        except ValueError:
            continue
    return None


# --------------------------------------------------------------------------------------------------- the verdicts


def tasks_verdict(fault: Fault, end: Ended) -> Verdict:
    """Of eight tasks: are the healthy ones kept, is the bad one told truthfully, is nothing left?"""
    if end.printed is None:
        return Verdict(BAD_MARK, "hangs" if end.code is None else f"ends with exit code {end.code}")
    healthy = [n for n in range(ITEMS) if not fault.expected or n != BAD]
    kept = sum(end.printed[n] == ["ok", n * n] for n in healthy)
    kind, detail = end.printed[BAD]
    truthful = any(name in str(detail) for name in fault.expected) if fault.expected else kind == "ok"
    others = "all" if kept == len(healthy) else f"{kept} of {len(healthy)}"
    words = f"{others} kept, {detail}" if kind == "error" else f"{others} right" + (", no error" * bool(fault.expected))
    good = kept == len(healthy) and truthful
    return _with_rest(Verdict(GOOD if good else BAD_MARK if not kept else POOR, words), end)


def _with_rest(verdict: Verdict, end: Ended) -> Verdict:
    if end.code is None:
        return Verdict(BAD_MARK, f"{verdict.words}, then hangs at the end")
    if end.left:
        return Verdict(POOR, f"{verdict.words}, leaves {end.left} processes")
    return verdict


def of_tasks(fault: Fault) -> Callable[[str], Verdict]:
    """The cell of a fault among eight tasks."""

    def try_out(tool: str) -> Verdict:
        with child(tool, fault.name) as (process, mark):
            return tasks_verdict(fault, ended(process, mark))

    return try_out


def endless(tool: str) -> Verdict:
    """The first five results of an input without end."""
    with child(tool, "endless") as (process, mark):
        end = ended(process, mark)
    if end.printed == [0, 1, 4, 9, 16]:
        return _with_rest(Verdict(GOOD, "five results"), end)
    return Verdict(BAD_MARK, "takes all of it first" if end.printed else "hangs" if end.code is None else "fails")


def constant(tool: str) -> Verdict:
    """32 small tasks that share a constant of 64 MB."""
    with child(tool, "constant") as (process, mark):
        end = ended(process, mark, 4 * DEADLINE)
    if not end.printed or end.printed["good"] < 4 * ITEMS:
        return Verdict(BAD_MARK, "hangs" if end.code is None else "fails")
    return _with_rest(Verdict(GOOD if end.printed["seconds"] < 2 else POOR, f"{end.printed['seconds']:.1f} s"), end)


@contextmanager
def running(tool: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A cell whose first task is known to be at work."""
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder, "pipe"))
        os.mkfifo(path)
        with child(tool, "interrupted", path) as (process, mark):
            with open(path) as pipe:
                pipe.read()
            yield process, mark


def ctrl_c(tool: str) -> Verdict:
    """Ctrl-C as a terminal sends it: to every process of the group."""
    with running(tool) as (process, mark):
        os.killpg(process.pid, signal.SIGINT)
        end = ended(process, mark)
    if end.code is None:
        return Verdict(BAD_MARK, f"does not end within {DEADLINE:.0f} s")
    words = f"{end.seconds:.1f} s, {end.tracebacks} traceback{'s' * (end.tracebacks != 1)}"
    return _with_rest(Verdict(GOOD if end.tracebacks == 1 and end.seconds < 2 else POOR, words), end)


def parent_killed(tool: str) -> Verdict:
    """The program is killed; its workers should not stay."""
    with running(tool) as (process, mark):
        process.kill()
        process.wait()
        left = left_after(mark, SETTLING)
    return Verdict(BAD_MARK, f"{left} processes stay") if left else Verdict(GOOD, "all gone")


SPECIAL: tuple[tuple[str, str, Callable[[str], Verdict]], ...] = (
    ("endless", "five results wanted of an endless input", endless),
    ("constant", "a constant of 64 MB shared by 32 tasks", constant),
    ("ctrl-c", "Ctrl-C while tasks run", ctrl_c),
    ("parent-killed", "the program itself is killed (`kill -9`)", parent_killed),
)
ROWS = (*((fault.name, fault.title, of_tasks(fault)) for fault in FAULTS), *SPECIAL)

# ------------------------------------------------------------------------------------------------------ the table


def version(tool: str) -> str:
    """The tool with its version, or Python's own."""
    module = MODULES.get(tool)
    return f"{tool} {metadata.version(module)}" if module else tool


def table(rows: list[tuple[str, list[str]]], tools: list[str]) -> str:
    """The table in Markdown."""
    lines = [f"| one task … | {' | '.join(tools)} |", "|---|" + "---|" * len(tools)]
    return "\n".join([*lines, *(f"| {title} | {' | '.join(cells)} |" for title, cells in rows)])


def page(rows: list[tuple[str, list[str]]], tools: list[str]) -> str:
    """benchmarks/TORTURE.md."""
    machine = f"{processor()}, {usable_cpus()} CPUs, {platform.system()}, Python {platform.python_version()}"
    return f"""# Torture

Made by `./scripts/bench torture` on {machine}, {time.strftime("%Y-%m-%d")}. Each cell is a process of its own with a
deadline of {DEADLINE:.0f} s. In most rows eight tasks run on two workers, and the fourth misbehaves. Each tool is used
as carefully as its interface allows: one call per task and its own timeout, results asked for one by one (joblib has
one call for all).

✓: the other tasks' results are kept, the bad task's error says what happened, the program ends, nothing is left behind.
~: partly so. ✗: all is lost, or the program hangs.

{table(rows, [version(tool) for tool in tools])}

In the row of the constant ✓ means within 2 s; the time is that of one run, on a machine with other work. In the row of
Ctrl-C ✓ means ended within 2 s, with one traceback, and nothing left. What is still there is counted 3 s after the end.
"""


def main(arguments: list[str]) -> int:
    """Try all that is asked for; print the page, and write it where that is wanted."""
    parser = argparse.ArgumentParser(prog="./scripts/bench torture", description=__doc__)
    parser.add_argument("--output", type=Path, help="write the page to this file")
    parser.add_argument("--only", nargs="+", choices=[name for name, _, _ in ROWS], help="only these faults")
    parser.add_argument("--tools", nargs="+", choices=list(TOOLS), help="only these tools")
    wishes = parser.parse_args(arguments)
    there = [tool for tool in wishes.tools or TOOLS if tool not in MODULES or find_spec(MODULES[tool])]
    rows = []
    for name, title, try_out in ROWS:
        if wishes.only and name not in wishes.only:
            continue
        cells = [str(try_out(tool)) for tool in there]
        say(f"  {name}: {', '.join(f'{tool} {cell}' for tool, cell in zip(there, cells, strict=True))}")
        rows.append((title, cells))
    text = page(rows, there)
    print(text)
    if wishes.output:
        wishes.output.write_text(text, encoding="utf-8")
    return 0
