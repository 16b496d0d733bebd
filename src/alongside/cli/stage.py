"""Where the guide's chapters are shown: races between contenders, and what their timings say.

Owns the timing of contenders and the sentences computed from the numbers. Must never claim what was not measured in
this very run, nor know what it is shown on: that is a `Stage`'s kin, `Terminal` (terminal.py) or `Page` (webpage.py).
"""

from __future__ import annotations

import inspect
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from alongside.cli.output import means

ROUNDS = 2
"""Times that each contender runs: the first one starts workers and fills caches."""

NOISE, NOISE_SECONDS = 1.15, 0.002
"""Two times count as the same up to this factor, or this many seconds apart."""


@dataclass(frozen=True)
class Contender:
    """One way of doing the work. The first of a race is the plain loop; `ours` marks alongside."""

    label: str
    work: Callable[[Any], Any]
    ours: bool = False


class Bar(NamedTuple):
    """A row of a chart: its label, how long it is, what is written beside it, and whether it is alongside's."""

    label: str
    value: float
    words: str
    ours: bool = False


@dataclass(frozen=True)
class Timing:
    """What one contender took each time, in seconds, and what it gave the last time."""

    contender: Contender
    runs: tuple[float, ...]
    answer: Any

    @property
    def seconds(self) -> float:
        """The better run: the other one was disturbed, or had to start workers."""
        return min(self.runs)

    @property
    def values(self) -> list[Any]:
        """The plain results, also where the answer is a Run."""
        return list(getattr(self.answer, "results", self.answer))

    @property
    def label(self) -> str:
        """The contender's."""
        return self.contender.label

    @property
    def bar(self) -> Bar:
        """Its row of a chart."""
        return Bar(self.label, self.seconds, in_words(self.seconds), self.contender.ours)


class Stage(ABC):
    """Something a chapter can be shown on."""

    @abstractmethod
    def title(self, text: str) -> None:
        """A chapter's title."""

    @abstractmethod
    def paragraph(self, text: str) -> None:
        """One paragraph, in one line."""

    @abstractmethod
    def source(self, text: str) -> None:
        """Python, as it is run."""

    @abstractmethod
    def table(self, headings: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """A table."""

    @abstractmethod
    def bars(self, heading: str, rows: Sequence[Bar]) -> None:
        """A bar for each row, the longest as wide as there is room."""

    def say(self, text: str) -> None:
        """Paragraphs; line breaks of the source do not count."""
        for paragraph in inspect.cleandoc(text).split("\n\n"):
            self.paragraph(" ".join(paragraph.split()))

    def code(self, *functions: Callable[..., Any]) -> None:
        """The source of functions, as it is run."""
        self.source("\n\n".join(inspect.getsource(function).rstrip() for function in functions))

    def race(self, contenders: Sequence[Contender], items: Sequence[Any]) -> list[Timing]:
        """Show, run and time every contender on the same items; say what came out."""
        for contender in contenders:
            self.code(contender.work)
        rounds = [[clocked(contender, list(items)) for contender in contenders] for _ in range(ROUNDS)]
        timings = [merged(several) for several in zip(*rounds, strict=True)]
        loop = timings[0]
        self.table(
            ("On this machine", "first run", "second run", "against the loop", "same results"),
            [
                (one.label, *map(in_words, one.runs), against(one, loop), _yes(one.values == loop.values))
                for one in timings
            ],
        )
        self.bars(
            "The better run",
            [Bar(one.label, one.seconds, in_words(one.seconds), one.contender.ours) for one in timings],
        )
        for one in timings:
            if one.contender.ours:
                self.paragraph(choice(one))
        self.paragraph(verdict(timings))
        return timings


def clocked(contender: Contender, items: Any) -> Timing:
    """Run it once and take the time."""
    began = time.perf_counter()
    answer = contender.work(items)
    return Timing(contender, (time.perf_counter() - began,), answer)


def merged(several: Sequence[Timing]) -> Timing:
    """The timings of one contender as one."""
    last = several[-1]
    return Timing(last.contender, tuple(seconds for one in several for seconds in one.runs), last.answer)


def choice(timing: Timing) -> str:
    """What alongside chose, and why, from the run's own plan."""
    plan = timing.answer.plan
    return f"{timing.label} → {means(plan)}. {plan.why}"


def against(one: Timing, loop: Timing) -> str:
    """`2.0 times as fast` as the loop, or how much longer it takes."""
    if one is loop:
        return ""
    if similar(one.seconds, loop.seconds):
        return "about the same"
    if one.seconds < loop.seconds:
        return f"{amount(loop.seconds / one.seconds)} times as fast"
    return f"takes {in_words(one.seconds - loop.seconds)} longer"


def amount(ratio: float) -> str:
    """Two digits that mean something."""
    return f"{ratio:,.0f}" if ratio >= 10 else f"{ratio:.1f}"


def similar(one: float, other: float) -> bool:
    """Whether two timings differ by no more than the noise of one measurement."""
    low, high = sorted((one, other))
    return high <= low * NOISE or high - low <= NOISE_SECONDS


def verdict(timings: Sequence[Timing]) -> str:
    """What the numbers say, in a sentence or two: sharing against the loop, alongside against the best by hand."""
    loop, rest = timings[0], timings[1:]
    return f"{_on_sharing(loop, rest)} {_on_the_choice(timings)}"


def _on_sharing(loop: Timing, rest: Sequence[Timing]) -> str:
    best = min(rest, key=lambda one: one.seconds)
    worst = max(rest, key=lambda one: one.seconds)
    if best.seconds < loop.seconds and not similar(best.seconds, loop.seconds):
        ratio = amount(loop.seconds / best.seconds)
        return f"Sharing the work pays: {best.label} is {ratio} times as fast as the loop."
    if similar(worst.seconds, loop.seconds):
        return "Sharing the work makes no difference here."
    return (
        f"Sharing the work does not pay here: the loop takes {in_words(loop.seconds)}, "
        f"{worst.label} {in_words(worst.seconds)}."
    )


def _on_the_choice(timings: Sequence[Timing]) -> str:
    chosen = [one for one in timings if one.contender.ours][-1]
    best = min((one for one in timings if not one.contender.ours), key=lambda one: one.seconds)
    if similar(chosen.seconds, best.seconds):
        return f"alongside's own choice is as good as the best by hand ({best.label})."
    if chosen.seconds < best.seconds:
        return f"alongside's own choice is {amount(best.seconds / chosen.seconds)} times as fast as the best by hand."
    return (
        f"This time alongside's own choice lost: {in_words(chosen.seconds)} against {in_words(best.seconds)} "
        f"by hand ({best.label})."
    )


def in_words(seconds: float) -> str:
    """A duration with a unit that suits it."""
    if seconds < 0.001:
        return f"{seconds * 1e6:.0f} µs"
    return f"{seconds * 1e3:.1f} ms" if seconds < 1 else f"{seconds:.2f} s"


def _yes(same: bool) -> str:
    return "yes" if same else "no"
