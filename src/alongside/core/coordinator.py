"""The coordinator: the only code that changes scheduling state.

What it is: a state machine. `handle(event, now)` takes what happened and returns what is to be done; the driver carries
it out. It works per batch, so that its cost never lands on each task.

What it owns: the queue, the workers' loads, retries, order, window, deadlines, the error policy.

What it must never do: block, read a clock, draw from a global random generator, touch a worker, call the user's code
(`retry_on` and `backoff` given as functions excepted, which are pure by contract).

Guarantees (asserted by `validate`, tested by random event orders)
  1. The same events at the same times give the same commands.
  2. At most one attempt of a task is in flight.
  3. Every task ends in exactly one outcome, delivered once; in order where order was asked for.
  4. A lost worker's task in hand is charged an attempt; tasks merely queued behind it are sent again and lose none.
  5. No more than the window's tasks are held.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from alongside.core import events as ev
from alongside.core.batching import Sizer
from alongside.core.model import Batch, Block, Death, Delivery, Failure, Fault, Part
from alongside.core.ordering import Ordering
from alongside.core.retry import RetryPolicy, Uniform
from alongside.exceptions import InternalError, TaskTimeout

LAZY_WINDOW = 16_384
"""Tasks taken from the input but not yet taken by the consumer, at most, where `window` is not given."""

EAGER_WINDOW = 1 << 20
"""The same for a consumer that keeps every outcome anyway (`map`, `run`): tasks not yet finished, at most."""


@dataclass(slots=True)
class Policy:
    """What the user asked for, as far as scheduling cares."""

    ordered: bool = True
    eager: bool = True
    stop_at_failure: bool = True
    timeout: float | None = None
    retry: RetryPolicy = field(default_factory=RetryPolicy)
    batch_size: int | None = None
    window: int | None = None
    total: int | None = None


@dataclass(slots=True)
class _Segment:
    """Queued tasks with neighbouring indices at the same attempt; `items[position:]` are still to be sent."""

    start: int
    items: Sequence[Any]
    attempt: int
    position: int = 0

    def __len__(self) -> int:
        return len(self.items) - self.position


@dataclass(slots=True)
class _Flight:
    """A batch at a worker: which stretches of it are done, and how many tasks are not."""

    batch: Batch
    left: int
    done: list[tuple[int, int]] = field(default_factory=list)

    def unfinished(self) -> list[tuple[int, int]]:
        """The stretches [first, last) that have not come back."""
        gaps, edge = [], 0
        for first, last in [*sorted(self.done), (len(self.batch.items),) * 2]:
            if first > edge:
                gaps.append((edge, first))
            edge = max(edge, last)
        return gaps


@dataclass(slots=True)
class _Worker:
    id: int
    crew: ev.Crew
    flights: dict[int, _Flight] = field(default_factory=dict)
    load: int = 0
    since: float = 0.0
    condemned: tuple[int, int] | None = None
    """The (batch, offset) whose deadline passed and for which the worker is being killed."""

    @property
    def name(self) -> str:
        return f"{self.crew.name}-{self.id}"


class Coordinator:
    """One run's scheduling. See the module's guarantees."""

    def __init__(self, policy: Policy, crew: ev.Crew, rng: Uniform | None = None, first_index: int = 0) -> None:
        self._policy = policy
        self._rng = rng
        self._ordering = Ordering(policy.ordered)
        self._ordering.next = first_index
        self._workers: dict[int, _Worker] = {}
        self._idle: dict[int, None] = {}
        self._queue: deque[_Segment] = deque()
        self._queued = 0
        self._delayed: list[tuple[float, int, _Segment]] = []
        self._next_batch = self._next_worker = 1
        self._index = self._first = first_index
        self._taken = first_index
        self._settled = 0
        self._input_open = True
        self._input_error: BaseException | None = None
        self._pulling = False
        self._horizon: int | None = None
        self._barren = 0
        self._now = 0.0
        self._commands: list[ev.Command] = []
        self._deliveries: list[Delivery] = []
        self.finished = False
        self.retried = 0
        self._enlist(crew)

    # ------------------------------------------------------------------------------------------------ the one door

    def handle(self, event: ev.Event, now: float) -> list[ev.Command]:
        """Take one event; return what is to be done, in this order."""
        if self.finished:
            return []
        self._now = max(now, self._now)
        _HANDLERS[type(event)](self, event)
        self._release_delayed()
        self._fill()
        self._pull()
        self._close_when_done()
        return self._flush()

    def wakeup(self) -> float | None:
        """When to send the next `Tick` or `Observed` at the latest, if nothing else happens."""
        times = [self._delayed[0][0]] if self._delayed else []
        if (deadline := self._next_deadline()) is not None:
            times.append(deadline)
        return min(times, default=None)

    def deadline_due(self, now: float) -> bool:
        """Whether an attempt may be overdue, so that `Observed` is wanted rather than `Tick`."""
        deadline = self._next_deadline()
        return deadline is not None and deadline <= now

    @property
    def crew(self) -> ev.Crew:
        """Who work goes to now."""
        return self._crew

    @property
    def unfinished(self) -> int:
        """Tasks taken from the input that have no outcome yet."""
        return self._index - self._first - self._settled

    @property
    def workers(self) -> tuple[int, ...]:
        """The numbers of the workers in service."""
        return tuple(self._workers)

    def per_task(self) -> float | None:
        """Seconds a task takes, by the latest batches."""
        return self._sizer.per_task

    # --------------------------------------------------------------------------------------------- what happened

    def _on_input(self, event: ev.InputArrived) -> None:
        self._pulling = False
        items = event.items
        if not items or not self._input_open:
            return  # what arrives behind a failure that will be raised is not wanted any more
        start, self._index = self._index, self._index + len(items)
        self._queued += len(items)
        last = self._queue[-1] if self._queue else None
        if last and last.attempt == 1 and last.start + len(last.items) == start and len(last) < self._sizer.full():
            self._queue[-1] = _Segment(last.start + last.position, [*last.items[last.position :], *items], 1)
        else:
            self._queue.append(_Segment(start, items, 1))

    def _on_input_end(self, event: ev.InputEnded) -> None:
        self._pulling = False
        self._input_open = False
        self._input_error = event.error

    def _on_finished(self, event: ev.Finished) -> None:
        worker = self._workers.get(event.worker)
        flight = worker.flights.get(event.batch) if worker else None
        if worker is None or flight is None:
            return  # a worker we have given up on spoke after all
        self._barren = 0
        done = sum(self._succeed(worker, flight, part) for part in event.parts)
        for fault in event.faults:
            self._mark(worker, flight, fault.offset, 1)
            self._fail(worker, flight.batch, fault)
        self._sizer.record(done + len(event.faults), event.seconds)
        worker.since = self._now
        self._after_flight(worker, flight)

    def _on_lost(self, event: ev.Lost) -> None:
        worker = self._workers.pop(event.worker, None)
        if worker is None:
            return
        self._idle.pop(worker.id, None)
        charged = {} if event.blameless else self._charged(worker, event)
        self._barren = 0 if charged or event.blameless else self._barren + 1
        for flight in reversed(worker.flights.values()):
            self._recover(worker, flight, charged)
        if self._barren > 3 + 2 * self._crew.max_workers:
            self._finish(_lost(event.death))

    def _on_unfit(self, event: ev.Unfit) -> None:
        self._finish(event.error)

    def _on_observed(self, event: ev.Observed) -> None:
        timeout = self._policy.timeout
        for worker in list(self._workers.values()):
            running = event.running.get(worker.id, ())
            if timeout is None or not worker.flights or worker.condemned or worker.crew.watches_timeout:
                continue
            worker.since = min((task.since for task in running), default=self._now)
            overdue = [task for task in running if task.since + timeout <= self._now]
            if overdue:
                worker.condemned = (overdue[0].batch, overdue[0].offset)
                self._commands.append(ev.Kill(worker.id))

    def _on_taken(self, event: ev.Taken) -> None:
        self._taken += event.count

    def _on_moved(self, event: ev.Moved) -> None:
        self._idle.clear()
        self._enlist(event.crew)

    def _on_tick(self, event: ev.Tick) -> None:
        pass

    # ----------------------------------------------------------------------------------------- outcomes of tasks

    def _succeed(self, worker: _Worker, flight: _Flight, part: Part) -> int:
        batch, count = flight.batch, len(part.values)
        self._mark(worker, flight, part.offset, count)
        items = batch.items if count == len(batch.items) else batch.items[part.offset : part.offset + count]
        start = batch.start + part.offset
        self._settle(Block(start, items, part.values, part.seconds, worker.name, batch.attempt))
        return count

    def _fail(self, worker: _Worker, batch: Batch, fault: Fault) -> None:
        index, item = batch.start + fault.offset, batch.items[fault.offset]
        failure = Failure(index, item, None, fault.exception, batch.attempt, fault.seconds, worker.name)
        delay = None if self._beyond(index) else self._policy.retry.delay(fault.exception, batch.attempt, self._rng)
        if delay is None:
            self._settle(failure)
            return
        self.retried += 1
        segment = _Segment(index, [item], batch.attempt + 1)
        heapq.heappush(self._delayed, (self._now + delay, index, segment))
        self._commands.append(ev.Retry(failure, delay))

    def _settle(self, delivery: Delivery) -> None:
        self._settled += 1 if isinstance(delivery, Failure) else len(delivery)
        if isinstance(delivery, Failure) and self._policy.stop_at_failure:
            self._draw_horizon(delivery.index)
        for ready in self._ordering.add(delivery):
            if self.finished:
                return
            if isinstance(ready, Failure) and self._policy.stop_at_failure:
                self._finish(ready.exception, ready)
            else:
                self._deliveries.append(ready)

    def _draw_horizon(self, index: int) -> None:
        """Nothing behind a failure that will be raised needs to be run: a plain loop would not have reached it."""
        if self._beyond(index):
            return
        self._horizon = index
        self._input_open = False
        kept = [segment for segment in self._queue if segment.start + segment.position < index]
        self._queue = deque(kept)
        self._queued = sum(map(len, kept))
        self._delayed = [entry for entry in self._delayed if entry[2].start < index]
        heapq.heapify(self._delayed)

    def _beyond(self, index: int) -> bool:
        return self._horizon is not None and index >= self._horizon

    def _mark(self, worker: _Worker, flight: _Flight, offset: int, count: int) -> None:
        flight.done.append((offset, offset + count))
        flight.left -= count
        worker.load -= count
        if flight.left < 0:
            raise InternalError(f"batch {flight.batch.id}: more tasks came back than were sent")

    def _after_flight(self, worker: _Worker, flight: _Flight) -> None:
        if flight.left == 0:
            del worker.flights[flight.batch.id]
        if self._has_room(worker):
            self._idle[worker.id] = None

    # ------------------------------------------------------------------------------------------- lost workers

    def _charged(self, worker: _Worker, event: ev.Lost) -> dict[tuple[int, int], _Blame]:
        """Which tasks pay for the loss: those in hand; after a timeout only the one that was overdue."""
        if worker.condemned is not None:
            timeout = self._policy.timeout or 0.0
            return {worker.condemned: lambda index, item: TaskTimeout(timeout, index)}
        return {(task.batch, task.offset): partial(_lost, event.death) for task in event.running}

    def _recover(self, worker: _Worker, flight: _Flight, charged: dict[tuple[int, int], _Blame]) -> None:
        batch = flight.batch
        for first, last in reversed(flight.unfinished()):
            cuts = sorted({first, last, *(cut for (b, o) in charged if b == batch.id for cut in (o, o + 1))})
            cuts = [cut for cut in cuts if first <= cut <= last]
            for a, b in reversed(list(zip(cuts, cuts[1:], strict=False))):
                blame = charged.get((batch.id, a)) if b == a + 1 else None
                if blame is not None:
                    error = blame(batch.start + a, batch.items[a])
                    self._fail(worker, batch, Fault(a, error, self._now - worker.since))
                elif not self._beyond(batch.start + a):
                    self._queue.appendleft(_Segment(batch.start + a, batch.items[a:b], batch.attempt))
                    self._queued += b - a

    # --------------------------------------------------------------------------------------------- giving out work

    def _enlist(self, crew: ev.Crew) -> None:
        self._crew = crew
        previous = getattr(self, "_sizer", None)
        self._sizer = Sizer(crew.target_seconds, self._policy.batch_size, crew.most)
        if previous is not None:
            self._sizer.per_task = previous.per_task

    def _fill(self) -> None:
        while self._queue and not self.finished:
            worker = self._free_worker()
            if worker is None:
                return
            self._dispatch(worker)

    def _free_worker(self) -> _Worker | None:
        while self._idle:
            worker = self._workers[next(iter(self._idle))]
            if self._has_room(worker):
                return worker
            del self._idle[worker.id]
        if self._in_service() < self._crew.max_workers:
            return self._hire()
        return None

    def _in_service(self) -> int:
        return sum(worker.crew is self._crew for worker in self._workers.values())

    def _hire(self) -> _Worker:
        worker = _Worker(self._next_worker, self._crew)
        self._next_worker += 1
        self._workers[worker.id] = worker
        self._idle[worker.id] = None
        self._commands.append(ev.Hire(worker.id))
        return worker

    def _has_room(self, worker: _Worker) -> bool:
        crew = worker.crew
        if crew is not self._crew or worker.condemned:
            return False
        if crew.slots > 1:
            return worker.load < crew.slots
        if not worker.flights:
            return True
        return len(worker.flights) < crew.depth and self._sizer.expected(self._sizer.full()) < crew.prefetch_below

    def _dispatch(self, worker: _Worker) -> None:
        batch = self._next_of_queue(self._share(worker))
        if not worker.flights:
            worker.since = self._now
        worker.flights[batch.id] = _Flight(batch, len(batch.items))
        worker.load += len(batch.items)
        # Whoever still has room goes to the back of the line, so that the emptiest are served first.
        del self._idle[worker.id]
        if self._has_room(worker):
            self._idle[worker.id] = None
        self._commands.append(ev.Dispatch(worker.id, batch))

    def _share(self, worker: _Worker) -> int:
        if self._crew.slots > 1:
            return self._crew.slots + self._reserve() - worker.load
        return self._sizer.next(self._backlog(), self._crew.max_workers)

    def _reserve(self) -> int:
        """Tasks a many-slotted worker holds beyond its slots, so that a free slot need not wait for the next batch."""
        return min(self._crew.slots, 256)

    def _backlog(self) -> int:
        if not self._input_open:
            return self._queued
        if self._policy.total is None:
            return 1 << 40
        return max(self._queued, self._policy.total - self._index + self._queued)

    def _next_of_queue(self, count: int) -> Batch:
        segment = self._queue[0]
        a, b = segment.position, min(segment.position + count, len(segment.items))
        whole = a == 0 and b == len(segment.items)
        batch = Batch(
            self._next_batch, segment.start + a, segment.items if whole else segment.items[a:b], segment.attempt
        )
        self._next_batch += 1
        self._queued -= b - a
        segment.position = b
        if not len(segment):
            self._queue.popleft()
        return batch

    def _release_delayed(self) -> None:
        while self._delayed and self._delayed[0][0] <= self._now:
            segment = heapq.heappop(self._delayed)[2]
            self._queue.appendleft(segment)
            self._queued += 1

    # ------------------------------------------------------------------------------------------ input and window

    def _pull(self) -> None:
        if self._pulling or not self._input_open or self.finished:
            return
        goal = self._goal()
        wanted = min(goal - self._queued, self._room())
        if wanted > 0 and 2 * self._queued <= goal:
            self._pulling = True
            self._commands.append(ev.Pull(wanted))

    def _goal(self) -> int:
        """Tasks to have at hand: what the workers can take, and one more batch."""
        if self._crew.slots > 1:
            return self._crew.max_workers * self._crew.slots + self._reserve()
        return (self._crew.max_workers * self._crew.depth + 1) * self._sizer.full()

    def _room(self) -> int:
        if self._policy.eager:
            return (self._policy.window or EAGER_WINDOW) - self.unfinished
        return (self._policy.window or LAZY_WINDOW) - (self._index - self._taken)

    # ------------------------------------------------------------------------------------------ deadlines and end

    def _next_deadline(self) -> float | None:
        if self._policy.timeout is None:
            return None
        watched = (
            w.since for w in self._workers.values() if w.flights and not w.condemned and not w.crew.watches_timeout
        )
        earliest = min(watched, default=None)
        return None if earliest is None else earliest + self._policy.timeout

    def _close_when_done(self) -> None:
        if not self.finished and not self._input_open and self._horizon is None and self.unfinished == 0:
            self._finish(self._input_error)

    def _finish(self, error: BaseException | None = None, failure: Failure | None = None) -> None:
        self._hand_over()
        self.finished = True
        self._commands.append(ev.Finish(error, failure))

    def _hand_over(self) -> None:
        if self._deliveries:
            self._commands.append(ev.Deliver(self._deliveries))
            self._deliveries = []

    def _flush(self) -> list[ev.Command]:
        self._hand_over()
        commands, self._commands = self._commands, []
        if self.finished:
            return [c for c in commands if not isinstance(c, (ev.Hire, ev.Dispatch, ev.Pull))]
        return commands

    # ------------------------------------------------------------------------------------------------- invariants

    def validate(self) -> None:
        """Assert the invariants; raises `InternalError` naming the one that is broken. For tests: costs O(state)."""
        flights = [f for w in self._workers.values() for f in w.flights.values()]
        _require(self._queued == sum(map(len, self._queue)), "the queue's count is its length")
        for worker in self._workers.values():
            _require(worker.load == sum(f.left for f in worker.flights.values()), "a worker's load is what it holds")
            _require(worker.load >= 0, "a load is never negative")
            _require(worker.crew.slots > 1 or len(worker.flights) <= worker.crew.depth, "no worker is given too much")
        _require(self._in_service() <= self._crew.max_workers, "no more workers than allowed")
        _require(all(self._workers[w].crew is self._crew for w in self._idle), "only the present crew is idle")
        held = [*_indices(self._queue), *_indices(segment for _, _, segment in self._delayed)]
        held += [f.batch.start + o for f in flights for a, b in f.unfinished() for o in range(a, b)]
        _require(len(held) == len(set(held)), "a task is held in one place only")
        if self._horizon is None:
            _require(len(held) == self.unfinished, "every task is held or settled")
        if self._policy.window and not self._policy.eager:
            _require(self._index - self._taken <= self._policy.window, "the window is kept")


def _indices(segments: Iterable[_Segment]) -> list[int]:
    return [s.start + o for s in segments for o in range(s.position, len(s.items))]


_Blame = Callable[[int, Any], BaseException]
"""Makes the exception of the task with this index and item that a lost worker had in hand."""


def _lost(death: Death, index: int | None = None, item: Any = None) -> BaseException:
    from alongside.exceptions import WorkerLost

    return WorkerLost(
        pid=death.pid, exit_code=death.exit_code, signal=death.signal, cause=death.cause, index=index, item=item
    )


def _require(condition: bool, invariant: str) -> None:
    if not condition:
        raise InternalError(f"broken invariant: {invariant}")


_HANDLERS: dict[type, Callable[[Coordinator, Any], None]] = {
    ev.InputArrived: Coordinator._on_input,
    ev.InputEnded: Coordinator._on_input_end,
    ev.Finished: Coordinator._on_finished,
    ev.Lost: Coordinator._on_lost,
    ev.Unfit: Coordinator._on_unfit,
    ev.Observed: Coordinator._on_observed,
    ev.Taken: Coordinator._on_taken,
    ev.Moved: Coordinator._on_moved,
    ev.Tick: Coordinator._on_tick,
}
