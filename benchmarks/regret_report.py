"""The arithmetic and the words of the regret table.

Owns: medians, regrets, the promises they are judged by. Must never: run anything, or leave a row out.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from math import exp, log
from statistics import median
from typing import Any

from benchmarks.report import figure

FLOOR = 0.002
"""Seconds below which nothing is told apart: regret is that of the larger of a time and this. It is also what the
promise about the loop allows."""

CLOSE, ALLOWED, AVERAGE = 1.1, 1.25, 0.9
NEAR = 1.5
"""Factor within which a prediction counts as right."""


@dataclass
class Told:
    """All that was measured of one workload. `first` and `warm`: seconds by way, an entry per round."""

    row: str
    title: str
    first: dict[str, list[float]] = field(default_factory=dict)
    warm: dict[str, list[float]] = field(default_factory=dict)
    excluded: dict[str, str] = field(default_factory=dict)
    plans: list[dict[str, Any]] = field(default_factory=list)
    times: int = 1
    """Times its items that the workload had."""

    def best(self, figures: dict[str, list[float]]) -> str:
        """The way by hand with the lowest median."""
        by_hand = [way for way in figures if way != "auto"]
        return min(by_hand, key=lambda way: median(figures[way]), default="")

    def regret(self, figures: dict[str, list[float]]) -> float | None:
        """The time of `auto` over that of the best way by hand."""
        best = self.best(figures)
        if "auto" not in figures or not best:
            return None
        return max(FLOOR, median(figures["auto"])) / max(FLOOR, median(figures[best]))

    def chosen_before(self, figures: dict[str, list[float]]) -> float | None:
        """The same, where the way by hand is the one that was best in the other rounds, and compared round by round.

        Why: of six ways that take the same the fastest of a round is one that was lucky, and nobody knows beforehand
        which. The choice and the comparison are made of different figures here (as in cross-validation: Stone, 1974).
        """
        chosen = self._chosen_on_the_others(figures)
        if not chosen:
            return None
        return median(max(FLOOR, a) / max(FLOOR, b) for a, b in zip(figures["auto"], chosen, strict=True))

    def oracle(self, figures: dict[str, list[float]]) -> float | None:
        """The regret of somebody who always does it in the way by hand that was best on the other rounds.

        It would be 1 where one way is the best and each round takes the same; what it is beyond that nobody can avoid
        who does not know how the machine will be at that moment.
        """
        chosen, best = self._chosen_on_the_others(figures), self.best(figures)
        return max(FLOOR, median(chosen)) / max(FLOOR, median(figures[best])) if chosen else None

    def _chosen_on_the_others(self, figures: dict[str, list[float]]) -> list[float]:
        """What each round took by hand, in the way that was best on the other rounds."""
        rounds = len(figures.get("auto", ()))
        whole = {way: took for way, took in figures.items() if way != "auto" and len(took) == rounds}
        if rounds < 2 or not whole:
            return []
        chosen = []
        for number in range(rounds):
            others = {way: median(took[:number] + took[number + 1 :]) for way, took in whole.items()}
            chosen.append(whole[min(others, key=lambda way: others[way])][number])
        return chosen

    def loop_kept(self, figures: dict[str, list[float]]) -> bool | None:
        """Where the loop is the best: whether `auto` takes at most 5 % + 2 ms more."""
        best = self.best(figures)
        if best not in ("loop", "await") or "auto" not in figures:
            return None
        return median(figures["auto"]) <= 1.05 * median(figures[best]) + FLOOR

    def predicted(self) -> float | None:
        """Predicted over measured, the middle one of the rounds."""
        ratios = [plan["predicted"] / plan["took"] for plan in self.plans if plan.get("predicted") and plan.get("took")]
        return median(ratios) if ratios else None

    def twice(self) -> int | None:
        """Executions beyond one for each item, in the worst round."""
        return max((plan["executions"] - plan["items"] for plan in self.plans), default=None)


def spread(told: Iterable[float | None]) -> str:
    """The promises about some regrets, in one line."""
    regrets = [regret for regret in told if regret is not None]
    if not regrets:
        return "nothing measured"
    mean = exp(sum(map(log, regrets)) / len(regrets))
    near = sum(regret <= CLOSE for regret in regrets)
    return (
        f"{near} of {len(regrets)} at most {CLOSE} ({100 * near / len(regrets):.0f} %, to reach 90 %); "
        f"the worst {max(regrets):.2f} (to reach {ALLOWED}); geometric mean {mean:.2f} (to reach {AVERAGE})"
    )


def summary(rows: list[Told]) -> list[str]:
    """The promises, a line each."""
    kept = [kept for row in rows for kept in (row.loop_kept(row.first), row.loop_kept(row.warm)) if kept is not None]
    ratios = [ratio for row in rows if (ratio := row.predicted()) is not None]
    near = sum(1 / NEAR <= ratio <= NEAR for ratio in ratios)
    twice = [row.row for row in rows if row.twice()]
    counted = sum(row.twice() is not None for row in rows)
    return [
        f"fresh interpreter: {spread(row.regret(row.first) for row in rows)}",
        f"warm: {spread(row.regret(row.warm) for row in rows)}",
        f"fresh, the way by hand chosen on the other rounds: {spread(row.chosen_before(row.first) for row in rows)}",
        f"warm, the way by hand chosen on the other rounds: {spread(row.chosen_before(row.warm) for row in rows)}",
        f"an oracle that goes by the other rounds, fresh: {spread(row.oracle(row.first) for row in rows)}",
        f"the same, warm: {spread(row.oracle(row.warm) for row in rows)}",
        f"where the loop is best: {sum(kept)} of {len(kept)} within 5 % + 2 ms of it",
        f"predictions: {near} of {len(ratios)} within a factor of {NEAR}",
        f"executed more than once: {', '.join(twice) or 'nothing'} (counted in {counted} workloads)",
    ]


def line(row: Told) -> list[str]:
    """One row of the table, as cells."""
    name = row.row if row.times == 1 else f"{row.row}, {row.times} times"
    return [name, *_cells(row, row.first), *_cells(row, row.warm), _chosen(row), _times(row.predicted())]


HEAD = [
    "workload",
    "fresh: best by hand",
    "auto",
    "regret",
    "warm: best by hand",
    "auto",
    "regret",
    "auto chose",
    "predicted / took",
]


def _cells(row: Told, figures: dict[str, list[float]]) -> list[str]:
    best = row.best(figures)
    if not best:
        return ["", "", ""]
    auto = figure(median(figures["auto"]), "s") if "auto" in figures else row.excluded.get("auto", "not measured")
    return [f"{best} {figure(median(figures[best]), 's')}", auto, _times(row.regret(figures))]


def _times(ratio: float | None) -> str:
    return "" if ratio is None else f"{ratio:.2f}"


def _chosen(row: Told) -> str:
    return ", ".join(sorted({str(plan["backend"]) for plan in row.plans}))


def text(row: Told) -> str:
    """One workload for a terminal: every way, the best first."""
    out = [f"\n{row.row}: {row.title}"]
    for way in sorted(row.first, key=lambda way: median(row.first[way])):
        warm = figure(median(row.warm[way]), "s") if row.warm.get(way) else ""
        out.append(f"  {way:20s} fresh {figure(median(row.first[way]), 's'):>9s}   warm {warm:>9s}")
    out += [f"  {way}: left out: {reason}" for way, reason in row.excluded.items()]
    out.append(f"  regret: fresh {_times(row.regret(row.first))}, warm {_times(row.regret(row.warm))}")
    if row.plans:
        ratio = row.predicted()
        told = f"; predicted / took: {ratio:.2f}" if ratio else ""
        out.append(f"  auto chose {_chosen(row)}; executions beyond one per item: {row.twice()}{told}")
    return "\n".join(out)


def markdown(about: str, rows: list[Told]) -> str:
    """The whole table as a Markdown section."""
    grid = [HEAD, ["---"] * len(HEAD), *map(line, rows)]
    lines = ["| " + " | ".join(cells) + " |" for cells in grid]
    return "\n".join([f"{about}.", "", *(f"- {promise}" for promise in summary(rows)), "", *lines, ""])
