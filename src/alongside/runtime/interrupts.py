"""Ctrl-C, kept from tearing the cleaning-up apart.

Owns the signal handler for the moments in which it is exchanged. Must never swallow an interrupt: one that comes
meanwhile is raised right afterwards.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def shielded() -> Iterator[None]:
    """Hold back SIGINT while the block runs.

    Why not `pthread_sigmask`: processes started meanwhile would inherit it, and Python's own handler runs between two
    bytecodes whatever the mask says about a signal that has already come. Only the main thread can and need do this.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.getsignal(signal.SIGINT)
    if not callable(before):
        yield
        return
    came: list[tuple[int, Any]] = []
    signal.signal(signal.SIGINT, lambda number, frame: came.append((number, frame)))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
        if came:
            before(*came[-1])
