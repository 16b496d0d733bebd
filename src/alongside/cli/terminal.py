"""The guide on a terminal: paragraphs, coloured code, tables, bars.

Owns how these look there, plain or coloured. Must never measure, or choose what is said.
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from rich import box
from rich.bar import Bar as Strip
from rich.console import Console
from rich.padding import Padding
from rich.syntax import Syntax
from rich.table import Table

from alongside.cli.stage import Bar, Stage

WIDE = 40
"""Characters of the longest bar."""


class Terminal(Stage):
    """A console, plain or coloured."""

    def __init__(self, plain: bool = False) -> None:
        self.plain = plain
        self.console = Console(highlight=False, no_color=plain or None, soft_wrap=False)

    def title(self, text: str) -> None:
        """A chapter's title."""
        self.console.print()
        if self.plain:
            self.console.print(f"{text}\n{'=' * len(text)}", markup=False)
        else:
            self.console.rule(f"[bold]{text}", align="left")
        self.console.print()

    def paragraph(self, text: str) -> None:
        """One paragraph, wrapped to the window."""
        self.console.print(text, markup=False)
        self.console.print()

    def source(self, text: str) -> None:
        """Python, indented."""
        if self.plain:
            self.console.print(textwrap.indent(text, "    "), markup=False, soft_wrap=True)
        else:
            coloured = Syntax(text, "python", theme="ansi_dark", background_color="default")
            self.console.print(Padding(coloured, (0, 0, 0, 4)))
        self.console.print()

    def table(self, headings: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """A table; no lines around it where it is to be plain."""
        table = Table(*headings, box=None if self.plain else box.ROUNDED, pad_edge=not self.plain)
        for row in rows:
            table.add_row(*row)
        self.console.print(table)
        self.console.print()

    def bars(self, heading: str, rows: Sequence[Bar]) -> None:
        """Bars of blocks, or of hashes where it is to be plain."""
        longest = max(row.value for row in rows) or 1.0
        table = Table(title=heading, title_justify="left", box=None, show_header=False, pad_edge=not self.plain)
        for row in rows:
            colour = "green" if row.ours else "blue"
            strip = "#" * max(1, round(WIDE * row.value / longest))
            bar = (
                strip if self.plain else Strip(longest, 0, max(row.value, longest / WIDE / 4), width=WIDE, color=colour)
            )
            table.add_row(row.label, bar, row.words)
        self.console.print(table)
        self.console.print()
