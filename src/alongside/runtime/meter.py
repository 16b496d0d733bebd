"""What a stretch of work costs this program: seconds, CPU, memory, its worker processes counted in.

Owns the measuring. Must never change what is measured more than it has to: memory is sampled by a thread, and only
where it is asked for.
"""

from __future__ import annotations

import threading
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Self

EVERY = 0.02
"""Seconds between two samples of memory. One costs about a millisecond with a few workers."""


class Meter:
    """A block of work, measured: `with Meter() as meter: …`, then `seconds`, `cpu_seconds` and `peak_memory`.

    `cpu_seconds` counts all threads of this process and its children. `peak_memory` is the most that was held at once
    beyond what this process held at the beginning, in bytes; with `children` also all that they hold for themselves,
    what they held before included: that is what having them costs. None where it was not to be sampled.
    """

    def __init__(self, memory: bool = False, children: bool = False) -> None:
        self.seconds = self.cpu_seconds = 0.0
        self.peak_memory: int | None = None
        self._children = children
        self._stop = threading.Event()
        self._sampler = threading.Thread(target=self._sample, name="alongside-meter", daemon=True) if memory else None

    def __enter__(self) -> Self:
        import psutil

        self._process = psutil.Process()
        self._before = self._process.memory_info().rss
        if self._sampler is not None:
            self.peak_memory = 0
            self._sampler.start()
        self._children_before = self._of_children() if self._children else {}
        self._cpu, self._began = time.process_time(), time.perf_counter()
        return self

    def __exit__(self, *_: object) -> None:
        self.seconds = time.perf_counter() - self._began
        self.cpu_seconds = time.process_time() - self._cpu
        if self._children:
            before, after = self._children_before, self._of_children()
            self.cpu_seconds += sum(seconds - before.get(pid, 0.0) for pid, seconds in after.items())
        if self._sampler is not None:
            self._stop.set()
            self._sampler.join()
            self._look()

    def _of_children(self) -> dict[int, float]:
        """The CPU seconds that each child process has used so far."""
        found = {}
        for child in self._process.children(recursive=True):
            used = _asked(child.cpu_times)
            if used is not None:
                found[child.pid] = used.user + used.system
        return found

    def _sample(self) -> None:
        while not self._stop.wait(EVERY):
            self._look()

    def _look(self) -> None:
        held = self._process.memory_info().rss - self._before
        if self._children:
            held += sum(self._private(child) for child in self._process.children(recursive=True))
        self.peak_memory = max(self.peak_memory or 0, held)

    @staticmethod
    def _private(child: Any) -> int:
        """What a process holds for itself alone: forked workers share most of what they seem to hold."""
        held = _asked(child.memory_full_info)
        return getattr(held, "uss", 0) or 0


def _asked(question: Any) -> Any:
    """The answer of a process, or None: it may have ended, or be another user's."""
    import psutil

    try:
        return question()
    except psutil.Error:
        return None
