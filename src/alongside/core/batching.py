"""How many tasks go to a worker together.

Owns the estimate of a task's duration and the size of the next batch. Must never know workers by name or read a clock.
"""

from __future__ import annotations

BATCH_SECONDS = 0.008
"""How long a batch for another process should last: each costs the parent 0.1 ms of CPU, which workers are without."""

PATIENT_SECONDS, FEW = 0.025, 2000
"""The same where nobody looks at a result before all are there, and of how many tasks at most such a batch is: where
there are more it is the tasks that cost the parent time, not the batch."""

FINE = 0.0002
"""Seconds that a batch lasts at the least, where that leaves it a batch at all: shared out more finely it costs more to
send than it saves."""

GROWTH = 4
"""A batch is at most this many times as large as the largest that has come back: a fast first task proves little."""

MEMORY = 0.6
"""Weight of the newest batch in the running mean: high, since a job that turns slow must be noticed within a batch."""

HEAVY = 4 << 20
"""Bytes that a batch should not weigh more than: beyond it nothing is gained, and what is in flight fills memory."""


class Sizer:
    """Turns observed durations into the next batch's size.

    A batch should last `target` seconds: long enough that its own cost (about 100 µs of wake-ups and pickling) is
    lost in it, short enough that results come steadily and a lost batch is cheap. Towards the end of a known input
    batches shrink, so that all workers finish together (guided self-scheduling: Polychronopoulos & Kuck, 1987).

    >>> sizer = Sizer(target=0.004)
    >>> sizer.next(backlog=1000, workers=2)
    1
    >>> sizer.record(1, 0.001)
    >>> sizer.next(backlog=1000, workers=2)
    4
    """

    def __init__(
        self, target: float = 0.004, fixed: int | None = None, most: int = 1 << 17, patient: float = 0.0
    ) -> None:
        self.target, self._patient = target, patient
        self.most = most
        self._fixed = fixed
        self._largest = 0
        self._bytes_each = 0.0
        self.per_task: float | None = None

    def record(self, count: int, seconds: float, nbytes: int = 0) -> None:
        """Learn that `count` tasks took `seconds`, and `nbytes` to send, in all."""
        if count <= 0:
            return
        each = seconds / count
        self.per_task = each if self.per_task is None else self.per_task + MEMORY * (each - self.per_task)
        self._largest = max(self._largest, count)
        self._bytes_each += MEMORY * (nbytes / count - self._bytes_each)

    def full(self) -> int:
        """The size that lasts the target, whatever is left to do."""
        if self._fixed is not None:
            return self._fixed
        if self.per_task is None:
            return 1
        wanted = float(self.most)
        if self.per_task > 0:
            wanted = max(self.target / self.per_task, min(self._patient / self.per_task, FEW))
        if self._bytes_each * wanted > HEAVY:
            wanted = HEAVY / self._bytes_each
        return max(1, int(min(wanted, self.most, self._largest * GROWTH)))

    def next(self, backlog: int, workers: int) -> int:
        """The next batch's size when `backlog` tasks (known so far) are left for `workers`."""
        if self._fixed is not None:
            return self._fixed
        share = max(-(-backlog // (2 * workers)), self._finest())
        return max(1, min(self.full(), share))

    def _finest(self) -> int:
        """Tasks that are not worth sending apart: sending a batch costs about as much as these take."""
        return int(min(FINE / self.per_task, self.most)) if self.per_task else 1

    @property
    def light(self) -> bool:
        """Whether a full batch weighs so little that one more of them at each worker does not matter."""
        return self._bytes_each * self.full() <= HEAVY

    def expected(self, count: int) -> float:
        """Seconds that `count` tasks should take; infinite while nothing is known."""
        return float("inf") if self.per_task is None else self.per_task * count
