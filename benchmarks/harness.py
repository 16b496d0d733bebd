"""The stopwatch: interleaved rounds of several contenders, wrong answers refused.

Owns: the order of runs, the warm-up, the deadline of one run, the check of every answer.
Must never: know a library, a workload or a target's meaning; drop a round because its figure looks odd.
"""

from __future__ import annotations

import gc
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from types import FrameType
from typing import Any

Work = Callable[[], object]
Opened = Callable[[], AbstractContextManager[Work]]
Measure = Callable[[Work], tuple[float, object]]
SUBJECT = "alongside"


class CannotDo(Exception):
    """This contender cannot do this row; the message says why."""


class TookTooLong(Exception):
    """One run passed its deadline."""


def nothing() -> None:
    """Prepare nothing."""


@dataclass(frozen=True)
class Contender:
    """One way of doing the row's work. `opened` gives the timed callable and cleans up after it.

    `per` divides the figure (calls in one run). `limit` marks a floor set by the machine, not a competitor.
    `prepare` runs untimed before each run.
    """

    name: str
    opened: Opened
    per: float = 1
    limit: bool = False
    prepare: Callable[[], object] = nothing


@dataclass(frozen=True)
class Target:
    """`subject` must be at most `factor` times `against`; without `against`, at most `factor` in the row's unit."""

    text: str
    factor: float
    against: str = ""
    subject: str = SUBJECT


def stopwatch(work: Work) -> tuple[float, object]:
    """Wall seconds of one run, and its answer."""
    start = time.perf_counter()
    answer = work()
    return time.perf_counter() - start, answer


def reported(work: Work) -> tuple[float, object]:
    """For work that measures itself: it returns (figure, answer)."""
    pair: Any = work()
    return float(pair[0]), pair[1]


@dataclass(frozen=True)
class Row:
    """One line of the table: the same work by several contenders, and the targets it is judged by.

    `name` and `limited_by` are given by the suite: its own name for the function that makes the row, and what the
    function's docstring says.

    `check` returns what is wrong with an answer, or an empty string. `subtract` names a contender whose figure of the
    same round is taken off the others (an interpreter's own start). `deadline` is seconds for one run.
    """

    title: str
    contenders: tuple[Contender, ...]
    check: Callable[[object], str]
    targets: tuple[Target, ...]
    absent: tuple[tuple[str, str], ...] = ()
    measure: Measure = stopwatch
    unit: str = "s"
    subtract: str = ""
    rounds: int = 7
    warmups: int = 1
    deadline: float = 120.0
    name: str = ""
    limited_by: str = ""


@dataclass
class Measured:
    """The figures of one row: one list per contender, one entry per round; `excluded` says who fell out and why."""

    name: str
    title: str
    limited_by: str
    unit: str
    targets: list[Target]
    figures: dict[str, list[float]] = field(default_factory=dict)
    limits: list[str] = field(default_factory=list)
    excluded: dict[str, str] = field(default_factory=dict)
    subtracted: str = ""


@contextmanager
def deadline(seconds: float) -> Iterator[None]:
    """Raise TookTooLong in the main thread after `seconds`, so that one hung contender does not take the row along."""

    def expire(number: int, frame: FrameType | None) -> None:
        raise TookTooLong(f"no answer within {seconds:.0f} s")

    before = signal.signal(signal.SIGALRM, expire)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def say(text: str) -> None:
    """Show progress on standard error; standard output belongs to the table."""
    print(text, file=sys.stderr, flush=True)


def why(failure: BaseException) -> str:
    """The reason shown in the table for a contender that fell out."""
    if isinstance(failure, (CannotDo, TookTooLong)):
        return str(failure)
    return f"{type(failure).__name__}: {failure}".replace(os.getcwd(), ".")[:200]


def measure_row(row: Row) -> Measured:
    """Open every contender, run A B C A B C ... and keep all rounds after the warm-up."""
    measured = Measured(row.name, row.title, row.limited_by, row.unit, list(row.targets), subtracted=row.subtract)
    measured.limits = [contender.name for contender in row.contenders if contender.limit]
    measured.excluded.update(row.absent)
    with ExitStack() as stack:
        works = {contender.name: _open(contender, row, measured, stack) for contender in row.contenders}
        for number in range(-row.warmups, row.rounds):
            _round(row, works, measured, keep=number >= 0)
            say(f"  {row.name}: {'warm-up' if number < 0 else f'round {number + 1} of {row.rounds}'}")
    return measured


def _open(contender: Contender, row: Row, measured: Measured, stack: ExitStack) -> Work | None:
    try:
        with deadline(row.deadline):
            return stack.enter_context(contender.opened())
    except Exception as failure:
        _exclude(contender, measured, why(failure))
        return None


def _round(row: Row, works: dict[str, Work | None], measured: Measured, keep: bool) -> None:
    for contender in row.contenders:
        work = works[contender.name]
        if work is None or contender.name in measured.excluded:
            continue
        try:
            figure = _once(row, contender, work)
        except Exception as failure:
            _exclude(contender, measured, why(failure))
            continue
        if keep:
            measured.figures.setdefault(contender.name, []).append(figure)


def _once(row: Row, contender: Contender, work: Work) -> float:
    contender.prepare()
    gc.collect()
    with deadline(row.deadline):
        figure, answer = row.measure(work)
    if not contender.limit and (fault := row.check(answer)):
        raise CannotDo(f"WRONG ANSWER: {fault}")
    return figure / contender.per


def _exclude(contender: Contender, measured: Measured, reason: str) -> None:
    measured.excluded[contender.name] = reason
    measured.figures.pop(contender.name, None)
    say(f"  {contender.name} falls out: {reason}")
