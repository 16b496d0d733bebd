"""Whether the threads of a pool only take turns with the GIL, so that one more of them would get nothing more done.

Owns that verdict. Must never hold a thread back: the pool does.

Why it matters, though as much is computed either way: a thread that wants the GIL has it after a switch interval (5 ms)
of every other one, and the thread that drives the run is one of them. Beside 8 threads that computed it had a dozen
turns in a second, beside 32 none (measured): no result was fetched, no Ctrl-C heard, no run moved to where it would be
faster. What is begun in a thread can, besides, go nowhere else.
"""

from __future__ import annotations

import time
from collections.abc import Collection

from alongside.core.known import SATURATED, SPREAD
from alongside.workers.runner import STEADY

TYPE_CHECKING = False
if TYPE_CHECKING:
    from alongside.workers.puller import Puller

WINDOW, WINDOW_EACH = 0.010, 0.0002
"""Seconds over which it is seen how much is computed: at the least, and for each thread, whose clock takes 0.6 µs to
read."""

COMPUTES = 0.001
"""CPU seconds of its own tasks from which a thread would be in the way of others. What waits, and what it takes to ask
a server for something, is less."""

FEWEST = 2
"""Threads that always go on: one that computes, and one in case that it waits."""

HOLD = 0.1
"""Seconds after which one more goes on whatever is seen: tasks may be waiting, busily, for one that has not begun."""


class Convoy:
    """What the threads of a pool compute, all together. Asked under the pool's lock.

    What other threads of the process compute does not count: a pool whose tasks wait must not be held back because the
    caller is busy.
    """

    def __init__(self) -> None:
        self.paused = False
        """Whether nothing is to be begun, whatever is seen."""
        self.full = False
        """Whether the threads were seen to take turns."""
        self._since, self._used = time.monotonic(), 0.0
        self._let_in = self._since

    def look(self, threads: Collection[Puller]) -> None:
        """See how much these have computed since the last time, where that was a while ago."""
        now = time.monotonic()
        if now - self._since >= max(WINDOW, WINDOW_EACH * len(threads)):
            used = sum(thread.computed() for thread in threads)
            self.full = STEADY and SATURATED <= (used - self._used) / (now - self._since) < SPREAD
            self._since, self._used = now, used

    def holds_back(self, active: int) -> bool:
        """Whether nobody is to begin anything beside so many that are at work."""
        return self.paused or (self.full and active >= FEWEST)

    def joined_by(self, thread: Puller, active: int) -> bool:
        """Whether a thread that asks for tasks, one of so many at work, would only take turns: its last ones computed,
        and others take up all there is."""
        tasks, seconds = thread.since_last()
        return self.paused or (tasks > 0 and seconds >= COMPUTES * tasks and self.holds_back(active - 1))

    def lets_in(self, active: int) -> int:
        """How many of those held back are to go on, beside so many that do."""
        if self.paused:
            return 0
        if not self.full:
            return max(active, 1)
        if self._since < self._let_in + HOLD:
            return 0
        self._let_in = self._since
        return 1
