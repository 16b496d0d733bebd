"""The dealer: to whom the next tasks go, how many of them, and whether one more worker is worth hiring.

Owns the sizes and the numbers of batches, and the pace of hiring. Must never settle a task, read a clock, or deal what
is not ready.
"""

from __future__ import annotations

from collections.abc import Iterator

from alongside.core import events as ev
from alongside.core.backlog import Backlog
from alongside.core.batching import Sizer
from alongside.core.growth import Growth
from alongside.core.lines import AHEAD, Lines
from alongside.core.model import Batch
from alongside.core.policy import (
    BRIEF,
    HIRE_AGAIN,
    HIRE_MORE,
    HIRES,
    OVERTAKEN,
    RECALL,
    SILENCE,
    WORTH_AHEAD,
    WORTH_HIRING,
    Policy,
)
from alongside.core.roster import Roster, Worker

RESERVE, SHARED = 4096, 256
"""Tasks that a worker of many slots holds beyond its slots, at the most, while a task takes long: the only worker of
its crew; one of several."""


class Dealer:
    """Turns what is ready in the backlog into batches for the roster's workers."""

    def __init__(self, policy: Policy, crew: ev.Crew, backlog: Backlog | Lines, roster: Roster) -> None:
        self._policy = policy
        self._backlog = backlog
        self._lines = backlog if isinstance(backlog, Lines) else None
        self._roster = roster
        self._sizer = self._new_sizer(crew)
        self._hires = self._go = 0
        """Workers hired in the present dealing, and how many may be."""
        self._now = self._heard_at = 0.0
        self._hired_at = float("-inf")
        self._commands: list[ev.Command] = []
        self.batches = 0
        """The number of the last batch."""
        self.held_back = False
        """Whether there is work for one more worker, who was not hired yet."""
        self.tight = False
        """Whether memory is short, so that nothing more is sent while something runs."""
        self.growth = _growth(crew)
        """What finds how many run side by side, where that is to be found."""
        self._set_reserve()

    def move(self, crew: ev.Crew, after: bool) -> list[ev.Command]:
        """From here on, deal to this crew; what is known of the tasks stays known, and what the old one has not begun
        is to be had back where it can be."""
        known = self._sizer.per_task
        self._roster.enlist(crew, after)
        self._sizer = self._new_sizer(crew)
        self._sizer.per_task = known
        self.growth = _growth(crew)
        self._set_reserve()
        return [ev.Recall(worker.id) for worker in self._roster.left_behind()]

    def begun(self, event: ev.Begun) -> list[ev.Command]:
        """A worker has begun as many tasks as it may; whether it may begin more before any of them is done."""
        worker, growth = self._roster.get(event.worker), self.growth
        if growth is None or worker is None or worker.crew is not self._roster.crew:
            return []
        if not growth.begun(event.under_way, event.seconds):
            return []
        self._set_reserve()
        self._roster.line_up(worker)
        return [ev.Resize(worker.id, growth.at_once)]

    def learn(self, worker: Worker, event: ev.Finished, count: int, now: float) -> list[ev.Command]:
        """So many tasks have come back from a worker; what is to be done about it."""
        self._sizer.record(count, event.seconds, event.nbytes)
        self._heard_at = now
        changed: list[ev.Command] = []
        growth = self.growth if worker.crew is self._roster.crew else None
        if growth and growth.learn(count, len(event.faults), event.seconds, now, worker.load + count, event.busy):
            changed.append(ev.Resize(worker.id, growth.at_once))
        if self._roster.crew.slots > 1:
            self._set_reserve()
        return changed

    def deal(self, left: int, now: float) -> list[ev.Command]:
        """Give out what can be given out now; `left` tasks are still to be sent, as far as that is known."""
        self._now, self._commands, self.held_back = now, [], False
        self._hires, self._go = 0, max(min(HIRES, self._roster.crew.cpus or HIRES), self._roster.present)
        while (self._backlog.ready or self._admit()) and not (self.tight and self._roster.busy):
            worker = self._next_worker(left)
            if worker is None:
                break
            left -= self._dispatch(worker, left)
        self._recall()
        return self._commands

    def next_times(self) -> tuple[float | None, ...]:
        """When there may be something to do without an event."""
        return self.next_hiring(), self.next_turn(), self.next_recall()

    def next_hiring(self) -> float | None:
        """When to look whether still more workers are wanted."""
        if not self.held_back or not self._backlog.ready or not self._roster.may_hire:
            return None
        return max(self._hired_at + self._pace, self._heard_at + SILENCE if self._enough_of_them else 0.0)

    def next_turn(self) -> float | None:
        """When a task may be sent that waits for its turn by the limits."""
        if self._lines is None or self._lines.ready or not self._roster.has_room or (self.tight and self._roster.busy):
            return None
        return self._lines.next_turn()

    def next_recall(self) -> float | None:
        """When work is to be had back from a worker that is slow with it."""
        return min((due for _, due in self._overdue()), default=None)

    @property
    def join_below(self) -> int:
        """Stretches of fewer tasks than this are joined, so that batches fill up."""
        return self._sizer.full()

    @property
    def goal(self) -> int:
        """Tasks to have at hand: what the workers can take, and one more batch."""
        crew = self._roster.crew
        if self._lines is not None:
            return AHEAD
        if crew.slots > 1:
            return crew.max_workers * (self._slots + self._reserve)
        return (crew.max_workers * crew.depth + 1) * self._sizer.full()

    # ---------------------------------------------------------------------------------------------------- inside

    def _new_sizer(self, crew: ev.Crew) -> Sizer:
        patient = crew.patient_seconds if self._policy.patient else 0.0
        return Sizer(crew.target_seconds, self._policy.batch_size, crew.most, patient)

    def _admit(self) -> bool:
        """Where tasks wait for their turn by limits: take one's turn, but only once there is somebody to run it."""
        return self._lines is not None and self._roster.has_room and self._lines.admit(self._now)

    def _next_worker(self, left: int) -> Worker | None:
        """Somebody empty, somebody new, or, where batches are brief, somebody who will soon want the next one."""
        roster = self._roster
        if self._backlog.suspicious:
            return roster.for_trial() or self._hire(left)
        worker = roster.next_empty()
        if worker is None or worker.flights:  # of many slots: better a new one than one that has something to do
            worker = self._hire(left) or worker
        if worker is None and self._may_send_ahead(left):
            worker = roster.next_ahead()
        return worker

    def _may_send_ahead(self, left: int) -> bool:
        """Whether a batch may be sent to somebody who still has one: always a brief one. Longer ones where they can be
        had back, weigh little, and so much is left that nobody will be without work because of it.
        """
        if self._lines is not None:
            return False
        crew, lasts = self._roster.crew, self._sizer.expected(self._sizer.full())
        if lasts < crew.prefetch_below:
            return True
        return crew.recalls and lasts < WORTH_AHEAD and left > self._roster.present and self._sizer.light

    def _has_hands(self) -> bool:
        """Whether somebody could do what others have not begun."""
        worker = self._roster.next_empty()
        return self._roster.may_hire if worker is None else not worker.flights

    def _overdue(self) -> Iterator[tuple[Worker, float]]:
        """From whom work is to be had back, and when: soon where somebody else has none; later where others go on, so
        that what was sent ahead of its turn is not overtaken for long.
        """
        if self._lines is not None:
            return
        if not self._backlog.ready and self._has_hands():
            patience, batches = RECALL, 1
        elif self._roster.present > 1:
            patience, batches = OVERTAKEN, 2
        else:
            return
        for worker in self._roster:
            if (due := worker.overdue(patience, batches)) is not None:
                yield worker, due

    def _recall(self) -> None:
        for worker, due in self._overdue():
            if due <= self._now:
                worker.ask(self._now)
                self._commands.append(ev.Recall(worker.id))

    def _hire(self, left: int) -> Worker | None:
        """One more worker, if there is enough to do for it; a few at a time: soon what was sent may be done already."""
        if self._sizer.expected(left) < WORTH_HIRING * self._roster.present:
            return None
        crowded = self._enough_of_them and self._now < self._heard_at + SILENCE
        early = self._one_for_each_cpu and not self._hires and self._now < self._hired_at + HIRE_MORE
        if crowded or early or self._hires >= self._go:
            self.held_back = self._roster.may_hire
            return None
        worker = self._roster.hire()
        if worker is not None:
            self._hires += 1
            self._hired_at = self._now
            self._commands.append(ev.Hire(worker.id))
        return worker

    @property
    def _enough_of_them(self) -> bool:
        """Whether every CPU has a worker, and the tasks are so brief that more would gain nothing. As long as results
        come, that is: the next task may be another kind.
        """
        each = self._sizer.per_task
        return each is not None and each < BRIEF and self._one_for_each_cpu

    @property
    def _one_for_each_cpu(self) -> bool:
        return 0 < self._roster.crew.cpus <= self._roster.present

    @property
    def _pace(self) -> float:
        """Seconds between two hirings."""
        return HIRE_MORE if self._one_for_each_cpu else HIRE_AGAIN

    def _dispatch(self, worker: Worker, left: int) -> int:
        tasks = self._backlog.take(self._share(worker, left))
        self.batches += 1
        batch = Batch(self.batches, tasks.start, tasks.items, tasks.attempt)
        self._roster.give(worker.id, batch, self._now)
        self._commands.append(ev.Dispatch(worker.id, batch))
        return len(batch.items)

    def _share(self, worker: Worker, left: int) -> int:
        crew = self._roster.crew
        if self._backlog.suspicious:
            share = self._roster.trial_room(worker)
        elif crew.slots > 1:
            share = self._fill_up(worker, left)
        else:
            share = self._sizer.next(left, self._roster.present if self._enough_of_them else crew.max_workers)
        limit = None if crew.counts_tasks else self._policy.tasks_per_worker
        return share if limit is None else min(share, limit - worker.given)

    def _fill_up(self, worker: Worker, left: int) -> int:
        """What fills a worker's slots and its reserve; of the last tasks a part, where there are several workers."""
        crew = self._roster.crew
        room = self._slots + self._reserve - worker.load
        return room if crew.max_workers == 1 else min(room, max(1, left // (2 * crew.max_workers)))

    def _set_reserve(self) -> None:
        """How many tasks a many-slotted worker holds beyond its slots, so that none of them waits for the next batch:
        what they finish in the time that a batch is meant to last. When half of that is gone, more is sent. None where
        there are limits: what waits at a worker would keep its turn from others.
        """
        crew, each = self._roster.crew, self._sizer.per_task
        slots = self._slots = crew.slots if self.growth is None else self.growth.at_once
        least = min(4 * slots, RESERVE) if crew.max_workers == 1 else min(slots, SHARED)  # all may be done at once
        wanted = crew.target_seconds * slots / each if each else 0.0
        self._reserve = int(max(least, min(wanted, crew.most))) if self._lines is None else 0
        self._roster.enough = slots + self._reserve // 2


def _growth(crew: ev.Crew) -> Growth | None:
    return Growth(crew.begin, crew.slots, crew.opening) if crew.begin else None
