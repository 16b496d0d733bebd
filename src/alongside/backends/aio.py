"""asyncio: one event loop, many coroutines waiting side by side.

Owns nothing but its slots (workers/slots.py), which live in the event loop of the driver, or, for an ordinary function,
the threads in their place. Must never import asyncio before it is used: runs of ordinary functions consider this
backend too, and that import costs 40 ms.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from time import thread_time

from alongside.backends import declared
from alongside.core.events import Begun, Blocked, Crew, Event, Lost, Returned, Unfit
from alongside.core.lanes import SLOTS
from alongside.core.model import Batch, Death, Job, Running
from alongside.core.ports import Capabilities
from alongside.workers.threadpool import ThreadPool

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import ClassVar

    from alongside.workers.loopwatch import Place
    from alongside.workers.slots import Slots


class AsyncioBackend:
    """One worker with many slots. An ordinary function is run in threads, so that it does not block the loop."""

    name: ClassVar[str] = "asyncio"
    capabilities: ClassVar[Capabilities] = declared.ASYNCIO
    _slots: Slots | _Threads

    def __init__(self, max_workers: int | None = None) -> None:
        self._limit = max_workers or SLOTS

    def crew(self) -> Crew:
        return Crew(1, slots=max(self._limit, 2), watches_timeout=True, recalls=True, name=self.name)

    def open(self, job: Job) -> None:
        from alongside.workers.loopwatch import LoopWatch
        from alongside.workers.slots import Slots

        self._job = job
        self._events: list[Event] = []
        self._worker = 0
        self._computed = thread_time()
        if job.coroutine:
            self._slots = Slots(job, self._limit, begun=self._begun)
        else:
            self._slots = _Threads(job, self._limit, self._unfit)
        self._watch = LoopWatch(self._kept) if job.coroutine else None

    def hire(self, worker: int) -> None:
        self._worker = worker
        if self._job.initializer is None or not self._job.coroutine:  # threads each call it themselves
            return
        try:
            self._job.initializer(*self._job.initargs)
        except Exception as error:
            self._unfit(error)

    def dispatch(self, worker: int, batch: Batch) -> None:
        self._slots.add(batch)

    def resize(self, worker: int, slots: int) -> None:
        self._slots.resize(slots)

    def recall(self, worker: int) -> None:
        self._slots.recall()

    def kill(self, worker: int) -> None:
        self._slots.cancel()
        self._events.append(Lost(worker, Death(cause="its coroutines were cancelled"), blameless=True))
        self.wake()

    @property
    def under_way(self) -> int:
        """How many coroutines are begun and have not ended."""
        return self._slots.under_way

    def retire(self, worker: int) -> None:
        """There is nothing to let go of: the next worker is this loop again."""

    def memory(self) -> Mapping[int, int]:
        return {}  # all of them share this process's memory

    def running(self) -> Mapping[int, Sequence[Running]]:
        return {}

    def wait(self, timeout: float | None) -> Sequence[Event]:
        raise NotImplementedError("this backend lives in an event loop: use wait_async")

    async def wait_async(self, timeout: float | None) -> Sequence[Event]:
        await self._slots.sleep(timeout)
        events, self._events = self._events, []
        finished: list[Event] = [*self._slots.finished(self._worker)]
        if finished:
            computed, self._computed = self._computed, thread_time()
            finished[0] = finished[0]._replace(busy=self._computed - computed)  # type: ignore[call-arg]
        if stretches := self._slots.returned():
            finished.append(Returned(self._worker, stretches))
        return [*events, *finished]

    def wake(self) -> None:
        self._slots.wake()

    def close(self) -> None:
        raise NotImplementedError("this backend lives in an event loop: use close_async")

    def _begun(self, under_way: int, seconds: float) -> None:
        self._events.append(Begun(self._worker, under_way, seconds))
        self.wake()

    def _kept(self, place: Place, seconds: float) -> None:
        self._events.append(Blocked(self._worker, *place, seconds))
        self.wake()

    def _unfit(self, error: BaseException) -> None:
        self._events.append(Unfit(self._worker, error))
        self.wake()

    async def close_async(self) -> None:
        if self._watch is not None:
            self._watch.close()
        await self._slots.close()


class _Threads:
    """What the slots are for coroutines, threads are for an ordinary function: it would block the loop.

    Why not the loop's executor: nothing can end a thread, and whoever closes an executor waits for it. The pool lets
    its threads go.
    """

    def __init__(self, job: Job, limit: int, unfit: Callable[[BaseException], None]) -> None:
        import asyncio

        self._loop = asyncio.get_running_loop()
        self._bell = asyncio.Event()
        self._pool = ThreadPool(job, limit, self.wake, unfit)
        self.add, self.resize, self.finished = self._pool.add, self._pool.resize, self._pool.finished
        self.recall, self.returned = self._pool.recall, self._pool.returned
        self.cancel = self._pool.let_go

    @property
    def under_way(self) -> int:
        return self._pool.under_way

    def wake(self) -> None:
        try:
            self._loop.call_soon_threadsafe(self._bell.set)
        except RuntimeError:
            return  # the loop has been closed: nobody listens any more

    async def sleep(self, timeout: float | None) -> None:
        from alongside.workers.slots import rung

        self._pool.staff()
        await rung(self._bell, self._pool.patience(timeout))
        self._pool.expire()

    async def close(self) -> None:
        """Let the threads go; the loop goes on while those are waited for that are about to end."""
        from alongside.workers.errands import Errands

        self._pool.let_go()
        await Errands().finish(self._pool.close, lambda: None)
