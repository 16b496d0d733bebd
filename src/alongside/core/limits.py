"""Limits: how many tasks of a key may run at once, and how many may start in a second.

Owns the arithmetic: `Ledger`, the accounts of one limit. What is a `Gate` in the shell's terms shares a ledger between
runs. Must never read a clock or lock anything: the time is passed in, and whoever shares a ledger guards it.

Starts are spaced (the *generic cell rate algorithm* of ITU-T I.371, the leaky bucket as a meter) rather than let
through in bursts, since a bucket of 20 tokens that fills at 20 per second lets 40 tasks start in its first second.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from math import inf
from typing import Any, Protocol, runtime_checkable

SPARE = 0.045
"""Share by which starts are further apart than they need be: on the way to a server some are late and some are not,
and it must not count too many in any second."""

SLACK = 0.004
"""Seconds that may be caught up after a start that came late, at the most."""

COURTESY = 0.005
"""Seconds for which a run that has just given something back lets others go first that wait for it."""

KEPT = 1024
"""Accounts from which on those that are as good as new are looked for and forgotten."""


@runtime_checkable
class Gate(Protocol):
    """A limit as a run sees it, which others may share. `me` is told of a key when it may be asked for again."""

    def key(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Hashable:
        """What a call counts under. Raises what the user's function raises."""

    def take(self, key: Hashable, now: float, me: Callable[[Hashable], None]) -> float:
        """0.0: one has been taken. Else the seconds after which to ask again; infinite: when told."""

    def give_back(self, key: Hashable, now: float, me: Callable[[Hashable], None], unused: bool = False) -> None:
        """One that was taken is free again; `unused`: it was for nothing."""

    def forget(self, me: Callable[[Hashable], None]) -> None:
        """Tell this run nothing more."""


@dataclass(slots=True)
class _Account:
    """One key: how many run, when the next may start, and who gives way to others until when."""

    running: int = 0
    due: float = -inf
    polite: object = None
    until: float = 0.0


class Ledger:
    """The accounts of one limit, by key. Costs one small object per key that is in use.

    >>> ledger = Ledger(concurrency=1)
    >>> ledger.take("host", now=0.0), ledger.take("host", now=0.0)
    (0.0, inf)
    """

    def __init__(self, concurrency: int | None = None, per_second: float | None = None) -> None:
        self._most = inf if concurrency is None else concurrency
        self._apart = (1 + SPARE) / per_second if per_second else 0.0
        self._accounts: dict[Hashable, _Account] = {}
        self._sweep_at = KEPT

    def take(self, key: Hashable, now: float, me: object = None) -> float:
        """As `Gate.take`."""
        account = self._accounts.get(key) or self._open(key, now)
        if account.running >= self._most:
            return inf
        if account.due > now:
            return account.due - now
        if account.polite is me and me is not None and account.until > now:
            return account.until - now
        account.polite = None
        account.running += 1
        account.due = max(account.due, now - SLACK) + self._apart
        return 0.0

    def give_back(self, key: Hashable, now: float, unused: bool = False) -> None:
        """As `Gate.give_back`."""
        account = self._accounts[key]
        account.running -= 1
        if unused:
            account.due -= self._apart
        if not account.running and not self._apart and account.polite is None:
            del self._accounts[key]

    def give_way(self, key: Hashable, now: float, me: object) -> None:
        """Who gave one back lets others take it for a moment."""
        account = self._accounts.get(key) or self._open(key, now)
        account.polite, account.until = me, now + COURTESY

    def __len__(self) -> int:
        """How many accounts there are."""
        return len(self._accounts)

    def running(self, key: Hashable) -> int:
        """How many tasks of a key run now."""
        account = self._accounts.get(key)
        return account.running if account else 0

    def _open(self, key: Hashable, now: float) -> _Account:
        if len(self._accounts) >= self._sweep_at:
            self._sweep(now)
        account = self._accounts[key] = _Account()
        return account

    def _sweep(self, now: float) -> None:
        """Forget the accounts that are as good as new."""
        self._accounts = {k: a for k, a in self._accounts.items() if a.running or a.due > now or a.until > now}
        self._sweep_at = max(KEPT, 2 * len(self._accounts))
