"""`alongside advise`: which tool suits a function and an input, why, and what each tool would cost.

Owns nothing but the command. Must never decide: it prints what `alongside.advise` says.
"""

from __future__ import annotations

import typer

from alongside.cli.arguments import Files, Func, Glob, InputFormat, Inputs
from alongside.cli.functions import in_one_line, load
from alongside.cli.inputs import BadInput, Format, open_items


def command(
    func: Func,
    inputs: Inputs = None,
    input_format: InputFormat = None,
    files: Files = False,
    glob: Glob = None,
) -> None:
    """Say which tool suits FUNC and INPUT, why, and what each tool would cost.

    FUNC is called on the first items to measure it. The whole input is read, to know how many items there are.

    **Exit codes**: 0 advice given; 1 FUNC failed on the items tried; 2 wrong function, file or option; 130 interrupted.
    """
    import alongside

    fn = load(func)
    try:
        items = list(open_items(inputs or [], Format.files if files else input_format, glob))
    except BadInput as error:
        raise typer.BadParameter(str(error), param_hint="INPUT") from error
    try:
        advice = alongside.advise(fn, items)
    except alongside.AlongsideError:
        raise
    except Exception as error:  # FUNC's own: it is run on the first items
        typer.echo(f"{func} failed on one of the items tried: {in_one_line(error)}", err=True)
        raise typer.Exit(1) from error
    typer.echo(str(advice))
