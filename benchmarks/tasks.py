"""The functions the contenders run, importable by every library's workers.

Owns: the work itself. Must never: import a parallel library.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from numpy import float64
    from numpy.typing import NDArray

PAGE = 512  # float64 in one page of memory


def same(item: int) -> int:
    """The no-op: gives its argument back."""
    return item


def spin(seconds: float) -> float:
    """Keep one CPU busy until `seconds` of wall time are over, so that the amount of work is known exactly."""
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        pass
    return seconds


def touch(array: NDArray[float64]) -> float:
    """Read one number of every page, so that the bytes have really arrived."""
    return float(array[::PAGE].sum())


def make(number: int) -> NDArray[float64]:
    """A new array of 8 MB (1,000,000 float64), every element `number`."""
    import numpy as np

    return np.full(1_000_000, float(number))


def double(array: NDArray[float64]) -> NDArray[float64]:
    """An array in, a new one of the same size out."""
    return array + array


def look_up(table: NDArray[float64], place: int) -> float:
    """One number of a large constant."""
    return float(table[place])
