"""Figures into words: medians, ratios, targets met or missed, distance to the limits; as text and as Markdown.

Owns: the arithmetic of a table. Must never: measure, or call a target met for any reason but the figures.
"""

from __future__ import annotations

from dataclasses import asdict
from statistics import median
from typing import Any

from benchmarks.harness import SUBJECT, Measured, Target

BEST_PEER = "the best peer"
SCALES = ((1.0, "s", 1.0), (1e-3, "ms", 1e3), (1e-6, "µs", 1e6), (0.0, "ns", 1e9))


def to_json(measured: Measured) -> dict[str, Any]:
    """A Measured as plain values, to travel between processes and to be kept."""
    return asdict(measured)


def from_json(plain: dict[str, Any]) -> Measured:
    """The Measured that `to_json` took apart."""
    return Measured(**{**plain, "targets": [Target(**target) for target in plain["targets"]]})


def figure(value: float, unit: str) -> str:
    """A figure with three digits and a unit fit for its size."""
    if unit != "s":
        return f"{value:.3g} {unit}"
    _, name, factor = next(entry for entry in SCALES if abs(value) >= entry[0])
    return f"{value * factor:.3g} {name}"


def net(measured: Measured, name: str) -> list[float]:
    """A contender's figures round by round, less the subtracted contender's of the same round."""
    own = measured.figures.get(name, [])
    taken_off = measured.figures.get(measured.subtracted)
    if taken_off is None or name == measured.subtracted:
        return own
    return [mine - theirs for mine, theirs in zip(own, taken_off, strict=True)]


def ratios(measured: Measured, name: str, against: str) -> list[float]:
    """`name` divided by `against`, round by round."""
    pairs = zip(net(measured, name), net(measured, against), strict=True)
    return [mine / theirs for mine, theirs in pairs]


def competitors(measured: Measured) -> list[str]:
    """The contenders that are neither alongside nor a limit."""
    return [name for name in measured.figures if name not in measured.limits and not name.startswith(SUBJECT)]


def spread(values: list[float]) -> str:
    """A median with the lowest and the highest value."""
    return f"{median(values):.3g} ({min(values):.3g} to {max(values):.3g})"


def reference(measured: Measured) -> str:
    """The contender that ratios are given to: alongside, or the first one while alongside is not there."""
    return SUBJECT if SUBJECT in measured.figures else next(iter(measured.figures), "")


def verdict(measured: Measured, target: Target) -> tuple[str, str]:
    """(met, missed or not measured; the figure behind it) for one target."""
    if target.subject not in measured.figures:
        return "not measured", measured.excluded.get(target.subject, "no figures")
    if not target.against:
        value = median(net(measured, target.subject))
        allowed = figure(target.factor, measured.unit)
        return _met(value <= target.factor), f"{figure(value, measured.unit)}, allowed {allowed}"
    against = _opponent(measured, target)
    if against not in measured.figures:
        return "not measured", f"{against}: {measured.excluded.get(against, 'no figures')}"
    values = ratios(measured, target.subject, against)
    return _met(median(values) <= target.factor), f"{spread(values)} times {against}, allowed {target.factor:.3g}"


def _met(met: bool) -> str:
    return "met" if met else "MISSED"


def _opponent(measured: Measured, target: Target) -> str:
    if target.against != BEST_PEER:
        return target.against
    return min(competitors(measured), key=lambda name: median(net(measured, name)), default=BEST_PEER)


def lines(measured: Measured) -> list[tuple[str, str, str]]:
    """(contender, median, ratio to the reference) for each contender, limits last."""
    base = reference(measured)
    ordered = sorted(measured.figures, key=lambda name: (name in measured.limits, median(net(measured, name))))
    return [
        (
            f"{name} (limit)" if name in measured.limits else name,
            figure(median(net(measured, name)), measured.unit),
            spread(ratios(measured, name, base)) if measured.subtracted != name else "subtracted",
        )
        for name in ordered
    ]


def distances(measured: Measured) -> list[str]:
    """How many times each limit alongside takes."""
    if SUBJECT not in measured.figures:
        return []
    floors = [name for name in measured.limits if name in measured.figures and name != measured.subtracted]
    return [f"{spread(ratios(measured, SUBJECT, name))} times the limit '{name}'" for name in floors]


def text(measured: Measured) -> str:
    """One row of the table for a terminal."""
    out = [f"\n{measured.name}: {measured.title}"]
    out += [f"  {name:42s} {middle:>12s}   {ratio} x {reference(measured)}" for name, middle, ratio in lines(measured)]
    out += [f"  {name}: left out: {reason}" for name, reason in measured.excluded.items()]
    out += [f"  distance: {distance}" for distance in distances(measured)]
    out += [f"  {state}: {words}: {detail}" for words, state, detail in judged(measured)]
    return "\n".join(out)


def judged(measured: Measured) -> list[tuple[str, str, str]]:
    """(target, verdict, the figure behind it) for each target of a row."""
    return [(target.text, *verdict(measured, target)) for target in measured.targets]


def markdown(measured: Measured) -> str:
    """One row of the table as a Markdown section."""
    out = [f"### {measured.name}", "", f"{_sentence(measured.title)}", ""]
    out += _grid(measured) if _is_grid(measured) else _table(measured)
    out += ["", "| target | | measured |", "|---|---|---|"]
    out += [f"| {words} | {state} | {detail} |" for words, state, detail in judged(measured)]
    out += ["", f"*Limited by.* {' '.join(measured.limited_by.split())}"]
    out += [f"Distance: {'; '.join(distances(measured))}."] if distances(measured) else []
    out += ["", *[f"- {name}: left out: {reason}" for name, reason in measured.excluded.items()]]
    return "\n".join(out).rstrip() + "\n"


def _sentence(words: str) -> str:
    return words[:1].upper() + words[1:] + "."


def _table(measured: Measured) -> list[str]:
    head = f"| contender | median | times {reference(measured)}: median (lowest to highest of the rounds) |"
    return [head, "|---|---|---|", *[f"| {name} | {middle} | {ratio} |" for name, middle, ratio in lines(measured)]]


def _is_grid(measured: Measured) -> bool:
    return bool(measured.figures) and all(" on " in name for name in measured.figures)


def _grid(measured: Measured) -> list[str]:
    cells = {tuple(name.split(" on ")): median(values) for name, values in measured.figures.items()}
    columns = list(dict.fromkeys(column for _, column in cells))
    head = ["| | " + " | ".join(columns) + " |", "|---" * (len(columns) + 1) + "|"]
    return head + [
        f"| {row} | " + " | ".join(_cell(cells.get((row, column)), measured.unit) for column in columns) + " |"
        for row in dict.fromkeys(row for row, _ in cells)
    ]


def _cell(value: float | None, unit: str) -> str:
    return "" if value is None else figure(value, unit)


def summary(rows: list[Measured]) -> str:
    """All targets in one Markdown table."""
    out = ["| row | target | | measured |", "|---|---|---|---|"]
    for measured in rows:
        out += [f"| {measured.name} | {words} | {state} | {detail} |" for words, state, detail in judged(measured)]
    return "\n".join(out) + "\n"
