"""Showing a value as plain text, as HTML, and on a terminal: what several displays share.

Owns the escaping, and tables in three shapes. Must never know what is shown. Everything from outside is escaped here,
so that a function named `<script>` is a name.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any, NamedTuple


class Table(NamedTuple):
    """Rows under headings. `bars` gives each row a length between 0 and 1 to draw (None: no bar)."""

    headings: Sequence[str]
    rows: Sequence[Sequence[str]]
    bars: Sequence[float | None] = ()
    best: int | None = None
    """The row to point at."""
    mark: str = "<- the choice"
    """How plain text points at it."""


BAR = 16
"""The longest bar, in characters: a table with one still fits a terminal of 80."""


def as_text(table: Table) -> str:
    """The table in plain characters, for logs: the first column to the left, figures to the right."""
    cells = [list(table.headings), *map(list, table.rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(table.headings))]
    bars = ["", *(_bar(length, "#") for length in table.bars)] if table.bars else [""] * len(cells)
    lines = []
    for place, (row, bar) in enumerate(zip(cells, bars, strict=True)):
        parts = [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
        mark = f"   {table.mark}" if table.best is not None and place == table.best + 1 else ""
        lines.append("  ".join(["", *parts, bar]).rstrip() + mark)
    return "\n".join(lines)


def as_rich(table: Table, title: str = "") -> Any:
    """The table for a terminal: a `rich` renderable."""
    from rich import box
    from rich.table import Table as RichTable
    from rich.text import Text

    made = RichTable(
        box=box.SIMPLE_HEAD, title=Text(title) if title else None, title_justify="left", padding=(0, 1, 0, 0)
    )
    for place, heading in enumerate(table.headings):
        made.add_column(heading, justify="right" if place else "left", no_wrap=True)
    if table.bars:
        made.add_column("", no_wrap=True)
    for place, row in enumerate(table.rows):
        cells = [Text(cell) for cell in row]
        if table.bars:
            cells.append(Text(_bar(table.bars[place], "█"), style="green" if place == table.best else "cyan"))
        made.add_row(*cells, style="bold" if place == table.best else None)
    return made


def as_html(table: Table) -> str:
    """The table as HTML, in colours that suit a light and a dark page."""
    head = "".join(f"<th>{escape(heading)}</th>" for heading in table.headings) + ("<th></th>" if table.bars else "")
    body = []
    for place, row in enumerate(table.rows):
        cells = "".join(f"<td>{escape(cell)}</td>" for cell in row)
        if table.bars:
            share = 100 * (table.bars[place] or 0.0)
            cells += f'<td class="bar"><div style="width:{share:.1f}%"></div></td>'
        body.append(f'<tr class="best">{cells}</tr>' if place == table.best else f"<tr>{cells}</tr>")
    rows = f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(body)}</tbody></table>"
    return f'<div class="wide">{rows}</div>'


def boxed(*parts: str) -> str:
    """HTML parts as one display, with its own style, which touches nothing around it."""
    return f'<div class="alongside-display"><style>{_STYLE}</style>{"".join(parts)}</div>'


def paragraph(text: str) -> str:
    """Text as an HTML paragraph, escaped."""
    return f"<p>{escape(text)}</p>"


def bullets(texts: Sequence[str]) -> str:
    """Texts as an HTML list, escaped."""
    return f"<ul>{''.join(f'<li>{escape(text)}</li>' for text in texts)}</ul>" if texts else ""


def page(title: str, *parts: str) -> str:
    """A whole HTML page that needs nothing else."""
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1"><meta name="color-scheme" '
        'content="light dark"><style>body{font-family:system-ui,sans-serif;max-width:60rem;margin:2rem auto;'
        f"padding:0 1rem}}</style></head><body>{''.join(parts)}</body></html>\n"
    )


def to_json(value: Mapping[str, Any]) -> str:
    """JSON, indented."""
    return json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False)


def _bar(length: float | None, mark: str) -> str:
    return "" if length is None else mark * max(1, round(BAR * length))


_STYLE = (
    ".alongside-display .wide{overflow-x:auto}"
    ".alongside-display table{border-collapse:collapse;margin:.5em 0}"
    ".alongside-display th,.alongside-display td{padding:.2em .8em;text-align:right;font-variant-numeric:tabular-nums}"
    ".alongside-display th:first-child,.alongside-display td:first-child{text-align:left}"
    ".alongside-display thead th{border-bottom:1px solid #8888}"
    ".alongside-display .best{font-weight:bold}"
    ".alongside-display .bar{width:14em;padding:.2em 0}"
    ".alongside-display .bar div{background:#4c8fbd;height:.8em;border-radius:2px;min-width:2px}"
    ".alongside-display .best .bar div{background:#3a9d5d}"
)
