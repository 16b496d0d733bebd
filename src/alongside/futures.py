"""`concurrent.futures` on alongside's workers: change the import, and nothing else.

Public names, nothing else. What the standard library has beside its executors (`wait`, `as_completed`, `Future` and
the errors) is here as it is there.
"""

from __future__ import annotations

from concurrent.futures import (
    ALL_COMPLETED,
    FIRST_COMPLETED,
    FIRST_EXCEPTION,
    BrokenExecutor,
    CancelledError,
    Future,
    InvalidStateError,
    TimeoutError,
    as_completed,
    wait,
)

from alongside.faces.executors import ProcessPoolExecutor, ThreadPoolExecutor
from alongside.faces.futures import Executor

__all__ = [
    "ALL_COMPLETED",
    "FIRST_COMPLETED",
    "FIRST_EXCEPTION",
    "BrokenExecutor",
    "CancelledError",
    "Executor",
    "Future",
    "InvalidStateError",
    "ProcessPoolExecutor",
    "ThreadPoolExecutor",
    "TimeoutError",
    "as_completed",
    "wait",
]
