"""`alongside.Limit`: one limit, shared by every run, thread and event loop that is given the same object.

Owns the lock around a ledger (core/limits.py), and who waits for which key. Must never call a run while it holds the
lock: a run may be asking under its own.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable, Mapping

from alongside.core.limits import Ledger
from alongside.exceptions import OptionError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn

Told = Callable[[Hashable], None]


class Limit:
    """How many tasks may run at once, and how many may start per second: in all, or for each key.

    `concurrency`: tasks at once, a whole number. `per_second`: starts per second; they are spaced evenly, so that no
    second sees more. `per`: a function called with a task's arguments, as the task's own function is; it names the key
    the task counts under (its host, say), any hashable value. Without it all tasks count together.

    A task that waits for its key holds neither a worker nor a slot. Give the same object to several calls, at once or
    one after another, in any threads or event loops, and it holds for all of them together; several runs take turns.
    Each attempt counts, also the second one of a task that is tried again. It does not hold between processes.

    Costs about 10 µs per task. Raises `OptionError` where both limits are missing or one makes no sense.

    >>> import alongside
    >>> polite = alongside.Limit(concurrency=4, per_second=1000, per=lambda url: url.split("/")[2])
    >>> alongside.map(len, ["http://a/1", "http://b/22"], limit=polite, backend="threads")
    [10, 11]
    """

    def __init__(
        self,
        *unnamed: object,
        concurrency: int | None = None,
        per_second: float | None = None,
        per: Callable[..., Hashable] | None = None,
    ) -> None:
        if unnamed:
            raise OptionError(
                f"a Limit takes names: Limit(concurrency={unnamed[0]!r}) for tasks at once, "
                f"Limit(per_second={unnamed[0]!r}) for starts per second."
            )
        _check(concurrency, per_second, per)
        self.concurrency, self.per_second, self.per = concurrency, per_second, per
        self._ledger = Ledger(concurrency, per_second)
        self._lock = threading.Lock()
        self._waiting: dict[Hashable, list[Told]] = {}

    def __repr__(self) -> str:
        given = {"concurrency": self.concurrency, "per_second": self.per_second, "per": self.per}
        return f"Limit({', '.join(f'{name}={value!r}' for name, value in given.items() if value is not None)})"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a Limit cannot be sent to another process, where it would limit nothing but that process")

    def key(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Hashable:
        """What a call counts under."""
        key = None if self.per is None else self.per(*args, **kwargs)
        hash(key)
        return key

    # ------------------------------------------------------------------------------- as a run's coordinator uses it

    def take(self, key: Hashable, now: float, me: Told) -> float:
        """See `alongside.core.limits.Gate`."""
        with self._lock:
            wait = self._ledger.take(key, now, me)
            if wait == float("inf") and me not in (waiting := self._waiting.setdefault(key, [])):
                waiting.append(me)
            return wait

    def give_back(self, key: Hashable, now: float, me: Told, since: float, unused: bool = False) -> None:
        """See `alongside.core.limits.Gate`."""
        with self._lock:
            others = [other for other in self._waiting.pop(key, ()) if other is not me]
            self._ledger.give_back(key, now, since, unused)
            if others:
                self._ledger.give_way(key, now, me)
        for other in others:
            other(key)

    def forget(self, me: Told) -> None:
        """See `alongside.core.limits.Gate`."""
        with self._lock:
            for key in [key for key, waiting in self._waiting.items() if me in waiting]:
                self._waiting[key].remove(me)
                if not self._waiting[key]:
                    del self._waiting[key]


def _check(concurrency: object, per_second: object, per: object) -> None:
    if concurrency is None and per_second is None:
        raise OptionError("a Limit limits nothing: give concurrency=, per_second=, or both.")
    if concurrency is not None and (
        not isinstance(concurrency, int) or isinstance(concurrency, bool) or concurrency < 1
    ):
        raise OptionError(f"concurrency={concurrency!r} is not a whole number of tasks, 1 or more.")
    if per_second is not None and (
        not isinstance(per_second, (int, float)) or isinstance(per_second, bool) or not 0 < per_second < float("inf")
    ):
        raise OptionError(f"per_second={per_second!r} is not a number of starts per second above 0.")
    if per is not None and not callable(per):
        raise OptionError(f"per={per!r} is not a function that takes a task's arguments and gives its key.")
