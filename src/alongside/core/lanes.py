"""How many coroutines go where, when they run in several processes; how often all that wait side by side change.

Owns that arithmetic. Must never look at a machine: the CPUs are passed in.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from alongside.core.events import Crew
    from alongside.core.model import Job
    from alongside.core.ports import Capabilities

SLOTS = 100
"""Coroutines in flight in one event loop where the user gave no number."""


def lanes(max_workers: int | None, cpus: int) -> tuple[int, int]:
    """Worker processes, and coroutines at once in each. Together they are never more than `max_workers`.

    >>> lanes(None, 4), lanes(20, 4), lanes(3, 4)
    ((4, 100), (4, 5), (3, 1))
    """
    if max_workers is None:
        return cpus, SLOTS
    workers = min(max_workers, cpus)
    return workers, max_workers // workers


def rounds(left: int, at_once: int, most: int = 0) -> int:
    """How many times one task's time passes until all are done: so many at once, and twice as many each time up to
    `most`.

    >>> rounds(480, 32), rounds(480, 32, most=256)
    (15, 4)
    """
    passed = 0
    while left > 0 and at_once < most:
        left, passed, at_once = left - at_once, passed + 1, min(2 * at_once, most)
    return passed + -(-max(0, left) // at_once)


def as_asked(max_workers: int | None, job: Job, able: Capabilities) -> tuple[int | None, int]:
    """Workers, and coroutines in each, of a backend the user named; None: as many as it likes to have."""
    if able.loops_apart and job.coroutine:
        return lanes(max_workers, job.cpus)
    return job.cpus if max_workers is None and able.escapes_gil else max_workers, 1


def with_loops(job: Job, crew: Crew, slots: int, most: int = 0) -> tuple[Job, Crew]:
    """The job and its crew, which share the job's CPUs, where each worker has a loop for `slots` coroutines.

    With `most`, the crew begins with the slots it has, and finds out how many are right, up to so many.
    """
    crew = crew._replace(cpus=job.cpus)
    if most > crew.slots:
        crew = crew._replace(begin=crew.slots, slots=most)
    return (job, crew) if slots == 1 else (job._replace(slots=slots), crew._replace(slots=slots, depth=1))
