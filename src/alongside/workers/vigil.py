"""How both ends of a call sent alone wait for each other: asleep until something comes, or looking again and again.

Owns the comparison of the two, in the parent, and the looking, which both ends do. Must never wait itself, or be asked
where more than one task is under way: whoever looks takes a CPU that a task could have.

Why compare and not reason: waking a process on another CPU takes several times as long as the rest of a brief call's
trip, and who looks is not woken. But where other programs want the CPUs, the two ends share one, and who looks keeps
the other off it. Which of the two holds changes from one moment to the next, and nobody tells.
"""

from __future__ import annotations

import os
from time import monotonic_ns

from alongside.workers.page import KEEN

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

_let_others_run: Callable[[], None] = getattr(os, "sched_yield", lambda: None)

LOOKING = 150_000
"""Nanoseconds that an end looks before it goes to sleep: longer than what is saved would be spent."""

TRIPS = 16
"""Trips that are timed together."""

PATIENCE = 4
"""Timings in a row that must speak against looking: the system takes a few milliseconds to give each end a CPU."""

AGED = 64
"""Timings of looking after which being asleep is timed again."""

SOON, LATE = 16, 1024
"""Timings asleep after which looking is tried again: first, and at most, where it failed again and again."""

MOST = 1_000_000
"""Nanoseconds of a trip that count at most: one trip held up by another program says nothing about the others."""

BETTER = 0.9
"""Looking must take this part of the time asleep, or less: it costs a CPU."""


class Vigil:
    """Which way, by the trips timed so far. `keen`: looking."""

    def __init__(self, clock: Callable[[], int] = monotonic_ns) -> None:
        self.keen = False
        self._clock = clock
        self._since = self._spent = self._trips = 0
        self._asleep = 0
        """What `TRIPS` trips took asleep, of late."""
        self._timings = self._against = 0
        """How many in this way, and how many of the last ones in a row spoke against looking."""
        self._until, self._next = 1, SOON
        """Timings asleep until looking is tried, and how many it will be once that has failed."""

    def begin(self, page: Any) -> None:
        """A call is sent alone to the worker of this page, which is told how to wait for the next."""
        page[KEEN] = self.keen
        self._since = self._clock()

    def break_off(self) -> None:
        """It is not alone any more."""
        self._since = 0

    @property
    def on(self) -> bool:
        """Whether a call sent alone is under way."""
        return self._since != 0

    def end(self) -> None:
        """Its answer has come."""
        self._spent += min(self._clock() - self._since, MOST)
        self._since = 0
        self._trips += 1
        if self._trips == TRIPS:
            spent, self._spent, self._trips = self._spent, 0, 0
            self._timings += 1
            (self._looked if self.keen else self._slept)(spent)

    def _slept(self, spent: int) -> None:
        self._asleep = (self._asleep + spent) // 2 if self._asleep else spent
        if self._timings >= self._until:
            self._go(keen=True)

    def _looked(self, spent: int) -> None:
        if spent < BETTER * self._asleep:
            self._against, self._next = 0, SOON
        else:
            self._against += 1
        if self._against == PATIENCE:
            self._until, self._next = self._next, min(2 * self._next, LATE)
            self._go(keen=False)
        elif self._timings == AGED:
            self._until = 1
            self._go(keen=False)

    def _go(self, keen: bool) -> None:
        self.keen = keen
        self._timings = self._against = 0


def look(ready: Callable[[int], Any]) -> Any:
    """Ask `ready(0)` until it says something, or time is up; what it said. Lets the GIL go each time, where that does,
    and the CPU: the other end may have been put on the same one, and would have to wait for it.
    """
    until = monotonic_ns() + LOOKING
    while not (said := ready(0)) and monotonic_ns() < until:
        _let_others_run()
    return said
