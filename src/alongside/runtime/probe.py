"""Taking facts: what a function's items and results weigh, and what it costs to send them.

Owns the measurements. Must never run an item only to find out, and never decide anything.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from alongside.runtime.calibration import copy_bandwidth

TYPE_CHECKING = False
if TYPE_CHECKING:
    from _pickle import PickleBuffer
    from typing import Any


class Weight:
    """What it costs to send a function, an item and a result to another process, or why it cannot be done."""

    def __init__(self) -> None:
        self.item_bytes: int | None = None
        self.result_bytes: int | None = None
        self.seconds = 0.0
        self.problem = ""

    def measure(self, fn: Callable[..., Any], item: Any, result: Any) -> None:
        """Pickle each once. Large buffers count their bytes, not a copy: they are not copied when sent.

        What pickling nothing takes does not count: many items are sent in one pickle, and it was more than the rest of
        what a number or a path takes.
        """
        try:
            _size_of(fn)
            _, nothing = _weighed(None)
            self.item_bytes, there = _weighed(item)
            self.result_bytes, back = _weighed(result)
            # There and back: each is pickled on one side and unpickled, about as costly, on the other.
            self.seconds = 2 * max(ATOM, there + back - 2 * nothing)
            nbytes = self.item_bytes + self.result_bytes
            self.seconds += nbytes / (copy_bandwidth() if nbytes > LARGE else BANDWIDTH)
        except Exception as error:
            self.problem = str(error)


ATOM = 0.1e-6
"""Seconds that pickling the smallest item and result takes, among many."""

BANDWIDTH = 2e9
"""Bytes per second at which memory is copied, roughly, where it hardly matters."""

LARGE = 1 << 20
"""Bytes from which it does, and this machine's own is asked for."""


def _weighed(value: Any) -> tuple[int, float]:
    began = time.perf_counter()
    nbytes = _size_of(value)
    return nbytes, time.perf_counter() - began


def _size_of(value: Any) -> int:
    from alongside.transport import pickling

    buffers: list[PickleBuffer] = []
    data = pickling.dumps(value, buffers)
    return len(data) + sum(buffer.raw().nbytes for buffer in buffers)
