"""The arguments that several commands share, FUNC and INPUT; and how those that only look read and show things.

Owns their names and help texts. Must never run anything of the user's.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Annotated, Any, Protocol

import typer

from alongside.cli.functions import in_one_line
from alongside.cli.inputs import BadInput, Format, open_items

Func = Annotated[str, typer.Argument(metavar="FUNC", help="module:function or path.py:function.")]
Inputs = Annotated[
    list[str] | None, typer.Argument(metavar="INPUT", help="Files; - or nothing: standard input.", show_default=False)
]
InputFormat = Annotated[
    Format | None, typer.Option(help="How to cut the input into items; guessed from the file's ending.")
]
Files = Annotated[bool, typer.Option("--files", help="Each INPUT is an item: its path, not its content.")]
Glob = Annotated[
    list[str] | None, typer.Option(metavar="PATTERN", help="Items are the paths that match; ** crosses folders.")
]


class Told(Protocol):
    """What `advise` and `compare` give back."""

    def to_json(self) -> str: ...


def opened(inputs: list[str] | None, input_format: Format | None, files: bool, glob: list[str] | None) -> Iterable[Any]:
    """The items of the input, as the arguments name it."""
    return open_items(inputs or [], Format.files if files else input_format, glob)


@contextmanager
def with_items(
    func: str, inputs: list[str] | None, input_format: Format | None, files: bool, glob: list[str] | None
) -> Iterator[list[Any]]:
    """All items of the input; what FUNC raises meanwhile ends the command with exit code 1 and a line."""
    import alongside

    try:
        items = list(opened(inputs, input_format, files, glob))
    except BadInput as error:
        raise typer.BadParameter(str(error), param_hint="INPUT") from error
    try:
        yield items
    except alongside.OptionError as error:
        raise typer.BadParameter(str(error)) from error
    except alongside.AlongsideError:
        raise
    except Exception as error:  # FUNC's own
        typer.echo(f"{func} failed on one of the items tried: {in_one_line(error)}", err=True)
        raise typer.Exit(1) from error


def shown(told: Told, json: bool) -> None:
    """Print it: a table on a terminal, plain text in a pipe or a log, or JSON."""
    if json or not sys.stdout.isatty():
        typer.echo(told.to_json() if json else str(told))
        return
    from rich.console import Console

    Console(highlight=False).print(told)
