"""For tests, yours and ours: a run with scripted faults, on imaginary workers and an imaginary clock.

Owns the fake backend, its clock and the faults. Must never start a thread or a process, or wait: minutes of backoff
pass in no time, and the same script always gives the same run.

>>> from alongside.testing import Kills, Raises, rehearse
>>> run = rehearse(abs, [-1, -2, -3], faults={1: [Kills(), Raises(OSError("again"))]}, retries=2)
>>> run.results, run.outcomes[1].attempts
([1, 2, 3], 3)
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence

from alongside import backends
from alongside.compose import ordinary
from alongside.core.events import Crew, Event, Finished, Lost
from alongside.core.model import Batch, Death, Fault, Job, Part, Running
from alongside.core.ports import Capabilities
from alongside.exceptions import InternalError, OptionError
from alongside.light import dataclass, field
from alongside.runtime.results import Run

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, ClassVar

__all__ = ["FakeBackend", "FakeClock", "Hangs", "Kills", "Raises", "rehearse"]


@dataclass(frozen=True, slots=True)
class Raises:
    """The attempt raises this."""

    error: BaseException


@dataclass(frozen=True, slots=True)
class Kills:
    """The attempt takes its worker along, as a crash does."""

    signal: int = 9


@dataclass(frozen=True, slots=True)
class Hangs:
    """The attempt never ends by itself: a `timeout` has to end it."""


Misfortune = Raises | Kills | Hangs
Script = Mapping[int, Sequence[Misfortune]]
"""For the index of a task, what happens to its first attempts; the later ones call the function."""


class FakeClock:
    """Seconds that pass only when told to."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self.now += seconds


@dataclass(slots=True)
class _Imaginary:
    """A worker that is none: its batches, and how far it is with the first of them."""

    batches: deque[Batch] = field(default_factory=deque)
    offset: int = 0
    hung: Running | None = None


class FakeBackend:
    """Calls the function in `wait`, one batch at a time, in turns; what the script says about a task happens to it.

    Every task takes `task_seconds` of the clock. A subclass sets `script` and `clock`, as `rehearse` does.
    """

    name: ClassVar[str] = "fake"
    capabilities: ClassVar[Capabilities] = Capabilities(killable=True, overlaps_waiting=True)
    script: ClassVar[Script] = {}
    clock: ClassVar[FakeClock] = FakeClock()
    task_seconds: ClassVar[float] = 0.001

    def __init__(self, max_workers: int | None = None) -> None:
        self._limit = max_workers or 2

    def crew(self) -> Crew:
        return Crew(self._limit, depth=2, name=self.name)

    def open(self, job: Job) -> None:
        self._job = job
        self._workers: dict[int, _Imaginary] = {}
        self._events: list[Event] = []

    def hire(self, worker: int) -> None:
        self._workers[worker] = _Imaginary()

    def dispatch(self, worker: int, batch: Batch) -> None:
        if worker in self._workers:  # else it has just died, and the run is about to hear of it
            self._workers[worker].batches.append(batch)

    def kill(self, worker: int) -> None:
        if worker in self._workers:
            self._die(worker, Death(cause="it was told to stop"))

    def retire(self, worker: int) -> None:
        del self._workers[worker]

    def memory(self) -> Mapping[int, int]:
        return {}

    def running(self) -> Mapping[int, Sequence[Running]]:
        return {number: () if worker.hung is None else (worker.hung,) for number, worker in self._workers.items()}

    def wait(self, timeout: float | None) -> Sequence[Event]:
        number = next((n for n, worker in self._workers.items() if worker.batches and worker.hung is None), None)
        if number is not None and not self._events:
            self._work(number)
        elif not self._events:
            self._rest(timeout)
        events, self._events = self._events, []
        return events

    def wake(self) -> None:
        pass

    def close(self) -> None:
        self._workers = {}

    # ------------------------------------------------------------------------------------------------------ inside

    def _rest(self, timeout: float | None) -> None:
        if timeout is None:
            raise InternalError("every imaginary worker is idle, and nothing would ever wake the run")
        self.clock.advance(timeout)

    def _work(self, number: int) -> None:
        """Run a worker's first batch to its end, or to where something happens to the worker."""
        worker = self._workers.pop(number)
        self._workers[number] = worker  # to the back of the line
        batch, began = worker.batches[0], self.clock.now
        parts: list[Part] = []
        faults: list[Fault] = []
        while worker.offset < len(batch.items) and (fate := self._fate(batch, worker.offset)) is None:
            self._attempt(batch, worker.offset, parts, faults)
            worker.offset += 1
        if parts or faults:
            self._events.append(Finished(number, batch.id, parts, faults, self.clock.now - began))
        if worker.offset == len(batch.items):
            worker.batches.popleft()
            worker.offset = 0
        elif isinstance(fate, Kills):
            self._die(number, Death(pid=number, signal=fate.signal))
        else:
            worker.hung = Running(batch.id, worker.offset, self.clock.now)

    def _fate(self, batch: Batch, offset: int) -> Kills | Hangs | None:
        """What happens to the worker at this task, if anything does."""
        misfortune = self._misfortune(batch, offset)
        return None if isinstance(misfortune, Raises) else misfortune

    def _misfortune(self, batch: Batch, offset: int) -> Misfortune | None:
        planned = self.script.get(batch.start + offset, ())
        return planned[batch.attempt - 1] if batch.attempt <= len(planned) else None

    def _attempt(self, batch: Batch, offset: int, parts: list[Part], faults: list[Fault]) -> None:
        self.clock.advance(self.task_seconds)
        item, misfortune = batch.items[offset], self._misfortune(batch, offset)
        try:
            if isinstance(misfortune, Raises):
                raise misfortune.error
            value = self._job.fn(*item) if self._job.star else self._job.fn(item)
        except Exception as error:
            faults.append(Fault(offset, error, self.task_seconds))
        else:
            parts.append(Part(offset, [value], self.task_seconds))

    def _die(self, number: int, death: Death) -> None:
        worker = self._workers.pop(number)
        batch = worker.batches[0] if worker.batches else None
        running = worker.hung or (Running(batch.id, worker.offset, self.clock.now) if batch else None)
        self._events.append(Lost(number, death, () if running is None else (running,)))


def rehearse(
    fn: Callable[..., Any],
    *iterables: Iterable[Any],
    faults: Script | None = None,
    clock: FakeClock | None = None,
    **options: Any,
) -> Run:
    """As `alongside.run`, on imaginary workers to which happens what `faults` says. Takes the same options.

    `faults` maps a task's index to what happens to its attempts in turn: `Raises(error)`, `Kills()`, `Hangs()`. `fn` is
    called in this thread. `clock` tells afterwards how much time has passed, in seconds. Raises what a run would, and
    `OptionError` where a task hangs and no `timeout` would end it.
    """
    script = dict(faults or {})
    if options.get("timeout") is None and any(isinstance(one, Hangs) for fate in script.values() for one in fate):
        raise OptionError("a task is to hang, and nothing would ever end it: give a timeout=.")

    class Rehearsed(FakeBackend):
        pass

    Rehearsed.script, Rehearsed.clock = script, clock or FakeClock()
    with backends.registered(FakeBackend.name, Rehearsed):
        return ordinary.run(fn, iterables, {**options, "backend": FakeBackend.name}, clock=Rehearsed.clock)
