"""Limits: how many tasks of a key may run at once, and how many may start in a second.

Owns the arithmetic: `Ledger`, the accounts of one limit. What is a `Gate` in the shell's terms shares a ledger between
runs. Must never read a clock or lock anything: the time is passed in, and whoever shares a ledger guards it.

Starts are spaced (the *generic cell rate algorithm* of ITU-T I.371, the leaky bucket as a meter) rather than let
through in bursts, since a bucket of 20 tokens that fills at 20 per second lets 40 tasks start in its first second.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Hashable, Mapping
from math import inf

from alongside.light import Protocol, dataclass, field

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, TypeGuard

SPARE = 0.005
"""Share by which starts are further apart than they need be."""

SLACK = 0.010
"""Seconds that may be caught up after a start that came late, at the most."""

UNSURE, COLD = 0.045, 0.250
"""Seconds within which a request is reckoned to reach the server that counts it, unless it is done sooner; the second
for the first requests of a key, which have to connect. *Why they matter*: of two requests that start a second apart,
the first may be late on its way and the other not, and the server would count both in one second."""

MANY = 1000
"""Starts that are remembered for a key at the most."""

COURTESY = 0.005
"""Seconds for which a run that has just given something back lets others go first that wait for it."""

KEPT = 1024
"""Accounts from which on those that are as good as new are looked for and forgotten."""


class Gate(Protocol):
    """A limit as a run sees it, which others may share. `me` is told of a key when it may be asked for again."""

    def key(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Hashable:
        """What a call counts under. Raises what the user's function raises."""

    def take(self, key: Hashable, now: float, me: Callable[[Hashable], None]) -> float:
        """0.0: one has been taken. Else the seconds after which to ask again; infinite: when told."""

    def give_back(
        self, key: Hashable, now: float, me: Callable[[Hashable], None], since: float, unused: bool = False
    ) -> None:
        """One that was taken at `since` is free again; `unused`: it was for nothing."""

    def forget(self, me: Callable[[Hashable], None]) -> None:
        """Tell this run nothing more."""


def is_gate(thing: object) -> TypeGuard[Gate]:
    """Whether it has what a gate has."""
    return all(hasattr(thing, name) for name in ("key", "take", "give_back", "forget"))


@dataclass(slots=True)
class _Account:
    """What is known of one key."""

    running: int = 0
    """Tasks that run now."""
    due: float = -inf
    """When the next one may start."""
    polite: object = None
    until: float = 0.0
    """Who lets others go first, and until when."""
    starts: deque[list[float]] = field(default_factory=deque)
    """The latest starts: when each was, and by when it had arrived at the latest."""
    cold: int = 0
    """Starts so far."""


class Ledger:
    """The accounts of one limit, by key. Costs one small object per key that is in use.

    >>> ledger = Ledger(concurrency=1)
    >>> ledger.take("host", now=0.0), ledger.take("host", now=0.0)
    (0.0, inf)
    """

    def __init__(self, concurrency: int | None = None, per_second: float | None = None) -> None:
        self._most = inf if concurrency is None else concurrency
        self._apart = (1 + SPARE) / per_second if per_second else 0.0
        self._kept = max(1, min(MANY, int(per_second))) if per_second else 0
        self._period = self._kept / per_second if per_second else 0.0
        self._accounts: dict[Hashable, _Account] = {}
        self._sweep_at = KEPT

    def take(self, key: Hashable, now: float, me: object = None) -> float:
        """As `Gate.take`."""
        account = self._accounts.get(key) or self._open(key, now)
        if account.running >= self._most:
            return inf
        due = max(account.due, self._cleared(account))
        if due > now:
            return due - now
        if account.polite is me and me is not None and account.until > now:
            return account.until - now
        account.polite = None
        account.running += 1
        account.due = max(account.due, now - SLACK) + self._apart
        if self._kept:
            self._remember(account, now)
        return 0.0

    def give_back(self, key: Hashable, now: float, since: float, unused: bool = False) -> None:
        """As `Gate.give_back`."""
        account = self._accounts[key]
        account.running -= 1
        start = next((start for start in reversed(account.starts) if start[0] == since), None)
        if start is not None and unused:
            account.due -= self._apart
            account.starts.remove(start)
        elif start is not None:
            start[1] = min(start[1], now)
        if not account.running and not self._apart and account.polite is None:
            del self._accounts[key]

    def give_way(self, key: Hashable, now: float, me: object) -> None:
        """`me`, who has just given one back, lets others take the next for `COURTESY` seconds."""
        account = self._accounts.get(key) or self._open(key, now)
        account.polite, account.until = me, now + COURTESY

    def __len__(self) -> int:
        """How many accounts there are."""
        return len(self._accounts)

    def running(self, key: Hashable) -> int:
        """How many tasks of a key run now."""
        account = self._accounts.get(key)
        return account.running if account else 0

    def _cleared(self, account: _Account) -> float:
        """When one more may start: a period after the oldest start that counts had arrived at the latest."""
        starts = account.starts
        return starts[0][1] + self._period if self._kept and len(starts) == self._kept else -inf

    def _remember(self, account: _Account, now: float) -> None:
        if len(account.starts) == self._kept:
            account.starts.popleft()
        account.starts.append([now, now + (COLD if account.cold < self._kept else UNSURE)])
        account.cold += 1

    def _open(self, key: Hashable, now: float) -> _Account:
        if len(self._accounts) >= self._sweep_at:
            self._sweep(now)
        account = self._accounts[key] = _Account()
        return account

    def _sweep(self, now: float) -> None:
        """Forget the accounts that are as good as new."""
        self._accounts = {k: a for k, a in self._accounts.items() if self._in_use(a, now)}
        self._sweep_at = max(KEPT, 2 * len(self._accounts))

    def _in_use(self, account: _Account, now: float) -> bool:
        late = account.starts[-1][1] + self._period if account.starts else -inf
        return bool(account.running) or max(account.due, account.until, late) > now
