"""What the kernel has on its books about a process: the CPU it has used, and how long it was ready but had none.

Owns the reading of Linux's accounts. Must never be needed: where there are none the answer is 0.
"""

from __future__ import annotations

import os
import time

from alongside.clocks import delay_in


def seconds_of(pid: int) -> tuple[float, float]:
    """Seconds in which a process has computed, and in which (its main thread) would have with a CPU of its own."""
    return _cpu_clock(pid), delay_in(f"/proc/{pid}/schedstat")


def own_delay() -> float:
    """Seconds in which the threads of this process would have computed with CPUs of their own. Costs 20 µs a thread,
    and many turns of the GIL."""
    try:
        threads = os.listdir("/proc/self/task")
    except OSError:
        return 0.0
    return sum(delay_in(f"/proc/self/task/{thread}/schedstat") for thread in threads)


def _cpu_clock(pid: int) -> float:
    """On Linux the number of a process's CPU clock is made from its id (see `clock_getres(2)`)."""
    try:
        return time.clock_gettime((~pid << 3) | 2) if pid > 0 else 0.0
    except (OSError, AttributeError, OverflowError):
        return 0.0
