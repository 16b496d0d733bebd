"""What a notebook shows of a run: its numbers, its lanes as a small picture, its failures, its reasons.

Owns that piece of HTML. It has no script, loads nothing, and takes its colours from the notebook, light or dark. Must
never grow with the run: a few hundred bars, a few failures.
"""

from __future__ import annotations

from html import escape

from alongside.core.choose import span
from alongside.observe.lanes import Span, coarsened
from alongside.observe.record import Record

BARS, LANES, FAILURES = 400, 24, 5
"""What is shown at the most."""

WIDTH, EACH = 1000, 12
"""Units of the picture: its width, and the height of a lane."""

BLUE, RED = "#3b7dd8", "#d2414e"


def run(record: Record) -> str:
    """A run as a piece of a page."""
    parts = [_head(record), _picture(record), _failures(record), _reasons(record)]
    return f'<div style="max-width:60em">{"".join(parts)}</div>'


def _head(record: Record) -> str:
    failed = f', <b style="color:{RED}">{record.failed:,} failed</b>' if record.failed else ""
    again = f", {record.retried:,} tried again" if record.retried else ""
    return (
        f"<div><b>{escape(record.function)}</b>: {record.tasks:,} tasks in {span(record.seconds)} on "
        f"{escape(record.backend)}{failed}{again}</div>"
    )


def _picture(record: Record) -> str:
    lanes = coarsened(record.lanes[:LANES], record.grain, BARS)
    if not lanes or not record.seconds:
        return ""
    height = EACH * len(lanes)
    bars = "".join(_bar(one, row, record.seconds) for row, lane in enumerate(lanes) for one in lane.spans)
    label = f"What {len(lanes)} workers did over {span(record.seconds)}"
    return (
        f'<svg role="img" aria-label="{label}" viewBox="0 0 {WIDTH} {height}" preserveAspectRatio="none" '
        f'style="width:100%;height:{height}px;margin:4px 0;background:rgba(128,128,128,.12)">{bars}</svg>'
    )


def _bar(one: Span, row: int, seconds: float) -> str:
    x, width = WIDTH * one.start / seconds, max(0.6, WIDTH * (one.end - one.start) / seconds)
    colour = RED if one.failed else BLUE
    title = f"task {one.first}" if one.tasks == 1 else f"{one.tasks:,} tasks from {one.first}"
    return (
        f'<rect x="{x:.1f}" y="{row * EACH + 1}" width="{width:.1f}" height="{EACH - 2}" fill="{colour}">'
        f"<title>{title}, {span(one.end - one.start)}</title></rect>"
    )


def _failures(record: Record) -> str:
    rows = "".join(
        f"<tr><td>{one.index}</td><td><code>{escape(one.item)}</code></td>"
        f"<td>{escape(one.kind)}: {escape(one.message)}</td><td>{one.attempts}</td></tr>"
        for one in record.failures[:FAILURES]
    )
    if not rows:
        return ""
    more = record.failed - FAILURES
    note = f"<div><small>and {more:,} more: <code>run.failures</code></small></div>" if more > 0 else ""
    head = "<tr><th>task</th><th>item</th><th>error</th><th>attempts</th></tr>"
    return f'<table style="text-align:left"><thead>{head}</thead><tbody>{rows}</tbody></table>{note}'


def _reasons(record: Record) -> str:
    reasons = "".join(f"<li>{escape(reason)}</li>" for reason in record.reasons)
    return f"<details><summary>Why {escape(record.backend)}</summary><ul>{reasons}</ul></details>"
