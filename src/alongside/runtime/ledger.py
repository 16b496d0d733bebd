"""What the events of a run tell: of its function what the tasks took, of this machine what its workers' start did.

Owns the two observers that collect it. Must never keep it longer than the run lasts (known.py and calibration.py do),
nor be loaded for a loop that stays one: what an event is takes longer to load than all that looks at such a loop.
"""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter

from alongside.core.choose import Facts
from alongside.core.events import Command, Event, Finished, Hire
from alongside.core.known import Phase, learned, without_a_special
from alongside.runtime.calibration import calibration
from alongside.runtime.known import keep

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Spent = tuple[float, float]
    Loop = tuple[Phase | None, Phase | None]  # its first task, and the others


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


class Listener:
    """Watches the workers of a run: how long passes from the first hire until the first results are there, less what
    the tasks took."""

    def __init__(self, name: str, ready: int, clock: Callable[[], float] = perf_counter) -> None:
        self._cost = f"{name}.{'warm' if ready else 'cold'}"
        self._clock = clock
        self._hired: float | None = None
        self._over = False

    def on_event(self, event: Event, now: float) -> None:
        if isinstance(event, Finished) and self._hired is not None and not self._over:
            self._over = True
            calibration().learn(self._cost, self._clock() - self._hired - event.seconds)

    def on_command(self, command: Command, now: float) -> None:
        if isinstance(command, Hire) and self._hired is None:
            self._hired = self._clock()

    def close(self) -> None:
        """The run is over: keep what was learned."""
        if self._over:
            calibration().keep()
