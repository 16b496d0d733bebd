"""A bell: one thread waits for it in a poll, any other may ring it.

Owns a pipe, and how long a wait may last. Must never block: a bell that has been rung and not been heard yet need not
be rung again.
"""

from __future__ import annotations

import os
import select
from threading import RLock

HEARTBEAT = 0.2
"""Seconds that a wait lasts at most, for a bell or whatever else wakes who waits. A signal that comes just before a
wait begins does not end it: Python's handler runs only between two bytecodes, in an event loop too. Without this bound
a Ctrl-C could be lost until something else happens."""


class Bell:
    """Rung from any thread, also after it was closed: a descriptor of that number may then be somebody else's, so that
    it must not be written to; hence the lock.
    """

    def __init__(self) -> None:
        self._lock = RLock()  # whoever rings may be interrupted by a signal handler that rings too
        self._read, self._write = os.pipe()
        os.set_blocking(self._read, False)
        os.set_blocking(self._write, False)
        self._poll = select.poll()
        self._poll.register(self._read, select.POLLIN)

    def fileno(self) -> int:
        """For poll."""
        return self._read

    def ring(self) -> None:
        """Wake who waits."""
        with self._lock:
            if self._write >= 0:
                try:
                    os.write(self._write, b"!")
                except BlockingIOError:
                    return  # it is full of rings already

    def wait(self, seconds: float) -> bool:
        """Until it is rung, or so long; whether it was."""
        return bool(self._poll.poll(seconds * 1000))

    def hear(self) -> None:
        """Be silent again."""
        os.read(self._read, 65536)

    def close(self) -> None:
        """It rings no more."""
        with self._lock:
            os.close(self._read)
            os.close(self._write)
            self._write = -1
