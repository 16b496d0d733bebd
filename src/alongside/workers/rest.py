"""How the parent leaves its workers alone: asleep while each has a batch ahead, with a look at the shared page now and
then.

Owns when that is right, and the sleep. Must never receive anything, or last where somebody waits for a result.

Why: whenever the parent wakes for something it takes a CPU from a worker, for 0.3 ms; for a look, for 0.05 ms.
Why look, and not reckon when the first will be done: one fast batch among slow ones, and its worker stands still. What
is sent meanwhile lies in the sockets, and is safe there from the end of its worker.
"""

from __future__ import annotations

from time import monotonic

from alongside.workers.runner import BATCH

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from alongside.workers.bell import Bell

LONGEST, LOOK = 0.05, 0.008
"""Seconds for which what workers have sent may lie unread; between two looks meanwhile."""

LASTING = 0.006
"""Seconds of work in a message: where there are fewer, batches are still growing, or at their end."""

LITTLE = 1 << 14
"""Bytes of a message that several of certainly find room in a socket: nobody has to wait until they are read."""


class Rest:
    """Of one run. `allowed`: nobody looks at a result before all are there, and there is a shared page. `may`: now."""

    def __init__(self) -> None:
        self.allowed = self.may = False

    def heard(self, nbytes: int, seconds: float) -> None:
        """Results have come, in a message of so many bytes, for which a worker took so long; the next ones will be like
        them."""
        self.may = self.allowed and nbytes <= LITTLE and seconds >= LASTING

    def break_off(self) -> None:
        """Somebody waits for an answer: not before the next results."""
        self.may = False

    def take(self, patience: float, bell: Bell, crew: Sequence[tuple[Any, Sequence[int]]]) -> float:
        """Sleep until the bell rings, a worker has begun the last of its batches, or it has lasted; what is left of the
        seconds. `crew`: each worker, and the numbers of its batches.
        """
        begun = now = monotonic()
        until, rung = begun + min(patience, LONGEST), False
        while not rung and now < until and crew and all(_has_more(*one) for one in crew):
            rung = bell.wait(min(LOOK, until - now))
            now = monotonic()
        return max(0.0, patience - (now - begun))


def _has_more(worker: Any, batches: Sequence[int]) -> bool:
    return len(batches) > 1 and worker.page[BATCH] != batches[-1] and not worker.channel.congested
