"""Where the guide's chapters are shown: code, timings and what the timings say.

Owns the timing of contenders, the tables and the sentences computed from the numbers. Must never claim what was not
measured in this very run.
"""

from __future__ import annotations

import inspect
import textwrap
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from rich import box
from rich.console import Console
from rich.padding import Padding
from rich.syntax import Syntax
from rich.table import Table

from alongside.cli.output import means

ROUNDS = 2
NOISE = 1.15
NOISE_SECONDS = 0.002


@dataclass(frozen=True)
class Contender:
    """One way of doing the work. The first of a race is the plain loop; `ours` marks alongside."""

    label: str
    work: Callable[[Any], Any]
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


class Stage:
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

    def say(self, text: str) -> None:
        """A paragraph; line breaks of the source do not count."""
        for paragraph in inspect.cleandoc(text).split("\n\n"):
            self.console.print(" ".join(paragraph.split()), markup=False)
            self.console.print()

    def code(self, *functions: Callable[..., Any]) -> None:
        """The source of functions, as it is run."""
        source = "\n\n".join(inspect.getsource(function).rstrip() for function in functions)
        if self.plain:
            self.console.print(textwrap.indent(source, "    "), markup=False, soft_wrap=True)
        else:
            coloured = Syntax(source, "python", theme="ansi_dark", background_color="default")
            self.console.print(Padding(coloured, (0, 0, 0, 4)))
        self.console.print()

    def table(self, headings: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """A table; no lines around it where it is to be plain."""
        table = Table(*headings, box=None if self.plain else box.ROUNDED, pad_edge=not self.plain)
        for row in rows:
            table.add_row(*row)
        self.console.print(table)
        self.console.print()

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
        for one in timings:
            if one.contender.ours:
                self.console.print(choice(one), markup=False)
        self.console.print()
        self.say(verdict(timings))
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
    return f"{timing.label} → {means(plan)}: {' '.join(plan.reasons)}"


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
