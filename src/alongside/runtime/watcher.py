"""A thread that goes along with a plain loop: hears whether the GIL is held, and notices when the loop is stuck.

Owns that thread, for as long as the loop runs. Must never run a task, touch the input, or decide anything. Must stay
light: it is part of the first milliseconds of a run.
"""

from __future__ import annotations

import os
import sys
import time
from _thread import allocate_lock, get_ident, start_new_thread

from alongside.clocks import run_delay
from alongside.runtime.callables import identity_of, keep_newest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

NAP = 0.001
"""Seconds the thread sleeps between two samples."""

FEW, MANY = 4, 12
"""Samples that make a verdict where they agree, and where they do not."""

CERTAIN = 2
"""Samples that make it where each was late by most of a switch interval: nothing but the GIL does that."""

TRIES = 40
"""Samples to take at most, those that say nothing included."""

LATE = 0.0003
"""Seconds from which a sample is late. Measured over half a second each: 50 to 98 % of the samples for parsing with ast
(which releases the GIL to read its file), 100 % for pure Python and json; 0 to 14 % for hashlib, zlib, numpy, files."""

HELD = 0.4
"""Share of late samples from which the GIL counts as held."""

BRISK = 0.00005
"""Seconds a thread may hold the GIL while the engine is loaded, or driven, beside it."""

HALF = 0.0000005
"""Half a microsecond. The system keeps the switch interval in whole ones and cuts off what is left: without this each
time that it is put back it could be one shorter."""

AGAIN = 1.25
"""Times as long as when it was last looked at that the loop must be stuck to be looked at again."""

STUCK = 0.004
"""Seconds in one stretch of the loop after which somebody else should look at it."""


class Watcher:
    """Finds out whether the GIL is held by how late a thread wakes.

    A thread that wants to run while another holds the GIL must wait until the holder is told to let go, one switch
    interval (5 ms) later; where the holder releases it by itself the thread wakes on time. Time in which this thread
    had no CPU is not counted: waiting for the GIL is sleep, not that.

    `stuck` is asked, in this thread, when the loop has been at one stretch for `STUCK` seconds, and then less and less
    often; it returns True when nothing is left to watch, None to be asked again soon. `since` tells when the stretch in
    hand began. The thread has the caller's context variables, since whoever takes over in it hands them on to workers.

    Costs about 50 µs, of which half is the thread's start and half its end. Why `_thread`: `threading` would wait until
    the thread has started, and that needs the GIL, which a task may hold.
    """

    def __init__(
        self,
        since: Callable[[], float | None] | None = None,
        stuck: Callable[[], bool | None] | None = None,
        fn: Any = None,
        computed: Callable[[], float] | None = None,
    ) -> None:
        self.samples: list[float] = []
        self.ended = False
        """Whether it has stopped sampling, with a verdict or without: a function that mostly waits gives none."""
        self._since = since
        self._stuck = stuck
        self._of = identity_of(fn)
        self._before = _remembered.get(self._of)
        self._turns = _takes_turns(self._of)
        self._clock: Callable[[], float] = float  # nothing, until it runs
        self.computed = computed or cpu_clock()
        """CPU seconds of the loop's thread, which is this one where nothing else is given; may be asked from any."""
        self._stopping = allocate_lock()
        self._stopping.acquire()
        self._over = allocate_lock()
        self._over.acquire()
        self._stopped = False
        self.error: BaseException | None = None
        know_main_thread()
        self._created = time.perf_counter(), self.computed()
        self._start()

    @property
    def lateness(self) -> float | None:
        """Seconds late, in the middle of the samples; None until there are enough."""
        samples = sorted(self.samples)
        return samples[len(samples) // 2] if len(samples) >= CERTAIN else None

    @property
    def held(self) -> bool | None:
        """Whether the GIL was held most of the time: as threads have shown, as was heard in this run, or the last time;
        None while not known."""
        if self._turns:
            return True
        now = heard(self.samples, sys.getswitchinterval())
        return self._before if now is None else now

    def used(self) -> float:
        """CPU seconds it has used itself."""
        return self._clock()

    def stop(self) -> None:
        """End the thread; returns when it has ended."""
        if not self._stopped:
            self._stopped = True
            self._stopping.release()
        if self._thread != get_ident() and not sys.is_finalizing():
            self._over.acquire()
            self._over.release()
        now = heard(self.samples, sys.getswitchinterval())
        if now is not None:
            remember(self._of, now)

    # ---------------------------------------------------------------------------------------------------- inside

    def _start(self) -> None:
        from _contextvars import copy_context

        start_new_thread(copy_context().run, (self._work,))

    _thread = 0

    _trusted = False

    _left_out = 0.0

    def _work(self) -> None:
        try:
            self._thread = get_ident()
            self._clock = cpu_clock()
            self._listen_to_own_start()
            if self._is_stuck() and self._ask_unheard():
                return
            for _ in range(0 if self._turns else TRIES):
                if self._stopped or heard(self.samples, sys.getswitchinterval()) is not None:
                    break
                self._sample()
                if self._is_stuck() and self._ask():
                    return
            self.ended = True
            self._wait_until_stuck()
        except BaseException as error:
            self.error = error
        finally:
            self.ended = True
            used = self.used()
            self._clock = lambda: used  # a thread's own clock ends with it
            self._since = self._stuck = None  # they hold whoever holds this, and all that the loop has used
            self._over.release()

    def _listen_to_own_start(self) -> None:
        """The first sample: it began to run so much after it was ready. To be on time there proves nothing."""
        created, used = self._created
        late = time.perf_counter() - created
        if late > 0.5 * sys.getswitchinterval() and self.computed() - used > 0.5 * late:
            self._add(late)

    def _sample(self) -> None:
        amid = self._amid_stretch()
        before, used = time.perf_counter(), self.computed()
        self._stopping.acquire(timeout=NAP)
        late = time.perf_counter() - before - NAP
        computed = self.computed() - used > 0.5 * (NAP + max(late, 0.0))
        if computed and not self._stopped and (amid or self._amid_stretch()):
            self._add(late)

    def _add(self, late: float) -> None:
        """One more sample. Before they make a verdict of "held", and only then (`_without_cpu` says why), they are
        compared with the time this thread had no CPU."""
        samples = [*self.samples, late]
        if not self._trusted and heard(samples, sys.getswitchinterval()):
            delay = _without_cpu()
            self._trusted = delay - self._left_out < 0.5 * sum(samples)
            if not self._trusted:
                samples, self._left_out = [], delay  # those to come are compared with what comes from here on
        self.samples = samples

    def _amid_stretch(self) -> bool:
        return self._since is None or self._since() is not None

    _asked_at = 0.0

    def _is_stuck(self) -> bool:
        since = self._since() if self._since is not None else None
        now = time.perf_counter()
        return since is not None and now - since >= STUCK and now - since >= AGAIN * (self._asked_at - since)

    def _ask(self) -> bool:
        """Has somebody look at it; again soon if there is no verdict yet, otherwise when it is `AGAIN` times as old."""
        now = time.perf_counter()
        answer = self._stuck() if self._stuck is not None else False
        if answer is not None and (self.held is not None or self.ended):
            self._asked_at = now
        return bool(answer)

    def _ask_unheard(self) -> bool:
        """The same, before there are samples: a helper process begins while they are taken. What this thread had no CPU
        for meanwhile is not the samples'."""
        before = _without_cpu()
        answer = self._ask()
        self._left_out = _without_cpu() - before
        return answer

    def _wait_until_stuck(self) -> None:
        nap = STUCK / 2
        while not self._stopped and self._stuck is not None:
            self._stopping.acquire(timeout=nap)
            if self._is_stuck():
                nap = STUCK / 2
                if self._ask():
                    return
            else:
                nap = min(2 * nap, 0.05)


_remembered: dict[Any, bool] = {}


def remember(identity: Any, held: bool) -> None:
    """What was heard of a function, for the next time it is run over something."""
    keep_newest(_remembered, identity, held)


RUNS = 16
"""Runs of a function that are not listened to after its threads took turns; then it may have become another."""

_took_turns: dict[Any, int] = {}
"""For how many runs more that is remembered of a function."""


def took_turns(fn: Any) -> None:
    """Threads were seen to take turns with the GIL in this function: there is nothing more to hear for a while.

    Why that counts for more than what is heard: what lets the GIL go often, each time for a moment, has nobody wake
    late, and threads gain nothing all the same. What one does to groups of a frame is such.
    """
    keep_newest(_took_turns, identity_of(fn), RUNS)


def _takes_turns(identity: Any) -> bool:
    runs = _took_turns.pop(identity, 0)
    if runs > 1:
        keep_newest(_took_turns, identity, runs - 1)
    return runs > 0


class brisk:  # noqa: N801  (used as a context manager, like those of contextlib)
    """While the block runs a thread that holds the GIL is told sooner to let go: somebody beside it has urgent work.

    Why: each file read and each wait lets the GIL go, and to get it back takes a switch interval. To load the engine
    beside a task that computes would take half a second.
    Guarantees: of several at once the last puts back what the first has found, unless somebody else has set another.
    """

    _turn = allocate_lock()
    _inside = 0
    _found = _set = 0.0

    def __enter__(self) -> None:
        with brisk._turn:
            if not brisk._inside:
                brisk._found = sys.getswitchinterval()
                sys.setswitchinterval(BRISK)
                brisk._set = sys.getswitchinterval()
            brisk._inside += 1

    def __exit__(self, *_: object) -> None:
        with brisk._turn:
            brisk._inside -= 1
            if not brisk._inside:
                brisk._put_back()

    @staticmethod
    def _put_back() -> None:
        if sys.getswitchinterval() == brisk._set:
            sys.setswitchinterval(brisk._found + HALF)

    @staticmethod
    def forget() -> None:
        """In a forked child: whoever was in such a block is not there."""
        brisk._turn = allocate_lock()
        if brisk._inside:
            brisk._inside = 0
            brisk._put_back()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=brisk.forget)


def _without_cpu() -> float:
    """Seconds for which this thread was ready but had no CPU. Why briskly, and seldom: that is read from a file, and
    whoever reads lets the GIL go and waits for it again, three times."""
    with brisk():
        return run_delay()


def know_main_thread() -> None:
    """Have `threading` know the main thread before another one may load the engine, and `threading` with it.

    Why: up to Python 3.12 it takes whichever thread imports it first for the main one, for as long as the program runs.
    Costs nothing where it is loaded, as almost everywhere; otherwise a millisecond, or three where nothing else is.
    """
    if sys.version_info < (3, 13):
        import threading  # noqa: F401


def cpu_clock() -> Callable[[], float]:
    """What tells the CPU seconds of this thread, from any thread. Where a system has no such clock, all that the
    process computes from now on counts as this thread's."""
    if not hasattr(time, "pthread_getcpuclockid"):
        before = time.thread_time() - time.process_time()
        return lambda: time.process_time() + before
    number = time.pthread_getcpuclockid(get_ident())
    return lambda: time.clock_gettime(number)


def heard(samples: list[float], interval: float) -> bool | None:
    """What samples of lateness say about the GIL, given how long a thread may hold it: held, not held, or not known."""
    some = samples[:MANY]
    late = sum(sample > LATE for sample in some)
    if len(some) >= MANY:
        return late >= HELD * MANY
    if sum(sample > 0.6 * interval for sample in some) >= CERTAIN and 2 * late >= len(some):
        return True
    if len(some) >= FEW and late in (0, len(some)):
        return late > 0
    return None
