"""The typer application: which commands there are, and what they share.

Owns the list of commands, `--version`, and how an error that no command handled is shown. Must never do a command's
work.
"""

from __future__ import annotations

import sys
import warnings
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from alongside.cli import advise, compare, doctor, guide, map, report
from alongside.exceptions import AlongsideWarning


class _Commands(TyperGroup):
    """The commands; Ctrl-C at a place where none of them expects it ends in a line, too."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            typer.echo("Interrupted.", err=True)
            raise typer.Exit(130) from None


app = typer.Typer(
    name="alongside",
    cls=_Commands,
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Run a Python function over many inputs side by side.",
)


def _print_version(wanted: bool) -> None:
    if wanted:
        import alongside

        typer.echo(f"alongside {alongside.__version__}")
        raise typer.Exit


@app.callback()
def _common(
    version: Annotated[
        bool, typer.Option("--version", help="Show the version and end.", callback=_print_version, is_eager=True)
    ] = False,
) -> None:
    """Run a Python function over many inputs side by side."""


app.command("map")(map.command)
app.command("report")(report.command)
app.command("advise")(advise.command)
app.command("compare")(compare.command)
app.command("doctor")(doctor.command)
app.command("guide")(guide.command)


def run() -> int:
    """Parse the process's arguments and run what they ask for; the exit code."""
    warnings.formatwarning = _in_a_line
    try:
        app()
    except SystemExit as end:
        return _exit_code(end)
    except BrokenPipeError:
        _forget_output()
        return 0
    return 0


def _in_a_line(
    message: Warning | str, category: type[Warning], filename: str, lineno: int, line: str | None = None
) -> str:
    """A warning of alongside's own without a place in code: there is none of the user's that called."""
    if issubclass(category, AlongsideWarning):
        return f"Warning: {message}\n"
    return _standard(message, category, filename, lineno, line)


_standard = warnings.formatwarning


def _exit_code(end: SystemExit) -> int:
    return end.code if isinstance(end.code, int) else int(end.code is not None)


def _forget_output() -> None:
    from alongside.cli.output import discard

    discard(sys.stdout)
