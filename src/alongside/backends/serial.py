"""A plain loop in the calling thread: the measure every other backend is compared with.

Owns nothing but the batch in hand. Must never start a thread or a process.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from threading import Event as Flag
from time import process_time, thread_time

from alongside.backends import declared
from alongside.core.events import Crew, Event, Finished, Lost, Unfit
from alongside.core.model import Batch, Death, Fault, Job, Part, Running
from alongside.core.ports import Capabilities
from alongside.exceptions import TaskTimeout
from alongside.workers.runner import Awaiter, Runner, caller, placed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import ClassVar

    from alongside.workers.beside import Beside
    from alongside.workers.runner import Broken, Stretch

_NOTHING_TO_PUT_BACK = nullcontext()


class SerialBackend:
    """Runs each batch inside `wait`.

    A task that exceeds its timeout cannot be interrupted here: it fails as `TaskTimeout` when it comes back.
    A KeyboardInterrupt passes straight through: it is the user's, not the task's.
    """

    name: ClassVar[str] = "serial"
    capabilities: ClassVar[Capabilities] = declared.SERIAL

    def __init__(self, max_workers: int | None = None) -> None:
        pass

    def crew(self) -> Crew:
        return Crew(1, name=self.name, watches_timeout=True)

    def open(self, job: Job) -> None:
        self._job = job
        self._queue: deque[tuple[int, Batch]] = deque()
        self._events: list[Event] = []
        self._awoken = Flag()
        self._awaiter: Awaiter | Beside = self._how_to_await() if job.coroutine else Awaiter()
        self._worker = 0
        self._computed = self._process_computed = 0.0
        call = caller(job.fn, job.star, self._awaiter if job.coroutine else None)
        if job.seed is not None:
            from alongside.workers import seeding

            seeding.have_ready(job.fn)
            call = seeding.one_at_a_time(call, job.seed)
        self._runner = Runner(
            call, self._emit, [0, 0, 0], always_timed=job.timeout is not None, passes=(KeyboardInterrupt,)
        )

    def hire(self, worker: int) -> None:
        self._worker = worker
        if self._job.initializer is None:
            return
        try:
            self._job.initializer(*self._job.initargs)
        except Exception as error:
            self._events.append(Unfit(worker, error))

    def dispatch(self, worker: int, batch: Batch) -> None:
        self._queue.append((worker, batch))
        self._awoken.set()  # it may be waiting while another thread brings the input

    def kill(self, worker: int) -> None:
        self._queue = deque(entry for entry in self._queue if entry[0] != worker)
        self._events.append(Lost(worker, Death(cause="it was told to stop"), blameless=True))

    def retire(self, worker: int) -> None:
        """There is nothing to let go of: the next worker is this thread again."""

    def memory(self) -> Mapping[int, int]:
        return {}  # all of them share this process's memory

    def running(self) -> Mapping[int, Sequence[Running]]:
        return {}

    def wait(self, timeout: float | None) -> Sequence[Event]:
        if not self._events and self._queue:
            self._worker, batch = self._queue.popleft()
            with self._generators_put_back():
                self._run(batch)
        elif not self._events:
            self._awoken.wait(timeout)
            self._awoken.clear()
        events, self._events = self._events, []
        return events

    def wake(self) -> None:
        self._awoken.set()

    def close(self) -> None:
        self._awaiter.close()
        self._runner.close()

    def computed(self) -> tuple[float, float]:
        """CPU seconds of this thread, and of the whole process, while tasks ran: without what the engine used."""
        return self._computed, self._process_computed

    def _run(self, batch: Batch) -> None:
        used, process_used = thread_time(), process_time()
        self._runner.run(batch.id, 0, placed(self._job.seed, batch.start, batch.items))
        self._computed += thread_time() - used
        self._process_computed += process_time() - process_used

    def _generators_put_back(self) -> AbstractContextManager[None]:
        if self._job.seed is None:
            return _NOTHING_TO_PUT_BACK
        from alongside.workers import seeding

        return seeding.put_back()

    @staticmethod
    def _how_to_await() -> Awaiter | Beside:
        """Coroutines run in a loop of this thread, or, where one runs here already, in a loop beside it."""
        from alongside.workers.beside import Beside, in_loop

        return Beside() if in_loop() else Awaiter()

    def _emit(self, batch: int, stretches: list[Stretch], broken: list[Broken], seconds: float) -> None:
        parts = [Part(*stretch) for stretch in stretches]
        faults = [Fault(*one) for one in broken]
        if self._job.timeout is not None:
            parts, late = _split_late(parts, self._job.timeout)
            faults += late
        self._events.append(Finished(self._worker, batch, parts, faults, seconds))


def _split_late(parts: Sequence[Part], timeout: float) -> tuple[list[Part], list[Fault]]:
    """Tasks that took longer than allowed become failures, as they would on a backend that can interrupt them."""
    kept: list[Part] = []
    late: list[Fault] = []
    for part in parts:
        assert not isinstance(part.seconds, float), "with a timeout every task is timed"
        for number, (value, took) in enumerate(zip(part.values, part.seconds, strict=True), part.offset):
            if took > timeout:
                late.append(Fault(number, TaskTimeout(seconds=timeout), took))
            else:
                kept.append(Part(number, [value], [took]))
    return kept, late
