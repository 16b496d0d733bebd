"""What earlier calls have shown of a function: a call that takes long need not be tried in a loop again.

Owns the facts of the functions seen last, and the ledger in which a run's are collected. Must never weigh them
(core/known.py, core/choose.py), nor begin anything.
"""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter

from alongside.core.choose import Facts
from alongside.core.events import Command, Event, Finished, Hire
from alongside.core.known import Phase, learned, without_a_special
from alongside.runtime.callables import identity_of, keep_newest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Spent = tuple[float, float]
    Loop = tuple[Phase | None, Phase | None]  # its first task, and the others

_facts: dict[Any, Facts] = {}


def recall(fn: Any) -> Facts | None:
    """What was seen of a function, if it was."""
    return _facts.get(identity_of(fn))


def keep(fn: Any, facts: Facts) -> None:
    """Remember this of a function."""
    identity = identity_of(fn)
    if identity is not None:
        keep_newest(_facts, identity, facts)


def keep_of_loop(fn: Any, facts: Facts) -> None:
    """Remember what a plain loop, or a single event loop, has shown. Where that does not tell whether the GIL is held,
    what was known of it before stays."""
    before = recall(fn)
    if facts.gil_held is None and before is not None:
        facts = facts._replace(gil_held=before.gil_held)
    if facts.tasks_seen > 1:
        keep(fn, facts)


class Ledger:
    """What the tasks of one run took on each backend it was on: an observer of its events.

    Costs a look at each worker's accounts when it is hired and at the end, some 15 µs each.
    """

    def __init__(self, clock: Callable[[], float] = perf_counter) -> None:
        self._clock = clock
        self._phases: list[Phase] = []
        self._loop: Callable[[], Loop] = lambda: (None, None)
        self._backend: Any = None
        self._hired: dict[int, Spent] = {}
        self._tasks = 0
        self._began = self._seconds = 0.0

    def enter(self, backend: Any) -> None:
        """From here on, another backend works."""
        self._leave()
        self._backend = backend if hasattr(backend, "spent") else None
        self._hired = {}
        self._tasks, self._seconds, self._began = 0, 0.0, self._clock()

    def follows(self, loop: Callable[[], Loop]) -> None:
        """The run goes on with what a loop has left. `loop` tells what that has done; it is asked when the run is over,
        since it may have a task in hand until then."""
        self._loop = loop

    def on_event(self, event: Event, now: float) -> None:
        if isinstance(event, Finished) and event.worker in self._hired:
            self._tasks += sum(len(part.values) for part in event.parts) + len(event.faults)
            self._seconds += event.seconds

    def on_command(self, command: Command, now: float) -> None:
        if isinstance(command, Hire) and self._backend is not None:
            self._hired[command.worker] = self._backend.spent().get(command.worker, (0.0, 0.0))

    def close(self) -> None:
        """Nothing is held."""

    def conclude(self, fn: Any, before: Facts) -> None:
        """The run has come to its end: remember what it has shown, of a function of which `before` was known. To be
        called while the workers are still there."""
        self._leave()
        if not self._phases:
            return
        first, rest = self._loop()
        phases = [*self._phases] if rest is None else [rest, *self._phases]
        facts = learned(before, without_a_special(first, phases))
        if facts is not None:
            keep(fn, facts)

    def _leave(self) -> None:
        if self._backend is None or not self._tasks:
            return
        spent = self._backend.spent()
        both = [(now, self._hired[worker]) for worker, now in spent.items() if worker in self._hired]
        computed, delayed = (sum(max(0.0, now[n] - then[n]) for now, then in both) for n in (0, 1))
        elapsed = self._clock() - self._began
        apart = self._backend.capabilities.escapes_gil
        self._phases.append(Phase(self._tasks, self._seconds, elapsed, computed, delayed, apart))
        self._backend = None
