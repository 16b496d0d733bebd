"""The vocabulary: what is sent to a worker, what comes back, and what every task ends in.

Owns the value types shared by all layers. Must never hold behaviour that schedules, waits or does I/O.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from alongside.exceptions import short
from alongside.light import NamedTuple, dataclass

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

Seconds = float | Sequence[float]
"""Seconds per task of a stretch of tasks: one number (their mean) or one number each."""

Slots = int | Sequence[int]
"""Which slot of its worker each task of a stretch ran in: one number for all, or one each; 0 where it has but one."""


def _unknown() -> int:
    return 0


class Job(NamedTuple):
    """What a run does to each item, and what it may use for that."""

    fn: Callable[..., Any]
    star: bool = False
    """Whether an item is a tuple of arguments."""
    coroutine: bool = False
    """Whether calling `fn` gives something to await."""
    initializer: Callable[..., object] | None = None
    initargs: tuple[Any, ...] = ()
    timeout: float | None = None
    """Seconds that one attempt may take."""
    cpus: int = 1
    """CPUs that this run may use."""
    slots: int = 1
    """Coroutines that one worker runs side by side, where it has a loop of its own."""
    tasks_per_worker: int | None = None
    """For a backend whose slots come and go without the coordinator."""
    seed: int | None = None
    """What each task's randomness is derived from."""
    thread_names: str = ""
    """How the names of its threads begin; empty: `alongside`."""
    room: Callable[[], int] = _unknown
    """Tells how many bytes of memory are free."""
    patient: bool = False
    """Whether nobody looks at a result before all are there."""


class Batch(NamedTuple):
    """Tasks with neighbouring indices that go to one worker together, all at the same attempt."""

    id: int
    start: int
    items: Sequence[Any]
    attempt: int = 1


class Part(NamedTuple):
    """A stretch of a batch that succeeded: the values of tasks `offset`, `offset + 1`, …"""

    offset: int
    values: list[Any]
    seconds: Seconds
    slots: Slots = 0


class Fault(NamedTuple):
    """One task of a batch that failed."""

    offset: int
    exception: BaseException
    seconds: float = 0.0
    slot: int = 0


class Running(NamedTuple):
    """The task a worker has in its hands, and since when (the run's clock)."""

    batch: int
    offset: int
    since: float


class Death(NamedTuple):
    """How a worker ended: process id, exit code or signal, and a likely cause in words where one is known."""

    pid: int | None = None
    exit_code: int | None = None
    signal: int | None = None
    cause: str = ""


class Attempt(NamedTuple):
    """A try at a task that failed and was not the last: what it raised, how long it took, who did it, and how many
    seconds were then waited.

    Of the exception its traceback is not kept, which would keep everything the function had in its hands.
    """

    exception: BaseException
    seconds: float = 0.0
    worker: str = ""
    delay: float = 0.0


@dataclass(slots=True)
class Outcome:
    """What one task ended in.

    `index` is its place in the input, `item` the input itself (a tuple where several iterables were given),
    `attempts` how many times it was tried, `seconds` how long its last attempt took (for tasks of a few
    microseconds: the mean of their batch), `worker` who did it, `peak_memory` bytes where they are known. `earlier` are
    the attempts before the last one, in order.
    """

    index: int
    item: Any
    value: Any = None
    exception: BaseException | None = None
    attempts: int = 1
    seconds: float = 0.0
    worker: str = ""
    peak_memory: int | None = None
    earlier: tuple[Attempt, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether the task succeeded."""
        return self.exception is None


class Failure(Outcome):
    """The outcome of a task whose last attempt failed; `item` is what to run again."""

    __slots__ = ()
    exception: BaseException

    def __repr__(self) -> str:
        return f"Failure(index={self.index}, item={short(self.item)}, {self.exception!r}, attempts={self.attempts})"

    def _repr_html_(self) -> str:
        from alongside.core.telling import failure_page

        return failure_page(self)


@dataclass(frozen=True, slots=True)
class Block:
    """Neighbouring successes, kept together so that nothing is paid per task."""

    start: int
    items: Sequence[Any]
    values: list[Any]
    seconds: Seconds
    worker: str
    attempt: int = 1
    slots: Slots = 0
    earlier: tuple[Attempt, ...] = ()

    def __len__(self) -> int:
        return len(self.values)

    def outcomes(self) -> Iterator[Outcome]:
        """One `Outcome` per task, made when asked for."""
        seconds = self.seconds
        for offset, (item, value) in enumerate(zip(self.items, self.values, strict=True)):
            took = seconds if isinstance(seconds, float) else seconds[offset]
            who = self.worker_of(offset)
            yield Outcome(self.start + offset, item, value, None, self.attempt, took, who, earlier=self.earlier)

    def worker_of(self, offset: int) -> str:
        """Who did the task at this place of the stretch."""
        slots = self.slots
        return slot_name(self.worker, slots if isinstance(slots, int) else slots[offset])

    def workers(self) -> set[str]:
        """Everybody who did some of it."""
        return {slot_name(self.worker, slot) for slot in _each(self.slots)}


def _each(slots: Slots) -> Sequence[int]:
    return (slots,) if isinstance(slots, int) else slots


def slot_name(worker: str, slot: int) -> str:
    """What outcomes call a slot of a worker, or the worker itself where it has but one."""
    return f"{worker}.{slot}" if slot else worker


Delivery = Block | Failure
"""What the coordinator hands out: neighbouring successes, or one failure."""


def first_index(delivery: Delivery) -> int:
    """The index of the first (or only) task of a delivery."""
    return delivery.start if isinstance(delivery, Block) else delivery.index


def size(delivery: Delivery) -> int:
    """How many tasks a delivery speaks for."""
    return len(delivery.values) if isinstance(delivery, Block) else 1
