"""What a run that is over tells of its function, for the next run of it.

Owns the conclusion. Must never measure, nor keep anything.
"""

from __future__ import annotations

from collections.abc import Sequence

from alongside.core.choose import HINDERED, Facts, waits
from alongside.light import NamedTuple

FEW, FAR = 8, 10
"""Tasks beside the first one that say whether it was a special one, and how many times as long it took if it was. The
plain loop (runtime/loop.py), which loads nothing, has the same two."""

SATURATED, SPREAD = 0.8, 1.3
"""Threads that keep so many to so many CPUs busy take turns with the GIL: one of them computes nearly always,
and never two."""


class Phase(NamedTuple):
    """What a run has done on one backend.

    `seconds`: what the tasks took, all together; `elapsed`: what passed meanwhile. `computed`: by the workers, and
    `delayed`, for how long they could have but had no CPU. `apart`: they do not share one GIL.
    """

    tasks: int
    seconds: float
    elapsed: float
    computed: float
    delayed: float
    apart: bool

    @property
    def cpus(self) -> float:
        """CPUs that were kept busy."""
        return self.computed / max(self.elapsed, 1e-9)

    @property
    def wanted(self) -> float:
        """CPUs that would have been, had they been free."""
        return (self.computed + self.delayed) / max(self.elapsed, 1e-9)

    @property
    def turns(self) -> bool:
        """Whether threads may have waited for the GIL: how long is not told apart from other waiting."""
        return not self.apart and self.cpus > SATURATED / 2

    @property
    def held(self) -> bool | None:
        """Whether its threads have taken turns with the GIL; None where that was not to be seen."""
        if self.apart:
            return None
        if self.cpus >= SPREAD:
            return False
        return True if self.cpus >= SATURATED and self.wanted < SPREAD else None


def is_special(first: float, tasks: int, seconds: float) -> bool:
    """Whether the first task, which took so long, was unlike the others, all of which together took so many seconds."""
    return tasks >= FEW and first > FAR * seconds / tasks


def without_a_special(first: Phase | None, others: Sequence[Phase]) -> list[Phase]:
    """All phases, but not the first task where that took far longer than the others: a first call imports, connects and
    fills caches. The next run's will not."""
    if first is None:
        return list(others)
    tasks, seconds = sum(phase.tasks for phase in others), sum(phase.seconds for phase in others)
    return list(others) if is_special(first.seconds, tasks, seconds) else [first, *others]


def learned(before: Facts, phases: Sequence[Phase]) -> Facts | None:
    """The facts of all tasks, where `before` is what was known when the run left its loop. None where nothing is
    learnt: from too few tasks, or of a function that is parallel inside, since its workers are kept from being it.
    """
    tasks = sum(phase.tasks for phase in phases)
    if tasks < 2 or before.parallel_inside or before.coroutine:
        return None
    cpu = sum(phase.computed for phase in phases) / tasks
    usual = _usual_wait(before, phases)
    waiting = sum(_waited(phase, usual) for phase in phases) / tasks
    return before._replace(
        tasks_seen=tasks,
        wall=cpu + waiting,
        cpu=cpu,
        process_cpu=cpu,
        delayed=0.0,
        gil_held=_held(before, phases),
        lateness=None,
    )


def _usual_wait(before: Facts, phases: Sequence[Phase]) -> float:
    """Seconds that a task has waited where none had to wait for the GIL. Before a run left its loop that may have been
    seen of a task in hand only, which had not waited to its end."""
    if not waits(before):
        return 0.0
    clear = [phase for phase in phases if not phase.turns]
    seen = sum(map(_at_most, clear)) / max(1, sum(phase.tasks for phase in clear))
    return max(seen, before.waiting)


def _waited(phase: Phase, usual: float) -> float:
    """Seconds that the tasks of a phase have waited, and not for the GIL or a CPU."""
    return min(_at_most(phase), phase.tasks * usual) if phase.turns else _at_most(phase)


def _at_most(phase: Phase) -> float:
    return max(0.0, phase.seconds - phase.computed - min(phase.delayed, HINDERED * phase.computed))


def _held(before: Facts, phases: Sequence[Phase]) -> bool | None:
    """Whether the GIL is held: as threads have shown it, or else as it was heard in the loop."""
    shown = [phase.held for phase in phases if phase.held is not None]
    return shown[-1] if shown else before.gil_held
