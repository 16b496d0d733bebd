"""The process workers against their peers and the hardware: `python -m benchmarks engines`.

Owns: the list of rows, and that each row runs in a process of its own, ended with everything it started.
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
from pathlib import Path

from benchmarks import machine, report, rows_arrays, rows_constant, rows_schedule, rows_small, rows_start
from benchmarks.harness import Measured, Row, measure_row, say
from benchmarks.scale import Scale

ROWS: dict[str, Callable[[Scale], Row]] = {
    "million": rows_small.million,
    "one-at-a-time": rows_small.one_at_a_time,
    "burst": rows_small.burst,
    "heavy-tail": rows_schedule.heavy_tail,
    "one-giant": rows_schedule.one_giant,
    "arguments": rows_arrays.arguments,
    "results": rows_arrays.results,
    "both": rows_arrays.both,
    "constant-time": rows_constant.constant_time,
    "constant-memory": rows_constant.constant_memory,
    "fresh-script": rows_start.fresh_script,
    "fresh-script-numpy": rows_start.fresh_script_numpy,
    "first-line": rows_start.first_line,
    "first-line-numpy": rows_start.first_line_numpy,
    "next-call": rows_start.next_call,
    "scaling": rows_schedule.scaling,
}
ROW_DEADLINE = 1800.0  # seconds


def main(arguments: list[str]) -> int:
    """Run the rows asked for and print the table; 1 when a target was missed or could not be measured."""
    options = _options(arguments)
    if options.row_into:
        return _in_this_process(options)
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    about = machine.line()
    print(about, flush=True)
    measured: list[Measured] = []
    for name in options.only or ROWS:
        measured.append(_in_its_own_process(name, options))
        print(report.text(measured[-1]), flush=True)
        _keep(options, about, measured)
    states = [report.verdict(row, target)[0] for row in measured for target in row.targets]
    print(f"\n{states.count('met')} of {len(states)} targets met")
    return 0 if all(state == "met" for state in states) else 1


def _options(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks engines", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="small sizes, few rounds: shows that everything works")
    only = f"one of {', '.join(ROWS)}; repeatable"
    parser.add_argument("--only", action="append", choices=ROWS, metavar="ROW", help=only)
    parser.add_argument("--rounds", type=int, default=0, help="rounds that are kept, instead of each row's own number")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write the table there too")
    parser.add_argument("--json", type=Path, metavar="FILE", help="keep every single figure there")
    parser.add_argument("--row-into", type=Path, help=argparse.SUPPRESS)
    return parser.parse_args(arguments)


def _in_this_process(options: argparse.Namespace) -> int:
    (name,) = options.only
    row = ROWS[name](Scale(quick=options.quick, fixed_rounds=options.rounds))
    options.row_into.write_text(json.dumps(report.to_json(measure_row(row))))
    return 0


def _in_its_own_process(name: str, options: argparse.Namespace) -> Measured:
    with tempfile.TemporaryDirectory() as folder:
        into = Path(folder, "row.json")
        command = [sys.executable, "-m", "benchmarks", "engines", "--only", name, "--rounds", str(options.rounds)]
        command += ["--row-into", str(into), *(["--quick"] if options.quick else [])]
        say(f"{name} ...")
        reason = _run(command)
        if into.exists():
            return report.from_json(json.loads(into.read_text()))
    row = ROWS[name](Scale(quick=True))
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


def _keep(options: argparse.Namespace, about: str, measured: list[Measured]) -> None:
    """Write the files after every row, so that an interrupted run has kept what it measured."""
    if options.json:
        kept = {"machine": about, "rows": [report.to_json(row) for row in measured]}
        options.json.write_text(json.dumps(kept, indent=1))
    if options.markdown:
        sections = [report.markdown(row) for row in measured]
        options.markdown.write_text("\n".join([_preface(about), report.summary(measured), *sections]))


def _preface(about: str) -> str:
    return f"""## engines

Written by `python -m benchmarks engines`. {about}.

Contenders run in turn, A B C A B C, in one process for each row; after a warm-up every round counts. A ratio is the
median of the rounds' own ratios, with the lowest and the highest. Every answer is checked. Targets are judged by these
figures only.
"""
