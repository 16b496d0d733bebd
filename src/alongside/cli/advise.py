"""`alongside advise`: which tool suits a function and an input, why, and what each tool would cost.

Owns nothing but the command. Must never decide: it prints what `alongside.advise` says.
"""

from __future__ import annotations

from typing import Annotated

import typer

from alongside.cli.arguments import Files, Func, Glob, InputFormat, Inputs, shown, with_items
from alongside.cli.functions import load


def command(
    func: Func,
    inputs: Inputs = None,
    input_format: InputFormat = None,
    files: Files = False,
    glob: Glob = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")] = False,
) -> None:
    """Say which tool suits FUNC and INPUT, why, and what each tool would cost.

    FUNC is called on the first items to measure it. The whole input is read, to know how many items there are.

    **Exit codes**: 0 advice given; 1 FUNC failed on the items tried; 2 wrong function, file or option; 130 interrupted.
    """
    import alongside

    fn = load(func)
    with with_items(func, inputs, input_format, files, glob) as items:
        advice = alongside.advise(fn, items)
    shown(advice, json)
