"""What the workloads of `regret` do to one item in ordinary code: functions that any library's workers can import.

Owns: work that computes, sleeps or reads files. Must never: import a parallel library, or more than such a
script would: workers that are not forked from the program import it again (what takes 70 ms to import is in
regret_waiting.py).
"""

from __future__ import annotations

import hashlib
import json
import re
import threading
import time
import zlib
from pathlib import Path

Step = tuple[str, float]
"""`("compute", seconds)` or `("wait", seconds)`."""

TURNS_PER_SECOND = 20_000_000
"""Turns of `turn` that make about a second of computing: a round number, the same on every machine."""


def square(x: int) -> int:
    """The guide's first example."""
    return x * x


def small(x: int) -> int:
    """A fraction of a microsecond of pure Python."""
    return x * x + 1


def turn(turns: int) -> int:
    """Compute in pure Python, holding the GIL."""
    total = 0
    for number in range(turns):
        total += number & 3
    return total


def compute(seconds: float) -> int:
    """About so many seconds of computing: always the same amount of work, whatever else the machine does."""
    return turn(int(seconds * TURNS_PER_SECOND))


def count_primes(limit: int) -> int:
    """How many primes there are below `limit`, by trial division."""
    return sum(all(n % d for d in range(2, int(n**0.5) + 1)) for n in range(2, limit))


def step(what: Step) -> int:
    """Wait or compute."""
    kind, seconds = what
    if kind == "wait":
        time.sleep(seconds)
        return 0
    return compute(seconds)


def steps(several: tuple[Step, ...]) -> int:
    """One after another."""
    return sum(map(step, several))


def nap(seconds: float) -> float:
    """Only wait."""
    time.sleep(seconds)
    return seconds


def digest(block: bytes) -> str:
    """Releases the GIL."""
    return hashlib.sha256(block).hexdigest()


def compress(block: bytes) -> int:
    """Releases the GIL."""
    return len(zlib.compress(block, 6))


def parse(text: str) -> int:
    """Holds the GIL."""
    return len(json.loads(text))


WORDS = re.compile(r"\b([a-z]+)(?:ing|ed|er)\b\s+(?=\w*[aeiou]\w*)")


def match(text: str) -> int:
    """Holds the GIL."""
    return len(WORDS.findall(text))


def read_small(path: str) -> int:
    """Open, read, close."""
    return len(Path(path).read_text())


def read_large(path: str) -> int:
    """Read it all and count its lines."""
    return Path(path).read_bytes().count(b"\n")


class Locked:
    """An item that cannot be pickled: it holds a lock."""

    def __init__(self, seconds: float) -> None:
        self.lock = threading.Lock()
        self.seconds = seconds


def compute_locked(item: Locked) -> int:
    """Compute under the item's own lock."""
    with item.lock:
        return compute(item.seconds)
