"""The user's wishes, validated once at the border.

Owns the names, defaults and checks of the options, the same everywhere. Must never look at the machine.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from alongside.core.limits import Gate, is_gate
from alongside.core.retry import Backoff, RetryOn, RetryPolicy
from alongside.exceptions import OptionError
from alongside.light import cast, dataclass

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Literal, TypeAlias

_ELSEWHERE = {
    "processes": "max_workers",
    "workers": "max_workers",
    "num_workers": "max_workers",
    "n_jobs": "max_workers",
    "jobs": "max_workers",
    "chunksize": "batch_size",
    "chunk_size": "batch_size",
    "maxtasksperchild": "tasks_per_worker",
    "max_tasks_per_child": "tasks_per_worker",
    "return_exceptions": "on_error",
    "random_state": "seed",
}
"""What other libraries call it."""

_OF_SOME = {"ordered": "imap and aimap"}
"""Options that only these calls have: they are arguments of their own."""

SMALLEST = 1_000_000
"""Bytes below which a memory limit is a slip: an interpreter alone takes several times as many."""

OnError: TypeAlias = "Literal['raise', 'return', 'skip']"


@dataclass(frozen=True, slots=True)
class Options:
    """Every option of `map` and its kin. Durations are seconds, memory is bytes; README.md tells of each at length."""

    backend: str = "auto"
    """Where the tasks run: "auto" measures and chooses; or "serial", "threads", "processes", "asyncio", or the name of
    a backend that was registered."""
    max_workers: int | None = None
    """Tasks at once, at the most, in all processes together. None: found by measurement."""
    timeout: float | None = None
    """Seconds that one attempt at a task may take; it then fails with `TaskTimeout`."""
    retries: int = 0
    """Further attempts at a task that has failed."""
    retry_on: RetryOn = Exception
    """What is tried again: an exception class, a tuple of them, or a function of the exception."""
    backoff: Backoff | Callable[[int], float] = Backoff()
    """Seconds before the next attempt: a `Backoff`, a number for its base, or a function of the attempt's number."""
    limit: Gate | Sequence[Gate] | None = None
    """A `Limit`, or several: how many tasks run at once and start per second, in all or for each key."""
    on_error: OnError = "raise"
    """What becomes of a task's failure: "raise" the earliest, "return" it in the task's place, or "skip" it."""
    progress: Any = False
    """True for a bar on standard error; or an object with `update(n)`, as tqdm's are."""
    batch_size: int | None = None
    """Tasks that are sent to a worker together. None adapts to a few milliseconds of work."""
    window: int | None = None
    """Tasks that are taken from the input ahead of the results, at the most. None: 16,384 for `imap` and `aimap`, about
    a million for `map` and `run`."""
    memory_limit: int | None = None
    """Bytes that one worker process may hold; one that holds more is ended and replaced, and its task fails
    with `MemoryLimitExceeded`."""
    tasks_per_worker: int | None = None
    """Tasks after which a worker is replaced."""
    seed: int | None = None
    """From this whole number and its index each task's random numbers follow, whichever worker runs it."""
    initializer: Callable[..., object] | None = None
    """Called as `initializer(*initargs)` once in each worker, before its first task."""
    initargs: tuple[Any, ...] = ()

    @classmethod
    def of(cls, given: Mapping[str, Any], backends: Iterable[str]) -> Options:
        """Check what was given; unknown names are refused with the nearest right one."""
        known = cls.__match_args__
        for name in given:
            if name in _OF_SOME:
                raise OptionError(f"{name!r} is no option of this call: {_OF_SOME[name]} have it.")
            if name not in known:
                raise OptionError(
                    f"there is no option {name!r}{_nearest(name, known)} Options are: {', '.join(known)}."
                )
        wishes = dict(given)
        if isinstance(wishes.get("backoff"), (int, float)) and not isinstance(wishes["backoff"], bool):
            wishes["backoff"] = Backoff(base=_number("backoff", wishes["backoff"], least=0))
        options = cls(**wishes)
        options._check(["auto", *backends])
        return options

    @property
    def limits(self) -> tuple[Gate, ...]:
        """The limits that each task falls under."""
        if self.limit is None:
            return ()
        return (self.limit,) if is_gate(self.limit) else tuple(cast("Sequence[Gate]", self.limit))

    @property
    def retry(self) -> RetryPolicy:
        """The retry decision these options ask for."""
        return RetryPolicy(self.retries, self.retry_on, self.backoff)

    def _check(self, backends: list[str]) -> None:
        if self.backend not in backends:
            near = _nearest(str(self.backend), backends)
            if isinstance(self.backend, int):
                near = f"; for {self.backend} workers write max_workers={self.backend}."
            raise OptionError(f"there is no backend {self.backend!r}{near} Backends are: {', '.join(backends)}.")
        for name in ("max_workers", "batch_size", "window", "tasks_per_worker"):
            if getattr(self, name) is not None:
                _count(name, getattr(self, name), least=1)
        if self.memory_limit is not None and not is_whole(self.memory_limit, SMALLEST):
            raise OptionError(
                f"memory_limit={self.memory_limit!r} is not a whole number of bytes, {SMALLEST:,} or more; for 2 GB "
                "write memory_limit=2 * 10**9."
            )
        _count("retries", self.retries, least=0)
        if self.seed is not None:
            _count("seed", self.seed, least=0)
        if self.timeout is not None:
            _number("timeout", self.timeout, above=0)
        if self.on_error not in ("raise", "return", "skip"):
            raise OptionError(f"on_error={self.on_error!r} is not one of 'raise', 'return', 'skip'.")
        self._check_limit()
        self._check_callables()

    def _check_limit(self) -> None:
        limit = self.limit
        given = [] if limit is None else list(limit) if isinstance(limit, (list, tuple)) else [limit]
        for one in given:
            if not is_gate(one):
                raise OptionError(
                    f"limit={one!r} is not an alongside.Limit, or a list of them. For at most 4 tasks at once and 20 "
                    "starts per second write limit=alongside.Limit(concurrency=4, per_second=20)."
                )

    def _check_callables(self) -> None:
        # not `in (True, ...)`: a bar compares itself with other bars, and raises for anything else
        plain = self.progress is None or isinstance(self.progress, bool)
        if not plain and not callable(getattr(self.progress, "update", None)):
            raise OptionError(
                f"progress={self.progress!r} is not True, False, or an object with update(n), as tqdm's are."
            )
        if not _is_retry_on(self.retry_on):
            raise OptionError(
                f"retry_on={self.retry_on!r} is not an exception class, a tuple of them, or a function that takes the "
                "exception and says whether to try again."
            )
        if isinstance(self.backoff, Backoff):
            for name, value in self.backoff._asdict().items():
                _number(f"backoff's {name}", value, least=0)
        elif not callable(self.backoff):
            raise OptionError(f"backoff={self.backoff!r} is not seconds, a Backoff, or a function of the attempt.")
        if self.initializer is not None and not callable(self.initializer):
            raise OptionError(f"initializer={self.initializer!r} cannot be called; give a function.")
        if not isinstance(self.initargs, tuple):
            raise OptionError(f"initargs={self.initargs!r} is not a tuple; for one argument write initargs=(x,).")
        if self.initargs and self.initializer is None:
            raise OptionError(f"initargs={self.initargs!r} are for an initializer, and none is given: initializer=f.")


def _is_retry_on(value: object) -> bool:
    if isinstance(value, type):
        return issubclass(value, BaseException)
    if isinstance(value, tuple):
        return all(isinstance(kind, type) and issubclass(kind, BaseException) for kind in value)
    return callable(value)


def is_whole(value: object, least: int) -> bool:
    """Whether it is a whole number, at least `least`."""
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


def _count(name: str, value: object, least: int) -> None:
    if not isinstance(value, int) or isinstance(value, bool):
        raise OptionError(f"{name}={value!r} is not a whole number.")
    if value < least:
        raise OptionError(f"{name}={value} is too small: at least {least} is needed.")


def _number(name: str, value: object, least: float | None = None, above: float | None = None) -> float:
    if not isinstance(value, (int, float)) or isinstance(value, bool) or value != value:
        raise OptionError(f"{name}={value!r} is not a number of seconds.")
    if (least is not None and value < least) or (above is not None and value <= above):
        raise OptionError(f"{name}={value} is too small: it is a number of seconds above {least or above or 0:g}.")
    return float(value)


def _nearest(name: str, known: Iterable[str]) -> str:
    import difflib

    known = list(known)
    meant = _ELSEWHERE.get(name)
    near = [meant] if meant in known else difflib.get_close_matches(name, [*known, *_OF_SOME], n=1, cutoff=0.5)
    whose = f" (of {_OF_SOME[near[0]]})" if near and near[0] in _OF_SOME else ""
    return f"; did you mean {near[0]!r}{whose}?" if near else "."
