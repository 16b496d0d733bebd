"""Runs batches, one task after another; the same code in the calling thread, in threads and in worker processes.

Owns the loop around the user's function, the stopwatch, and what is finished but not handed over yet. Must never
schedule, retry or know where its results go: they leave through `emit`.
"""

from __future__ import annotations

import sys
from _thread import allocate_lock
from time import monotonic_ns
from types import CoroutineType

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from typing import Any, Protocol, TypeAlias

    class Page(Protocol):
        """Numbers by place: a list, a slot of shared memory, or one that tells of its changes."""

        def __getitem__(self, field: int, /) -> int: ...

        def __setitem__(self, field: int, value: int, /) -> None: ...

    class Items(Protocol):
        """What is run through: most often a list."""

        def __len__(self) -> int: ...

        def __iter__(self) -> Iterator[Any]: ...

    Stretch: TypeAlias = tuple[int, list[Any], float | list[float]]
    Broken: TypeAlias = tuple[int, BaseException, float]
    Emit: TypeAlias = Callable[[int, list[Stretch], list[Broken], float], None]

TIMED_FROM = 20_000
"""Nanoseconds a task must take for each to be timed on its own; below it a batch's mean is reported, since reading the
clock would cost several per cent. Those that were below are timed again from twice as long: where the two meet a
stretch ends, and each stretch is sent, and dealt with, apart."""

PORTION, MOST = 200_000, 512
"""Nanoseconds that the tasks taken from a batch at one go should last, and how many they are at most: of those whose
mean is reported, so many may turn out to be of another kind before they are timed on their own."""

LONG = 1_000_000
"""Nanoseconds that what was taken at one go has taken from which it is taking long."""

HAND_OVER, AT_LEISURE = 9_500_000, 27_000_000
"""Nanoseconds after which finished results are handed over though their batch goes on, and after which they are where
nobody looks at one before all are there: somewhat longer than a batch is made to last then (core/batching.py), or most
would be sent back in pieces. Each piece costs the parent 0.15 ms of a CPU, which workers are without: up to 5 % of a
run of brief tasks on two CPUs (measured)."""

STEADY: bool = getattr(sys, "_is_gil_enabled", lambda: True)()
"""Whether there is a GIL: an iterator of C code gives each item once though two threads ask it, and threads that
compute take turns."""

OFFSET, BATCH, SINCE, STEP = range(4)
"""The page: what is in hand (offset + 1; 0: nothing), of which batch, since when (monotonic nanoseconds); of a
coroutine also since when it has not let its loop go."""


class Runner:
    """Runs one batch at a time.

    Guarantees: `page` names the task in hand before the function is called and until its result was emitted; every
    task's result or exception is emitted once; `flush` may be called from another thread at any time.
    Assumes: a list's append, length and slice deletion are each atomic (they are, with the GIL and without it). With
    the GIL so is making a list of what an iterator over a list or a range has left.
    Why not a lock around each task: it would cost more than a small task itself. Tasks are taken from the batch some at
    a time, which is where the lock is: what was not taken can be `shed`. So can those taken that were not begun: the
    loop then finds its iterator at its end.
    """

    def __init__(
        self,
        call: Callable[[Any], Any],
        emit: Emit,
        page: Page,
        always_timed: bool = False,
        passes: tuple[type[BaseException], ...] = (),
        hand_over: int = HAND_OVER,
    ) -> None:
        self._hand_over = hand_over
        self._call = call
        self._emit = emit
        self._page = page
        self._always_timed = always_timed
        self._passes = passes
        self._each = PORTION  # until something is known
        self._lock = allocate_lock()
        self._stretches: list[Stretch] = []
        self._broken: list[Broken] = []
        self._values: list[Any] = []
        self._times: list[float] | None = None
        self._apart, self._opened_at = True, 0
        self._calling = self._called = call
        self._sharing = allocate_lock()
        self._items: Any = ()
        self._rest: Iterator[Any] = iter(())
        """What was taken and is not begun."""
        self._batch = self._offset = self._taken = self._end = 0
        """The batch, the offset of its first item here, how many items were taken, and behind which none is."""
        self._first = 0
        self._emitted_at = self._begun_at = 0
        self.stopped = False

    def run(self, batch: int, offset: int, items: Items) -> None:
        """Run `items`, which are tasks `offset`, `offset + 1`, … of the batch. They may bring their own function."""
        page = self._page
        self._called, items = getattr(items, "brought", None) or (self._call, items)
        self._calling = self._look
        if page[BATCH] != batch:
            page[OFFSET] = 0
            page[BATCH] = batch
        self._emitted_at = page[SINCE] = monotonic_ns()
        with self._sharing:
            self._items, self._batch, self._offset, self._taken, self._end = items, batch, offset, 0, len(items)
        self._open_stretch(offset)
        while not self.stopped and self._run_some():
            pass
        self.flush()
        self._calling = self._called = self._call
        self._items, self._rest = (), iter(())
        page[OFFSET] = 0

    def shed(self) -> tuple[int, int, int]:
        """Give up what was not begun yet: its batch, the offset of the first and the one behind the last. From another
        thread; of a runner whose items are lists and ranges.
        """
        with self._sharing:
            if STEADY:
                self._taken -= len(list(self._rest))
            first, end = self._taken, self._end
            self._end = first
            return self._batch, self._offset + first, self._offset + end

    @property
    def busy(self) -> bool:
        """Whether a task is in hand."""
        return self._page[OFFSET] != 0

    def close(self) -> None:
        """It runs nothing more: let go of the function."""
        self._call = self._calling = self._called = self._emit = _nothing

    def flush(self) -> None:
        """Hand over what is finished; from any thread."""
        with self._lock:
            self._close_stretch()
            stretches, self._stretches = self._stretches, []
            broken, self._broken = self._broken, []
            if stretches or broken:
                now = monotonic_ns()
                spent, self._emitted_at = now - self._emitted_at, now
                self._emit(self._page[BATCH], stretches, broken, spent * 1e-9)

    def flush_amid(self) -> None:
        """Hand over what is finished while a task takes long; from another thread.

        Does nothing while tasks are brief: the loop hands over by itself, most often together with a batch's end.
        """
        now = monotonic_ns()
        if now - self._begun_at >= LONG and now - self._emitted_at >= self._hand_over // 2:
            self.flush()

    def seize(self, since: int) -> int | None:
        """Run nothing more after the task in hand, and emit nothing of it; its offset. From another thread.

        None, and nothing is done, where the task that was in hand since then (monotonic nanoseconds) has come back.
        """
        self.flush()
        with self._lock:
            offset = self._first + len(self._values)
            if self._page[OFFSET] != offset + 1 or self._page[SINCE] != since:
                return None
            self.stopped = True
            self._emit = _nothing
            return offset

    def forsake(self) -> None:
        """In a child that a task forked: run nothing after that task, and take over no lock another thread held."""
        self.stopped = True
        self._lock, self._sharing = allocate_lock(), allocate_lock()
        list(self._rest)

    def _run_some(self) -> bool:
        """Run the next few tasks; False where there are none."""
        first, todo = self._next()
        if todo is None:
            return False
        begun = self._begun_at = monotonic_ns()
        if begun >= self._emitted_at + self._hand_over:
            self.flush()
        try:
            self._run_from(todo, first)
        except self._passes:
            raise
        except BaseException as error:
            failed = self._page[OFFSET] - 1
            self._break(error, failed)
            with self._sharing:
                self._taken, self._rest = failed + 1 - self._offset, iter(())
        else:
            each = (monotonic_ns() - begun) // max(1, self._page[OFFSET] - first)
            lone = first == self._offset  # the first of its batch comes after a pause, and tells less
            self._each = (3 * self._each + each) // 4 if lone else each
        return True

    def _look(self, item: Any) -> Any:
        """The first call of a batch. Where an ordinary function gives a coroutine (`lambda url: fetch(url)`), it is run
        to its end here, as are those of the calls that follow.
        """
        call = self._called
        value = call(item)
        if type(value) is not CoroutineType:
            self._calling = call
            return value
        self._calling = lambda item: ended(call(item))
        return ended(value)

    def _next(self) -> tuple[int, Iterable[Any] | None]:
        """The offset of the next task, and the tasks to be run from there; the first comes alone (`_look`)."""
        portion = max(1, min(MOST, PORTION // (self._each or 1))) if self._taken else 1
        with self._sharing:
            first, end = self._taken, min(self._taken + portion, self._end)
            self._taken = end
            if end == first:
                return self._offset + first, None
            todo = self._rest = iter(self._items if end - first == len(self._items) else self._items[first:end])
        return self._offset + first, todo

    def _run_from(self, todo: Iterable[Any], offset: int) -> None:
        timed = self._apart = self._always_timed or self._each >= (TIMED_FROM if self._apart else 2 * TIMED_FROM)
        if timed != (self._times is not None):
            with self._lock:
                self._close_stretch()
                self._times = [] if timed else None
        if timed:
            self._timed(todo, offset)
        else:
            self._plain(todo, offset)

    def _plain(self, todo: Iterable[Any], offset: int) -> None:
        call, page, values = self._calling, self._page, self._values
        for item in todo:
            offset += 1
            page[OFFSET] = offset
            values.append(call(item))

    def _timed(self, todo: Iterable[Any], offset: int) -> None:
        page, times = self._page, self._times
        assert times is not None
        before = monotonic_ns()
        flush_at = self._emitted_at + self._hand_over
        for number, item in enumerate(todo, offset + 1):
            page[SINCE] = before
            page[OFFSET] = number
            self._values.append(self._calling(item))
            after = monotonic_ns()
            times.append((after - before) * 1e-9)
            before = after
            if self.stopped:
                return
            if after >= flush_at:
                self.flush()
                flush_at = after + self._hand_over

    def _open_stretch(self, first: int) -> None:
        self._first, self._values, self._times = first, [], None
        self._opened_at = monotonic_ns()

    def _close_stretch(self) -> None:
        values, times = self._values, self._times
        count = len(values) if times is None else len(times)
        if not count:
            return
        done = values[:count]
        del values[:count]
        seconds: float | list[float]
        opened_at, self._opened_at = self._opened_at, monotonic_ns()
        if times is None:
            seconds = (self._opened_at - opened_at) * 1e-9 / count
        else:
            seconds = times[:count]
            del times[:count]
        self._keep((self._first, done, seconds))
        self._first += count

    def _keep(self, stretch: Stretch) -> None:
        """Join what follows the last one: each is sent, and dealt with, apart."""
        first, values, seconds = stretch
        before, kept, took = self._stretches[-1] if self._stretches else (first, [], 0.0)
        if not kept or before + len(kept) != first:
            self._stretches.append(stretch)
            return
        times = apiece(len(kept), took)
        times += apiece(len(values), seconds)
        kept += values
        self._stretches[-1] = before, kept, times

    def _break(self, error: BaseException, offset: int) -> None:
        took = (monotonic_ns() - self._page[SINCE]) * 1e-9
        traceback = error.__traceback__
        while traceback is not None and traceback.tb_frame.f_code.co_filename == __file__:
            traceback = traceback.tb_next  # the reader wants the function's frames, not ours
        error.__traceback__ = traceback or error.__traceback__
        with self._lock:
            self._close_stretch()
            self._broken.append((offset, error, took))
            self._open_stretch(offset + 1)


def caller(fn: Callable[..., Any], star: bool, await_it: Callable[[Any], Any] | None = None) -> Callable[[Any], Any]:
    """What turns one item into one result: `fn(item)`, `fn(*item)`, and awaited where `fn` is a coroutine function."""
    if await_it is None:
        return (lambda item: fn(*item)) if star else fn
    return (lambda item: await_it(fn(*item))) if star else (lambda item: await_it(fn(item)))


def spent(count: int, seconds: float | Sequence[float]) -> float:
    """What so many tasks have taken in all, of which either the mean is known or each one's own time."""
    return count * seconds if isinstance(seconds, float) else sum(seconds)


def apiece(count: int, seconds: float | list[float]) -> list[float]:
    """What each of so many tasks has taken, as far as that is known."""
    return [seconds] * count if isinstance(seconds, float) else seconds


def placed(seed: int | None, first: int, items: Sequence[Any]) -> Sequence[Any]:
    """The items as a function with a seed wants them (seeding.py): each with the index of its task."""
    return items if seed is None else list(enumerate(items, first))


class Awaiter:
    """Runs coroutines one at a time in an event loop of this worker, made when first needed."""

    def __init__(self) -> None:
        self._runner: Any = None

    def __call__(self, awaitable: Any) -> Any:
        import asyncio
        import contextvars

        if self._runner is None:
            from alongside.workers.eventloop import new_loop

            self._runner = asyncio.Runner(loop_factory=new_loop)
        return self._runner.run(_as_coroutine(awaitable), context=contextvars.copy_context())

    def close(self) -> None:
        if self._runner is not None:
            self._runner.close()


async def _as_coroutine(awaitable: Any) -> Any:
    return await awaitable


def ended(value: Any) -> Any:
    """What a coroutine comes to, in a loop of its own; any other value as it is."""
    if type(value) is not CoroutineType:
        return value
    from alongside.workers.beside import Beside, in_loop

    run = Beside() if in_loop() else Awaiter()
    try:
        return run(value)
    finally:
        run.close()


def _nothing(*_: object) -> None:
    """What a closed runner calls."""
