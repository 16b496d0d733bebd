"""The typer application: which commands there are, and what they share.

Owns the list of commands, `--version`, and how an error that no command handled is shown. Must never do a command's
work.
"""

from __future__ import annotations

import re
import sys
import warnings
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

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


class _Command(TyperCommand):
    """A command whose options take no other option for their value: `--html --help` asks for help, not for a file of
    that name.
    """

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        options = [param for param in self.get_params(ctx) if param.param_type_name == "option"]
        flags = {name for option in options if getattr(option, "is_flag", False) for name in option.opts}
        takers = {name for option in options for name in option.opts} - flags
        rest = iter(args)
        for given in rest:
            if given == "--":
                break
            taker = _last_of(given, flags)
            if taker in takers and _LIKE_AN_OPTION.match(value := next(rest, "")):
                raise typer.BadParameter(
                    f"it needs a value, and {value} looks like an option. If it is the value: "
                    + (f"{taker}={value}" if taker.startswith("--") else f"{taker}{value}"),
                    ctx=ctx,
                    param_hint=f"'{taker}'",
                )
        return super().parse_args(ctx, args)


_LIKE_AN_OPTION = re.compile(r"-[^\d.]")


def _last_of(given: str, flags: set[str]) -> str:
    """The option that an argument ends with: `-o` of `-qo`, where `-q` is a flag."""
    several = len(given) > 2 and given[0] == "-" and all(f"-{letter}" in flags for letter in given[1:-1])
    return f"-{given[-1]}" if several else given


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


app.command("map", cls=_Command)(map.command)
app.command("report", cls=_Command)(report.command)
app.command("advise", cls=_Command)(advise.command)
app.command("compare", cls=_Command)(compare.command)
app.command("doctor", cls=_Command)(doctor.command)
app.command("guide", cls=_Command)(guide.command)


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
    if isinstance(end.__context__, BrokenPipeError):  # as click and rich end where nobody reads: `… doctor | head`
        return 0
    return end.code if isinstance(end.code, int) else int(end.code is not None)


def _forget_output() -> None:
    from alongside.cli.output import discard

    discard(sys.stdout)
