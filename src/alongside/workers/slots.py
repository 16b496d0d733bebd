"""Slots: coroutines side by side in one event loop.

Owns the asyncio tasks that take items as they become free, and what they finished. Lives in one event loop, whose
thread is the only one that touches the slots; `add` from elsewhere is passed on to it, and `finished` may be called
from anywhere, by one thread at a time. Must never block the loop, and never make an object per waiting item: an item is
taken when a slot is free for it.
"""

from __future__ import annotations

import asyncio
import contextvars
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from time import monotonic

from alongside.core.events import Finished
from alongside.core.model import Batch, Fault, Job, Part
from alongside.exceptions import TaskTimeout
from alongside.workers.runner import placed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, TypeAlias

GATHER = 0.002
"""Seconds that finished tasks may wait for company while other tasks are still to be started."""

TURN = 0.005
"""Seconds after which a slot gives the loop a turn before it takes the next item: a coroutine need not have awaited
anything, and whoever might send the others elsewhere would not come to it."""

_Done: TypeAlias = "tuple[int, int, Any, BaseException | None, float]"


class Slots:
    """Runs the tasks of batches, up to `limit` at once. `finished` gives outcomes; `changed` says there are some.

    `marked`, where given, awaits each coroutine in the slots' stead, and is told its batch and offset.
    """

    def __init__(self, job: Job, limit: int, marked: Callable[[int, int, Any], Awaitable[Any]] | None = None) -> None:
        self._limit = limit
        self._loop = asyncio.get_running_loop()
        self._todo: deque[tuple[int, int, Any]] = deque()
        self._done: list[_Done] = []
        self._slots: set[asyncio.Task[None]] = set()
        self._alarm: asyncio.TimerHandle | None = None
        self._turn = 0.0
        """When the next slot is to give the loop a turn."""
        self._surplus = 0
        """How many slots are to end, since there may be fewer."""
        self._context = contextvars.copy_context()
        self._call = self._how_to_call(job)
        self._marked = marked
        self._seed = job.seed
        self.changed = asyncio.Event()

    def add(self, batch: Batch) -> None:
        """Run the batch's tasks as slots become free. From any thread."""
        items = placed(self._seed, batch.start, batch.items)
        self._todo.extend((batch.id, offset, item) for offset, item in enumerate(items))
        self._loop.call_soon_threadsafe(self._fill)

    def put(self, batch: int, first: int, items: Sequence[Any]) -> None:
        """The same for tasks `first`, `first + 1`, … of a batch, from the loop itself."""
        self._todo.extend((batch, offset, item) for offset, item in enumerate(items, first))
        self._fill()

    @property
    def busy(self) -> bool:
        """Whether anything waits, runs, or is finished and was not asked for."""
        return bool(self._todo or self._slots or self._done)

    def resize(self, limit: int) -> None:
        """From now on up to so many at once; those that run go on. From any thread."""
        self._limit = limit
        self._surplus = max(0, len(self._slots) - limit)
        self._loop.call_soon_threadsafe(self._fill)

    def wake(self) -> None:
        """Set `changed`. From any thread."""
        self._loop.call_soon_threadsafe(self.changed.set)

    def finished(self, worker: int) -> list[Finished]:
        """What has finished since the last time: an event per batch, successes gathered into neighbouring stretches."""
        done = self._done[:]
        del self._done[: len(done)]  # not a new list: a slot may just be about to append to this one
        batches: dict[int, tuple[list[Part], list[Fault], list[float]]] = {}
        for batch, offset, value, error, took in sorted(done):  # no two have the same batch and offset
            parts, faults, times = batches.setdefault(batch, ([], [], []))
            times.append(took)
            if error is not None:
                faults.append(Fault(offset, error, took))
            elif parts and parts[-1].offset + len(parts[-1].values) == offset:
                parts[-1].values.append(value)
                parts[-1].seconds.append(took)  # type: ignore[union-attr]  # made here, as a list
            else:
                parts.append(Part(offset, [value], [took]))
        return [Finished(worker, batch, p, f, sum(times)) for batch, (p, f, times) in batches.items()]

    async def sleep(self, timeout: float | None) -> None:
        """Until something changed, or `timeout` seconds."""
        await rung(self.changed, timeout)

    def cancel(self) -> None:
        """Cancel what runs; drop what waits."""
        self._todo.clear()
        for slot in self._slots:
            slot.cancel()

    async def close(self) -> None:
        """Cancel what runs, and return when every coroutine has ended."""
        self._todo.clear()
        if self._alarm is not None:
            self._alarm.cancel()
        try:
            await end_tasks(list(self._slots))
        finally:
            self._let_go()

    def _let_go(self) -> None:
        if self._seed is not None:
            from alongside.workers import seeding

            seeding.exchange_back()
        del self._call  # it may hold this object, and the user's function

    # ------------------------------------------------------------------------------------------------ the slots

    def _fill(self) -> None:
        """Start a slot for each task that no free slot will take, up to the limit."""
        for _ in range(min(len(self._todo), self._limit - len(self._slots))):
            slot = self._loop.create_task(self._slot(), context=self._context.copy())
            self._slots.add(slot)
            slot.add_done_callback(self._leave)

    def _leave(self, slot: asyncio.Task[None]) -> None:
        """A slot has run dry. What came in between, when it was not yet known to be free, needs another one."""
        self._slots.discard(slot)
        self._fill()

    async def _slot(self) -> None:
        todo, done, call, clock, marked = self._todo, self._done, self._call, monotonic, self._marked
        while todo:
            if self._surplus:
                self._surplus -= 1
                return
            batch, offset, item = todo.popleft()
            began = clock()
            value: Any = None
            error: BaseException | None = None
            try:
                value = await (call(item) if marked is None else marked(batch, offset, call(item)))
            except asyncio.CancelledError as cancelled:
                if (task := asyncio.current_task()) is not None and task.cancelling():
                    raise
                error = cancelled
            except BaseException as raised:
                error = raised
            done.append((batch, offset, value, error, (ended := clock()) - began))
            if self._alarm is None or not todo:
                self._announce()
            if ended > self._turn:
                self._turn = ended + TURN
                await asyncio.sleep(0)

    def _announce(self) -> None:
        """Say that something changed: at once when slots run dry, else when a few outcomes have come together."""
        if not self._todo:
            self.changed.set()
        elif self._alarm is None:
            self._alarm = self._loop.call_later(GATHER, self._ring)

    def _ring(self) -> None:
        self._alarm = None
        self.changed.set()

    # ------------------------------------------------------------------------------------------- how to call

    def _how_to_call(self, job: Job) -> Callable[[Any], Awaitable[Any]]:
        call = _starred(job.fn, job.star)
        if job.seed is not None:
            from alongside.workers import seeding

            seeding.exchange(job.fn)
            call = seeding.side_by_side(call, job.seed)
        return call if job.timeout is None else _limited(call, job.timeout)


async def end_tasks(tasks: Sequence[asyncio.Task[Any]]) -> None:
    """Cancel them, and return when they have ended. If this is cancelled meanwhile, it raises that after them."""
    for task in tasks:
        task.cancel()
    cancelled: asyncio.CancelledError | None = None
    while running := [task for task in tasks if not task.done()]:
        try:
            await asyncio.wait(running)
        except asyncio.CancelledError as error:
            cancelled = error
    for task in tasks:
        if not task.cancelled():
            task.exception()  # it has been seen: the loop need not complain of it
    if cancelled is not None:
        raise cancelled


async def rung(bell: asyncio.Event, timeout: float | None) -> None:
    """Wait until the bell has been rung, or `timeout` seconds; then it is as if it had not been."""
    if timeout is not None and timeout <= 0:
        await asyncio.sleep(0)
    elif not bell.is_set():
        alarm = None if timeout is None else asyncio.get_running_loop().call_later(timeout, bell.set)
        try:
            await bell.wait()
        finally:
            if alarm is not None:
                alarm.cancel()
    bell.clear()


def _starred(fn: Callable[..., Awaitable[Any]], star: bool) -> Callable[[Any], Awaitable[Any]]:
    return (lambda item: fn(*item)) if star else fn


def _limited(call: Callable[[Any], Awaitable[Any]], timeout: float) -> Callable[[Any], Awaitable[Any]]:
    async def limited(item: Any) -> Any:
        scope = asyncio.timeout(timeout)
        try:
            async with scope:
                return await call(item)
        except TimeoutError:
            if scope.expired():
                raise TaskTimeout(timeout) from None
            raise

    return limited
