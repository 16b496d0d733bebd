"""One thread of a pool: takes a span of tasks, runs it, hands over what came of it.

Owns the thread, the page on which it writes what it has in hand, and what it has taken. Must never decide how much it
takes, nor whether it sleeps or ends: the pool does.
"""

from __future__ import annotations

import threading
import time

from alongside.core.model import Fault, Job
from alongside.light import Protocol
from alongside.workers.gathering import Gathering
from alongside.workers.runner import OFFSET, Awaiter, Runner, caller
from alongside.workers.spans import NOTHING, Span

TYPE_CHECKING = False
if TYPE_CHECKING:
    from contextvars import Context
    from typing import Any

    from alongside.workers.runner import Broken, Stretch


NEVER = 1 << 62
"""Nanoseconds: what is finished is fetched."""


class Pool(Protocol):
    """What a thread asks of its pool."""

    job: Job
    gathering: Gathering

    def take(self, thread: Puller) -> Span | None:
        """The next tasks; None when it is to sleep, or to end (`let_go`)."""

    def sleep(self) -> None:
        """Until there may be something to take."""

    def done(self, count: int, seconds: float) -> None:
        """So many tasks have been added to what is gathered, and took so long."""

    def failed(self, error: BaseException) -> None:
        """Its initializer has raised."""


class _Runner(Runner):
    """A runner of spans, which know themselves how far they are; what waits in it is fetched by who wants it."""

    def _next(self) -> tuple[int, Any]:
        return self._offset + self._taken, self._items if self._items.waiting else None


class Puller:
    """One thread of the pool: takes a span, runs it, hands over what came of it."""

    def __init__(self, number: int, pool: Pool, context: Context) -> None:
        self.number = number
        self.page = [0, 0, 0, 0]
        self.may_take = pool.job.tasks_per_worker or 1 << 62
        self.let_go = False
        self.fresh = number > 1
        """Whether it has asked for nothing yet. The first one is waited for, and need not be counted."""
        self.span = NOTHING
        self._pool = pool
        job = pool.job
        self._clock: int | None = None
        self._done, self._computed = 0, 0.0
        self._awaiter = Awaiter()
        call = caller(job.fn, job.star, self._awaiter if job.coroutine else None)
        if job.seed is not None:
            from alongside.workers import seeding

            call = seeding.side_by_side(call, job.seed)
        self.runner = _Runner(call, self._emit, self.page, job.timeout is not None, hand_over=NEVER)

        prefix = job.thread_names
        name = f"{prefix}_{number - 1}" if prefix else f"alongside-{number}"
        self._thread = threading.Thread(target=context.run, args=(self._work,), name=name, daemon=True)
        self._runs: threading.Event | None = None
        """Set once it runs, where nobody waited for that."""

    def start(self, wait: bool) -> None:
        """RuntimeError where the system has no more threads. Unless told to `wait`, returns before it runs.

        Why not `Thread.start` as it is: that waits until the new thread says that it runs, which takes two turns of the
        GIL, 0.3 ms beside others that want it. The event it waits for is found by a private name; where a Python has
        none of that name, the start is waited for.
        """
        event = getattr(self._thread, "_started", None)
        if wait or type(event) is not threading.Event:
            self._thread.start()
            return
        self._runs = event
        vars(event)["wait"] = _at_once
        try:
            self._thread.start()
        finally:
            del vars(event)["wait"]

    def join(self, timeout: float) -> None:
        """Until it has ended, so many seconds at most; not from itself."""
        if self._thread.ident == threading.get_ident():
            return
        deadline = time.monotonic() + timeout
        if self._runs is None or self._runs.wait(timeout):
            self._thread.join(max(0.0, deadline - time.monotonic()))

    def computed(self) -> float:
        """CPU seconds it has used; 0.0 where the system does not tell others of it."""
        try:
            return 0.0 if self._clock is None else time.clock_gettime(self._clock)
        except OSError:  # it has ended
            return 0.0

    def since_last(self) -> tuple[int, float]:
        """Tasks it has done since this was last asked, and the CPU seconds they took."""
        computed = self.computed()
        done, seconds = self._done, computed - self._computed
        self._done, self._computed = 0, computed
        return done, seconds

    @property
    def hoards(self) -> bool:
        """Whether it is amid several tasks."""
        return len(self.span) > 1 and self.page[OFFSET] > 0

    def _work(self) -> None:
        pool = self._pool
        self._clock = _own_clock()
        try:
            if pool.job.initializer is not None:
                pool.job.initializer(*pool.job.initargs)
        except BaseException as error:
            pool.failed(error)
            return
        try:
            while not self.let_go:
                span = pool.take(self)
                if span is not None:
                    self.runner.run(span.batch, span.first, span)
                    self.span = span = NOTHING  # an idle thread must not keep the items of its last tasks alive
                elif not self.let_go:
                    pool.sleep()
        finally:
            self._awaiter.close()
            self.runner.close()

    def _emit(self, batch: int, stretches: list[Stretch], broken: list[Broken], seconds: float) -> None:
        if self.let_go:
            return
        number, pool = self.number, self._pool
        count = len(broken) + sum(len(stretch[1]) for stretch in stretches)
        self._done += count
        faults = [(batch, Fault(*one, number)) for one in broken]
        pool.gathering.add([(batch, *stretch, number) for stretch in stretches], faults)
        pool.done(count, seconds)


def _own_clock() -> int | None:
    """The number of this thread's CPU clock. Asked in the thread itself: of one that has ended it is undefined."""
    number = getattr(time, "pthread_getcpuclockid", None)
    return None if number is None else number(threading.get_ident())


def _at_once(timeout: float | None = None) -> bool:
    """In the place of `Event.wait`."""
    return True
