"""A pool of threads that take work by themselves: a free thread never waits to be given something.

Owns the threads, what waits for them, what they have finished and nobody has fetched, and the deadline of each attempt.
Must never schedule, retry, or wait for a task it cannot end: Python has no way to kill a thread, so one whose task is
overdue is let go (what it finishes later is dropped) and another takes its place.
"""

from __future__ import annotations

import _queue as queue  # not `queue`: a file of that name may lie in the folder of a script
import contextvars
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence

from alongside.core.events import Finished
from alongside.core.model import Batch, Fault, Job
from alongside.exceptions import TaskTimeout
from alongside.transport.contexts import for_a_thread
from alongside.workers.convoy import Convoy
from alongside.workers.gathering import Gathering
from alongside.workers.puller import Puller
from alongside.workers.runner import OFFSET, SINCE, placed
from alongside.workers.spans import Span, Unbegun

SPAN = 0.050
"""Seconds that what a thread takes at one go should last: taking costs some ten microseconds."""

AT_LEAST = 0.008
"""Seconds that it should last though each of the others would get less, near the end: who finds nothing takes over half
of what waits elsewhere, which is less work than taking ever smaller shares."""

HARVEST = 0.010
"""Seconds after which results finished in the midst of a span are fetched from a thread that is still at it, and what
waits there behind a task that takes longer than this is given to others."""

HARVEST_EACH = 0.001
"""Seconds of that for each thread: a harvest costs some 20 µs in each."""

AT_HAND = 4
"""Tasks that wait for each thread there may be, below which starting threads is put off."""

LEARN = 0.3
"""Weight of the newest tasks in the running mean of a task's seconds."""

GRACE = 0.5
"""Seconds `close` waits for threads whose task cannot be interrupted."""


class ThreadPool:
    """Runs the tasks of batches in up to `limit` threads.

    `ring` is called, in any thread, when there is something to fetch with `finished`: at the first outcome since the
    last time, and at each one while nothing waits for a thread. `failed` is told when a thread's initializer raised.

    Guarantees: every task's outcome is fetched once; what a thread that was let go finishes later is dropped.
    Why one lock around the taking, though a deque's popleft is atomic: who takes how many, who sleeps and who is woken
    must be decided together, or a thread could fall asleep beside work. It is taken once per span, not per task.
    """

    def __init__(self, job: Job, limit: int, ring: Callable[[], None], failed: Callable[[BaseException], None]) -> None:
        self.job, self.limit = job, limit
        self.ring, self.failed = ring, failed
        self.gathering = Gathering()
        self._context = contextvars.copy_context()
        self._lock = threading.Lock()
        self._starting = threading.Lock()
        self._todo: deque[Unbegun] = deque()
        self._returned: list[tuple[int, int, int]] = []
        self._waiting = self._idle = self._fresh = self._count = 0
        self._each = self._harvested = self._began = self._spent = 0.0
        self._rung = False
        self._convoy = Convoy()
        self._bell: queue.SimpleQueue[None] = queue.SimpleQueue()
        self._threads: dict[int, Puller] = {}
        self._exchanged = job.seed is not None
        if self._exchanged:
            from alongside.workers import seeding

            seeding.exchange(job.fn)

    # -------------------------------------------------------------------------------- from the driver's side

    def add(self, batch: Batch) -> None:
        """Run the batch's tasks after those that wait already."""
        with self._lock:
            items = placed(self.job.seed, batch.start, batch.items)
            self._add(Unbegun(batch.id, 0, items), self._todo.append)
        if not self._threads:
            self._start_one()
        elif self.understaffed:
            self.ring()

    def resize(self, limit: int) -> None:
        """From here on, so many threads: more are started when they are wanted, surplus ones end after their task."""
        with self._lock:
            self.limit = limit
            self._wake(self._idle)

    def recall(self) -> None:
        """Give up what no thread has begun: `returned` has it, and the bell is rung."""
        for thread in list(self._threads.values()):
            if thread.hoards:
                with self._lock:
                    self._add(thread.span.shed(), self._todo.appendleft)
        with self._lock:
            self._returned += [(stretch.batch, stretch.first, stretch.end) for stretch in self._todo]
            self._todo.clear()
            self._waiting = 0
        self.ring()

    def returned(self) -> Sequence[tuple[int, int, int]]:
        """What was given up since the last time: of each batch, from which offset to before which."""
        with self._lock:
            returned, self._returned = self._returned, []
        return returned

    def staff(self) -> None:
        """Have threads that were held back go on where that is of use by now, and start threads while work waits for
        one. The first one was waited for, and may have shown what it does: where those that there are have done most of
        what there was, fetching that and giving more comes first.
        """
        with self._lock:
            self._convoy.look(self._threads.values())
            self._let_in()
        while self.understaffed and not (self._rung and self._waiting < AT_HAND * self.limit):
            self._start_one()

    def all_begun(self) -> float:
        """Seconds that it took to begin the threads that were not told of yet, once all there may be have begun: until
        the last of them took its first task, so that what the others did before they waited counts. 0.0 where there is
        nothing to tell.
        """
        with self._lock:
            if self._fresh or self.may_grow:
                return 0.0
            spent, self._spent = self._spent, 0.0
            return spent

    @property
    def understaffed(self) -> bool:
        """Whether work waits that no thread will take at once, though one more may be started, and would be of use."""
        wanted = self._waiting > self._idle + self._fresh and self.may_grow
        return wanted and not self._convoy.holds_back(self._active)

    @property
    def may_grow(self) -> bool:
        """Whether one more thread may be started."""
        return len(self._threads) < self.limit

    @property
    def under_way(self) -> int:
        """How many threads have a task in hand, or are about to take their first."""
        return self._fresh + sum(1 for thread in list(self._threads.values()) if thread.page[OFFSET])

    @property
    def backed_up(self) -> bool:
        """Whether more waits than threads are free, so that finished tasks may wait for company."""
        return self._waiting > 0

    def patience(self, timeout: float | None) -> float | None:
        """Seconds to wait at most for the bell: a task may become overdue, or finish where it is not told of."""
        times = [] if timeout is None else [timeout]
        if self.hoards or (self._waiting and self._convoy.holds_back(self._active)):
            times.append(self._every)
        if (deadline := self._next_deadline()) is not None:
            times.append(max(0.0, deadline - time.monotonic()))
        return min(times, default=None)

    @property
    def hoards(self) -> bool:
        """Whether a thread may have finished tasks that it does not hand over by itself before its span ends."""
        return any(thread.hoards for thread in list(self._threads.values()))

    @property
    def _every(self) -> float:
        """Seconds between two harvests: of many threads they come less often, since each takes the GIL from all."""
        return max(HARVEST, HARVEST_EACH * len(self._threads))

    def _next_deadline(self) -> float | None:
        """When the earliest attempt is overdue (monotonic seconds)."""
        timeout = self.job.timeout
        since = [thread.page[SINCE] for thread in list(self._threads.values()) if thread.page[OFFSET]]
        return None if timeout is None or not since else min(since) * 1e-9 + timeout

    @property
    def crowded(self) -> bool:
        """Whether its threads take turns with the GIL."""
        return self._convoy.full

    @property
    def _active(self) -> int:
        return len(self._threads) - self._idle

    def pause(self, paused: bool) -> None:
        """Begin nothing more, or go on: whoever drives the run has work to do, and each of its steps would take as long
        as a turn of every thread that computes."""
        with self._lock:
            self._convoy.paused = paused
            self._let_in()

    def expire(self) -> None:
        """Let go of the threads whose task is overdue: it fails, what they had not begun goes to others."""
        timeout = self.job.timeout
        if timeout is None:
            return
        now = time.monotonic_ns()
        for thread in list(self._threads.values()):
            since = thread.page[SINCE]
            if thread.page[OFFSET] and now - since >= timeout * 1e9:
                self._expire(thread, since, (now - since) * 1e-9)

    def finished(self, worker: int) -> list[Finished]:
        """What has finished since the last time, as events of that worker."""
        self._rung = False
        now = time.monotonic()
        if now >= self._harvested + self._every and self.hoards:
            self._harvested = now
            for thread in list(self._threads.values()):
                thread.runner.flush()
                self._relieve(thread)
        return self.gathering.events(worker)

    def let_go(self) -> list[Puller]:
        """Let go of every thread: each ends after what it has in hand, of which nothing is kept."""
        with self._starting:
            threads = list(self._threads.values())
        with self._lock:
            self._todo.clear()
            self._waiting = 0
            for thread in threads:
                thread.let_go = thread.runner.stopped = True
        for _ in threads:
            self._bell.put(None)
        return threads

    def close(self) -> None:
        """Let go of every thread; wait a moment for those that still have something in hand."""
        threads = self.let_go()
        deadline = time.monotonic() + GRACE
        for thread in threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        self.ring = self.failed = _nothing
        self._threads.clear()  # each of them knows this pool, and through it the function
        if self._exchanged:
            from alongside.workers import seeding

            self._exchanged = False
            seeding.exchange_back()

    # --------------------------------------------------------------------------------- from the threads' side

    def take(self, thread: Puller) -> Span | None:
        """The next tasks for a thread; None when it is to sleep until the bell rings, or to end (`let_go`)."""
        with self._lock:
            if thread.fresh:
                self._has_begun(thread)
            if len(self._threads) > self.limit or thread.may_take <= 0:
                self._release(thread)
            if thread.let_go:
                return None
            self._convoy.look(self._threads.values())
            if self._convoy.joined_by(thread, self._active):
                self._idle += 1
                return None
            self._let_in()
            if not self._todo:
                return self._taken_over(thread)
            stretch = self._todo[0]
            count = min(self._share(), thread.may_take, stretch.end - stretch.first)
            self._waiting -= count
            thread.may_take -= count
            if stretch.first + count == stretch.end:
                self._todo.popleft()
            thread.span = stretch.cut(count)
            return thread.span

    def sleep(self) -> None:
        """Until there may be something to take."""
        self._bell.get()

    def done(self, count: int, seconds: float) -> None:
        """A thread has finished so many tasks, which took so long, and added them to what is gathered."""
        each = seconds / count
        self._each = each if not self._each else self._each + LEARN * (each - self._each)
        if not self._rung or not self._waiting:
            self._rung = True
            self.ring()

    # ---------------------------------------------------------------------------------------------------- inside

    def _add(self, stretch: Unbegun, put: Callable[[Unbegun], None]) -> None:
        count = stretch.end - stretch.first
        if count:
            put(stretch)
            self._waiting += count
            if not self._convoy.holds_back(self._active):
                self._wake(min(self._idle, count))

    def _wake(self, count: int) -> None:
        self._idle -= count
        for _ in range(count):
            self._bell.put(None)

    def _let_in(self) -> None:
        if self._idle and self._waiting:
            self._wake(min(self._idle, self._waiting, self._convoy.lets_in(self._active)))

    def _has_begun(self, thread: Puller) -> None:
        thread.fresh = False
        self._fresh -= 1
        if not self._fresh:
            self._spent += time.monotonic() - self._began
            if not self.may_grow:
                self.ring()  # there is something to be told: `all_begun`

    def _release(self, thread: Puller) -> None:
        """It is not of the pool any more; if work waits, another is wanted in its place."""
        thread.let_go = True
        self._threads.pop(thread.number, None)
        if self._waiting:
            self.ring()

    def _share(self) -> int:
        """How many tasks a thread takes at one go: as many as last a moment, fewer where others would go without."""
        if not self._each:
            return 1
        fair = self._waiting // self.limit
        if not self.may_grow:  # the others are there to take over what they miss
            fair = max(fair, int(AT_LEAST / self._each))
        return min(fair, int(SPAN / self._each)) or 1

    def _taken_over(self, thread: Puller) -> Span | None:
        """Half of what waits in the hands of the thread that has most of it, for one that finds nothing else."""
        fullest = max(list(self._threads.values()), key=lambda one: one.span.waiting)
        half = fullest.span.shed(min((fullest.span.waiting + 1) // 2, thread.may_take))
        count = half.end - half.first
        fullest.may_take += count
        thread.may_take -= count
        self._idle += not count
        thread.span = half.cut(count)
        return thread.span if count else None

    def _start_one(self) -> None:
        """One at a time: whoever brings input in one thread may start a thread while the driver does so in another.

        Where no more can be started (the system has none; from 3.12 on, the interpreter is ending) those that are there
        do the work.
        """
        with self._starting:
            if len(self._threads) >= self.limit:
                return
            self._count += 1
            thread = Puller(self._count, self, for_a_thread(self._context))
            with self._lock:
                self._threads[thread.number] = thread
                if thread.fresh:
                    self._began = self._began if self._fresh else time.monotonic()
                    self._fresh += 1
            try:
                thread.start(wait=not thread.fresh)
            except RuntimeError:
                with self._lock:
                    del self._threads[thread.number]
                    self._fresh -= thread.fresh
                self.limit = len(self._threads)
                if not self._threads:
                    raise

    def _expire(self, thread: Puller, since: int, took: float) -> None:
        assert self.job.timeout is not None
        offset = thread.runner.seize(since)
        if offset is None:
            return  # it has come back in this very moment
        with self._lock:
            self._release(thread)
            self._add(thread.span.shed(), self._todo.appendleft)
        fault = Fault(offset, TaskTimeout(self.job.timeout), took, thread.number)
        self.gathering.add((), [(thread.span.batch, fault)])

    def _relieve(self, thread: Puller) -> None:
        """Where others have nothing to do: give them what waits behind a task that takes its time."""
        if self._waiting or (not self._idle and len(self._threads) >= self.limit):
            return
        if thread.hoards and time.monotonic_ns() - thread.page[SINCE] > HARVEST * 1e9:
            with self._lock:
                self._add(thread.span.shed(), self._todo.appendleft)


def _nothing(*_: object) -> None:
    """What a closed pool tells."""
