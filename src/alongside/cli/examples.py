"""The small functions that `alongside guide` runs side by side.

Owns what a worker has to import for the guide. Must stay as light as it is: importing it is part of what is measured.
"""

from __future__ import annotations

seen: list[int] = []


def square(x: int) -> int:
    return x * x


def cube(x: int) -> int:
    return x**3


def count_primes(limit: int) -> int:
    return sum(all(n % d for d in range(2, int(n**0.5) + 1)) for n in range(2, limit))


def invert(x: int) -> float:
    return 1 / x


def remember(x: int) -> None:
    seen.append(x)
