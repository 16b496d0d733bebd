"""The arguments that several commands share: FUNC and INPUT.

Owns their names and help texts. Must never read anything.
"""

from __future__ import annotations

from typing import Annotated

import typer

from alongside.cli.inputs import Format

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
