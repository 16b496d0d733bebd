"""How many coroutines go where, when they run in several processes.

Owns that arithmetic. Must never look at a machine: the CPUs are passed in.
"""

from __future__ import annotations

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
