"""`alongside guide`: the beginner's guide to parallel Python, live on the reader's machine.

Owns the choice of chapters. Must never hold the texts or the timing: those are `chapters` and `stage`.
"""

from __future__ import annotations

from typing import Annotated

import typer


def command(
    chapter: Annotated[int | None, typer.Option(metavar="N", min=1, max=7, help="Only this chapter.")] = None,
    plain: Annotated[bool, typer.Option("--plain", help="No colours and no lines, as for a file or a reader.")] = False,
) -> None:
    """Learn how Python runs things side by side: every example is run here, by hand and with alongside.

    Takes some ten seconds, and both CPUs and the loopback network for as long. **Exit code**: 0.
    """
    from alongside.cli.chapters import CHAPTERS
    from alongside.cli.stage import Stage

    stage = Stage(plain)
    for number, one in enumerate(CHAPTERS, 1):
        if chapter in (None, number):
            stage.title(f"{number}. {one.title}")
            one.show(stage)
