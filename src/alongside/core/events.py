"""What happened, and what is to be done: the closed unions between the coordinator and the driver.

Owns the messages only. Must never hold behaviour.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from alongside.core.model import Batch, Death, Delivery, Failure, Fault, Part, Running

# ---------------------------------------------------------------------------------------------------- events


@dataclass(frozen=True, slots=True)
class InputArrived:
    """The next items of the input."""

    items: Sequence[Any]


@dataclass(frozen=True, slots=True)
class InputEnded:
    """There are no more items; `error` is what the input itself raised, if it did."""

    error: BaseException | None = None


@dataclass(frozen=True, slots=True)
class Finished:
    """Some (or all) tasks of a batch are done.

    `seconds` is the time the worker spent on them altogether, `nbytes` what was sent there and back for them.
    """

    worker: int
    batch: int
    parts: Sequence[Part] = ()
    faults: Sequence[Fault] = ()
    seconds: float = 0.0
    nbytes: int = 0


@dataclass(frozen=True, slots=True)
class Lost:
    """A worker is gone. `running` is what it had in its hands; `death` says how it ended.

    `suspects` is a batch of which one task was in hand without it being known which (0: none).
    `blameless` means that no task can have caused it (its parent process went, it was let go), so none is charged.
    """

    worker: int
    death: Death = Death()
    running: Sequence[Running] = ()
    suspects: int = 0
    blameless: bool = False


@dataclass(frozen=True, slots=True)
class Unfit:
    """A worker could not be made ready (its initializer or the function's unpickling raised): the run cannot go on."""

    worker: int
    error: BaseException


@dataclass(frozen=True, slots=True)
class Observed:
    """A look at what the workers have in their hands; sent when a deadline may have passed."""

    running: Mapping[int, Sequence[Running]]


@dataclass(frozen=True, slots=True)
class Taken:
    """The consumer took this many outcomes."""

    count: int


@dataclass(frozen=True, slots=True)
class Moved:
    """From here on, work goes to another crew; those of the old one finish what they have."""

    crew: Crew


@dataclass(frozen=True, slots=True)
class Tick:
    """Time has passed."""


Event = InputArrived | InputEnded | Finished | Lost | Unfit | Observed | Taken | Moved | Tick

# -------------------------------------------------------------------------------------------------- commands


@dataclass(frozen=True, slots=True)
class Pull:
    """Take up to `count` more items from the input."""

    count: int


@dataclass(frozen=True, slots=True)
class Hire:
    """Start a worker under this number."""

    worker: int


@dataclass(frozen=True, slots=True)
class Dispatch:
    """Send a batch to a worker."""

    worker: int
    batch: Batch


@dataclass(frozen=True, slots=True)
class Kill:
    """End a worker now; a `Lost` event follows."""

    worker: int


@dataclass(frozen=True, slots=True)
class Deliver:
    """Hand these to the consumer."""

    deliveries: Sequence[Delivery]


@dataclass(frozen=True, slots=True)
class Retry:
    """A task failed and will be tried again after `delay` seconds (told to observers)."""

    failure: Failure
    delay: float


@dataclass(frozen=True, slots=True)
class Finish:
    """The run is over; `error` is what to raise, `failure` the task it belongs to."""

    error: BaseException | None = None
    failure: Failure | None = None


Command = Pull | Hire | Dispatch | Kill | Deliver | Retry | Finish


@dataclass(frozen=True, slots=True)
class Crew:
    """The workers a run may use, as far as scheduling cares.

    `max_workers` slots, each given up to `depth` batches at once, the second only where batches are expected to last
    less than `prefetch_below` seconds; `target_seconds` is how long a batch should last; `most` tasks at most in one.
    `watches_timeout` is true where the backend itself ends an attempt that takes too long. `slots` is how many tasks
    one worker runs at the same time.
    """

    max_workers: int
    depth: int = 1
    slots: int = 1
    target_seconds: float = 0.004
    prefetch_below: float = 0.020
    most: int = 1 << 17
    watches_timeout: bool = False
    name: str = field(default="", compare=False)
