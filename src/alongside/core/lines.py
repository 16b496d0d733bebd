"""Lines: a backlog in which each task waits for its turn by the limits it falls under, in the line of its keys.

Owns which lines are open, until when the others are closed, and what this run has taken from the limits. A task that
waits in a line holds neither a worker nor anybody's turn. Must never give a task out without its turn, or keep the turn
of one that is not running.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable, Hashable, Mapping, Sequence
from math import inf

from alongside.core.backlog import Backlog, Segment
from alongside.core.limits import Gate

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, TypeAlias

AHEAD = 16_384
"""Tasks that may wait in lines: so far ahead is looked for those whose turn it is. Less with a smaller `window`."""

Call: TypeAlias = "tuple[tuple[Any, ...], Mapping[str, Any]]"
Keys = tuple[Hashable, ...]


class _Line:
    """Tasks that fall under the same keys."""

    __slots__ = ("keys", "tasks")

    def __init__(self, keys: Keys) -> None:
        self.keys = keys
        self.tasks: deque[Segment] = deque()


class Lines(Backlog):
    """A backlog with limits: `ready` are the tasks whose turn has been taken, `held` those in lines, and `admit` makes
    one of these ready.

    Costs: a few microseconds and one object per task.
    """

    def __init__(self, gates: Sequence[Gate], call: Callable[[Any], Call]) -> None:
        super().__init__()
        self._gates = gates
        self._call = call
        self._lines: dict[Keys, _Line] = {}
        self._open: list[tuple[int, int, _Line]] = []
        """Lines to be tried, as a heap: by the index of the first task, then in the order in which they were opened."""
        self._timed: list[tuple[float, int, _Line]] = []
        """Lines to be tried from a moment on, as a heap."""
        self._closed: dict[tuple[int, Hashable], list[_Line]] = {}
        """Lines to be tried when a limit tells of a key: by the place of that limit, and the key."""
        self._taken: dict[int, tuple[Keys, float]] = {}
        """Of each task that has its turn: the keys, and when it was taken."""
        self._news: deque[tuple[int, Hashable]] = deque()
        """What limits have told, in any thread: the limit's place, and the key."""
        self._count = 0
        self._ears = [self._ear(place) for place in range(len(gates))]
        self.rejected: list[tuple[int, Any, Exception]] = []
        """Tasks for which the user's function gave no key: index, item, what it raised instead."""
        self.wake: Callable[[], None] = _nothing
        """Called in any thread when another run has given back what this one waits for."""

    # ---------------------------------------------------------------------------------------------- coming and going

    def append(self, start: int, items: Sequence[Any], join_below: int) -> None:
        for index, item in enumerate(items, start):
            self._line_up(Segment(index, (item,)), at_front=False)

    def put_back(self, segment: Segment) -> None:
        for index in range(segment.end - 1, segment.first - 1, -1):
            if not self.beyond(index):
                one = Segment(index, (segment.items[index - segment.start],), segment.attempt, suspect=segment.suspect)
                self._line_up(one, at_front=True)

    def admit(self, now: float) -> bool:
        """Make one task ready whose turn it is: of several the earliest. Whether there was one."""
        self._reopen(now)
        while self._open:
            _, _, line = heapq.heappop(self._open)
            if not line.tasks:
                self._lines.pop(line.keys, None)
                continue
            if self._take(line, now):
                task = line.tasks.popleft()
                self.held -= 1
                self._taken[task.first] = line.keys, now
                super().put_back(task)
                self._offer(line)
                return True
        return False

    def leave(self, index: int, now: float, unused: bool = False) -> None:
        """A task's attempt is over: its turn goes to the next."""
        keys, since = self._taken.pop(index, ((), 0.0))
        for place, key in enumerate(keys):
            self._gates[place].give_back(key, now, self._ears[place], since, unused)
            if (place, key) in self._closed:
                self._news.append((place, key))

    def close(self, now: float) -> None:
        """The run is over: give back all that it still has, and hear nothing more."""
        for index in list(self._taken):
            self.leave(index, now)
        for gate, ear in zip(self._gates, self._ears, strict=True):
            gate.forget(ear)
        self.wake = _nothing

    def next_turn(self) -> float | None:
        """When a task's turn may come; 0.0 where it may be now."""
        if not self.held:
            return None
        if self._news or self._open:
            return 0.0
        return self._timed[0][0] if self._timed else None

    def cut(self, index: int) -> None:
        for unsent in [i for segment in self._segments for i in range(segment.first, segment.end) if i >= index]:
            self.leave(unsent, 0.0, unused=True)
        super().cut(index)
        for line in self._lines.values():
            line.tasks = deque(task for task in line.tasks if task.first < index)
        self.held = sum(len(line.tasks) for line in self._lines.values())

    # ---------------------------------------------------------------------------------------------------- checks

    def indices(self) -> list[int]:
        return [*super().indices(), *(task.first for line in self._lines.values() for task in line.tasks)]

    def counted(self) -> bool:
        return super().counted() and self.held == sum(len(line.tasks) for line in self._lines.values())

    # ---------------------------------------------------------------------------------------------------- inside

    def _line_up(self, task: Segment, at_front: bool) -> None:
        try:
            args, kwargs = self._call(task.items[0])
            keys = tuple(gate.key(args, kwargs) for gate in self._gates)
            line = self._lines.get(keys)
        except Exception as error:
            self.rejected.append((task.first, task.items[0], error))
            return
        if line is None:
            line = self._lines[keys] = _Line(keys)
            line.tasks.append(task)
            self._offer(line)
        elif at_front:
            line.tasks.appendleft(task)
        else:
            line.tasks.append(task)
        self.held += 1

    def _offer(self, line: _Line) -> None:
        """Have the line tried: of several, the one first whose first task comes first in the input."""
        self._count += 1
        heapq.heappush(self._open, (line.tasks[0].first if line.tasks else 0, self._count, line))

    def _reopen(self, now: float) -> None:
        while self._timed and self._timed[0][0] <= now:
            self._offer(heapq.heappop(self._timed)[2])
        while self._news:
            for line in self._closed.pop(self._news.popleft(), ()):
                self._offer(line)

    def _take(self, line: _Line, now: float) -> bool:
        """Take a turn under every key, or none; where not, the line is closed until that may be different."""
        for place, key in enumerate(line.keys):
            wait = self._gates[place].take(key, now, self._ears[place])
            if wait <= 0.0:
                continue
            for before in range(place):
                self._gates[before].give_back(line.keys[before], now, self._ears[before], now, unused=True)
            if wait == inf:
                self._closed.setdefault((place, key), []).append(line)
            else:
                self._count += 1
                heapq.heappush(self._timed, (now + wait, self._count, line))
            return False
        return True

    def _ear(self, place: int) -> Callable[[Hashable], None]:
        """What a limit calls, in any thread, when a key of its may be asked for again."""

        def told(key: Hashable) -> None:
            self._news.append((place, key))
            self.wake()

        return told


def _nothing() -> None:
    """Nobody is to be woken."""
