"""`alongside guide`: the beginner's guide to parallel Python, live on the reader's machine.

Owns the choice of chapters and where they are shown. Must never hold the texts or the timing: those are `chapters` and
`stage`.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from alongside.cli.chapters import Chapter
    from alongside.cli.stage import Stage

HELP = """Learn how Python runs things side by side: every example is run here, by hand and with alongside.

Takes some ten seconds, and all CPUs and the loopback network for as long. To change an example and run it again, have
the chapters written as scripts.

**Examples**

    alongside guide --chapter 4

    alongside guide --save lessons && python lessons/4-primes.py

    alongside guide --html guide.html

**Exit codes**: 0; 2 there is no such chapter, or a file cannot be written."""


def command(
    chapter: Annotated[int | None, typer.Option(metavar="N", min=1, max=8, help="Only this chapter.")] = None,
    plain: Annotated[bool, typer.Option("--plain", help="No colours and no lines, as for a file or a reader.")] = False,
    save: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Write the chapters as scripts to change and run, and end.")
    ] = None,
    html: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The guide as a page here instead; one file, no network.")
    ] = None,
) -> None:
    from alongside.cli.chapters import CHAPTERS

    chosen = [(number, one) for number, one in enumerate(CHAPTERS, 1) if chapter in (None, number)]
    try:
        if save is not None:
            _save(chosen, save)
        elif html is not None:
            _page(chosen, html)
        else:
            from alongside.cli.terminal import Terminal

            _show(chosen, Terminal(plain))
    except OSError as error:
        typer.echo(f"Error: {error}", err=True)
        raise typer.Exit(2) from error


command.__doc__ = HELP


def _show(chosen: list[tuple[int, Chapter]], stage: Stage) -> None:
    for number, one in chosen:
        stage.title(f"{number}. {one.title}")
        one.show(stage)


def _save(chosen: list[tuple[int, Chapter]], folder: Path) -> None:
    from alongside.cli.lessons import save

    for path in save(chosen, folder):
        typer.echo(f"python {path}")


def _page(chosen: list[tuple[int, Chapter]], path: Path) -> None:
    if find_spec("jinja2") is None:
        typer.echo("Error: a page is made with jinja2, which is not here: pip install jinja2", err=True)
        raise typer.Exit(2)
    from alongside.cli.webpage import Page

    stage = Page()
    with path.open("w", encoding="utf-8") as file:
        _show(chosen, stage)
        file.write(stage.html("Parallel Python, measured here"))
    typer.echo(f"The guide is in {path}.", err=True)
