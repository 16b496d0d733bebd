"""For a plain loop that may be too slow: who looks at it, and what is known of its function.

Owns which facts and candidates a look is given. Must never put a run together: a loop that stays one needs none.
"""

from __future__ import annotations

from alongside.compose import base_facts, candidates, coming, known_plan, let_go
from alongside.core.choose import Facts, Plan
from alongside.runtime import machine
from alongside.runtime.known import keep_of_loop, recall
from alongside.runtime.opening import Opening
from alongside.runtime.pilot import straight
from alongside.runtime.pilot_loop import LoopPilot

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

LASTING = 0.001
"""Seconds of a task from which one that lasts longer than others is nothing special, and from which it is worth loading
what weighs the facts though nobody knows how many tasks there are."""


def pilot(opening: Opening) -> LoopPilot:
    """Who weighs the facts of this loop."""
    base = base_facts(machine.cpu_count())
    return LoopPilot(candidates, base, opening.fn, opening.watch, opening.get_ahead, coming)


def at_once(opening: Opening) -> Plan | None:
    """The plan to begin with, where an earlier call has shown what the function takes; then nothing is guessed."""
    facts = recall(opening.fn)
    opening.guesses = facts is None
    if facts is None:
        return None
    if facts.wall < LASTING:
        opening.usual = facts.wall
        if not straight(facts, opening.source.total):
            return None
    opening.look_ahead()
    opening.pilot = pilot(opening)
    return known_plan(opening.pilot, facts, opening.source.peek)


def learn(opening: Opening) -> None:
    """Remember what the tasks of a loop took that has done them all."""
    keep_of_loop(opening.fn, opening.pilot.facts())


def stays(fn: Any, facts: Facts) -> None:
    """Let go of what was got ready, and say what there is to learn: a plain loop was found best."""
    from alongside.runtime.teaching import Teacher

    let_go()
    Teacher(fn, seeded=False).stays(facts)
