"""What the benchmarks with rows share as programs: their command line, and the files that they keep.

Owns: the options' names. Must never: measure, or word a table.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any


def parser(name: str, about: str, rows: Iterable[str]) -> argparse.ArgumentParser:
    """The command line of `python -m benchmarks NAME`; `rows` are the names that may be chosen from."""
    made = argparse.ArgumentParser(prog=f"python -m benchmarks {name}", description=about)
    made.add_argument("--quick", action="store_true", help="small sizes, few rounds: shows that everything works")
    rows = list(rows)
    only = f"one of {', '.join(rows)}; repeatable"
    made.add_argument("--only", action="append", choices=rows, metavar="ROW", help=only)
    made.add_argument("--rounds", type=int, default=0, help="rounds that are kept, instead of each row's own number")
    made.add_argument("--markdown", type=Path, metavar="FILE", help="write the table there too")
    made.add_argument("--json", type=Path, metavar="FILE", help="keep every single figure there")
    return made


def keep(options: argparse.Namespace, machine: str, rows: list[dict[str, Any]], page: str) -> None:
    """Write the files asked for. After every row, so that an interrupted run has kept what it measured."""
    if options.json:
        options.json.write_text(json.dumps({"machine": machine, "rows": rows}, indent=1))
    if options.markdown:
        options.markdown.write_text(page)
