"""How many tasks that wait run side by side, where the user gave no number: found while they run.

Owns the number, what it was seen to bring, and the story of it in words. Must never know a worker or read a clock.

As TCP does it (slow start, then careful probing; Jacobson, *Congestion Avoidance and Control*, 1988), with throughput
in the place of acknowledgements: the number is doubled as long as that brings more tasks per second. Then it is held,
tried a quarter higher and a quarter lower now and then (the lower one at once when latency rises while less gets done):
the higher one is kept where it brings something, the lower one where it costs nothing. It is halved when more of the
tasks fail.
"""

from __future__ import annotations

from alongside.light import NamedTuple

LEAST = 4
"""Never fewer at once than this."""

SETTLED = 0.020
"""Seconds that a number is watched for at the least."""

CALM = 6
"""Looks at a number that is held before another is tried: a higher one and a lower one in turn."""

RISE = 0.10
"""How much larger the share of failures must have become for the number to be halved."""


class Trend(NamedTuple):
    """What is being tried: by which factor, and how much must get done for the new number to be kept."""

    factor: float
    worth: float


DOUBLING = Trend(2.0, 1.10)
RISING = Trend(1.25, 1.04)
EASING = Trend(0.75, 0.97)
HELD = Trend(1.0, 1.0)


class Look(NamedTuple):
    """What a number of tasks at once was seen to bring."""

    at_once: int
    per_second: float = 0.0
    latency: float = 0.0
    failing: float = 0.0


class Growth:
    """The number (`at_once`), from `begin` up to `most`."""

    def __init__(self, begin: int, most: int) -> None:
        self._most = most
        self._best: Look | None = None
        self._base = 0.0
        self._trend = DOUBLING
        self._turn = False
        self._calm = self._count = self._faults = self._skip = 0
        self._seconds = 0.0
        self._since: float | None = None
        self._full = True
        self._why = "too few were done to try another number"
        self.at_once = min(begin, most)

    def learn(self, count: int, faults: int, seconds: float, now: float, load: int) -> bool:
        """So many tasks have come back, some of them failed, and took so long altogether; `load` were under way before.

        Whether the number has changed.
        """
        if self._skip > 0:  # these were begun when there were more or fewer
            self._skip -= count
            self._since = now
            return False
        if self._since is None:
            self._since = max(0.0, now - seconds / max(count, 1))
        self._count, self._faults, self._seconds = self._count + count, self._faults + faults, self._seconds + seconds
        self._full = self._full and load >= self.at_once
        wanted = self.at_once if self._trend is DOUBLING else 4 * self.at_once
        if self._count < wanted or now - self._since < SETTLED:
            return False
        before, look = self.at_once, self._look(now)
        if self._full:
            self._decide(look)
        self._begin(skip=before if self.at_once != before else 0, now=now)
        return self.at_once != before

    @property
    def story(self) -> str:
        """Where the number stands, and why."""
        return f"up to {self.at_once} at once in the end: {self._why}."

    # ---------------------------------------------------------------------------------------------------- inside

    def _begin(self, skip: int, now: float) -> None:
        self._count = self._faults = 0
        self._seconds = 0.0
        self._skip, self._since, self._full = skip, now, True

    def _look(self, now: float) -> Look:
        assert self._since is not None
        latency = self._seconds / self._count
        # The count alone would flatter: answers come in bursts, of which a look may catch one too many. While every
        # slot is taken, no more than `at_once / latency` can be done per second (Little's law).
        per_second = min(self._count / (now - self._since), self.at_once / max(latency, 1e-9))
        return Look(self.at_once, per_second, latency, self._faults / self._count)

    def _decide(self, look: Look) -> None:
        best = self._best
        if best is None:
            self._base = look.failing
            self._higher(look)
        elif look.failing > self._base + RISE:
            self._base = look.failing
            self._hold(look, self.at_once / 2, f"{100 * look.failing:.0f} % failed at {look.at_once}")
        elif self._trend is HELD:
            self._watch(best, look)
        else:
            self._judge(best, look)

    def _judge(self, best: Look, look: Look) -> None:
        """Whether the new number is better than the one before."""
        if look.per_second > best.per_second * self._trend.worth:
            (self._lower if self._trend is EASING else self._higher)(look)
            return
        did = f"{best.at_once} did {best.per_second:,.0f} tasks per second, {look.at_once}"
        less = "fewer" if look.per_second < 0.9 * best.per_second else "no more"
        self._hold(best, best.at_once, f"{did} {less} ({look.per_second:,.0f})")

    def _watch(self, best: Look, look: Look) -> None:
        """The number is held; now and then a higher or a lower one is tried, the lower one at once in case of need."""
        self._base = min(self._base, look.failing)
        self._calm += 1
        worse = look.latency > 2 * best.latency and look.per_second < 0.9 * best.per_second
        self._best = best._replace(per_second=(best.per_second + look.per_second) / 2, at_once=self.at_once)
        if not worse and self._calm < CALM:
            return
        self._calm, self._turn = 0, not self._turn
        if (worse or self._turn) and self.at_once > LEAST:
            self._trend = EASING
            self._lower(look if worse else self._best)
        elif self.at_once < self._most:
            self._trend = RISING
            self._higher(self._best)

    def _higher(self, look: Look) -> None:
        if self.at_once >= self._most:
            self._hold(look, self._most, f"it is the most there may be, at {look.per_second:,.0f} tasks per second")
            return
        self._best = look
        self.at_once = min(self._most, max(self.at_once + 1, int(self.at_once * self._trend.factor)))
        self._why = f"{look.at_once} did {look.per_second:,.0f} tasks per second, and it was still growing"

    def _lower(self, look: Look) -> None:
        self._best = look
        self._why = f"{look.at_once} did {look.per_second:,.0f} tasks per second, and fewer were being tried"
        self.at_once = max(LEAST, int(self.at_once * self._trend.factor))

    def _hold(self, best: Look, at_once: float, why: str) -> None:
        self._best, self._why, self._trend, self._calm = best, why, HELD, 0
        self.at_once = max(LEAST, min(self._most, int(at_once)))
