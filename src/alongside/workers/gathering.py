"""What many slots have finished, gathered into few messages.

Owns outcomes that nobody has fetched yet. Must never hold one back: whoever asks gets all there is. Any thread may add.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from alongside.core.events import Finished
from alongside.core.model import Fault, Part
from alongside.workers.runner import apiece, spent

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, TypeAlias

Done: TypeAlias = "tuple[int, int, list[Any], float | list[float], int]"
"""A stretch of tasks that succeeded: batch, offset of the first, values, seconds (their mean, or one each), slot."""

FEW = 16
"""A stretch of up to so many tasks is joined with its neighbours; joining costs something per task."""


class Gathering:
    """Outcomes as they come in, one event per batch as they go out; neighbouring successes together.

    Assumes: a list's append, slice and slice deletion are each atomic (they are, with the GIL and without it).
    """

    def __init__(self) -> None:
        self._done: list[Done] = []
        self._faults: list[tuple[int, Fault]] = []

    def add(self, tasks: Sequence[Done], faults: Sequence[tuple[int, Fault]] = ()) -> None:
        """These have finished: stretches that succeeded, and the failed with the number of their batch."""
        self._faults.extend(faults)
        self._done.extend(tasks)

    def events(self, worker: int) -> list[Finished]:
        """All that has come since the last time, as that worker's."""
        done, faults = _take(self._done), _take(self._faults)
        batches: dict[int, tuple[list[Part], list[Fault]]] = {}
        for batch, part in _joined(sorted(done, key=_place)):
            batches.setdefault(batch, ([], []))[0].append(part)
        for batch, fault in faults:
            batches.setdefault(batch, ([], []))[1].append(fault)
        return [Finished(worker, batch, *both, _seconds(*both)) for batch, both in batches.items()]


def _take(found: list[Any]) -> list[Any]:
    """Part with what is there; what is added meanwhile stays."""
    taken = found[:]
    del found[: len(taken)]
    return taken


def _joined(stretches: Sequence[Done]) -> Iterator[tuple[int, Part]]:
    """The stretches in order as parts; brief neighbours have become one."""
    place, end = 0, -1
    values: list[Any] = []
    times: list[float] = []
    slots: list[int] = []
    for batch, offset, some, seconds, slot in stretches:
        brief = len(some) <= FEW
        if values and (batch != place or offset != end or not brief):
            yield place, Part(end - len(values), values, times, slots)
            values, times, slots = [], [], []
        place, end = batch, offset + len(some)
        if not brief:
            yield batch, Part(offset, some, seconds, slot)
        else:
            values += some
            times += apiece(len(some), seconds)
            slots += [slot] * len(some)
    if values:
        yield place, Part(end - len(values), values, times, slots)


def _seconds(parts: Sequence[Part], faults: Sequence[Fault]) -> float:
    in_parts = sum(spent(len(part.values), part.seconds) for part in parts)
    return in_parts + sum(fault.seconds for fault in faults)


def _place(done: Done) -> tuple[int, int]:
    return done[0], done[1]
