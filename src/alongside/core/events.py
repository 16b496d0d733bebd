"""What happened, and what is to be done: the closed unions between the coordinator and the driver.

Owns the messages only. Must never hold behaviour.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from types import MappingProxyType

from alongside.core.growth import OPENING
from alongside.core.model import Batch, Death, Delivery, Failure, Fault, Part, Running
from alongside.light import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# ---------------------------------------------------------------------------------------------------- events


class InputArrived(NamedTuple):
    """The next items of the input."""

    items: Sequence[Any]


class InputEnded(NamedTuple):
    """There are no more items; `error` is what the input itself raised, if it did."""

    error: BaseException | None = None


class Finished(NamedTuple):
    """Some (or all) tasks of a batch are done.

    `seconds` is the time the worker spent on them altogether, `nbytes` what was sent there and back for them. `busy`:
    of a worker that is an event loop, the seconds that it has computed since it last told of something.
    """

    worker: int
    batch: int
    parts: Sequence[Part] = ()
    faults: Sequence[Fault] = ()
    seconds: float = 0.0
    nbytes: int = 0
    busy: float = 0.0


class Begun(NamedTuple):
    """A worker of many slots has begun as many tasks as it may, of which so many are `under_way` now.

    `seconds`: what it took to begin those that came after the last such event.
    """

    worker: int
    under_way: int
    seconds: float


class Lost(NamedTuple):
    """A worker is gone. `running` is what it had in its hands; `death` says how it ended.

    `suspects` are batches of which one task was in hand without it being known which.
    `blameless` means that no task can have caused it (its parent process went, it was let go), so none is charged.
    """

    worker: int
    death: Death = Death()
    running: Sequence[Running] = ()
    suspects: Collection[int] = ()
    blameless: bool = False


class Unfit(NamedTuple):
    """A worker could not be made ready (its initializer or the function's unpickling raised): the run cannot go on."""

    worker: int
    error: BaseException


class Observed(NamedTuple):
    """A look at the workers: what each has in its hands, and the bytes of memory it holds where that is known.

    Sent when a deadline may have passed, and now and then where there is a memory limit.
    """

    running: Mapping[int, Sequence[Running]]
    memory: Mapping[int, int] = MappingProxyType({})


class Memory(NamedTuple):
    """What share of the memory this process may use is free (the machine's or its container's, whichever is less).

    `held`: the bytes that each worker holds for itself, where that is known (told to observers).
    """

    free: float
    held: Mapping[int, int] = MappingProxyType({})


class Said(NamedTuple):
    """A worker process printed, logged or warned. For whoever shows it: the coordinator does not hear of it.

    `pieces`: what each is (workers/voice.py has the kinds), the index of its task or None, and what was said.
    """

    worker: int
    pieces: Sequence[tuple[int, int | None, Any]]


class Taken(NamedTuple):
    """The consumer took this many outcomes."""

    tasks: int


class Moved(NamedTuple):
    """From here on, work goes to another crew. The old one finishes what it has; with `after`, the new one waits."""

    crew: Crew
    after: bool = False


class Reserved(NamedTuple):
    """The caller computes a task beside the workers, on so many CPUs: as many workers fewer are hired, until this is 0
    again. One is in any case."""

    cpus: int


class Adopted(NamedTuple):
    """A worker was sent this task before the coordinator was asked, at the place it had named (`open_place`)."""

    worker: int
    batch: Batch
    since: float


class Blocked(NamedTuple):
    """A coroutine has kept its event loop from all others for so many seconds, in this line of its code.

    Told to observers; it changes nothing.
    """

    worker: int
    name: str
    file: str
    line: int
    seconds: float


class Returned(NamedTuple):
    """A worker gives back what it has not begun: of these batches, the tasks from one offset to before another."""

    worker: int
    stretches: Sequence[tuple[int, int, int]] = ()


class Tick(NamedTuple):
    """Time has passed."""


Event = (
    InputArrived
    | InputEnded
    | Finished
    | Begun
    | Lost
    | Unfit
    | Observed
    | Said
    | Taken
    | Moved
    | Reserved
    | Memory
    | Adopted
    | Returned
    | Blocked
    | Tick
)

# -------------------------------------------------------------------------------------------------- commands


class Pull(NamedTuple):
    """Take up to `tasks` more items from the input."""

    tasks: int


class Hire(NamedTuple):
    """Start a worker under this number."""

    worker: int


class Dispatch(NamedTuple):
    """Send a batch to a worker."""

    worker: int
    batch: Batch


class Recall(NamedTuple):
    """Have a worker give back what it has not begun; `Returned` follows, unless it is lost."""

    worker: int


class Kill(NamedTuple):
    """End a worker now; a `Lost` event follows."""

    worker: int


class Retire(NamedTuple):
    """Let a worker go that has nothing in hand; no event follows."""

    worker: int


class Resize(NamedTuple):
    """Have a worker run so many tasks at the same time from now on."""

    worker: int
    slots: int


class Deliver(NamedTuple):
    """Hand these to the consumer."""

    deliveries: Sequence[Delivery]


class Retry(NamedTuple):
    """A task failed and will be tried again after `delay` seconds (told to observers)."""

    failure: Failure
    delay: float


class Finish(NamedTuple):
    """The run is over; `error` is what to raise, `failure` the task it belongs to."""

    error: BaseException | None = None
    failure: Failure | None = None


Command = Pull | Hire | Dispatch | Recall | Kill | Retire | Resize | Deliver | Retry | Finish

Last = Deliver | Retry | Finish
"""What is still carried out once a run is over."""


class Crew(NamedTuple):
    """The workers a run may use, as far as scheduling cares."""

    max_workers: int
    """Workers, at the most."""
    depth: int = 1
    """Batches that one worker is given at once, at the most."""
    slots: int = 1
    """Tasks that one worker runs at the same time; with `begin`, at the most."""
    target_seconds: float = 0.004
    """Seconds that a batch should last."""
    patient_seconds: float = 0.0
    """The same where nobody looks at a result before all are there; 0: no longer than that."""
    prefetch_below: float = 0.020
    """A batch that is expected to last fewer seconds is sent while its worker still has one; where the crew `recalls`,
    a longer one too."""
    most: int = 1 << 17
    """Tasks in one batch, at the most."""
    watches_timeout: bool = False
    """Whether the backend itself ends an attempt that takes too long."""
    counts_tasks: bool = False
    """Whether the backend itself replaces what has run as many tasks as one may."""
    begin: int = 0
    """Slots to begin with, where how many are right is found while tasks run; 0: that is not looked for."""
    opening: float = OPENING
    """Seconds that may then be spent on beginning tasks before there is any answer."""
    recalls: bool = False
    """Whether what a worker has not begun can be had back."""
    cpus: int = 0
    """CPUs that the workers share; 0: that does not matter."""
    name: str = ""
    """What outcomes call the workers: this, a hyphen, and the worker's number."""
