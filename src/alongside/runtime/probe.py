"""Taking facts: what a function costs, whether it holds the GIL, what its items weigh.

Owns the measurements. Must never run an item only to find out, and never decide anything.
"""

from __future__ import annotations

import pickle
import threading
import time
from collections.abc import Callable
from typing import Any

from alongside.runtime.clocks import run_delay

NAP = 0.001
"""Seconds the watching thread sleeps between two samples."""

FEW, MANY = 4, 12
"""Samples that make a verdict where they agree, and where they do not."""

TRIES = 40
"""Samples to take at most, those that say nothing included."""

LATE = 0.0003
"""Seconds from which a sample is late. Measured over half a second each: 50 to 98 % of the samples for parsing with ast
(which releases the GIL to read its file), 100 % for pure Python and json; 0 to 14 % for hashlib, zlib, numpy, files."""

HELD = 0.4
"""Share of late samples from which the GIL counts as held."""


class GilWatch:
    """Finds out whether the GIL is held by how late a thread wakes.

    A thread that wants to run while another holds the GIL must wait until the holder is told to let go, one switch
    interval (5 ms) later; where the holder releases it by itself the thread wakes on time. Time in which this thread
    had no CPU is not counted: waiting for the GIL is sleep, not that.

    Cost: one thread for the few milliseconds it samples. `time.sleep` rather than a timed lock: it measures the wake
    alone.
    """

    def __init__(self) -> None:
        self.samples: list[float] = []
        self._stop = False
        self.ended = False
        """Whether it has stopped sampling, with a verdict or without: a function that mostly waits gives none."""
        self._watched = threading.get_ident()
        self._thread = threading.Thread(target=self._watch, name="alongside-gil-watch", daemon=True)
        self._thread.start()

    @property
    def lateness(self) -> float | None:
        """Seconds late, in the middle of the samples; None until there are enough."""
        samples = sorted(self.samples)
        return samples[len(samples) // 2] if len(samples) >= FEW else None

    @property
    def held(self) -> bool | None:
        """Whether the GIL was held most of the time; None while not known."""
        samples = self.samples[:MANY]
        late = sum(sample > LATE for sample in samples)
        if len(samples) >= MANY:
            return late >= HELD * MANY
        if len(samples) >= FEW and late in (0, len(samples)):
            return late > 0
        return None

    def stop(self) -> None:
        """End the thread; returns when it has ended."""
        self._stop = True
        if self._thread is not threading.current_thread():
            self._thread.join()

    def _watch(self) -> None:
        clock = time.pthread_getcpuclockid(self._watched)
        for _ in range(TRIES):
            if self._stop or self.held is not None:
                break
            before, delay, used = time.perf_counter(), run_delay(), time.clock_gettime(clock)
            time.sleep(NAP)
            late = time.perf_counter() - before - NAP - (run_delay() - delay)
            if time.clock_gettime(clock) - used > 0.5 * (NAP + max(late, 0.0)):
                self.samples.append(late)
        self.ended = True


class Weight:
    """What it costs to send a function, an item and a result to another process, or why it cannot be done."""

    def __init__(self) -> None:
        self.item_bytes: int | None = None
        self.result_bytes: int | None = None
        self.seconds = 0.0
        self.problem = ""

    def measure(self, fn: Callable[..., Any], item: Any, result: Any) -> None:
        """Pickle each once. Large buffers count their bytes, not a copy: they are not copied when sent."""
        try:
            _size_of(fn)
            began = time.perf_counter()
            self.item_bytes, self.result_bytes = _size_of(item), _size_of(result)
            # There and back: each is pickled on one side and unpickled, about as costly, on the other.
            self.seconds = 2 * (time.perf_counter() - began) + (self.item_bytes + self.result_bytes) / BANDWIDTH
        except Exception as error:
            self.problem = str(error)


BANDWIDTH = 2e9
"""Bytes per second at which memory is copied, roughly, until this machine's own is measured."""


def _size_of(value: Any) -> int:
    from alongside.transport import pickling

    buffers: list[pickle.PickleBuffer] = []
    data = pickling.dumps(value, buffers)
    return len(data) + sum(buffer.raw().nbytes for buffer in buffers)
