"""asyncio: one event loop, many coroutines waiting side by side.

Owns nothing but its slots (workers/slots.py), which live in the event loop of the driver. Must never import asyncio
before it is used: runs of ordinary functions consider this backend too, and that import costs 40 ms.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar

from alongside.core.events import Blocked, Crew, Event, Lost, Unfit
from alongside.core.lanes import SLOTS
from alongside.core.model import Batch, Death, Job, Running
from alongside.core.ports import Capabilities

if TYPE_CHECKING:
    from alongside.workers.loopwatch import Place
    from alongside.workers.slots import Slots


class AsyncioBackend:
    """One worker with many slots. An ordinary function is run in threads, so that it does not block the loop."""

    name: ClassVar[str] = "asyncio"
    capabilities: ClassVar[Capabilities] = Capabilities(
        overlaps_waiting=True,
        cancellable=True,
        runs_coroutines_together=True,
        in_event_loop=True,
        grows_to=1000,
        task_seconds=0.00001,
    )
    _slots: Slots

    def __init__(self, max_workers: int | None = None) -> None:
        self._limit = max_workers or SLOTS

    def crew(self) -> Crew:
        return Crew(1, slots=max(self._limit, 2), watches_timeout=True, name=self.name)

    def open(self, job: Job) -> None:
        from alongside.workers.loopwatch import LoopWatch
        from alongside.workers.slots import Slots

        self._job = job
        self._slots = Slots(job, self._limit)
        self._watch = LoopWatch(self._kept) if job.coroutine else None
        self._events: list[Event] = []
        self._worker = 0

    def hire(self, worker: int) -> None:
        self._worker = worker
        if self._job.initializer is None:
            return
        try:
            self._job.initializer(*self._job.initargs)
        except Exception as error:
            self._events.append(Unfit(worker, error))
            self.wake()

    def dispatch(self, worker: int, batch: Batch) -> None:
        self._slots.add(batch)

    def resize(self, worker: int, slots: int) -> None:
        self._slots.resize(slots)

    def kill(self, worker: int) -> None:
        self._slots.cancel()
        self._events.append(Lost(worker, Death(cause="its coroutines were cancelled"), blameless=True))
        self.wake()

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
        return [*events, *self._slots.finished(self._worker)]

    def wake(self) -> None:
        self._slots.wake()

    def close(self) -> None:
        raise NotImplementedError("this backend lives in an event loop: use close_async")

    def _kept(self, place: Place, seconds: float) -> None:
        self._events.append(Blocked(self._worker, *place, seconds))
        self.wake()

    async def close_async(self) -> None:
        if self._watch is not None:
            self._watch.close()
        await self._slots.close()
