"""Whether a failed task is tried again, and how long to wait first.

Owns the retry decision. Must never sleep or read a clock: the random generator is handed in.
"""

from __future__ import annotations

from collections.abc import Callable

from alongside.light import NamedTuple, Protocol


class Uniform(Protocol):
    """The part of `random.Random` that is used here."""

    def random(self) -> float: ...


class Backoff(NamedTuple):
    """Seconds to wait before attempt *n + 1*: `base * factor**(n - 1)`, at most `cap`, less a random share.

    `jitter` is the largest such share, from 0 to 1. It keeps many failed tasks from coming back at the same instant;
    the scheme is the "decorrelated" family of M. Brooker, *Exponential Backoff And Jitter* (2015).

    >>> Backoff(base=1, jitter=0).delay(3, None)
    4.0
    """

    base: float = 0.1
    factor: float = 2.0
    cap: float = 30.0
    jitter: float = 0.5

    def delay(self, attempt: int, rng: Uniform | None) -> float:
        """Seconds to wait after failed attempt number `attempt` (1, 2, …)."""
        longest = min(self.cap, self.base * self.factor ** min(attempt - 1, 64))
        return float(longest * (1.0 - self.jitter * (rng.random() if rng else 0.0)))


RetryOn = type[BaseException] | tuple[type[BaseException], ...] | Callable[[BaseException], bool]


PATIENCE = 3600.0
"""Seconds that a server may ask to be left alone; where it asks for longer, the task fails at once."""

SPREAD = 0.1
"""The largest share by which the wait a server asked for is lengthened, lest all come back at the same instant."""


def _nobody_asks(error: BaseException) -> float | None:
    return None


class RetryPolicy(NamedTuple):
    """How often and for which exceptions a task is tried again.

    `asked_for` tells for how many seconds whoever is behind an exception asked not to be tried again, if they did.
    """

    retries: int = 0
    retry_on: RetryOn = Exception
    backoff: Backoff | Callable[[int], float] = Backoff()
    asked_for: Callable[[BaseException], float | None] = _nobody_asks

    def delay(self, error: BaseException, attempt: int, rng: Uniform | None) -> float | None:
        """Seconds until the next attempt, or None when `attempt` was the last."""
        if attempt > self.retries or not self._wanted(error):
            return None
        asked = self.asked_for(error)
        if asked is None:
            return self._own(attempt, rng)
        if asked > PATIENCE:
            return None
        return max(self._own(attempt, rng), asked * (1.0 + SPREAD * (rng.random() if rng else 0.0)))

    def _own(self, attempt: int, rng: Uniform | None) -> float:
        if isinstance(self.backoff, Backoff):
            return self.backoff.delay(attempt, rng)
        return max(0.0, float(self.backoff(attempt)))

    def _wanted(self, error: BaseException) -> bool:
        if isinstance(self.retry_on, (type, tuple)):
            return isinstance(error, self.retry_on)
        return bool(self.retry_on(error))
