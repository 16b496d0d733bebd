"""How many tasks that wait run side by side, where the user gave no number: found while they run.

Owns the number, what it was seen to bring, and the story of it in words. Must never know a worker or read a clock.

As TCP does it (slow start, then careful probing; Jacobson, *Congestion Avoidance and Control*, 1988), with throughput
in the place of acknowledgements. Before there is any answer the number is doubled as long as it takes next to nothing
to begin so many, and they wait. From the first answers on it is doubled with each round of them, as long as that brings
more tasks per second and the event loop, where there is one, has time to rest. Then it is held, tried a quarter higher
and a quarter lower now and then (the lower one at once when latency rises while less gets done): the higher one is kept
where it brings something, the lower one where it costs nothing. It is halved when more of the tasks fail, and again as
long as that costs nothing; if fewer succeed then, the failures have nothing to do with it.
"""

from __future__ import annotations

from alongside.light import NamedTuple

LEAST = 4
"""Never fewer at once than this."""

SETTLED = 0.020
"""Seconds that a number is watched for at the least."""

OPENING = 0.020
"""Seconds that may be spent on beginning tasks before there is any answer. What opens a connection takes 0.1 ms or more
of it, what merely waits a twentieth of that."""

RESTLESS = 0.9
"""Share of its time that an event loop computes from which more at once could bring nothing."""

RESTED = 0.85
"""Share from which on down a number that was held for want of rest is doubled after all."""

PAYS = 1.4
"""Times as much that a doubling has to bring for another one: less, and the end is near."""

CALM = 6
"""Looks at a number that is held before another is tried: a higher one and a lower one in turn."""

ALL = 0.9
"""Share of the tasks there may be that have to be under way: an answer may have come already."""

RISE = 0.10
"""How much larger the share of failures must have become for the number to be halved."""


class Trend(NamedTuple):
    """What is being tried: by which factor, and how much must get done for the new number to be kept."""

    factor: float
    worth: float


DOUBLING = Trend(2.0, 1.10)
RISING = Trend(1.25, 1.04)
EASING = Trend(0.75, 0.97)
HALVING = Trend(0.5, 0.7)
HELD = Trend(1.0, 1.0)


class Look(NamedTuple):
    """What a number of tasks at once was seen to bring: so many successes per second.

    `busy`: the share of its time that the event loop has computed.
    """

    at_once: int
    per_second: float = 0.0
    latency: float = 0.0
    failing: float = 0.0
    busy: float = 0.0


class Growth:
    """The number (`at_once`), from `begin` up to `most`."""

    def __init__(self, begin: int, most: int, opening: float = OPENING) -> None:
        self._may_open = opening
        self._most = most
        self._best: Look | None = None
        self._base = 0.0
        self._trend = DOUBLING
        self._turn = False
        self._calm = self._count = self._faults = self._skip = 0
        self._seconds = self._busy = self._opening = self._did = 0.0
        self._since: float | None = None
        self._busy_from = 0.0
        self._full, self._restless = True, False
        self._why = "too few were done to try another number"
        self.at_once = min(begin, most)

    def begun(self, under_way: int, seconds: float) -> bool:
        """So many are under way, and it took so long to begin those that are new. Whether the number has changed."""
        self._opening += seconds
        at_once = self.at_once
        if (
            self._since is not None
            or under_way < ALL * at_once
            or self._opening > self._may_open
            or at_once >= self._most
        ):
            return False
        self.at_once = min(self._most, 2 * at_once)
        self._why = "so many could be begun at once, and then there was no time to try another number"
        return True

    def learn(self, count: int, faults: int, seconds: float, now: float, load: int, busy: float = 0.0) -> bool:
        """So many tasks have come back, some of them failed, and took so long altogether; `load` were under way before,
        and the event loop has computed for `busy` seconds since it last came to this.

        Whether the number has changed.
        """
        if self._skip > 0:  # these were begun when there were more
            self._skip -= count
            self._since = self._busy_from = now
            return False
        if self._since is None:
            self._since = max(0.0, now - seconds / max(count, 1))
            self._busy_from, busy = now, 0.0  # until now it has begun tasks, and opened their connections: once only
        self._count, self._faults, self._seconds = self._count + count, self._faults + faults, self._seconds + seconds
        self._busy += busy
        self._full = self._full and load >= self.at_once
        if not self._seen_enough(now):
            return False
        before, look = self.at_once, self._look(now)
        if self._full:
            self._decide(look)
        self._begin(skip=before if self.at_once < before else 0, now=now)
        return self.at_once != before

    @property
    def story(self) -> str:
        """Where the number stands, and why."""
        return f"up to {self.at_once} at once in the end: {self._why}."

    # ---------------------------------------------------------------------------------------------------- inside

    def _seen_enough(self, now: float) -> bool:
        """Whether to look. At failures early: many of them are told apart from few before all answers are there."""
        soon = self._trend in (DOUBLING, HALVING) or (self._restless and not self._calm)
        wanted = self.at_once if soon else 4 * self.at_once
        assert self._since is not None
        passed = max(now - self._since, 1e-9)
        if self._count >= wanted or self._faults > (self._base + RISE) * wanted:
            self._did = max(self._did, self._count / passed)
        return self._did > 0.0 and (passed >= SETTLED or self._count < wanted)

    def _begin(self, skip: int, now: float) -> None:
        self._count = self._faults = 0
        self._seconds = self._busy = self._did = 0.0
        self._skip, self._full = skip, True
        self._since = self._busy_from = now

    def _look(self, now: float) -> Look:
        assert self._since is not None
        latency = self._seconds / self._count
        # Answers come in bursts. A look that ends just after one has begun would see too little done for its time, so
        # the best of its ends counts. That alone would flatter; while every slot is taken, no more can be done per
        # second than `at_once / latency` (Little's law).
        passed, failing = now - self._busy_from, self._faults / self._count
        busy = self._busy / passed if passed >= SETTLED / 2 else 0.0
        per_second = min(self._did, self.at_once / max(latency, 1e-9))
        return Look(self.at_once, per_second * (1.0 - failing), latency, failing, busy)

    def _decide(self, look: Look) -> None:
        best = self._best
        if self._trend is HALVING and best is not None:
            self._halved(best, look)
        elif look.failing > self._base + RISE:
            self._halve(look)
        elif best is None:
            self._higher(look)
        elif self._trend is HELD:
            self._watch(best, look)
        else:
            self._judge(best, look)

    def _halve(self, look: Look) -> None:
        self._hold(look, look.at_once / 2, f"{100 * look.failing:.0f} % failed at {look.at_once}")
        self._trend = HALVING

    def _halved(self, before: Look, look: Look) -> None:
        """Whether that was right: fewer fail, or as many succeed."""
        if look.failing <= self._base + RISE:
            self._hold(look, look.at_once, self._why)
        elif look.per_second >= before.per_second * HALVING.worth and look.at_once > LEAST:
            self._halve(look)
        else:
            self._base, self._trend, self._best = look.failing, DOUBLING, None
            self._higher(look)

    def _judge(self, best: Look, look: Look) -> None:
        """Whether the new number is better than the one before."""
        did = f"{best.at_once} did {best.per_second:,.0f} tasks per second, {look.at_once}"
        gain = look.per_second / max(best.per_second, 1e-9)
        if gain <= self._trend.worth:
            self._hold(best, best.at_once, f"{did} {'fewer' if gain < 0.9 else 'no more'} ({look.per_second:,.0f})")
        elif self._trend is DOUBLING and gain < PAYS:
            self._hold(look, look.at_once, f"{did} only somewhat more ({look.per_second:,.0f})")
        else:
            (self._lower if self._trend is EASING else self._higher)(look)

    def _watch(self, best: Look, look: Look) -> None:
        """The number is held; now and then a higher or a lower one is tried, the lower one at once in case of need."""
        self._base = min(self._base, look.failing)
        self._calm += 1
        worse = look.latency > 2 * best.latency and look.per_second < 0.9 * best.per_second
        self._best = best._replace(per_second=(best.per_second + look.per_second) / 2, at_once=self.at_once)
        if self._restless and look.busy <= RESTED and self.at_once < self._most:
            self._trend = DOUBLING
            self._higher(look)
            return
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
        if look.busy >= RESTLESS:
            self._hold(look, look.at_once, f"the event loop had no rest any more, at {look.per_second:,.0f} per second")
            self._restless = True
            return
        self._best, self._restless = look, False
        self.at_once = min(self._most, max(self.at_once + 1, int(self.at_once * self._trend.factor)))
        self._why = f"{look.at_once} did {look.per_second:,.0f} tasks per second, and it was still growing"

    def _lower(self, look: Look) -> None:
        self._best = look
        self._why = f"{look.at_once} did {look.per_second:,.0f} tasks per second, and fewer were being tried"
        self.at_once = max(LEAST, int(self.at_once * self._trend.factor))

    def _hold(self, best: Look, at_once: float, why: str) -> None:
        self._best, self._why, self._trend, self._calm, self._restless = best, why, HELD, 0, False
        self.at_once = max(LEAST, min(self._most, int(at_once)))
