"""The roster: which workers there are, what each has been given, and who is next in line.

Owns the workers' loads and deadlines. Must never know which task is to be sent, nor read a clock.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from alongside.core.events import Crew
from alongside.core.model import Batch, Running
from alongside.exceptions import InternalError
from alongside.light import dataclass, field


@dataclass(slots=True)
class Flight:
    """A batch at a worker: which stretches of it are done, and how many tasks are not."""

    batch: Batch
    left: int
    sent: float = 0.0
    done: list[tuple[int, int]] = field(default_factory=list)

    def unfinished(self) -> list[tuple[int, int]]:
        """The stretches [first, last) that have not come back."""
        gaps, edge = [], 0
        for first, last in [*sorted(self.done), (len(self.batch.items),) * 2]:
            if first > edge:
                gaps.append((edge, first))
            edge = max(edge, last)
        return gaps

    def pieces(self, apart: Iterable[int]) -> Iterator[tuple[int, int]]:
        """The unfinished stretches from the last to the first; every offset in `apart` is a stretch of its own."""
        for first, last in reversed(self.unfinished()):
            for offset in sorted((offset for offset in apart if first <= offset < last), reverse=True):
                if offset + 1 < last:
                    yield offset + 1, last
                yield offset, offset + 1
                last = offset
            if first < last:
                yield first, last


@dataclass(slots=True)
class Worker:
    """One worker, and what it has been given."""

    id: int
    crew: Crew
    flights: dict[int, Flight] = field(default_factory=dict)
    load: int = 0
    since: float = 0.0
    """Since when, at the latest, its present attempt runs."""
    condemned: Running | None = None
    """What it had in hand when the deadline of that passed (or it grew too large), for which it is being killed."""
    oversize: int | None = None
    """The bytes it held when that was too much."""
    given: int = 0
    """Tasks it has been given since it was hired."""
    recalled: bool = False
    """Whether it was asked for what it has not begun, and has not answered."""
    asked: float = 0.0
    """When that was."""
    slow: bool = False
    """Whether it was asked for that and has finished nothing since: it is sent nothing ahead of its turn."""
    on_trial: bool = False
    """Whether all it holds is suspect of having ended another worker."""

    @property
    def name(self) -> str:
        """What outcomes call it."""
        return f"{self.crew.name}-{self.id}"

    def used_up(self, limit: int | None) -> bool:
        """Whether it has been given as many tasks as a worker may run."""
        return limit is not None and self.given >= limit and not self.crew.counts_tasks

    @property
    def watched(self) -> bool:
        """Whether its attempts have a deadline that nobody else keeps."""
        return bool(self.flights) and self.condemned is None and not self.crew.watches_timeout

    def give(self, batch: Batch, now: float) -> None:
        """It has been sent a batch."""
        if not self.flights:
            self.since = now
        self.flights[batch.id] = Flight(batch, len(batch.items), now)
        self.load += len(batch.items)
        self.given += len(batch.items)

    def give_back(self, flight: Flight, first: int, last: int) -> None:
        """These tasks of a batch will not be run by it."""
        self.mark(flight, first, last - first)
        self.given -= last - first

    def ask(self, now: float) -> None:
        """It is asked for what it has not begun."""
        self.recalled = self.slow = True
        self.asked = now

    def overdue(self, patience: float, batches: int = 1) -> float | None:
        """When to ask it for what waits in it behind another task: `patience` seconds after that one was sent.

        None where nothing waits, where it has been asked already, and where it holds fewer than `batches`.
        """
        if self.load < 2 or self.recalled or self.condemned is not None or not self.crew.recalls or self.crew.slots > 1:
            return None
        if len(self.flights) < batches:
            return None
        return max(next(iter(self.flights.values())).sent, self.asked) + patience

    def mark(self, flight: Flight, offset: int, count: int) -> None:
        """So many tasks of a batch have come back."""
        flight.done.append((offset, offset + count))
        flight.left -= count
        self.load -= count
        if flight.left < 0:
            raise InternalError(f"batch {flight.batch.id}: more tasks came back than were sent")
        if flight.left == 0:
            del self.flights[flight.batch.id]


NOBODY = Running(0, -1, 0.0)
"""In the place of a culprit, where a worker is ended for no fault of the task it runs."""


class Roster:
    """The workers in service, and two lines of those with room: the empty, and those that may be sent a batch ahead."""

    def __init__(self, crew: Crew, tasks_per_worker: int | None = None) -> None:
        self._tasks_per_worker = tasks_per_worker
        self._workers: dict[int, Worker] = {}
        self._empty: dict[int, None] = {}
        self._ahead: dict[int, None] = {}
        self._together = 1
        """Suspects that are tried together."""
        self._hired = self._present = 0
        """How many were hired in all, and how many of the present crew are in service."""
        self.crew, self._after = crew, False
        self._reserved = 0
        self.enough = crew.slots
        """Tasks in hand from which a worker of many slots is not sent more."""

    def __iter__(self) -> Iterator[Worker]:
        return iter(self._workers.values())

    # ------------------------------------------------------------------------------------------------- trials

    def suspect(self, worker: Worker, already: bool) -> None:
        """One of the tasks of this worker, which is lost, may have ended it. `already`: other suspects wait.

        Half as many suspects are tried together from here on: after a few losses the culprit is alone, and all others
        have run side by side with others all the while.
        """
        half = max(1, (worker.load + 1) // 2)
        already = already or worker.on_trial or any(other.on_trial for other in self)
        self._together = min(half, self._together) if already else half

    def for_trial(self) -> Worker | None:
        """Who can be sent more suspects: somebody who holds nothing else."""
        for worker in self:
            if (
                worker.on_trial
                and self._may_be_sent_more(worker)
                and worker.load < min(self._together, self.crew.slots)
            ):
                return worker
        return next((worker for number in self._empty if not (worker := self._workers[number]).flights), None)

    def trial_room(self, worker: Worker) -> int:
        """How many suspects the worker can be sent, all of which it will hold together."""
        worker.on_trial = True
        return min(self._together, self.crew.slots) - worker.load

    # -------------------------------------------------------------------------------------------- coming and going

    def enlist(self, crew: Crew, after: bool = False) -> None:
        """From here on, work goes to this crew. The old one finishes what it has; with `after`, the new one waits."""
        self.crew, self._after = crew, after
        self._present = 0
        self._empty.clear()
        self._ahead.clear()

    @property
    def present(self) -> int:
        """How many workers of the crew there are."""
        return self._present

    @property
    def has_room(self) -> bool:
        """Whether a worker has nothing to do (or, of many slots, one free), or one more may be hired."""
        return bool(self._empty) or self.may_hire

    @property
    def may_hire(self) -> bool:
        """Whether the crew may have one more."""
        places = max(1, self.crew.max_workers - self._reserved)
        return self._present < places and not (self._after and self._draining())

    def left_behind(self) -> list[Worker]:
        """Workers of another crew that may hold what they have not begun, and are asked for it from here on."""
        old = (worker for worker in self if worker.crew is not self.crew and worker.crew.recalls)
        found = [one for one in old if one.load > 1 and not one.recalled and one.condemned is None]
        for worker in found:
            worker.recalled = True
        return found

    def _draining(self) -> bool:
        """Whether workers of an old crew still have something in hand."""
        return any(worker.crew is not self.crew and worker.flights for worker in self)

    def hire(self) -> Worker | None:
        """A new worker, if the crew may have one more."""
        if not self.may_hire:
            return None
        self._hired += 1
        self._present += 1
        worker = self._workers[self._hired] = Worker(self._hired, self.crew)
        return worker

    def reserve(self, cpus: int) -> None:
        """Until further notice so many of the crew's places are left empty; one is not."""
        self._reserved = cpus

    def get(self, number: int) -> Worker | None:
        """The worker of that number, while it is in service."""
        return self._workers.get(number)

    def lose(self, number: int) -> Worker | None:
        """Strike a worker off; what it was, if it was in service."""
        self._leave_line(number)
        worker = self._workers.pop(number, None)
        if worker is not None and worker.crew is self.crew:
            self._present -= 1
        return worker

    def _of_crew(self) -> int:
        return sum(worker.crew is self.crew for worker in self)

    # ------------------------------------------------------------------------------------------------- the lines

    def next_empty(self) -> Worker | None:
        """Who has waited longest with nothing to do (or, of many slots, with one free)."""
        return self._workers[next(iter(self._empty))] if self._empty else None

    def next_ahead(self) -> Worker | None:
        """Who may be sent a batch ahead of its turn."""
        return self._workers[next(iter(self._ahead))] if self._ahead else None

    def give(self, number: int, batch: Batch, now: float) -> None:
        """The worker of that number has been sent a batch."""
        worker = self._workers[number]
        worker.give(batch, now)
        self.line_up(worker)

    def line_up(self, worker: Worker) -> None:
        """Put a worker at the end of the line it belongs to, after what it holds has changed."""
        self._leave_line(worker.id)
        if not self._may_be_sent_more(worker):
            return
        worker.on_trial = worker.on_trial and bool(worker.flights)
        if worker.on_trial:
            return
        if worker.load < self.enough if worker.crew.slots > 1 else not worker.flights:
            self._empty[worker.id] = None
        elif worker.crew.slots == 1 and len(worker.flights) < worker.crew.depth and not worker.slow:
            self._ahead[worker.id] = None

    def _may_be_sent_more(self, worker: Worker) -> bool:
        return worker.crew is self.crew and worker.condemned is None and not worker.used_up(self._tasks_per_worker)

    def _leave_line(self, number: int) -> None:
        self._empty.pop(number, None)
        self._ahead.pop(number, None)

    # ------------------------------------------------------------------------------------------------ deadlines

    def next_deadline(self, timeout: float) -> float | None:
        """When the earliest attempt may be overdue, by what is known."""
        earliest = min((worker.since for worker in self if worker.watched), default=None)
        return None if earliest is None else earliest + timeout

    def condemn(self, observed: Mapping[int, Sequence[Running]], timeout: float, now: float) -> list[Worker]:
        """Learn what the workers have in hand; those whose task is overdue are condemned, and returned."""
        condemned = []
        for worker in [worker for worker in self if worker.watched]:
            running = observed.get(worker.id, ())
            worker.since = min((task.since for task in running), default=now)
            worker.condemned = next((task for task in running if task.since + timeout <= now), None)
            if worker.condemned is not None:
                self._leave_line(worker.id)
                condemned.append(worker)
        return condemned

    def condemn_oversized(
        self, observed: Mapping[int, Sequence[Running]], memory: Mapping[int, int], limit: int
    ) -> list[Worker]:
        """Workers that hold more bytes than `limit` are condemned for what they have in hand, and returned."""
        found = [w for w in self if w.flights and w.condemned is None and memory.get(w.id, 0) > limit]
        for worker in found:
            running = observed.get(worker.id, ())
            worker.condemned = running[0] if running else NOBODY
            worker.oversize = memory[worker.id]
            self._leave_line(worker.id)
        return found

    def sacrifice(self) -> Worker | None:
        """Of several busy workers, the one whose task has run for the shortest; that task is to be sent again."""
        busy = [worker for worker in self if worker.flights and worker.condemned is None]
        if len(busy) < 2:
            return None
        youngest = max(busy, key=lambda worker: worker.since)
        youngest.condemned = NOBODY
        self._leave_line(youngest.id)
        return youngest

    @property
    def busy(self) -> bool:
        """Whether any worker has something in hand."""
        return any(worker.flights for worker in self)

    # --------------------------------------------------------------------------------------------------- checks

    def broken(self) -> str:
        """The first invariant that does not hold, or "". Costs O(state): for checks."""
        for worker in self:
            if worker.load != sum(flight.left for flight in worker.flights.values()):
                return "a worker's load is what it holds"
            if any(flight.left <= 0 for flight in worker.flights.values()):
                return "a batch that is done is forgotten"
            if worker.crew.slots == 1 and len(worker.flights) > worker.crew.depth:
                return "no worker is given too many batches"
        if self._present != self._of_crew():
            return "the count of workers is their number"
        if self._present > self.crew.max_workers:
            return "no more workers than allowed"
        if not all(self._workers[number].crew is self.crew for number in (*self._empty, *self._ahead)):
            return "only workers of the present crew are in line"
        return ""
