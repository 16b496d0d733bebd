"""Threads: for tasks that wait, and for code that releases the GIL.

Owns the bell by which the pool (workers/threadpool.py) wakes whoever waits for results. Must never wait for a task it
cannot end: a thread whose task is overdue is let go (its late result is dropped) and another takes its place.
"""

from __future__ import annotations

import _queue as queue  # not `queue`: a file of that name may lie in the folder of a script
import time
from collections.abc import Mapping, Sequence

from alongside.backends import declared
from alongside.core.events import Begun, Crew, Event, Lost, Returned, Unfit
from alongside.core.model import Batch, Death, Job, Running
from alongside.core.ports import Capabilities
from alongside.workers.accounts import own_delay
from alongside.workers.threadpool import ThreadPool

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import ClassVar

GATHER = 0.005
"""Seconds that a finished task may wait for company while others wait for a thread."""

TARGET = 0.1
"""Seconds of work that wait in the pool, so that no thread has to wait for the coordinator."""

OPENING = 0.010
"""Seconds that may be spent on beginning tasks before there is any answer, where how many threads are right is found.
Coroutines have more: each thread goes on asking for the GIL."""

DEFAULT_WORKERS = 32


class ThreadsBackend:
    """One worker, whose slots are the threads of a pool: a free thread takes the next tasks by itself."""

    name: ClassVar[str] = "threads"
    capabilities: ClassVar[Capabilities] = declared.THREADS

    def __init__(self, max_workers: int | None = None) -> None:
        self._limit = max_workers or DEFAULT_WORKERS

    def crew(self) -> Crew:
        slots = self._limit
        return Crew(
            1, 2, slots, TARGET, watches_timeout=True, counts_tasks=True, recalls=True, opening=OPENING, name=self.name
        )

    def open(self, job: Job) -> None:
        self._events: queue.SimpleQueue[Event | None] = queue.SimpleQueue()
        self._job, self._let_go = job, list[ThreadPool]()
        self._pool = self._made()
        self._worker, self._delayed = 0, 0.0
        self._delay: float | None = None

    def hire(self, worker: int) -> None:
        self._worker = worker

    def dispatch(self, worker: int, batch: Batch) -> None:
        self._pool.add(batch)

    def resize(self, worker: int, slots: int) -> None:
        self._pool.resize(slots)
        self.wake()  # more threads may be wanted

    def recall(self, worker: int) -> None:
        self._pool.recall()

    def kill(self, worker: int) -> None:
        self._pool.let_go()
        self._let_go.append(self._pool)
        self._pool = self._made()
        self._events.put(Lost(worker, Death(cause="its threads were let go"), blameless=True))

    def retire(self, worker: int) -> None:
        """There is nothing to let go of: each thread counts its tasks by itself, and the next worker is this pool."""

    def memory(self) -> Mapping[int, int]:
        return {}  # all of them share this process's memory

    def spent(self) -> dict[int, tuple[float, float]]:
        """Seconds that this process has computed so far, and in which it would have, had it been given CPUs. Of these
        only where threads do not take turns with the GIL, since to look at them takes many."""
        computed, before = time.process_time(), self._delay
        self._delay = None if self._pool.crowded else own_delay()
        if before is not None and self._delay is not None:
            self._delayed += self._delay - before
        return {self._worker: (computed, self._delayed)}

    def pause(self, paused: bool) -> None:
        self._pool.pause(paused)

    def running(self) -> Mapping[int, Sequence[Running]]:
        return {}

    def wait(self, timeout: float | None) -> Sequence[Event]:
        begun = self._begun()
        events = self._told(0.0 if begun else self._pool.patience(timeout))
        begun = begun or self._begun()
        if self._pool.backed_up and not (self._pool.understaffed or self._pool.crowded or begun):
            events += self._told(GATHER)
        self._pool.expire()
        returned = self._pool.returned()
        events += [*self._pool.finished(self._worker), *begun]
        return [*events, Returned(self._worker, returned)] if returned else events

    def _begun(self) -> list[Event]:
        """Start the threads that are wanted; what is to be told when all there may be have begun."""
        self._pool.staff()
        took = self._pool.all_begun()
        return [Begun(self._worker, self._pool.under_way, took)] if took else []

    def wake(self) -> None:
        self._events.put(None)

    def close(self) -> None:
        for pool in (*self._let_go, self._pool):
            pool.close()

    def _made(self) -> ThreadPool:
        return ThreadPool(self._job, self._limit, self.wake, self._unfit)

    def _unfit(self, error: BaseException) -> None:
        self._events.put(Unfit(self._worker, error))

    def _told(self, timeout: float | None) -> list[Event]:
        """What happened beside results, as soon as the bell rings: nothing after `timeout` seconds."""
        told: list[Event | None] = []
        try:
            told.append(self._events.get(timeout=timeout))
            while not self._events.empty():
                told.append(self._events.get())
        except queue.Empty:
            pass
        return [event for event in told if event is not None]
