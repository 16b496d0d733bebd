"""A plan made to fit the memory that is free, before workers are started and while they run.

Owns the last reading of that memory, which is good for `MOMENT` seconds: a new one takes a quarter of a millisecond, as
long as all the rest of a short run. Must never change which backend is taken.
"""

from __future__ import annotations

import time

from alongside.core.choose import Plan
from alongside.core.ports import Capabilities
from alongside.runtime import machine

FOOTPRINT = 64 << 20
"""Bytes that a worker process is reckoned to need, at the least, before it is started."""

MOMENT = 0.2
"""Seconds for which a reading is good."""


class _Reading:
    """The memory as it is now, when called: read again where the last reading is too old."""

    def __init__(self) -> None:
        self._at = float("-inf")
        self._memory: machine.Memory

    def __call__(self) -> machine.Memory:
        now = time.monotonic()
        if now - self._at > MOMENT:
            self._memory, self._at = machine.memory(), now
        return self._memory


_recent = _Reading()


def fitted_to_memory(plan: Plan, able: Capabilities) -> Plan:
    """The plan with no more worker processes than there is memory for, saying so where that binds."""
    if able.shares_memory or plan.max_workers is None:
        return plan
    memory = _recent()
    room = max(1, memory.available // FOOTPRINT)
    if plan.max_workers <= room:
        return plan
    free = f"{memory.available / 1e6:,.0f} MB are free" + (" within the container's limit" if memory.limit else "")
    reason = f"only {room} instead of {plan.max_workers} workers, because {free}."
    return plan._replace(max_workers=room, reasons=(*plan.reasons, reason))


def free_memory() -> float:
    """The share of the memory this process may use that is free."""
    memory = _recent()
    return memory.available / min(memory.limit or memory.total, memory.total)


def room() -> int:
    """Bytes of the memory this process may use that are free."""
    return _recent().available
