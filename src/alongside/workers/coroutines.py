"""The event loop of a worker process: many coroutines side by side, and the parent's frames in between.

Owns the loop of one job, its slots, and what the page says while they run. Must never schedule: batches run in the
order in which they came. `asyncio` is loaded here and in no other module that each worker loads.

Guarantees
  - The page names the coroutine whose code is being run, since when its attempt runs (SINCE) and since when it has not
    let the loop go (STEP); nothing is in hand while all of them wait. A crash is charged to the one that is named.
  - What is finished is handed over within two ticks of the ticker (child.py), also while a coroutine blocks the loop.
  - A child that a task forks ends where that task first waits or returns: the loop is not the child's.
Why each step is marked, and not each call: of a hundred coroutines that were begun only one can be what ended the
worker. It costs half a microsecond per step.
"""

from __future__ import annotations

import _pickle
import asyncio
import threading
from _thread import allocate_lock, get_ident
from collections.abc import Awaitable, Callable, Generator, Sequence
from time import monotonic_ns
from types import coroutine

from alongside.clocks import run_delay
from alongside.core.model import Job
from alongside.light import Protocol
from alongside.workers.channel import BLOCKED, END, Channel, Frame
from alongside.workers.eventloop import new_loop
from alongside.workers.loopwatch import LONG, Place, at_work
from alongside.workers.page import FIELDS, ToldPage
from alongside.workers.runner import BATCH, OFFSET, SINCE, STEP
from alongside.workers.slots import Slots

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

MOMENT = 5_000_000
"""Nanoseconds that a coroutine keeps the loop from which on the parent is told of it, where it cannot read the page."""


class Emitter(Protocol):
    """The worker: what sends results and frames to the parent."""

    def emit(self, batch: int, stretches: list[Any], broken: list[Any], seconds: float) -> None: ...

    def send(self, frame: Frame) -> None: ...


class Coroutines:
    """Runs batches of coroutines, up to `job.slots` at once. Made, run and closed in the worker's main thread."""

    def __init__(self, job: Job, worker: Emitter, page: Any) -> None:
        self._emit = worker.emit
        self._send = worker.send
        self._thread, self._number = get_ident(), threading.get_native_id()
        self._delayed = 0, 0.0
        self._keeps: tuple[int, Place, int] | None = None
        """Since when a coroutine has kept the loop, where, and until when at least."""
        self._told = page if isinstance(page, ToldPage) else None
        self._page = [0] * FIELDS if self._told else page  # to tell of each step would cost a message each
        self._lock = allocate_lock()
        self._runner = asyncio.Runner(loop_factory=new_loop)
        self._slots: Slots = self._runner.run(_slots(job, self._marked))
        self.forsaken: Callable[[], None] | None = None

    @property
    def busy(self) -> bool:
        """Whether there may be something to hand over before the next batch comes."""
        return self._slots.busy

    def run(self, batch: int, offset: int, items: Sequence[Any]) -> None:
        """Run `items`, which are tasks `offset`, `offset + 1`, … of the batch, as slots become free."""
        self._slots.put(batch, offset, items)

    def serve(self, channel: Channel, obey: Callable[[list[Frame]], bool]) -> bool:
        """Run the loop until the parent ends the job; False when it is gone."""
        rest = self._runner.run(self._serve(channel, obey))
        return rest is not None and obey(rest)

    def flush(self) -> None:
        """Hand over what is finished; from any thread."""
        with self._lock:
            if self._told is not None:
                self._tell(self._told)
            self._look_on()
            for done in self._slots.finished(0):
                stretches = [(part.offset, part.values, part.seconds) for part in done.parts]
                broken = [(fault.offset, fault.exception, fault.seconds) for fault in done.faults]
                self._emit(done.batch, stretches, broken, done.seconds)

    def flush_amid(self) -> None:
        """The same: what the ticker asks for while there is something to do."""
        self.flush()

    def _look_on(self) -> None:
        """Note which coroutine keeps the loop for long; tell the parent where and how long, once it does no more."""
        offset, step, now = self._page[OFFSET], self._page[STEP], monotonic_ns()
        if self._keeps is not None and (not offset or step != self._keeps[0]):
            (_, place, until), since = self._keeps, self._keeps[0]
            self._keeps = None
            self._send(Frame(BLOCKED, body=_pickle.dumps((*place, (until - since) * 1e-9), 5)))
        if offset and now - step > 0.2 * LONG * 1e9 and now - step - self._without_cpu(step) > LONG * 1e9:
            found = self._keeps[1] if self._keeps is not None else at_work(self._thread)[1]
            self._keeps = (step, found, now) if found is not None else None

    def _without_cpu(self, step: int) -> float:
        """Nanoseconds for which the loop's thread had no CPU, since this was first asked of a step."""
        delay = run_delay(self._number) * 1e9
        if self._delayed[0] != step:
            self._delayed = step, delay
        return delay - self._delayed[1]

    def _tell(self, page: ToldPage) -> None:
        """Tell of a coroutine that keeps the loop for long, and when it does no more."""
        offset, long = self._page[OFFSET], monotonic_ns() - self._page[STEP] > MOMENT
        if offset and long:
            page[BATCH], page[SINCE], page[STEP] = self._page[BATCH], self._page[SINCE], self._page[STEP]
            page[OFFSET] = offset
        elif page[OFFSET]:
            page[OFFSET] = 0

    def forsake(self) -> None:
        """In a child that a task forked: end it where the task lets the loop go."""
        self._lock = allocate_lock()
        self.forsaken = self.flush

    def close(self) -> bool:
        """End what is left in the loop; False where a thread, of its executor say, may still be at work for a task.

        Why not waited for: such a thread may never end, and the next run may be waiting for this worker.
        """
        if threading.active_count() > 1:
            return False
        self._runner.run(self._slots.close())
        self._runner.close()
        return True

    async def _serve(self, channel: Channel, obey: Callable[[list[Frame]], bool]) -> list[Frame] | None:
        """Deal with frames as they come; those from the job's end on are for after the loop."""
        loop = asyncio.get_running_loop()
        over: asyncio.Future[list[Frame] | None] = loop.create_future()

        def hear() -> None:
            try:
                frames = channel.receive()
                end = next((place for place, frame in enumerate(frames) if frame.kind == END), len(frames))
                going_on = obey(frames[:end])
                if (not going_on or end < len(frames)) and not over.done():
                    over.set_result(frames[end:] if going_on else None)
            except BaseException as error:
                over.set_exception(error)

        loop.add_reader(channel.fileno(), hear)
        handing_over = loop.create_task(self._hand_over())
        try:
            return await over
        finally:
            loop.remove_reader(channel.fileno())
            handing_over.cancel()

    async def _hand_over(self) -> None:
        while True:
            await self._slots.changed.wait()
            self._slots.changed.clear()
            self.flush()

    @coroutine
    def _marked(self, batch: int, offset: int, awaitable: Awaitable[Any]) -> Generator[Any, Any, Any]:
        """Await it, and write to the page when its code is run."""
        page, steps, began = self._page, awaitable.__await__(), monotonic_ns()
        step, given = steps.send, None
        while True:
            page[BATCH], page[SINCE], page[STEP] = batch, began, monotonic_ns()
            page[OFFSET] = offset + 1
            try:
                waits_for = step(given)
            except StopIteration as done:
                return done.value
            finally:
                if self.forsaken is not None:
                    self._end_child(batch, offset)
                page[OFFSET] = 0
            try:
                step, given = steps.send, (yield waits_for)
            except BaseException as thrown:
                step, given = steps.throw, thrown

    def _end_child(self, batch: int, offset: int) -> None:
        """End a child that a task has forked, as a process of its own would end here."""
        import sys

        error = sys.exception()
        broken = [] if error is None or isinstance(error, StopIteration) else [(offset, error, 0.0)]
        self._emit(batch, [], broken, 0.0)


async def _slots(job: Job, marked: Any) -> Slots:
    return Slots(job, job.slots, marked)
