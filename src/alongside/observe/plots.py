"""Interactive plots, by plotly, which the extra `report` installs.

Owns what a plot shows. Must never be loaded unless a plot is asked for.
"""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any

from alongside.core.choose import span
from alongside.core.teaching import weight

if TYPE_CHECKING:
    from alongside.observe.comparison import Comparison, Row

LOOP, OTHER, BEST = "#9aa5b1", "#4c8fbd", "#3a9d5d"


def compared(comparison: Comparison) -> Any:
    """A bar per backend, its rounds as dots, every figure on hovering."""
    try:
        import plotly.graph_objects as go
    except ImportError as error:
        raise ImportError("figure() needs plotly: pip install plotly.") from error
    rows = [row for row in reversed(comparison.rows) if row.seconds is not None]
    figure = go.Figure([go.Bar(**_bars(rows, comparison)), go.Scatter(**_dots(rows))])
    figure.update_layout(
        title=escape(f"{comparison.function}, {comparison.tasks:,} items"),
        xaxis_title="seconds",
        xaxis_rangemode="tozero",
        template="plotly_white",
        height=160 + 60 * len(rows),
    )
    return figure


def _bars(rows: list[Row], comparison: Comparison) -> dict[str, Any]:
    return {
        "x": [row.seconds for row in rows],
        "y": [escape(row.backend) for row in rows],
        "orientation": "h",
        "marker_color": [_colour(row, comparison) for row in rows],
        "text": ["" if row.speedup is None else f"{row.speedup:.2g}x" for row in rows],
        "customdata": [_told(row) for row in rows],
        "hovertemplate": "%{customdata}<extra></extra>",
        "showlegend": False,
    }


def _dots(rows: list[Row]) -> dict[str, Any]:
    return {
        "x": [seconds for row in rows for seconds in row.rounds],
        "y": [escape(row.backend) for row in rows for _ in row.rounds],
        "mode": "markers",
        "marker": {"color": "black", "size": 6, "symbol": "line-ns-open"},
        "name": "each round",
        "hovertemplate": "a round: %{x:.3g} s<extra></extra>",
    }


def embedded(comparison: Comparison) -> str:
    """The plot as HTML with all that it needs inside; empty where plotly is not installed."""
    try:
        figure = compared(comparison)
    except ImportError:
        return ""
    html: str = figure.to_html(full_html=False, include_plotlyjs=True)
    return html


def _colour(row: Row, comparison: Comparison) -> str:
    if row.backend == comparison.fastest.backend:
        return BEST
    return LOOP if row is comparison.rows[0] else OTHER


def _told(row: Row) -> str:
    told = [f"<b>{escape(row.backend)}</b>: {span(row.seconds or 0.0)}"]
    told += [f"took {escape(row.chosen)}"] if row.chosen else []
    told += [f"{row.cpus:.1f} CPUs busy"] if row.cpus is not None else []
    told += [f"{weight(row.peak_memory)} of memory"] if row.peak_memory is not None else []
    told += [f"start-up {span(row.start_seconds)}"] if row.start_seconds is not None else []
    told += [f"{row.workers} workers"] if row.workers else []
    return "<br>".join(told)
