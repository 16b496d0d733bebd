"""Neighbouring stretches of items as one stretch.

Owns that arithmetic. Must never look into an item.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def joined(stretches: Sequence[Sequence[Any]]) -> Sequence[Any]:
    """All their items, in order: a range where each goes on as the one before it, a list otherwise.

    >>> joined([range(3), range(3, 5)]), joined([range(3), [5]])
    (range(0, 5), [0, 1, 2, 5])
    """
    ranges = [stretch for stretch in stretches if type(stretch) is range]
    if len(ranges) == len(stretches) and _go_on(ranges):
        return range(ranges[0].start, ranges[-1].stop, ranges[0].step)
    return [item for stretch in stretches for item in stretch]


def _go_on(ranges: Sequence[range]) -> bool:
    return all(a.step == b.step and a.start + len(a) * a.step == b.start for a, b in pairwise(ranges))
