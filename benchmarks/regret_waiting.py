"""What the workloads of `regret` do to one item that waits for others: pages, programs, databases, and all async code.

Owns: that work, in plain Python and the standard library. Must never: import a parallel library, or numpy.
"""

from __future__ import annotations

import asyncio
import sqlite3
import subprocess
from urllib.parse import urlsplit
from urllib.request import urlopen

from benchmarks.regret_work import compute


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
