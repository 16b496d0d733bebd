"""What `compare` gives back: every backend's figures, as text, table, plot, page and JSON.

Owns `Comparison` and its words. Must never measure, and never claim what was not measured.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from alongside.core.choose import span
from alongside.core.teaching import weight
from alongside.observe import shapes
from alongside.observe.shapes import Table

AUTO = "auto"

NOISE = 1.1
"""Two times that differ by less than this factor count as the same."""


@dataclass(frozen=True, slots=True)
class Row:
    """One backend's figures.

    `seconds`: the median of its `rounds`, wall time from call to return, workers warm. `speedup`: the plain loop's
    median over this one's. `cpus`: CPU seconds of this process and its workers per second, in the last round.
    `peak_memory`: bytes held at once beyond what this process held before; worker processes count with all that is
    theirs; not known of `auto`. `start_seconds`: from nothing (or from workers still warm) to a first answer; not in
    `seconds`. `workers`: how many did something. `chosen`: the backend that `auto` took. `same`: whether the results
    equal the loop's; None where `==` cannot tell. `reason`: why there are no figures, empty where there are.
    """

    backend: str
    seconds: float | None = None
    rounds: tuple[float, ...] = ()
    speedup: float | None = None
    cpus: float | None = None
    peak_memory: int | None = None
    start_seconds: float | None = None
    workers: int | None = None
    chosen: str = ""
    same: bool | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Comparison:
    """Each backend on the same items. Print it, show it in a notebook, `figure()`, `to_html(path)`, `to_json()`.

    `tasks`: how many items were run; `total`: how many there are, None where the input does not know its length.
    `rows`: a `Row` for each backend, the plain loop's first.
    """

    function: str
    tasks: int
    total: int | None
    rows: tuple[Row, ...]

    @property
    def fastest(self) -> Row:
        """The row of the least time, `auto` not counted: it is one of the others."""
        timed = [row for row in self.rows if row.seconds is not None]
        return min((row for row in timed if row.backend != AUTO), key=lambda row: row.seconds or 0.0)

    def __str__(self) -> str:
        table = shapes.as_text(self._table())
        return "\n".join([self._title(), "", table, "", *self.conclusions])

    def __repr__(self) -> str:
        return f"<Comparison of {self.function} on {self.tasks} items: {self.conclusions[0]}>"

    @property
    def conclusions(self) -> tuple[str, ...]:
        """What the figures say, a sentence each."""
        told = [self._verdict(), *self._about_auto(), *self._about_all()]
        told += [f"{row.backend} {_OTHERWISE}" for row in self.rows if row.same is False]
        told += [f"{row.backend} could not run it: {row.reason}" for row in self.rows if row.reason]
        return tuple(told)

    # ------------------------------------------------------------------------------------------------ displays

    def __rich__(self) -> Any:
        from rich.console import Group
        from rich.text import Text

        return Group(shapes.as_rich(self._table(), self._title()), *map(Text, self.conclusions))

    def _repr_mimebundle_(self, **_: Any) -> dict[str, str]:
        return {"text/plain": str(self), "text/html": self._repr_html_()}

    def _repr_html_(self) -> str:
        said = shapes.bullets(self.conclusions)
        return shapes.boxed(shapes.paragraph(self._title()), shapes.as_html(self._table()), said)

    def figure(self) -> Any:
        """An interactive plot, a `plotly` figure: a bar per backend, its rounds as dots, all figures on hovering.

        Raises `ImportError` where plotly is not installed (`pip install 'alongside[report]'`).
        """
        from alongside.observe.plots import compared

        return compared(self)

    def to_html(self, path: str | Path) -> Path:
        """Write a page that needs nothing else, the interactive plot in it where plotly is installed; its path."""
        from alongside.observe.plots import embedded

        page = shapes.page(f"alongside: {self.function} compared", self._repr_html_(), embedded(self))
        Path(path).write_text(page, encoding="utf-8")
        return Path(path)

    def to_dict(self) -> dict[str, Any]:
        """All of it as plain values; durations in seconds, memory in bytes."""
        return {**asdict(self), "fastest": self.fastest.backend, "conclusions": list(self.conclusions)}

    def to_json(self) -> str:
        """The same as JSON."""
        return shapes.to_json(self.to_dict())

    # --------------------------------------------------------------------------------------------------- words

    def _title(self) -> str:
        of_all = f" of {self.total:,}" if self.total not in (None, self.tasks) else ""
        rounds = max(len(row.rounds) for row in self.rows)
        times = f"the median of {rounds} rounds in turn" if rounds > 1 else "one round each"
        return f"{self.function} on {self.tasks:,}{of_all} item{'s' * (self.tasks != 1)}, {times}:"

    def _table(self) -> Table:
        longest = max(row.seconds or 0.0 for row in self.rows)
        return Table(
            ("backend", "time", "speed-up", "CPUs", "memory", "start-up"),
            [_cells(row) for row in self.rows],
            [None if row.seconds is None else row.seconds / longest for row in self.rows],
            self.rows.index(self.fastest),
            "<- the fastest",
        )

    def _verdict(self) -> str:
        best, loop = self.fastest, self.rows[0]
        others = [row for row in self.rows if row.seconds is not None and row.backend != AUTO]
        if len(others) < 2:
            return "Only the plain loop could run it."
        if best.speedup is None or best.speedup < NOISE:
            return f"Nothing is clearly faster than the plain loop ({span(loop.seconds or 0.0)})."
        return f"Fastest: {best.backend}, {amount(best.speedup)} times as fast as the plain loop."

    def _about_auto(self) -> Sequence[str]:
        auto = next((row for row in self.rows if row.backend == AUTO and row.seconds is not None), None)
        if auto is None or auto.seconds is None or self.fastest.seconds is None:
            return ()
        ratio = auto.seconds / self.fastest.seconds
        if ratio < NOISE:
            return (f"auto took {auto.chosen}: {span(auto.seconds)}, as good as the best.",)
        return (f"auto took {auto.chosen}: {span(auto.seconds)}, {amount(ratio)} times the best.",)

    def _about_all(self) -> Sequence[str]:
        best, loop = self.fastest, self.rows[0]
        if self.total is None or self.total <= self.tasks or best.seconds is None or loop.seconds is None:
            return ()
        share = self.total / self.tasks
        one = f"all {self.total:,} items would take a plain loop about {span(share * loop.seconds)}"
        if best is loop:
            return (f"If the others are like these, {one}.",)
        whole = (best.start_seconds or 0.0) + share * best.seconds
        return (f"If the others are like these, {one}, {best.backend} about {span(whole)}.",)


_OTHERWISE = (
    "gave other results than the loop: does the function draw random numbers, or use something that a task changes?"
)


def _cells(row: Row) -> Sequence[str]:
    return (
        f"{row.backend} ({row.chosen})" if row.chosen else row.backend,
        "failed" if row.seconds is None else span(row.seconds),
        "" if row.speedup is None else f"{amount(row.speedup)}x",
        "" if row.cpus is None else f"{row.cpus:.1f}",
        "" if row.peak_memory is None else weight(row.peak_memory),
        "" if row.start_seconds is None else span(row.start_seconds),
    )


def amount(ratio: float) -> str:
    """A ratio with as many digits as mean something.

    >>> amount(1.94), amount(31.2), amount(0.043)
    ('1.9', '31', '0.043')
    """
    return f"{ratio:,.0f}" if ratio >= 10 else f"{ratio:.2g}"
