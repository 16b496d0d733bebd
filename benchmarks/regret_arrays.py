"""What the workloads of `regret` do with numpy, pandas and scikit-learn.

Owns: the work itself. Must never: import a parallel library, or import pandas or scikit-learn for work without them.
"""

from __future__ import annotations

from typing import Any

import numpy as np

Array = Any
"""An array of float64; its exact type says nothing to the reader here."""


def elementwise(number: int) -> float:
    """Fills and transforms an array of 8 MB: numpy releases the GIL."""
    x = np.arange(number, number + 1_000_000, dtype=np.float64)
    return float(np.sqrt(np.sin(x) ** 2 + 1.0).sum())


def multiply(number: int) -> float:
    """A matrix product: the BLAS uses several threads by itself."""
    a = np.full((700, 700), 1.0 + number / 1000)
    return float((a @ a).trace())


def weigh(array: Array) -> float:
    """A large argument, a small result, some computing."""
    return float(np.sqrt(np.abs(array)).sum())


def make(number: int) -> Array:
    """A small argument, a large result."""
    return np.cumsum(np.full(1_000_000, float(number)))


def look_up(table: Array, place: int) -> float:
    """A few milliseconds of pure Python with a large constant."""
    total = 0.0
    for offset in range(3000):
        total += table[(place + 977 * offset) % len(table)]
    return float(total)
