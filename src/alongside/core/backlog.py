"""The backlog: tasks that wait to be sent.

Owns their order, the backoff of those to be tried again, and the horizon behind which no task is wanted any more. Must
never know a worker or read a clock.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Sequence

from alongside.core.joining import joined
from alongside.light import dataclass, replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


@dataclass(slots=True)
class Segment:
    """Tasks with neighbouring indices at the same attempt; `items[position:]` still wait.

    A `fresh` one was never sent, so that it may grow; one that was put back is sent as it is. A `suspect` one may hold
    the task that ended its worker: it is sent only to a worker that holds nothing else.
    """

    start: int
    items: Sequence[Any]
    attempt: int = 1
    position: int = 0
    fresh: bool = False
    suspect: bool = False

    def __len__(self) -> int:
        return len(self.items) - self.position

    @property
    def first(self) -> int:
        """The index of the first task that waits."""
        return self.start + self.position

    @property
    def end(self) -> int:
        """The index behind the last task."""
        return self.start + len(self.items)

    def take(self, count: int) -> Segment:
        """Part with up to `count` tasks from the front."""
        a, b = self.position, min(self.position + count, len(self.items))
        self.position = b
        whole = a == 0 and b == len(self.items)
        return Segment(self.start + a, self.items if whole else self.items[a:b], self.attempt)

    def before(self, index: int) -> Segment:
        """The tasks that wait before `index`."""
        if self.end <= index:
            return self
        kept = self.items[: max(self.position, index - self.start)]
        return replace(self, items=kept)


class Backlog:
    """What is to be sent, in order; what was sent and came back undone goes to the front.

    Costs one object per stretch of neighbouring tasks, not per task.
    """

    def __init__(self) -> None:
        self._segments: deque[Segment] = deque()
        self._later: list[tuple[float, int, Segment]] = []
        self.ready = 0
        """Tasks that may be sent now."""
        self.held = 0
        """Tasks that wait for their turn by the limits (lines.py), and cannot be sent yet."""
        self.horizon: int | None = None
        """Tasks from this index on are not wanted: an earlier one's failure will be raised."""

    def append(self, start: int, items: Sequence[Any], join_below: int) -> None:
        """Add new tasks at the end. A last stretch of fewer than `join_below` tasks grows, so that batches fill up."""
        self.ready += len(items)
        last = self._segments[-1] if self._segments else None
        if last and last.fresh and last.end == start and len(last) < join_below:
            self._segments[-1] = Segment(last.first, _joined(last.items[last.position :], items), fresh=True)
        else:
            self._segments.append(Segment(start, items, fresh=True))

    def put_back(self, segment: Segment) -> None:
        """Add tasks that were sent before, in front of all others."""
        if self.horizon is not None:
            segment = segment.before(self.horizon)
        if len(segment) > 0:
            self._segments.appendleft(segment)
            self.ready += len(segment)

    def put_off(self, segment: Segment, until: float) -> None:
        """Keep one task until its backoff is over."""
        heapq.heappush(self._later, (until, segment.start, segment))

    def release(self, now: float) -> None:
        """Make those tasks ready whose backoff is over."""
        while self._later and self._later[0][0] <= now:
            self.put_back(heapq.heappop(self._later)[2])

    def take(self, count: int) -> Segment:
        """Part with up to `count` neighbouring tasks. There must be some that are ready."""
        taken = self._segments[0].take(count)
        self.ready -= len(taken)
        if not len(self._segments[0]):
            self._segments.popleft()
        return taken

    @property
    def suspicious(self) -> bool:
        """Whether what is to be sent next is suspect."""
        return bool(self._segments) and self._segments[0].suspect

    def cut(self, index: int) -> None:
        """Drop the tasks from `index` on, now and whenever they are put back."""
        self.horizon = index
        kept = (segment.before(index) for segment in self._segments)
        self._segments = deque(segment for segment in kept if len(segment) > 0)
        self.ready = sum(map(len, self._segments))
        self._later = [entry for entry in self._later if entry[1] < index]
        heapq.heapify(self._later)

    def beyond(self, index: int) -> bool:
        """Whether a task is not wanted any more."""
        return self.horizon is not None and index >= self.horizon

    def next_due(self) -> float | None:
        """When the next backoff is over."""
        return self._later[0][0] if self._later else None

    def indices(self) -> list[int]:
        """The index of every task that waits. Costs O(tasks): for checks."""
        segments = [*self._segments, *(segment for _, _, segment in self._later)]
        return [index for segment in segments for index in range(segment.first, segment.end)]

    def counted(self) -> bool:
        """Whether `ready` is what is there: for checks."""
        return self.ready == sum(map(len, self._segments))


def _joined(first: Any, second: Any) -> Sequence[Any]:
    """Both, one after the other. Two of the same type are added by their own `+`, so that they stay of that type."""
    if type(first) is not type(second) or type(first) is range:
        return joined([first, second])
    both: Sequence[Any] = first + second
    return both
