"""The timeline: what every worker did when, read off the stream of events.

Owns what it has noted of a run. Must never hold an item or a result, change anything, or cost a run anything one could
measure: while a run goes on it notes a line per event, which speaks for a whole batch; spans, the distribution and the
slowest tasks are made of the lines when somebody looks, or when there are many of them.

How exact: a worker process hands its results over within 10 ms, and a span ends when they arrive. How long an attempt
took is what its worker measured; for tasks below 20 µs it is the mean of their batch.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from heapq import nlargest
from itertools import repeat
from math import log10

from alongside.core.events import Command, Crew, Dispatch, Event, Finished, Hire, Lost, Memory, Moved, Retry
from alongside.core.model import Seconds, Slots, slot_name
from alongside.light import NamedTuple
from alongside.observe.lanes import Lanes, Span

NOTES = 20_000
"""Lines that are kept before they are made into spans."""

PER_DECADE = 10
"""Steps of the distribution of durations in each power of ten."""

SLOWEST = 12
"""Attempts that are told as the slowest."""

SAMPLE_EVERY, SAMPLES = 0.25, 2048
"""Seconds between two looks at memory, and how many are kept: beyond that every other is dropped."""


class Slow(NamedTuple):
    """One of the attempts that took longest."""

    seconds: float
    task: int
    attempt: int
    worker: str
    ok: bool


class Sample(NamedTuple):
    """Memory at a moment: bytes that this process holds, bytes that the workers hold for themselves, share free."""

    at: float
    own: int
    workers: int
    free: float | None


class _Flight:
    """A batch that was sent: the index of its first task, which attempt it is, and how many of its tasks are out."""

    __slots__ = ("attempt", "left", "start", "worker")

    def __init__(self, worker: int, start: int, attempt: int, left: int) -> None:
        self.worker = worker
        self.start = start
        self.attempt = attempt
        self.left = left


_Stretch = tuple[int, int, Seconds, bool, Slots]
"""Offset, tasks, seconds, whether they succeeded, and in which slot of the worker where it has several."""
_Note = tuple[float, int, _Flight, float, list[_Stretch]]
"""When, which worker, which batch, seconds since the worker's last hand-over (0: it is part of that), what came."""


class Timeline:
    """Every attempt's start, end and worker. `workers`, `spans`, `durations`, `slowest`, `memory`, `moves`."""

    def __init__(self, crew: Crew) -> None:
        self.seconds = 0.0
        """From the first event to the last."""
        self.moves: list[tuple[float, str]] = [(0.0, crew.name)]
        """Which backend work went to, from when on."""
        self.retried = 0
        """Attempts that failed and were followed by another."""
        self._crew = crew
        self._crews: dict[int, Crew] = {}
        self._flights: dict[int, _Flight] = {}
        self._notes: list[_Note] = []
        self._began: float | None = None
        self._lanes = Lanes()
        self._durations: Counter[int] = Counter()
        self._slowest: list[Slow] = []
        self._samples: list[Sample] = []
        self._sample_every = SAMPLE_EVERY
        self._next_sample = 0.0

    # ------------------------------------------------------------------------------------------ while the run goes on

    def on_event(self, event: Event, now: float) -> None:
        if self._began is None:
            self._began = self._next_sample = now
        self.seconds = now = now - self._began
        kind = type(event)
        if kind is Finished:
            self._on_finished(event, now)  # type: ignore[arg-type]  # just seen
        elif kind is Lost:
            self._on_lost(event, now)  # type: ignore[arg-type]
        elif kind is Moved:
            self._crew = event.crew  # type: ignore[union-attr]
            if self._crew.name != self.moves[-1][1]:  # not just to more of the same
                self.moves.append((now, self._crew.name))
        if kind is Memory or now >= self._next_sample:
            self._sample(event, now)

    def on_command(self, command: Command, now: float) -> None:
        if type(command) is Dispatch:
            batch = command.batch
            self._flights[batch.id] = _Flight(command.worker, batch.start, batch.attempt, len(batch.items))
        elif type(command) is Hire:
            self._crews[command.worker] = self._crew
        elif type(command) is Retry:
            self.retried += 1

    def close(self) -> None:
        """The run is over."""
        self._flights = {}

    def _on_finished(self, event: Finished, now: float) -> None:
        flight = self._flights.get(event.batch)
        if flight is None:
            return
        came: list[_Stretch] = [(part.offset, len(part.values), part.seconds, True, part.slots) for part in event.parts]
        came += [(fault.offset, 1, fault.seconds, False, fault.slot) for fault in event.faults]
        self._notes.append((now, event.worker, flight, event.seconds, came))
        flight.left -= sum(stretch[1] for stretch in came)
        if flight.left <= 0:
            del self._flights[event.batch]
        if len(self._notes) > NOTES:
            self._digest()

    def _on_lost(self, event: Lost, now: float) -> None:
        for running in event.running:
            flight = self._flights.get(running.batch)
            if flight is not None and running.offset >= 0:
                took = max(0.0, now + (self._began or 0.0) - running.since)
                self._notes.append((now, event.worker, flight, took, [(running.offset, 1, took, event.blameless, 0)]))
        self._flights = {batch: flight for batch, flight in self._flights.items() if flight.worker != event.worker}

    def _sample(self, event: Event, now: float) -> None:
        held, free = 0, None
        if isinstance(event, Memory):
            held, free = sum(event.held.values()), event.free
        elif self._samples and self._samples[-1].free is not None:
            return  # the driver looks, and tells
        self._samples.append(Sample(now, resident(), held, free))
        self._next_sample = now + self._sample_every
        if len(self._samples) > SAMPLES:
            self._samples = self._samples[::2]
            self._sample_every *= 2

    # -------------------------------------------------------------------------------------------- when somebody looks

    @property
    def lanes(self) -> Lanes:
        """One for each thing that runs one at a time, with its spans in order."""
        self._digest()
        return self._lanes

    @property
    def workers(self) -> list[str]:
        """The names of the lanes: a worker, a thread (`threads-1.2`), or a place in an event loop (`asyncio-1/2`)."""
        return [lane.name for lane in self.lanes]

    @property
    def spans(self) -> list[tuple[str, Span]]:
        """Each span with the worker it belongs to, by start. At most 65,536: see `Lanes` for what is put together."""
        found = [(lane.name, span) for lane in self.lanes for span in lane.spans]
        return sorted(found, key=lambda entry: entry[1].start)

    @property
    def durations(self) -> dict[float, int]:
        """How many attempts took so long: by the middle of each step, ten steps for each power of ten, in seconds."""
        self._digest()
        return {10 ** ((step + 0.5) / PER_DECADE): count for step, count in sorted(self._durations.items())}

    @property
    def slowest(self) -> list[Slow]:
        """The attempts that took longest, the longest first."""
        self._digest()
        return self._slowest

    @property
    def memory(self) -> list[Sample]:
        """Memory over time."""
        return self._samples

    def utilisation(self, steps: int = 200) -> list[tuple[float, float]]:
        """For each step of the run: its middle in seconds, and how many workers were busy in it on average."""
        step = self.seconds / steps or 1.0
        busy = [0.0] * steps
        for _, span in self.spans:
            _spread(busy, span, step)
        return [((place + 0.5) * step, seconds / step) for place, seconds in enumerate(busy)]

    def __repr__(self) -> str:
        return f"<Timeline: {sum(self.durations.values()):,} attempts on {len(self.lanes)} lanes, {self.seconds:.3g} s>"

    def _digest(self) -> None:
        """Make what was noted into spans, and count it."""
        notes, self._notes = self._notes, []
        place = 0
        while place < len(notes):
            end = place + 1
            now, worker, flight, _, came = notes[place]
            while end < len(notes) and notes[end][1:3] == (worker, flight) and notes[end][3] == 0.0:
                came = came + notes[end][4]
                end += 1
            self._draw(now, worker, flight, sorted(came, key=_offset))
            place = end

    def _draw(self, now: float, worker: int, flight: _Flight, came: Sequence[_Stretch]) -> None:
        crew = self._crews.get(worker, self._crew)
        name = f"{crew.name}-{worker}"
        by_slot: dict[int, list[Span]] = {}
        for stretch in came:
            self._count(name, flight, stretch)
            for slot, span in zip(_slots(stretch), _spans(flight, stretch), strict=False):
                by_slot.setdefault(slot, []).append(span)
        for slot, spans in by_slot.items():
            if crew.slots > 1 and not slot:
                ended = [span.moved(now - span.end, now) for span in spans]
                self._lanes.side_by_side(name, crew.slots, ended)
            else:
                self._lanes.one_after_another(slot_name(name, slot), spans, now)

    def _count(self, name: str, flight: _Flight, stretch: _Stretch) -> None:
        offset, tasks, seconds, ok, slots = stretch
        first = flight.start + offset
        if isinstance(seconds, float):
            self._durations[_step(seconds)] += tasks
            slow = [Slow(seconds, first, flight.attempt, slot_name(name, next(_slots(stretch))), ok)]
        else:
            self._durations.update(map(_step, seconds))
            least = self._slowest[-1].seconds if len(self._slowest) >= SLOWEST else -1.0
            by = [slots] * tasks if isinstance(slots, int) else slots
            slow = [
                Slow(took, index, flight.attempt, slot_name(name, slot), ok)
                for index, (took, slot) in enumerate(zip(seconds, by, strict=True), first)
                if took > least
            ]
        self._slowest = nlargest(SLOWEST, [*self._slowest, *slow])


def _offset(stretch: _Stretch) -> int:
    return stretch[0]


def _slots(stretch: _Stretch) -> Iterator[int]:
    """The slot of each task."""
    slots = stretch[4]
    return repeat(slots) if isinstance(slots, int) else iter(slots)


def _spans(flight: _Flight, stretch: _Stretch) -> list[Span]:
    """The attempts of a stretch; `end` is how long each took, which is all that is known until they are laid out."""
    offset, tasks, seconds, ok, _ = stretch
    first, attempt, failed = flight.start + offset, flight.attempt, int(not ok)
    if isinstance(seconds, float):
        return [Span(0.0, seconds * tasks, first, tasks, seconds * tasks, attempt, failed)]
    return [Span(0.0, took, first + place, 1, took, attempt, failed) for place, took in enumerate(seconds)]


def _step(seconds: float) -> int:
    return int(PER_DECADE * log10(seconds) // 1) if seconds > 1e-9 else -9 * PER_DECADE


def _spread(busy: list[float], span: Span, step: float) -> None:
    """Add the seconds of a span to the steps it lies in."""
    length = span.end - span.start
    if length <= 0:
        return
    density = min(1.0, span.busy / length)
    place = max(0, int(span.start / step))
    while place < len(busy) and place * step < span.end:
        busy[place] += density * (min(span.end, (place + 1) * step) - max(span.start, place * step))
        place += 1


def resident() -> int:
    """Bytes of memory this process holds; 0 where that cannot be read."""
    try:
        with open("/proc/self/statm", "rb") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError):
        return 0
