"""What the workloads of `regret` do to one item: functions that any library's workers can import.

Owns: the work itself, in plain Python and the standard library. Must never: import a parallel library, or numpy.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
import sqlite3
import subprocess
import threading
import time
import zlib
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import urlopen

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


def fetch(url: str) -> int:
    """One page, in ordinary code."""
    with urlopen(url) as answer:
        return len(answer.read())


async def fetch_async(url: str) -> int:
    """One page, in async code."""
    parts = urlsplit(url)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    writer.write(f"GET {parts.path} HTTP/1.0\r\n\r\n".encode())
    answer = await reader.read()
    writer.close()
    return len(answer.partition(b"\r\n\r\n")[2])


async def compute_async(seconds: float) -> int:
    """A coroutine that never awaits."""
    return compute(seconds)


async def fetch_and_compute(what: tuple[float, float]) -> int:
    """A coroutine that waits a little and computes more."""
    waiting, computing = what
    await asyncio.sleep(waiting)
    return compute(computing)


async def nap_async(seconds: float) -> float:
    """A coroutine that only waits."""
    await asyncio.sleep(seconds)
    return seconds


def read_small(path: str) -> int:
    """Open, read, close."""
    return len(Path(path).read_text())


def read_large(path: str) -> int:
    """Read it all and count its lines."""
    return Path(path).read_bytes().count(b"\n")


def query(what: tuple[str, int]) -> float:
    """A connection of its own, and an aggregate over the table."""
    path, remainder = what
    with sqlite3.connect(path) as connection:
        (total,) = connection.execute(
            "SELECT sum(value * value) FROM numbers WHERE id % 7 = ?", (remainder,)
        ).fetchone()
    connection.close()
    return float(total)


def run_command(seconds: float) -> int:
    """Start another program and wait for it."""
    return subprocess.run(["sleep", str(seconds)], check=True).returncode


class Locked:
    """An item that cannot be pickled: it holds a lock."""

    def __init__(self, seconds: float) -> None:
        self.lock = threading.Lock()
        self.seconds = seconds


def compute_locked(item: Locked) -> int:
    """Compute under the item's own lock."""
    with item.lock:
        return compute(item.seconds)


def add_to(path: str) -> None:
    """A byte more, whoever else adds one at the same time."""
    with open(path, "ab", buffering=0) as file:
        file.write(b".")


class Counted:
    """Calls `fn`, and adds a byte to a file for every call: executions are counted outside of any process."""

    def __init__(self, fn: Any, path: str) -> None:
        self.fn = fn
        self.path = path
        self.__name__ = getattr(fn, "__name__", "work")

    def __call__(self, item: Any) -> Any:
        add_to(self.path)
        return self.fn(item)


def counted(fn: Any, path: str) -> Any:
    """`fn` with its calls counted in the file; an async function stays one."""
    if not asyncio.iscoroutinefunction(fn):
        return Counted(fn, path)

    async def call(item: Any) -> Any:
        add_to(path)
        return await fn(item)

    return call
