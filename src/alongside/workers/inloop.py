"""A batch in an event loop: its tasks that no slot has begun, and what came of the others.

Owns both. Must never know a slot or a loop.
"""

from __future__ import annotations

from collections.abc import Sequence
from operator import length_hint

from alongside.core.events import Finished
from alongside.core.model import Fault, Part

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class InLoop:
    """Slots take from `pairs`, and append to `values`, `offsets` and, last, `seconds`; all in the loop's thread.

    Assumes: a list's append, slice and slice deletion are each atomic (they are, with the GIL and without it), so that
    another thread may fetch what is there.
    Why three lists, not a list of outcomes: neighbours that end one after the other, as those do that wait equally
    long, are handed on as they are, without a look at each.
    """

    __slots__ = ("_faults", "_left", "end", "fresh", "id", "offsets", "pairs", "seconds", "values")

    def __init__(self, number: int, first: int, items: Sequence[Any]) -> None:
        self.id, self.end = number, first + len(items)
        self._left = iter(range(first, self.end))  # which knows how many are left; not every sequence's iterator does
        self.pairs = zip(self._left, items, strict=False)
        self.values: list[Any] = []
        self.offsets: list[int] = []
        self.seconds: list[float] = []
        self._faults: list[Fault] = []
        self.fresh = False
        """Whether whoever fetches knows that there is something."""

    @property
    def waiting(self) -> int:
        """How many of its tasks no slot has begun."""
        return length_hint(self._left)

    def fail(self, offset: int, error: BaseException, seconds: float) -> None:
        """A task has raised."""
        self._faults.append(Fault(offset, error, seconds))

    def given_up(self) -> tuple[int, int, int] | None:
        """Part with what no slot has begun: the batch, and from which offset to before which; or None."""
        count = sum(1 for _ in self.pairs)
        return (self.id, self.end - count, self.end) if count else None

    def fetched(self, worker: int) -> Finished:
        """What has finished since the last time."""
        self.fresh = False
        count = len(self.seconds)
        values, offsets, seconds = self.values[:count], self.offsets[:count], self.seconds[:count]
        del self.values[:count], self.offsets[:count], self.seconds[:count]
        faults = self._faults[:]
        del self._faults[: len(faults)]
        took = sum(seconds) + sum(fault.seconds for fault in faults)
        return Finished(worker, self.id, _parts(offsets, values, seconds), faults, took)


def _parts(offsets: list[int], values: list[Any], seconds: list[float]) -> list[Part]:
    """Neighbouring successes together.

    >>> [(part.offset, part.values) for part in _parts([4, 5, 0], ["e", "f", "a"], [0.1, 0.2, 0.3])]
    [(0, ['a']), (4, ['e', 'f'])]
    """
    if not offsets:
        return []
    count, first = len(offsets), offsets[0]
    if offsets[-1] - first == count - 1 and offsets == list(range(first, first + count)):
        return [Part(first, values, seconds)]
    parts: list[Part] = []
    values_of: list[Any] = []
    seconds_of: list[float] = []
    expected = -1
    for place in sorted(range(count), key=offsets.__getitem__):
        if offsets[place] != expected:
            values_of, seconds_of = [], []
            parts.append(Part(offsets[place], values_of, seconds_of))
        values_of.append(values[place])
        seconds_of.append(seconds[place])
        expected = offsets[place] + 1
    return parts
