"""What the choice is made from: the backends that are here with what they cost, and what is known at first.

Owns the candidates of a run, and the fitting of a plan to the memory there is. Must never choose.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

from alongside import backends
from alongside.core.choose import Facts, Plan
from alongside.core.ports import Capabilities
from alongside.runtime import calibration, machine

FOOTPRINT = 64 << 20
"""Bytes that a worker process is reckoned to need, at the least, before it is started."""


def candidates() -> Mapping[str, Capabilities]:
    """Every backend that is here, with what it declares, and what it costs here where that has been measured."""
    return {name: _here(name) for name in backends.names()}


def _here(name: str) -> Capabilities:
    backend = backends.find(name)
    if not backend.capabilities.needs_pickling:
        return backend.capabilities
    return calibration.here(name, backend.capabilities, calibration.ready(backend))


def base_facts(cpus: int) -> Facts:
    """What is known before anything has run."""
    return Facts(cpus=cpus, in_worker="ALONGSIDE_WORKER" in os.environ)


def fitted_to_memory(plan: Plan) -> Plan:
    """The plan with no more worker processes than there is memory for, saying so where that binds."""
    if backends.find(plan.backend).capabilities.shares_memory:
        return plan
    memory = machine.memory()
    room = max(1, memory.available // FOOTPRINT)
    if plan.max_workers is None or plan.max_workers <= room:
        return plan
    free = f"{memory.available / 1e6:,.0f} MB are free" + (" within the container's limit" if memory.limit else "")
    reason = f"only {room} instead of {plan.max_workers} workers, because {free}."
    return plan._replace(max_workers=room, reasons=(*plan.reasons, reason))
