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
from alongside.core.model import Batch, Job
from alongside.exceptions import TaskTimeout
from alongside.workers.inloop import InLoop
from alongside.workers.runner import placed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

GATHER = 0.002
"""Seconds that finished tasks may wait for company while other tasks are still to be started."""

TURN = 0.005
"""Seconds after which a slot gives the loop a turn before it takes the next item: a coroutine need not have awaited
anything, and whoever might send the others elsewhere would not come to it. Slots are begun as many at a time as take
no longer than this."""


class Slots:
    """Runs the tasks of batches, up to `limit` at once. `finished` gives outcomes; `changed` says there are some.

    `marked`, where given, awaits each coroutine in the slots' stead, and is told its batch and offset. `begun`, where
    given, is told how many wait side by side when all slots there may be have been begun, and how many seconds it took
    to begin those that are new.

    Why slots are begun one, two, four at a time, with a turn of the loop in between: where the first ones do not await
    anything the others would gain nothing, and what nobody has begun can still be given back.
    """

    def __init__(
        self,
        job: Job,
        limit: int,
        marked: Callable[[int, int, Any], Awaitable[Any]] | None = None,
        begun: Callable[[int, float], None] | None = None,
    ) -> None:
        self._limit = limit
        self._loop = asyncio.get_running_loop()
        self._arrived: deque[InLoop] = deque()
        self._todo: deque[InLoop] = deque()
        self._fresh: deque[InLoop] = deque()
        """Batches of which something has finished that nobody has fetched."""
        self._returned: list[tuple[int, int, int]] = []
        self._slots: set[asyncio.Task[None]] = set()
        self._alarm: asyncio.TimerHandle | None = None
        self._turn = 0.0
        """When the next slot is to give the loop a turn."""
        self._resting = 0
        """Slots that give the loop a turn just now, and wait for nothing else."""
        self._few, self._filling = 1, False
        """How many slots are begun at a time, and whether some just are."""
        self._since = self._spent = 0.0
        self._begun, self._told = begun, 0
        self._surplus = 0
        """How many slots are to end, since there may be fewer."""
        self._context = contextvars.copy_context()
        self._call = self._how_to_call(job)
        self._marked = marked
        self._seed = job.seed
        self.changed = asyncio.Event()

    def add(self, batch: Batch) -> None:
        """Run the batch's tasks as slots become free. From any thread."""
        self._arrived.append(InLoop(batch.id, 0, placed(self._seed, batch.start, batch.items)))
        self._loop.call_soon_threadsafe(self._fill)

    def put(self, batch: int, first: int, items: Sequence[Any]) -> None:
        """The same for tasks `first`, `first + 1`, … of a batch, from the loop itself."""
        self._todo.append(InLoop(batch, first, items))
        self._fill()

    @property
    def under_way(self) -> int:
        """How many slots have a task in hand."""
        return len(self._slots) - self._resting

    @property
    def busy(self) -> bool:
        """Whether anything waits, runs, or is finished and was not asked for."""
        return bool(self._arrived or self._todo or self._slots or self._fresh)

    def resize(self, limit: int) -> None:
        """From now on up to so many at once; those that run go on. From any thread."""
        self._limit = limit
        self._surplus = max(0, len(self._slots) - limit)
        self._loop.call_soon_threadsafe(self._fill)

    def recall(self) -> None:
        """Give up what no slot has begun: `returned` has it soon. From any thread."""
        self._loop.call_soon_threadsafe(self._give_up)

    def returned(self) -> Sequence[tuple[int, int, int]]:
        """What was given up since the last time: of each batch, from which offset to before which."""
        returned, self._returned = self._returned, []
        return returned

    def wake(self) -> None:
        """Set `changed`. From any thread."""
        self._loop.call_soon_threadsafe(self.changed.set)

    def finished(self, worker: int) -> list[Finished]:
        """What has finished since the last time: an event per batch, successes gathered into neighbouring stretches."""
        return [self._fresh.popleft().fetched(worker) for _ in range(len(self._fresh))]

    async def sleep(self, timeout: float | None) -> None:
        """Until something changed, or `timeout` seconds."""
        await rung(self.changed, timeout)

    def cancel(self) -> None:
        """Cancel what runs; drop what waits."""
        self._drop()
        for slot in self._slots:
            slot.cancel()

    async def close(self) -> None:
        """Cancel what runs, and return when every coroutine has ended."""
        self._drop()
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
        self._begun = None

    # ------------------------------------------------------------------------------------------------ the slots

    def _fill(self) -> None:
        """Begin a few more slots where tasks wait that no free slot will take, up to the limit."""
        while self._arrived:
            self._todo.append(self._arrived.popleft())
        room = self._limit - len(self._slots)
        if self._filling or room <= 0 or not self._todo:
            return
        few = min(room, self._few, sum(batch.waiting for batch in self._todo))
        if few:
            self._filling = True
            self._loop.call_soon(self._begin_to_fill)
            for _ in range(few):
                slot = self._loop.create_task(self._slot(), context=self._context.copy())
                self._slots.add(slot)
                slot.add_done_callback(self._leave)
            self._loop.call_soon(self._filled, few)

    def _begin_to_fill(self) -> None:
        self._since = monotonic()

    def _filled(self, few: int) -> None:
        """These slots have had their first turn. Where those that there are wait for something, more are begun."""
        took = monotonic() - self._since
        self._spent += took
        if 2 * self._resting > len(self._slots) and self._todo:
            self._since += took
            self._loop.call_soon(self._filled, few)
            return
        self._filling = False
        self._few = max(1, min(2 * few, int(few * TURN / took))) if took > 0.0 else 2 * few
        self._fill()
        if self._filling or self._begun is None:
            return
        if len(self._slots) >= self._limit != self._told:
            spent, self._spent, self._told = self._spent, 0.0, self._limit
            self._begun(self.under_way, spent)

    def _leave(self, slot: asyncio.Task[None]) -> None:
        """A slot has run dry. What came in between, when it was not yet known to be free, needs another one."""
        self._slots.discard(slot)
        self._fill()
        if not self._slots:
            self.changed.set()

    async def _slot(self) -> None:
        todo, call, clock, marked = self._todo, self._call, monotonic, self._marked
        ended = clock()  # that a task has ended is when the next one begins
        while todo:
            if self._surplus:
                self._surplus -= 1
                return
            batch = todo[0]
            keep, ends_at, lasted = batch.values.append, batch.offsets.append, batch.seconds.append
            for offset, item in batch.pairs:
                began = ended
                try:
                    keep(await (call(item) if marked is None else marked(batch.id, offset, call(item))))
                    ends_at(offset)
                    ended = clock()
                    lasted(ended - began)
                except BaseException as error:
                    if _ends_the_slot(error):
                        raise
                    ended = clock()
                    batch.fail(offset, error, ended - began)
                if not batch.fresh:
                    self._tell_of(batch)
                if self._surplus or ended > self._turn:  # type: ignore[redundant-expr]  # it may change meanwhile
                    break
            else:
                if todo and todo[0] is batch:
                    todo.popleft()
                continue
            if not self._surplus:
                await self._rest()
                ended = clock()
        self.changed.set()

    async def _rest(self) -> None:
        """Give the loop a turn, and whoever waits for outcomes the first of it."""
        self.changed.set()
        self._turn = monotonic() + TURN
        self._resting += 1
        try:
            await asyncio.sleep(0)
        finally:
            self._resting -= 1

    def _tell_of(self, batch: InLoop) -> None:
        """Something of the batch has finished. That is said when a few outcomes have come together."""
        batch.fresh = True
        self._fresh.append(batch)
        if self._alarm is None:
            self._alarm = self._loop.call_later(GATHER, self._ring)

    def _ring(self) -> None:
        self._alarm = None
        self.changed.set()

    def _give_up(self) -> None:
        waiting = [*self._todo, *self._arrived]
        self._returned += [stretch for batch in waiting if (stretch := batch.given_up())]
        self._drop()
        self.changed.set()

    def _drop(self) -> None:
        self._arrived.clear()
        self._todo.clear()

    # ------------------------------------------------------------------------------------------- how to call

    def _how_to_call(self, job: Job) -> Callable[[Any], Awaitable[Any]]:
        call = _starred(job.fn, job.star)
        if job.seed is not None:
            from alongside.workers import seeding

            seeding.exchange(job.fn)
            call = seeding.side_by_side(call, job.seed)
        return call if job.timeout is None else _limited(call, job.timeout)


def _ends_the_slot(error: BaseException) -> bool:
    """Whether it is the slot that is to end, not a task of it that has raised."""
    if isinstance(error, asyncio.CancelledError):
        task = asyncio.current_task()
        return task is not None and task.cancelling() > 0
    return isinstance(error, GeneratorExit)


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
