"""Who pays when a worker is lost, and with which error.

Owns the rule that a loss is charged to the task in hand and to no other, and the naming of that task. Must never change
anything: the coordinator does, by what this says.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

from alongside.core.backlog import Segment
from alongside.core.events import Lost
from alongside.core.model import Death, Fault
from alongside.core.policy import Policy, told
from alongside.core.roster import NOBODY, Flight, Worker
from alongside.exceptions import MemoryLimitExceeded, TaskTimeout

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

Place = tuple[int, int]
"""A batch's number and an offset in it."""


def charged(worker: Worker, event: Lost) -> dict[Place, float]:
    """Which tasks pay for the loss, and since when each ran.

    Those in hand; after a timeout only the one that was overdue; of suspects, the last one left.
    """
    if event.blameless:
        return {}
    several = worker.oversize is not None and worker.crew.slots > 1
    culprits = event.running if worker.condemned is None else () if several else (worker.condemned,)
    places = {(task.batch, task.offset): task.since for task in culprits}
    left = [flight for batch in suspects(worker, event) if (flight := worker.flights.get(batch)) is not None]
    if sum(flight.left for flight in left) == 1:
        places[left[0].batch.id, left[0].unfinished()[0][0]] = worker.since
    return places


def suspects(worker: Worker, event: Lost) -> Collection[int]:
    """The batches of which one task, not known which, is to blame.

    Of coroutines side by side all may have filled the memory. A worker that was ended for a task that is known, or for
    no fault of its tasks, has no suspects.
    """
    if event.blameless:
        return ()
    if worker.oversize is not None and worker.crew.slots > 1:
        return tuple(worker.flights)
    known = worker.condemned is NOBODY or (worker.condemned is not None and worker.condemned.offset >= 0)
    return () if known else event.suspects


def aftermath(
    worker: Worker, flight: Flight, culprits: Mapping[Place, float], event: Lost, policy: Policy, now: float
) -> Iterator[Fault | Segment]:
    """What becomes of a lost worker's batch, from its end to its front: faults of those charged, the rest once more.

    Of suspects each is sent again alone: what kills again is then found out. Where a worker runs many side by side they
    are sent again apart from all others, half of them together.
    """
    batch, many = flight.batch, worker.crew.slots > 1
    suspected = batch.id in suspects(worker, event)
    since = {offset: since for (number, offset), since in culprits.items() if number == batch.id}
    for first, last in flight.pieces(range(len(batch.items)) if suspected and not many else since):
        start, items = batch.start + first, batch.items[first:last]
        if first in since:
            error = blame(worker, policy, event.death, start, items[0])
            yield Fault(first, error, max(0.0, now - since[first]))
        else:
            yield Segment(start, items, batch.attempt, suspect=many and (suspected or worker.on_trial))


def blame(worker: Worker, policy: Policy, death: Death, index: int, item: Any) -> BaseException:
    """The error of the task that was charged: what it was condemned for, or else how the worker died."""
    if worker.oversize is not None:
        return MemoryLimitExceeded(limit=policy.memory_limit or 0, used=worker.oversize, index=index)
    if worker.condemned is not None:
        return TaskTimeout(policy.timeout or 0.0, index)
    return lost(death, index, told(item, policy.call))


def lost(death: Death, index: int | None = None, item: Any = None) -> BaseException:
    """The error that says how a worker ended, and which task it had in hand, if any."""
    from alongside.exceptions import WorkerLost

    return WorkerLost(
        pid=death.pid, exit_code=death.exit_code, signal=death.signal, cause=death.cause, index=index, item=item
    )


def with_index(error: BaseException, index: int) -> BaseException:
    """The error; a timeout from a backend that knows only the limit learns which task it was."""
    return TaskTimeout(error.seconds, index) if isinstance(error, TaskTimeout) and error.index is None else error
