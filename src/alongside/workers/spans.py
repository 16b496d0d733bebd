"""Neighbouring tasks of a batch, as threads share them out: those nobody has begun, and those in a thread's hands.

Owns the parting. Must never run a task, nor lock: who takes how many is decided by the pool.
"""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Iterable, Iterator, Sequence

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class Span:
    """Neighbouring tasks of a batch, in the hands of a thread. It takes them from the left; others may take the rest.

    Assumes: a deque's popleft and pop are each atomic (they are, with the GIL and without it), so that no task is taken
    twice.
    """

    __slots__ = ("_count", "_end", "_left", "batch", "first")

    def __init__(self, batch: int, first: int, items: Iterable[Any]) -> None:
        self.batch, self.first, self._left = batch, first, deque(items)
        self._count = len(self._left)
        self._end = first + self._count

    def __len__(self) -> int:
        return self._count

    @property
    def waiting(self) -> int:
        """How many of its tasks nobody has taken."""
        return len(self._left)

    def __iter__(self) -> Iterator[Any]:
        left = self._left
        while left:
            try:
                item = left.popleft()
            except IndexError:
                return  # somebody took the rest in this very moment
            yield item

    def shed(self, most: int = sys.maxsize) -> Unbegun:
        """Take away what has not been begun; of more than `most` tasks the last ones."""
        shed: deque[Any] = deque()
        try:
            while len(shed) < most:
                shed.appendleft(self._left.pop())
        except IndexError:
            pass  # that was all
        self._end -= len(shed)
        return Unbegun(self.batch, self._end, tuple(shed))


class Unbegun:
    """Neighbouring tasks of a batch; those from `first` to before `end` wait."""

    __slots__ = ("_base", "_items", "batch", "end", "first")

    def __init__(self, batch: int, first: int, items: Sequence[Any]) -> None:
        self.batch, self._items, self._base = batch, items, first
        self.first, self.end = first, first + len(items)

    def cut(self, count: int) -> Span:
        """Part with that many."""
        first, self.first = self.first, self.first + count
        whole = count == len(self._items)
        items = self._items if whole else self._items[first - self._base : self.first - self._base]
        return Span(self.batch, first, items)


NOTHING = Span(0, 0, ())
