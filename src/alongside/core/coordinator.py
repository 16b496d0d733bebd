"""The coordinator: the only code that changes scheduling state.

`handle(event, now)` takes what happened and returns what is to be done. It works per batch, not per task.

Owns the backlog (backlog.py), the workers and what each was given (roster.py), who gets what next (dealer.py), retries,
order, window, deadlines, the error policy. `handle` is the only way in which these change.

Must never block, read a clock, draw from a global random generator, touch a worker, call the user's code
(`retry_on` and `backoff` given as functions excepted, which are pure by contract).

Guarantees (asserted by `validate`, tested by random event orders)
  1. The same events at the same times give the same commands.
  2. At most one attempt of a task is in flight.
  3. Every task ends in exactly one outcome, delivered once; in order where order was asked for.
  4. A lost worker's task in hand is charged an attempt; tasks merely queued behind it are sent again and lose none.
  5. No more than the window's tasks are held.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from math import inf

from alongside.core import events as ev
from alongside.core.backlog import Backlog, Segment
from alongside.core.dealer import Dealer
from alongside.core.growth import Growth
from alongside.core.lines import Lines
from alongside.core.losses import Place, aftermath, charged, lost, suspects, with_index
from alongside.core.model import Attempt, Batch, Block, Delivery, Failure, Fault, Part, slot_name
from alongside.core.ordering import Ordering
from alongside.core.policy import AT_HAND, BARREN, CRITICAL, LOOK_AT_MEMORY, TIGHT, Policy
from alongside.core.retry import Uniform
from alongside.core.roster import Flight, Roster, Worker
from alongside.exceptions import InternalError


class Coordinator:
    """One run's scheduling. See the module's guarantees."""

    def __init__(self, policy: Policy, crew: ev.Crew, rng: Uniform | None = None, first_index: int = 0) -> None:
        self._policy = policy
        self._rng = rng
        self._ordering = Ordering(policy.ordered, first_index)
        self._lines = Lines(policy.limits, policy.call) if policy.limits else None
        self._backlog = self._lines or Backlog()
        self._roster = Roster(crew, policy.tasks_per_worker)
        self._dealer = Dealer(policy, crew, self._backlog, self._roster)
        self._particular = policy.watches_tasks
        self._index = self._first = self._taken = first_index
        self._settled = 0
        self._input_open = True
        self._input_error: BaseException | None = None
        self._pulling = False
        self._barren = 0
        self._now = 0.0
        self._commands: list[ev.Command] = []
        self._deliveries: list[Delivery] = []
        self._looked = 0.0
        self._earlier: dict[int, list[Attempt]] = {}
        self.finished = False
        self.retried = 0

    # ------------------------------------------------------------------------------------------------ the one door

    def handle(self, event: ev.Event, now: float) -> list[ev.Command]:
        """Take one event; return what is to be done, in this order."""
        if self.finished:
            return []
        self._now = max(now, self._now)
        _HANDLERS[type(event)](self, event)
        self._backlog.release(self._now)
        if self._lines is not None:
            self._reject(self._lines)
        if not self.finished:
            self._commands += self._dealer.deal(self._left(), self._now)
        self._pull()
        self._close_when_done()
        return self._flush()

    def wakeup(self) -> float | None:
        """When to send the next `Tick` or `Observed` at the latest, if nothing else happens."""
        times = (self._backlog.next_due(), self._next_deadline(), *self._dealer.next_times())
        return min((time for time in times if time is not None), default=None)

    def deadline_due(self, now: float) -> bool:
        """Whether an attempt may be overdue, so that `Observed` is wanted rather than `Tick`."""
        deadline = self._next_deadline()
        return deadline is not None and deadline <= now

    @property
    def crew(self) -> ev.Crew:
        """Who work goes to now."""
        return self._roster.crew

    @property
    def growth(self) -> Growth | None:
        """How many tasks run side by side, and why, where that is found while they run."""
        return self._dealer.growth

    @property
    def concurrency(self) -> int:
        """How many tasks can run side by side."""
        return self.growth.at_once if self.growth else self.crew.max_workers * self.crew.slots

    @property
    def hungry(self) -> bool:
        """Whether a worker, or a slot of one, has nothing to do, or one more may be hired for what comes."""
        crew = self._roster.crew
        if crew.slots > 1 and self.unfinished >= crew.slots * crew.max_workers:
            return False  # it could hold more, for when a slot is free; but those may as well come together
        return self._roster.has_room and not (self._dealer.held_back and self._backlog.ready)

    @property
    def unfinished(self) -> int:
        """Tasks taken from the input that have no outcome yet."""
        return self._index - self._first - self._settled

    @property
    def busy(self) -> frozenset[int]:
        """The numbers of the workers that have something in hand."""
        return frozenset(worker.id for worker in self._roster if worker.flights)

    def let_go(self, now: float) -> None:
        """Nothing of the run is under way any more: give back what it has taken of its limits."""
        if self._lines is not None:
            self._lines.close(now)

    def listen(self, wake: Callable[[], None]) -> None:
        """Have `wake` called, in any thread, when another run gives back what this one waits for."""
        if self._lines is not None:
            self._lines.wake = wake

    def open_place(self, item: object) -> tuple[int, Batch] | None:
        """Where a task may be sent at once, and as which batch, if nothing else is going on.

        `Adopted` must then come before any other event, unless the task's plain result does: all is then as it was.
        """
        worker = self._roster.next_empty()
        if worker is None or self.unfinished or not self._input_open or self._particular:
            return None
        return worker.id, Batch(self._dealer.batches + 1, self._index, (item,))

    # --------------------------------------------------------------------------------------------- what happened

    def _on_input(self, event: ev.InputArrived) -> None:
        self._pulling = False
        if event.items and self._input_open:  # what arrives behind a failure that will be raised is not wanted any more
            self._backlog.append(self._index, event.items, join_below=self._dealer.join_below)
            self._index += len(event.items)

    def _on_input_end(self, event: ev.InputEnded) -> None:
        self._pulling = False
        if self._input_open:
            self._input_open = False
            self._input_error = event.error

    def _on_finished(self, event: ev.Finished) -> None:
        worker = self._roster.get(event.worker)
        flight = worker.flights.get(event.batch) if worker else None
        if worker is None or flight is None:
            return  # a worker we have given up on spoke after all
        self._barren = 0
        done = sum(self._succeed(worker, flight, part) for part in event.parts)
        for fault in event.faults:
            worker.mark(flight, fault.offset, 1)
            self._fail(worker, flight.batch, fault)
        self._commands += self._dealer.learn(worker, event, done + len(event.faults), self._now)
        worker.since, worker.slow = self._now, False
        if worker.used_up(self._policy.tasks_per_worker) and not worker.flights and worker.condemned is None:
            self._roster.lose(worker.id)
            self._commands.append(ev.Retire(worker.id))
        else:
            self._roster.line_up(worker)

    def _on_lost(self, event: ev.Lost) -> None:
        worker = self._roster.lose(event.worker)
        if worker is None:
            return
        culprits, suspected = charged(worker, event), suspects(worker, event)
        self._barren = 0 if culprits or suspected else self._barren + 1
        if suspected:
            self._roster.suspect(worker, self._backlog.suspicious)
        for flight in reversed(worker.flights.values()):
            self._recover(worker, flight, culprits, event)
        if self._barren > BARREN + 2 * self.crew.max_workers:
            self._finish(lost(event.death))

    def _on_observed(self, event: ev.Observed) -> None:
        if self._policy.timeout is not None:
            self._kill(self._roster.condemn(event.running, self._policy.timeout, self._now))
        if self._policy.memory_limit is not None:
            self._looked = self._now
            self._kill(self._roster.condemn_oversized(event.running, event.memory, self._policy.memory_limit))

    def _kill(self, workers: Iterable[Worker]) -> None:
        self._commands.extend(ev.Kill(worker.id) for worker in workers)

    def _on_memory(self, event: ev.Memory) -> None:
        """Little memory free: nothing more is sent while something runs; less still: the youngest task has to wait."""
        self._dealer.tight = event.free < TIGHT
        if event.free < CRITICAL and (worker := self._roster.sacrifice()) is not None:
            self._kill([worker])

    def _on_taken(self, event: ev.Taken) -> None:
        self._taken += event.tasks

    def _on_adopted(self, event: ev.Adopted) -> None:
        _require(event.batch.start == self._index, "a task that is adopted was sent to an open place")
        self._dealer.batches, self._index = event.batch.id, self._index + 1
        self._roster.give(event.worker, event.batch, event.since)

    def _on_returned(self, event: ev.Returned) -> None:
        worker = self._roster.get(event.worker)
        if worker is None:
            return
        worker.recalled = False
        for number, first, last in reversed(event.stretches):
            flight = worker.flights[number]
            start, rest = flight.batch.start + first, flight.batch.items[first:last]
            worker.give_back(flight, first, last)
            self._backlog.put_back(Segment(start, rest, flight.batch.attempt, suspect=worker.on_trial))
        self._roster.line_up(worker)

    def _on_moved(self, event: ev.Moved) -> None:
        self._commands += self._dealer.move(event.crew, event.after)

    # ----------------------------------------------------------------------------------------- outcomes of tasks

    def _succeed(self, worker: Worker, flight: Flight, part: Part) -> int:
        batch, count = flight.batch, len(part.values)
        worker.mark(flight, part.offset, count)
        if self._lines is not None:
            for offset in range(part.offset, part.offset + count):
                self._lines.leave(batch.start + offset, self._now)
        items = batch.items if count == len(batch.items) else batch.items[part.offset : part.offset + count]
        start = batch.start + part.offset
        earlier = self._earlier_of(start) if batch.attempt > 1 else ()
        self._settle(Block(start, items, part.values, part.seconds, worker.name, batch.attempt, part.slots, earlier))
        return count

    def _fail(self, worker: Worker, batch: Batch, fault: Fault) -> None:
        index, item = batch.start + fault.offset, batch.items[fault.offset]
        if self._lines is not None:
            self._lines.leave(index, self._now)
        error = with_index(fault.exception, index)
        failure = Failure(index, item, None, error, batch.attempt, fault.seconds, slot_name(worker.name, fault.slot))
        delay = self._delay(failure)
        if delay is None:
            failure.earlier = self._earlier_of(index)
            self._settle(failure)
            return
        self.retried += 1
        self._earlier.setdefault(index, []).append(Attempt(error, failure.seconds, failure.worker, delay))
        self._backlog.put_off(Segment(index, [item], batch.attempt + 1), until=self._now + delay)
        self._commands.append(ev.Retry(failure, delay))

    def _earlier_of(self, index: int) -> tuple[Attempt, ...]:
        """The attempts at a task that is about to be settled; what they held in their hands is let go of."""
        attempts = tuple(self._earlier.pop(index, ()))
        for attempt in attempts:
            attempt.exception.__traceback__ = None
        return attempts

    def _delay(self, failure: Failure) -> float | None:
        """Seconds until the task is tried again; None where it is not."""
        if self._backlog.beyond(failure.index):
            return None
        return self._policy.retry.delay(failure.exception, failure.attempts, self._rng)

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
        if not self._backlog.beyond(index):
            self._backlog.cut(index)
            self._input_open = False

    def _recover(self, worker: Worker, flight: Flight, culprits: Mapping[Place, float], event: ev.Lost) -> None:
        """What a lost worker had of a batch: the task in hand has failed, the others are sent again as they were."""
        for piece in aftermath(worker, flight, culprits, event, self._policy, self._now):
            if isinstance(piece, Fault):
                self._fail(worker, flight.batch, piece)
                continue
            if self._lines is not None:
                for index in range(piece.first, piece.end):
                    self._lines.leave(index, self._now, unused=True)
            self._backlog.put_back(piece)

    def _reject(self, lines: Lines) -> None:
        """Settle the tasks for which no key could be found; they are not tried at all."""
        rejected, lines.rejected = lines.rejected, []
        for index, item, error in rejected:
            if not self.finished and not self._backlog.beyond(index):
                self._settle(Failure(index, item, None, error, 0))

    # ------------------------------------------------------------------------------------------ input and window

    def _pull(self) -> None:
        if self._pulling or not self._input_open or self.finished:
            return
        goal, ready = self._dealer.goal, self._backlog.ready + self._backlog.held
        wanted = min((max(goal, AT_HAND) if self._policy.at_hand else goal) - ready, self._room())
        if wanted > 0 and 2 * ready <= goal:
            self._pulling = True
            self._commands.append(ev.Pull(wanted))

    def _left(self) -> int:
        """Tasks that are still to be sent, as far as that is known."""
        ready = self._backlog.ready + self._backlog.held
        if not self._input_open:
            return ready
        if self._policy.total is None:
            return 1 << 40
        return max(ready, self._policy.total - (self._index - self._first) + ready)

    def _room(self) -> int:
        held = self.unfinished if self._policy.eager else self._index - self._taken
        return self._policy.bound - held

    # ------------------------------------------------------------------------------------------ deadlines and end

    def _next_deadline(self) -> float | None:
        timeout = self._policy.timeout
        overdue = None if timeout is None else self._roster.next_deadline(timeout)
        if self._policy.memory_limit is None or not self._roster.busy:
            return overdue
        return min(overdue or inf, self._looked + LOOK_AT_MEMORY)

    def _close_when_done(self) -> None:
        if not self.finished and not self._input_open and self._backlog.horizon is None and self.unfinished == 0:
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
        return [command for command in commands if isinstance(command, ev.Last)] if self.finished else commands

    # ------------------------------------------------------------------------------------------------- invariants

    def validate(self) -> None:
        """Assert the invariants; raises `InternalError` naming the one that is broken. For tests: costs O(state)."""
        broken = self._roster.broken()
        _require(not broken, broken)
        _require(self._backlog.counted(), "the backlog's count is its length")
        batches = [flight for worker in self._roster for flight in worker.flights.values()]
        in_flight = [f.batch.start + offset for f in batches for a, b in f.unfinished() for offset in range(a, b)]
        held = [*self._backlog.indices(), *in_flight]
        _require(len(held) == len(set(held)), "a task is held in one place only")
        if self._backlog.horizon is None:
            _require(len(held) == self.unfinished, "every task is held or settled")
        _require(self._policy.window is None or self._pulling or self._room() >= 0, "the window is kept")


def _require(condition: bool, invariant: str) -> None:
    if not condition:
        raise InternalError(f"broken invariant: {invariant}")


_HANDLERS: dict[type, Callable[..., None]] = {
    ev.InputArrived: Coordinator._on_input,
    ev.InputEnded: Coordinator._on_input_end,
    ev.Finished: Coordinator._on_finished,
    ev.Begun: lambda coordinator, event: coordinator._commands.extend(coordinator._dealer.begun(event)),
    ev.Lost: Coordinator._on_lost,
    ev.Unfit: lambda coordinator, event: coordinator._finish(event.error),
    ev.Observed: Coordinator._on_observed,
    ev.Taken: Coordinator._on_taken,
    ev.Moved: Coordinator._on_moved,
    ev.Reserved: lambda coordinator, event: coordinator._roster.reserve(event.cpus),
    ev.Memory: Coordinator._on_memory,
    ev.Adopted: Coordinator._on_adopted,
    ev.Blocked: lambda coordinator, event: None,
    ev.Returned: Coordinator._on_returned,
    ev.Tick: lambda coordinator, event: None,
}
