"""Where an automatic run begins before anything was measured: as a plain loop, unless what is asked for rules that out.

Owns that rule. Must never measure, nor weigh one backend against another by itself (choose.py).
"""

from __future__ import annotations

from alongside.core.choose import Candidates, Facts, Plan, Wishes, choose
from alongside.core.lanes import lanes


def first_plan(facts: Facts, candidates: Candidates, wishes: Wishes) -> Plan:
    """Where an automatic run begins, before anything was measured."""
    if wishes.memory_limit:
        killable = next(name for name, caps in candidates.items() if caps.killable)
        reason = "only there can a task over its memory limit be ended."
        workers, slots = lanes(wishes.max_workers, facts.cpus) if facts.coroutine else (wishes.max_workers, 1)
        return Plan(killable, workers or facts.cpus, (reason,), slots=slots)
    if facts.coroutine:
        return choose(facts, candidates, wishes)._replace(predictions={})  # nothing was seen to predict from
    home = next(name for name, caps in candidates.items() if caps.in_caller)
    if not wishes.timeout:
        return Plan(home, 1, ("it begins as a plain loop, to see what a call costs.",))
    watched = next(name for name, caps in candidates.items() if caps.overlaps_waiting and not caps.in_event_loop)
    return Plan(watched, 1, ("it begins in one thread, so that the timeout can be kept.",))
