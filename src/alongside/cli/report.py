"""`alongside report`: the page of a run whose trace was kept.

Owns the options of the command, and what `--report` and `--trace` of other commands write. Must never run anything of
the user's.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from alongside.observe.record import Record
    from alongside.observe.timeline import Timeline

HELP = """Make a page of a run: what each worker did when, what was slow, what failed and why, why this backend.

RUN is a trace, which **run.trace("run.json")** and **alongside map --trace run.json** write; Perfetto opens it too. The
page is one HTML file that needs no network.

**Example**

    alongside map photo.py:thumbnail --glob '*.jpg' --trace run.json && alongside report run.json

**Exit codes**: 0 the page is written; 2 RUN cannot be read, or the page cannot be written."""


WHAT = 'RUN is what run.trace("run.json") or alongside map --trace run.json has written.'
"""What to say where something else was given."""


def command(
    trace: Annotated[str, typer.Argument(metavar="RUN", help="A trace of a run.")],
    output: Annotated[
        str | None, typer.Option("--output", "-o", metavar="FILE", help="The page; RUN with .html at its end.")
    ] = None,
) -> None:
    from alongside.observe.trace import read

    try:
        record = read(trace)
    except FileNotFoundError as error:
        where = f"There is no file {trace!r}. Paths count from the current directory, {Path.cwd()}."
        raise typer.BadParameter(f"{where} {WHAT}", param_hint="RUN") from error
    except (OSError, ValueError) as error:
        raise typer.BadParameter(f"{str(error).rstrip('.')}. {WHAT}", param_hint="RUN") from error
    path = output or str(Path(trace).with_suffix(".html"))
    write_page(record, path, "--output")
    typer.echo(path)


command.__doc__ = HELP


def write_page(record: Record, path: str, option: str) -> None:
    """Write the page; says in a line what is wrong where that cannot be."""
    from alongside.observe import report

    try:
        report.write(record, path)
    except (ImportError, OSError) as error:
        raise typer.BadParameter(str(error), param_hint=option) from error


def write_trace(record: Record, path: str, option: str) -> None:
    """Write the trace; says in a line what is wrong where that cannot be."""
    from alongside.observe import trace

    try:
        trace.write(record, path)
    except OSError as error:
        raise typer.BadParameter(str(error), param_hint=option) from error


def record(
    timeline: Timeline,
    plan: Any,
    function: str,
    counts: tuple[int, int, int, int],
    failures: Sequence[Any],
    seconds: float,
) -> Record:
    """The record of a run that a command has followed."""
    from alongside.observe.record import record_of

    return record_of(timeline, plan, function, counts, seconds, failures)


def refuse_without_plotly(option: str) -> None:
    """Say it before a long run rather than after it."""
    missing = [name for name in ("plotly", "jinja2") if find_spec(name) is None]
    if missing:
        raise typer.BadParameter(
            f"A report is made with {' and '.join(missing)}: pip install {' '.join(missing)}", param_hint=option
        )
