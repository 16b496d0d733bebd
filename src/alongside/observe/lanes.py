"""Lanes: where the attempts of a run stand in time, one after another, a lane for each thing that runs one at a time.

Owns the spans and their bound. A worker is a lane; an event loop has one for each coroutine that runs at the same time.
Must never hold an item or a result.

Guarantee: never more than `MOST` spans, however long the run. When there are too many, neighbours of a lane are put
together, those closest first, so that the picture stays true at the scale at which it can still be seen. Counts, the
time spent, and failures are added up, never dropped.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from heapq import heappop, heappush

from alongside.light import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

MOST = 1 << 16
"""Spans that are kept at most: some 15 MB."""

FINEST = 0.0005
"""Seconds: the first grain at which neighbours are put together. It doubles as often as it has to."""

KEPT_APART = 8
"""Failed attempts are put together with others only where they are more than this part of the bound."""

MOST_LANES = 1024
"""Workers with a lane of their own; what further ones did (where many were lost and replaced) shares one."""

FURTHER = "further workers"


class Span(NamedTuple):
    """One attempt, or neighbouring ones put together. `start` and `end`: seconds since the run began.

    `first`: index of its first task; `tasks`: how many there are; `busy`: seconds they took together; `attempt`: the
    first of them was tried for the how-many-th time; `failed`: how many of them failed.
    """

    start: float
    end: float
    first: int
    tasks: int = 1
    busy: float = 0.0
    attempt: int = 1
    failed: int = 0

    def joined(self, other: Span) -> Span:
        """The two as one."""
        end = max(self.end, other.end)
        first = min(self.first, other.first)
        tasks, busy = self.tasks + other.tasks, self.busy + other.busy
        return Span(self.start, end, first, tasks, busy, self.attempt, self.failed + other.failed)

    def moved(self, start: float, end: float) -> Span:
        """The same at another time. Made by hand, as `joined` is: `_replace` takes several times as long."""
        return Span(start, end, *self[2:])


class Lane:
    """What one worker (or one slot of an event loop) did, in order."""

    __slots__ = ("name", "spans")

    def __init__(self, name: str) -> None:
        self.name = name
        self.spans: list[Span] = []

    @property
    def end(self) -> float:
        """When its last attempt ended."""
        return self.spans[-1].end if self.spans else 0.0


class Lanes:
    """All of them, kept within the bound."""

    def __init__(self, most: int = MOST) -> None:
        self.grain = 0.0
        """Neighbours within so many seconds have been put together; 0: every span is one attempt or one batch."""
        self._most = most
        self._lanes: dict[str, Lane] = {}
        self._count = self._failed = 0
        self._free: dict[str, list[tuple[float, int]]] = {}
        self._slots: dict[str, int] = {}

    def __iter__(self) -> Iterator[Lane]:
        return iter(self._lanes.values())

    def __len__(self) -> int:
        return len(self._lanes)

    def one_after_another(self, worker: str, spans: list[Span], until: float) -> None:
        """Attempts of a worker that does one thing at a time, the last of which ended at `until`.

        They are laid end to end: `start` and `end` of `spans` only tell how long each took.
        """
        lane = self._lane(worker)
        total = sum(span.end - span.start for span in spans)
        at = until - total
        scale = 1.0
        if at < lane.end < until:
            at, scale = lane.end, (until - lane.end) / total
        for span in spans:
            took = (span.end - span.start) * scale
            self._add(lane, span.moved(at, at + took))
            at += took

    def side_by_side(self, worker: str, slots: int, spans: Iterable[Span]) -> None:
        """Attempts of a worker that does several things at a time: each goes where it fits behind another."""
        free = self._free.setdefault(worker, [])
        for span in sorted(spans):
            if free and (free[0][0] <= span.start or len(free) >= slots):
                _, slot = heappop(free)
            else:
                self._slots[worker] = slot = self._slots.get(worker, 0) + 1
            lane = self._lane(f"{worker}/{slot}")
            self._add(lane, span.moved(min(max(span.start, lane.end), span.end), span.end))
            heappush(free, (span.end, slot))

    def take(self, name: str, spans: Iterable[Span]) -> None:
        """Spans that are laid out already."""
        lane = self._lane(name)
        for span in spans:
            self._add(lane, span)

    def _lane(self, name: str) -> Lane:
        if name not in self._lanes and len(self._lanes) >= MOST_LANES:
            name = FURTHER
        return self._lanes.setdefault(name, Lane(name))

    def _add(self, lane: Lane, span: Span) -> None:
        if lane.spans and self._belong_together(lane.spans[-1], span):
            lane.spans[-1] = lane.spans[-1].joined(span)
            return
        lane.spans.append(span)
        self._count += 1
        self._failed += bool(span.failed)
        while self._count > max(self._most, 2 * len(self._lanes)):
            self._coarsen()

    def _belong_together(self, one: Span, other: Span) -> bool:
        if other.end - one.start > self.grain:
            return False
        return not (one.failed or other.failed) or KEPT_APART * self._failed > self._most

    def _coarsen(self) -> None:
        self.grain = max(FINEST, 2 * self.grain)
        for lane in self._lanes.values():
            spans, lane.spans = lane.spans, []
            for span in spans:
                if lane.spans and self._belong_together(lane.spans[-1], span):
                    lane.spans[-1] = lane.spans[-1].joined(span)
                else:
                    lane.spans.append(span)
        self._count = sum(len(lane.spans) for lane in self._lanes.values())
        self._failed = sum(bool(span.failed) for lane in self._lanes.values() for span in lane.spans)


def coarsened(recorded: Iterable[tuple[str, Iterable[tuple[Any, ...]]]], grain: float, most: int) -> list[Lane]:
    """The lanes of a record, put together with this grain, with at most so many spans: what a page can show."""
    fewer = Lanes(most)
    fewer.grain = grain
    for name, spans in recorded:
        fewer.take(name, [Span(*fields) for fields in spans])
    return list(fewer)
