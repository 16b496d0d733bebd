"""Threads: for tasks that wait, and for code that releases the GIL.

Owns the worker threads of one run. Must never wait for a task it cannot end: Python has no way to kill a thread, so a
thread whose task is overdue is let go (its late result is dropped) and another takes its place.
"""

from __future__ import annotations

import _queue as queue  # not `queue`: a file of that name may lie in the folder of a script
import contextvars
import threading
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar

from alongside.core.events import Crew, Event, Finished, Lost, Unfit
from alongside.core.model import Batch, Death, Fault, Job, Part, Running
from alongside.core.ports import Capabilities
from alongside.workers.runner import BATCH, OFFSET, SINCE, Awaiter, Runner, caller

if TYPE_CHECKING:
    from alongside.workers.runner import Broken, Stretch

HARVEST = 0.010
"""Seconds after which results finished in the midst of a batch are fetched from a thread that is still at it."""

GRACE = 0.5
"""Seconds `close` waits for threads whose task cannot be interrupted."""

DEFAULT_WORKERS = 32


class _Thread:
    """One worker: its inbox, its runner, and the thread."""

    def __init__(self, number: int, job: Job, out: queue.SimpleQueue[Event | None]) -> None:
        self.number = number
        self.job = job
        self.out = out
        self.inbox: queue.SimpleQueue[Batch | None] = queue.SimpleQueue()
        self.page = [0, 0, 0]
        self.let_go = False
        self.sizes: dict[int, int] = {}
        self.awaiter = Awaiter()
        call = caller(job.fn, job.star, self.awaiter if job.coroutine else None)
        self.runner = Runner(call, self._emit, self.page, always_timed=job.timeout is not None)
        context = contextvars.copy_context()
        self.thread = threading.Thread(target=context.run, args=(self._work,), name=f"alongside-{number}", daemon=True)
        self.thread.start()

    def running(self) -> tuple[Running, ...]:
        offset, batch, since = self.page[OFFSET], self.page[BATCH], self.page[SINCE]
        return (Running(batch, offset - 1, since * 1e-9),) if offset else ()

    def _work(self) -> None:
        try:
            if self.job.initializer is not None:
                self.job.initializer(*self.job.initargs)
        except BaseException as error:
            self.out.put(Unfit(self.number, error))
            return
        try:
            while (batch := self.inbox.get()) is not None and not self.let_go:
                self.runner.run(batch.id, 0, batch.items)
                del batch  # an idle worker must not keep the items of its last batch alive
        finally:
            self.awaiter.close()
            self.runner.close()

    def _emit(self, batch: int, stretches: list[Stretch], broken: list[Broken], seconds: float) -> None:
        if not self.let_go:
            parts = [Part(*stretch) for stretch in stretches]
            self.out.put(Finished(self.number, batch, parts, [Fault(*one) for one in broken], seconds))


class ThreadsBackend:
    """A lean pool: batches go to a thread's own queue, outcomes come back through one."""

    name: ClassVar[str] = "threads"
    capabilities: ClassVar[Capabilities] = Capabilities(
        overlaps_waiting=True, start_seconds=0.0001, task_seconds=0.00005
    )

    def __init__(self, max_workers: int | None = None) -> None:
        self._limit = max_workers or DEFAULT_WORKERS

    def crew(self) -> Crew:
        return Crew(self._limit, depth=2, target_seconds=0.002, prefetch_below=0.004, name=self.name)

    def open(self, job: Job) -> None:
        self._job = job
        self._out: queue.SimpleQueue[Event | None] = queue.SimpleQueue()
        self._threads: dict[int, _Thread] = {}

    def hire(self, worker: int) -> None:
        self._threads[worker] = _Thread(worker, self._job, self._out)

    def dispatch(self, worker: int, batch: Batch) -> None:
        self._threads[worker].inbox.put(batch)

    def kill(self, worker: int) -> None:
        thread = self._threads.pop(worker)
        running = thread.running()
        thread.runner.flush()
        self._release(thread)
        self._out.put(Lost(worker, Death(cause="its thread was let go"), running))

    def retire(self, worker: int) -> None:
        self._release(self._threads.pop(worker))

    def memory(self) -> Mapping[int, int]:
        return {}  # all of them share this process's memory

    def running(self) -> Mapping[int, Sequence[Running]]:
        return {number: thread.running() for number, thread in list(self._threads.items())}

    def wait(self, timeout: float | None) -> Sequence[Event]:
        first = self._get(HARVEST if timeout is None else min(timeout, HARVEST))
        if first is None and (timeout is None or timeout > HARVEST):
            self._harvest()
            first = self._get(None if timeout is None else timeout - HARVEST) if not self._amid_batches() else None
        events = [] if first is None else [first]
        while not self._out.empty():
            if (event := self._out.get()) is not None:
                events.append(event)
        return events

    def wake(self) -> None:
        self._out.put(None)

    def close(self) -> None:
        for thread in self._threads.values():
            self._release(thread)
        deadline = time.monotonic() + GRACE
        for thread in self._threads.values():
            if thread.thread is not threading.current_thread():
                thread.thread.join(max(0.0, deadline - time.monotonic()))

    def _release(self, thread: _Thread) -> None:
        thread.let_go = thread.runner.stopped = True
        thread.inbox.put(None)

    def _get(self, timeout: float | None) -> Event | None:
        try:
            return self._out.get(timeout=timeout)
        except queue.Empty:
            return None

    def _harvest(self) -> None:
        for thread in list(self._threads.values()):
            if thread.page[OFFSET]:
                thread.runner.flush()

    def _amid_batches(self) -> bool:
        """Whether some thread may finish more results before its batch ends."""
        return any(thread.page[OFFSET] for thread in list(self._threads.values()))
