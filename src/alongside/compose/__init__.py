"""The composition root: here the parts are put together, which know nothing of each other.

It takes several files, so that each call loads no more than it needs: `ordinary` and `asynchronous` are the calls from
ordinary and from async code, `composition` is one run, `look` and `auto` are for the plain loop that a run begins as,
`advice` and `compare` are the two calls of those names.

This one has what all of them share. Owns the candidates of a run (the backends that are here, with what they cost), and
the fitting of a plan to the memory there is. Must never choose.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence

from alongside import backends
from alongside.core.choose import Facts, Plan, Wishes
from alongside.core.ports import Capabilities
from alongside.runtime import calibration
from alongside.runtime.fitting import fitted_to_memory
from alongside.runtime.opening import within_an_import
from alongside.runtime.pilot_any import AnyPilot

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from alongside.core.options import Options


def candidates(there: bool = False, imports: float = 0.0) -> Mapping[str, Capabilities]:
    """Every backend that is here, with what it declares, and what it costs here where that has been measured; `there`:
    as if its workers had been started already. `imports`: seconds that those take to import, which are not."""
    every = {name: _here(name, there, imports) for name in backends.names()}
    return {name: able for name, able in every.items() if not able.needs_pickling} if would_begin_again() else every


def coming(name: str) -> bool:
    """Whether workers of that backend are being made ahead (`PreparedBackend`), and are not there yet."""
    check = getattr(backends.alive(name), "coming", None)
    return check is not None and check()


def let_go(chosen: str = "") -> None:
    """Have what was prepared for other backends than the chosen one, and is not there yet, ended: it would go on taking
    CPU time from the tasks until it is.
    """
    for name in backends.names():
        end = getattr(backends.alive(name), "let_go", None)
        if end is not None and name != chosen:
            end()


def known_plan(pilot: AnyPilot, known: Facts, peek: Callable[[], Sequence[Any]]) -> Plan | None:
    """The plan to begin with, by what an earlier call has shown; None for a loop. Where the workers have to be started
    first they are, and the loop goes on until they are there."""
    plan = pilot.at_once(known, peek)
    return None if plan is None else pilot.unless_awaited(plan)


def would_begin_again() -> bool:
    """Whether other processes would begin this very run again: a worker runs it while it imports a module.

    Its own workers may import that module too, and theirs, without end.
    """
    return "ALONGSIDE_WORKER" in os.environ and within_an_import()


def _here(name: str, there: bool, imports: float) -> Capabilities:
    declared = backends.capabilities(name)
    if not declared.needs_pickling:
        return declared
    ready = there or calibration.ready(backends.alive(name))
    able = calibration.here(name, declared, ready)
    return able if ready else able._replace(start_seconds=able.start_seconds + imports)


def wishes_of(options: Options) -> Wishes:
    """What of the options narrows the choice."""
    return Wishes(options.max_workers, options.timeout is not None, options.memory_limit is not None)


def base_facts(cpus: int) -> Facts:
    """What is known before anything has run."""
    return Facts(cpus=cpus, in_worker="ALONGSIDE_WORKER" in os.environ)


def fitted(plan: Plan) -> Plan:
    """The plan with no more worker processes than there is memory for."""
    return fitted_to_memory(plan, backends.capabilities(plan.backend))
