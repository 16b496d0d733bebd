"""Who pays when a worker is lost, and with which error.

Owns the rule that a loss is charged to the task in hand and to no other, and the naming of that task. Must never change
anything: the coordinator does, by what this says.
"""

from __future__ import annotations

from typing import Any

from alongside.core.events import Lost
from alongside.core.model import Death
from alongside.core.policy import Policy
from alongside.core.roster import Worker
from alongside.exceptions import MemoryLimitExceeded, TaskTimeout

Place = tuple[int, int]
"""A batch's number and an offset in it."""


def charged(worker: Worker, event: Lost) -> dict[Place, float]:
    """Which tasks pay for the loss, and since when each ran.

    Those in hand; after a timeout only the one that was overdue; of suspects, the last one left.
    """
    if event.blameless:
        return {}
    culprits = event.running if worker.condemned is None else (worker.condemned,)
    places = {(task.batch, task.offset): task.since for task in culprits}
    suspected = worker.flights.get(event.suspects)
    if suspected is not None and suspected.left == 1:
        places[event.suspects, suspected.unfinished()[0][0]] = worker.since
    return places


def blame(worker: Worker, policy: Policy, death: Death, index: int, item: Any) -> BaseException:
    """The error of the task that was charged: what it was condemned for, or else how the worker died."""
    if worker.oversize is not None:
        return MemoryLimitExceeded(limit=policy.memory_limit or 0, used=worker.oversize, index=index)
    if worker.condemned is not None:
        return TaskTimeout(policy.timeout or 0.0, index)
    return lost(death, index, item)


def lost(death: Death, index: int | None = None, item: Any = None) -> BaseException:
    """The error that says how a worker ended, and which task it had in hand, if any."""
    from alongside.exceptions import WorkerLost

    return WorkerLost(
        pid=death.pid, exit_code=death.exit_code, signal=death.signal, cause=death.cause, index=index, item=item
    )


def with_index(error: BaseException, index: int) -> BaseException:
    """The error; a timeout from a backend that knows only the limit learns which task it was."""
    return TaskTimeout(error.seconds, index) if isinstance(error, TaskTimeout) and error.index is None else error
