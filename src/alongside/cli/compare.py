"""`alongside compare`: runs a sample under each backend and shows what each took.

Owns nothing but the command. Must never measure: it prints what `alongside.compare` found.
"""

from __future__ import annotations

from pathlib import Path
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
    backends: Annotated[
        str | None, typer.Option(metavar="NAMES", help="Which, with commas between; else all that can run FUNC.")
    ] = None,
    sample: Annotated[
        int | None, typer.Option(min=1, help="How many items; else as many as keep a loop busy for half a second.")
    ] = None,
    workers: Annotated[int | None, typer.Option(min=1, help="At most so many at once.")] = None,
    html: Annotated[Path | None, typer.Option(metavar="FILE", help="Write a page that needs nothing else.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """Really run FUNC on a sample of INPUT under each backend: time, CPU, memory, start-up.

    Everything that FUNC does is done again for every backend, up to three times.

    **Exit codes**: 0 compared; 1 FUNC failed on an item; 2 wrong function, file or option; 130 interrupted.
    """
    import alongside

    fn = load(func)
    named = None if backends is None else [name.strip() for name in backends.split(",")]
    options = {} if workers is None else {"max_workers": workers}
    with with_items(func, inputs, input_format, files, glob) as items:
        compared = alongside.compare(fn, items, backends=named, sample=sample, **options)
    if html is not None:
        compared.to_html(html)
    shown(compared, json)
