"""The faults of the torture page: what a task may do to the pool that runs it.

Owns the functions that misbehave, and what each fault gives them to work on. Must never import a contender: workers of
all of them import this module.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

ITEMS, BAD = 8, 3
TIMEOUT = 1.0
ENOUGH = 100_000
"""Items taken from an endless input before it is said that all of it would have been taken."""


class TwoArguments(Exception):
    """As many libraries have them: pickle cannot rebuild it from its message alone."""

    def __init__(self, place: str, reason: str) -> None:
        super().__init__(f"{place}: {reason}")
        self.place, self.reason = place, reason


LOST = ("WorkerLost", "Broken", "Terminated", "Expired")
NUMBERS = partial(range, ITEMS)


@dataclass(frozen=True)
class Fault:
    """One way to misbehave. `expected` names the errors that tell the truth about the bad task; "" if it succeeds."""

    name: str
    title: str
    fn: Callable[[Any], Any]
    expected: tuple[str, ...] = ()
    timeout: float | None = None
    items: Callable[[], Any] = NUMBERS


def squared(x: int) -> int:
    """What a healthy task does. It takes a moment, so that some are still to come when the bad one strikes."""
    time.sleep(0.1)
    return x * x


def killed(x: int) -> int:
    if x == BAD:
        os.kill(os.getpid(), signal.SIGKILL)
    return squared(x)


def leaves(x: int) -> int:
    if x == BAD:
        os._exit(0)
    return squared(x)


def hangs(x: int) -> int:
    while x == BAD:
        time.sleep(0.05)
    return squared(x)


def hangs_in_c(x: int) -> int:
    if x == BAD:
        signal.pthread_sigmask(signal.SIG_BLOCK, set(signal.Signals) - {signal.SIGKILL})
        time.sleep(3600)
    return squared(x)


def unpicklable_result(x: int) -> Any:
    return threading.Lock() if x == BAD else squared(x)


def two_arguments(x: int) -> int:
    if x == BAD:
        raise TwoArguments("disk", "full")
    return squared(x)


def exits(x: int) -> int:
    if x == BAD:
        raise SystemExit(1)
    return squared(x)


def nested(x: int) -> int:
    """What a task may well do: call something that makes a pool of its own."""
    from concurrent.futures import ProcessPoolExecutor

    with ProcessPoolExecutor(1) as pool:
        return pool.submit(pow, x, 2).result()


def floods(x: int) -> int:
    """A task that writes more to standard output than a pipe holds."""
    if x == BAD:
        os.write(1, b"." * 300_000)
    return squared(x)


def writes_to_its_array(array: Any) -> int:
    array += 1
    return int(array[0])


def arrays() -> list[Any]:
    import numpy as np

    return [np.full(200_000, number * number - 1) for number in range(ITEMS)]


def unpicklable_items() -> list[Any]:
    return [threading.Lock() if number == BAD else number for number in range(ITEMS)]


def square(x: Any) -> Any:
    return x * x


def squared_if_number(x: Any) -> Any:
    return x * x if isinstance(x, int) else None


def by_value() -> Callable[[int], int]:
    return lambda x: x * x


def endless() -> Iterator[int]:
    """Endless input that gives up on whoever takes all of it first."""
    yield from range(ENOUGH)
    print('{"taken": true}', flush=True)
    os._exit(0)


FAULTS = (
    Fault("killed", "a worker is killed (`kill -9`, out of memory)", killed, LOST),
    Fault("os-exit", "a task calls `os._exit`", leaves, LOST),
    Fault("system-exit", "a task raises `SystemExit`", exits, ("SystemExit",)),
    Fault("hang", "a task hangs; a timeout of 1 s is asked for", hangs, ("Timeout",), timeout=TIMEOUT),
    Fault("hang-in-c", "it hangs with all signals blocked", hangs_in_c, ("Timeout",), timeout=TIMEOUT),
    Fault("result", "a result cannot be pickled", unpicklable_result, ("Pickl", "TypeError", "MaybeEncoding")),
    Fault(
        "item",
        "an item cannot be pickled",
        squared_if_number,
        ("Pickl", "TypeError"),
        items=unpicklable_items,
    ),
    Fault("two-arguments", "an exception whose `__init__` takes two arguments", two_arguments, ("TwoArguments",)),
    Fault("lambda", "the function is a lambda", by_value()),
    Fault("nested", "a task starts processes of its own", nested),
    Fault("flood", "a task prints 300 KB", floods),
    Fault("array", "a task writes to the array it was given", writes_to_its_array, items=arrays),
)
"""Those that are tried by running eight tasks, of which the fourth misbehaves (or all do the same)."""
