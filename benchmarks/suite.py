"""Running a benchmark: each of its rows in a process of its own, the table printed and kept.

Owns: that a row's process is ended with everything it started.
Must never: let one row's pools, memory or hang reach another row.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks import commandline, machine, report
from benchmarks.harness import Measured, Row, measure_row, say
from benchmarks.scale import Scale

ROW_DEADLINE = 1800.0  # seconds


@dataclass(frozen=True)
class Suite:
    """A benchmark: its name on the command line, what it is about, and its rows."""

    name: str
    about: str
    rows: dict[str, Callable[[Scale], Row]]


def run(suite: Suite, arguments: list[str]) -> int:
    """Run the rows asked for and print the table; 1 when a target was missed or could not be measured."""
    options = _options(suite, arguments)
    if options.row_into:
        return _in_this_process(suite, options)
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    about = machine.line()
    print(about, flush=True)
    measured: list[Measured] = []
    for name in options.only or suite.rows:
        measured.append(_in_its_own_process(suite, name, options))
        print(report.text(measured[-1]), flush=True)
        _keep(suite, options, about, measured)
    states = [report.verdict(row, target)[0] for row in measured for target in row.targets]
    print(f"\n{states.count('met')} of {len(states)} targets met")
    return 0 if all(state == "met" for state in states) else 1


def _options(suite: Suite, arguments: list[str]) -> argparse.Namespace:
    parser = commandline.parser(suite.name, suite.about, suite.rows)
    parser.add_argument("--row-into", type=Path, help=argparse.SUPPRESS)
    return parser.parse_args(arguments)


def _made(suite: Suite, name: str, scale: Scale) -> Row:
    make = suite.rows[name]
    return replace(make(scale), name=name, limited_by=make.__doc__ or "")


def _in_this_process(suite: Suite, options: argparse.Namespace) -> int:
    (name,) = options.only
    row = _made(suite, name, Scale(quick=options.quick, fixed_rounds=options.rounds))
    options.row_into.write_text(json.dumps(report.to_json(measure_row(row))))
    return 0


def _in_its_own_process(suite: Suite, name: str, options: argparse.Namespace) -> Measured:
    with tempfile.TemporaryDirectory() as folder:
        into = Path(folder, "row.json")
        command = [sys.executable, "-m", "benchmarks", suite.name, "--only", name, "--rounds", str(options.rounds)]
        command += ["--row-into", str(into), *(["--quick"] if options.quick else [])]
        say(f"{name} ...")
        reason = _run(command)
        if into.exists():
            return report.from_json(json.loads(into.read_text()))
    row = _made(suite, name, Scale(quick=True))
    return Measured(name, row.title, row.limited_by, row.unit, list(row.targets), excluded={"the whole row": reason})


def _run(command: list[str]) -> str:
    """Run one row; whatever it leaves behind in its process group is ended. Gives the reason if it failed."""
    with subprocess.Popen(command, start_new_session=True, stdout=sys.stderr) as process:
        try:
            code = process.wait(ROW_DEADLINE)
            return f"its process ended with exit code {code}"
        except subprocess.TimeoutExpired:
            return f"not finished within {ROW_DEADLINE:.0f} s"
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


def _keep(suite: Suite, options: argparse.Namespace, about: str, measured: list[Measured]) -> None:
    sections = [report.markdown(row) for row in measured]
    page = "\n".join([_preface(suite, about), report.summary(measured), *sections])
    commandline.keep(options, about, [report.to_json(row) for row in measured], page)


def _preface(suite: Suite, about: str) -> str:
    return f"""## {suite.name}

Written by `python -m benchmarks {suite.name}`. {about}.

Contenders run in turn, A B C A B C, in one process for each row; after a warm-up every round counts. A ratio is the
median of the rounds' own ratios, with the lowest and the highest. Every answer is checked. Targets are judged by these
figures only.
"""
