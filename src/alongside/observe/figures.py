"""The figures of the report, made with plotly: as data, which the page's script draws.

Owns what each figure shows. Colours and sizes that depend on the reader (dark, phone) are the page's. Must never put
text of the user's where plotly would read it as markup: it all goes through `escape`.
"""

from __future__ import annotations

from html import escape
from typing import Any

from alongside.core.choose import span as in_words
from alongside.observe.lanes import Lane, Span, coarsened
from alongside.observe.record import Record

SHOWN = 3000
"""Bars in the picture of the lanes: more are no longer told apart, and take a browser long to draw."""

LANES_SHOWN = 200
"""Lanes in that picture, at the most."""

SUCCEEDED, FAILED = "succeeded", "failed"


def figures(record: Record) -> dict[str, str]:
    """Each figure as JSON, by its name."""
    made = {"lanes": _over_time(record), "durations": _durations(record)}
    return {name: figure.to_json() for name, figure in made.items() if figure is not None}


def _over_time(record: Record) -> Any:
    """Utilisation, lanes and memory, on one axis of time so that zooming into one zooms into all."""
    from plotly.subplots import make_subplots

    lanes = coarsened(record.lanes[:LANES_SHOWN], record.grain, SHOWN)
    heights = _heights(len(lanes), bool(record.memory))
    total = sum(heights)
    shares = [height / total for height in heights]
    titles = [f"<b>{title}</b>" for title in ("Workers busy", "What each worker did", "Memory")[: len(heights)]]
    figure = make_subplots(len(heights), 1, shared_xaxes=True, row_heights=shares, vertical_spacing=34 / (total + 80))
    _add_utilisation(figure, record)
    _add_lanes(figure, lanes, record)
    if record.memory:
        _add_memory(figure, record)
    for row, title in enumerate(titles, 1):
        domain = figure.layout["yaxis" if row == 1 else f"yaxis{row}"].domain
        place = {"xref": "paper", "yref": "paper", "x": 0, "y": domain[1], "xanchor": "left", "yanchor": "bottom"}
        figure.add_annotation(text=title, showarrow=False, **place)
    figure.update_xaxes(range=[0, record.seconds or 1], ticksuffix=" s", showticklabels=False)
    figure.update_xaxes(showticklabels=True, row=len(heights), col=1)
    figure.update_layout(
        template="none",
        height=total + 110,
        margin={"l": 8, "r": 8, "t": 26, "b": 30},
        barmode="overlay",
        bargap=0.15,
        hovermode="closest",
        showlegend=False,
        dragmode="zoom",
    )
    figure.update_yaxes(automargin=True)
    return figure


def _heights(lanes: int, memory: bool) -> list[int]:
    """Pixels for each of the pictures."""
    each = 24 if lanes <= 24 else 14 if lanes <= 64 else 8
    return [110, max(60, each * lanes), *([110] if memory else [])]


def _add_utilisation(figure: Any, record: Record) -> None:
    at, busy = _columns(record.utilisation, 2)
    figure.add_scatter(
        x=_rounded(at),
        y=_rounded(busy),
        mode="lines",
        fill="tozeroy",
        line={"shape": "hv", "width": 1},
        name="busy",
        hovertemplate="%{x:.3~f} s: %{y:.1f} workers busy<extra></extra>",
        row=1,
        col=1,
    )
    figure.update_yaxes(rangemode="tozero", row=1, col=1, nticks=4)


def _add_lanes(figure: Any, lanes: list[Lane], record: Record) -> None:
    told = {failure.index: f"{failure.kind}: {failure.message}" for failure in record.failures}
    for name, failed in ((SUCCEEDED, False), (FAILED, True)):
        chosen = [(lane.name, span) for lane in lanes for span in lane.spans if bool(span.failed) is failed]
        figure.add_bar(
            orientation="h",
            name=name,
            y=[lane for lane, _ in chosen],
            base=_rounded([span.start for _, span in chosen]),
            x=_rounded([max(span.end - span.start, 1e-6) for _, span in chosen]),
            customdata=[_hover(lane, span, told) for lane, span in chosen],
            hovertemplate="%{customdata}<extra></extra>",
            row=2,
            col=1,
        )
    names = [lane.name for lane in lanes]
    figure.update_yaxes(type="category", categoryorder="array", categoryarray=names[::-1], row=2, col=1)
    figure.update_yaxes(tickvals=names if len(names) <= 64 else names[:: len(names) // 30], row=2, col=1)


def _hover(lane: str, span: Span, told: dict[int, str]) -> str:
    took = in_words(span.end - span.start)
    if span.tasks == 1:
        lines = [f"<b>task {span.first}</b>" + (f", attempt {span.attempt}" if span.attempt > 1 else ""), took]
    else:
        lines = [f"<b>{span.tasks:,} tasks</b> from {span.first}", f"{took}, {in_words(span.busy / span.tasks)} each"]
    if span.failed:
        lines.append("failed" if span.tasks == 1 else f"{span.failed:,} failed")
        if span.tasks == 1 and span.first in told:
            lines.append(safe(told[span.first][:120]))
    return "<br>".join([*lines, f"{safe(lane)}, from {in_words(span.start)} on"])


def _add_memory(figure: Any, record: Record) -> None:
    row = 3
    at, own, workers, _ = _columns(record.memory, 4)
    for name, values in (("this process", own), ("its workers", workers)):
        if any(values):
            figure.add_scatter(
                x=_rounded(at),
                y=[round(value / 1e6, 1) for value in values],
                mode="lines+markers" if len(at) < 3 else "lines",
                name=name,
                line={"width": 2},
                hovertemplate="%{x:.3~f} s: %{y:,.0f} MB, " + name + "<extra></extra>",
                row=row,
                col=1,
            )
    figure.update_yaxes(rangemode="tozero", ticksuffix=" MB", row=row, col=1, nticks=4)


def _durations(record: Record) -> Any:
    from plotly import graph_objects

    if not record.durations:
        return None
    steps, counts = _columns(record.durations, 2)
    figure = graph_objects.Figure(
        graph_objects.Bar(
            x=steps,
            y=counts,
            width=[0.23 * step for step in steps],
            customdata=[in_words(step) for step in steps],
            hovertemplate="about %{customdata}: %{y:,} attempts<extra></extra>",
        )
    )
    ticks = _ticks(min(steps), max(steps))
    figure.update_xaxes(type="log", tickvals=ticks, ticktext=[in_words(tick) for tick in ticks])
    figure.update_yaxes(rangemode="tozero", tickformat="~s", automargin=True)
    margin = {"l": 8, "r": 8, "t": 8, "b": 30}
    figure.update_layout(template="none", height=220, margin=margin, bargap=0, showlegend=False)
    return figure


def _ticks(first: float, last: float) -> list[float]:
    """Round numbers for an axis of orders of magnitude: where it spans few, some between them too."""
    between = (1, 2, 5) if last < 100 * first else (1, 3) if last < 1e4 * first else (1,)
    ticks = [digit * 10.0**power for power in range(-8, 7) for digit in between]
    return [tick for tick in ticks if first / 2 <= tick <= last * 2]


def safe(text: str) -> str:
    """Text of the user's, where plotly reads markup."""
    return escape(text.replace("\n", " "))


def _columns(rows: Any, width: int) -> list[list[Any]]:
    return [[row[place] for row in rows] for place in range(width)]


def _rounded(values: Any) -> list[float]:
    """To a microsecond: the rest is noise, and makes the page larger."""
    return [round(value, 6) for value in values]
