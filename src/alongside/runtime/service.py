"""A run without end: calls are pushed, and each outcome goes to the call it belongs to.

Owns the thread that waits for events. What an executor and a pool are made of. Must never decide who runs what: that is
the coordinator's, as in any run.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence

from alongside.core.events import Tick
from alongside.core.model import Delivery
from alongside.runtime import forks
from alongside.runtime.driver import Driver
from alongside.runtime.interrupts import shielded
from alongside.runtime.pushed import Awaited, Call, Owed, Pushed, Stretch
from alongside.workers.bell import HEARTBEAT

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

LOOK = 0.001
"""Seconds between two looks of the thread while callers drive: an answer that no caller waits for is late by two of
them at most."""

MAKE_ONE = ": make an executor of your own here"

QUIET = 20
"""Looks without a caller at work after which the thread drives again."""


class Service:
    """Drives a run: in a thread of its own, or in that of a caller who waits for a result.

    A caller who only waits may as well drive: the answer then wakes who wants it, and nobody has to hand it on, which
    halves the time of a call submitted alone. The thread stands back once it has seen that the only caller waited for
    just what has come; it looks every millisecond whether something has been left lying, and drives again if so, or if
    there is nothing to do (an idle worker's death is then noticed by it).

    Guarantees: one thread drives at a time; a call is settled without any lock held: a future's callback may push, or
    wait for a thread that does. Where callbacks are given, the thread drives alone: they might hold a caller up.
    """

    def __init__(self, source: Pushed, ended: Callable[[BaseException | None], BaseException | None]) -> None:
        """`ended` is told what ended the run, and gives what those who still wait are told."""
        self._source = source
        self._ended = ended
        self._outbox: deque[Delivery] = deque()
        self._driver: Driver
        self._close: Callable[[], None]
        self._driving = threading.Lock()
        self._blocked: dict[int, Awaited] = {}
        """What each caller waits for who does not drive."""
        self._back = self._alone = self._unpushed = False
        """Whether the thread stands back, so that callers drive; whether none may; whether nobody can push any more."""
        self._feeding = False
        self._turns = 0
        """How often a caller has begun to drive."""
        self._failed: BaseException | None = None
        self._call = _taken()
        """Held as long as the thread need not come back."""
        self._opened = threading.Event()
        self._thread = threading.Thread(target=self._work, name="alongside-service", daemon=True)

    def start(self, driver: Driver, close: Callable[[], None]) -> None:
        """Begin to drive. `close` is called at the end."""
        self._driver = driver
        self._close = close
        forks.runs.add(self)
        driver.on_pull, driver.on_adopt, driver.on_answer = self._feed, self._source.begin, _answer
        driver.pumped = True
        capabilities = driver.backend.capabilities
        self._alone = capabilities.in_caller or capabilities.in_event_loop
        if capabilities.in_event_loop:
            self._thread.start()
            self._opened.wait()
            return
        try:
            driver.open()
        except BaseException:
            driver.close()
            raise
        self._thread.start()

    def deliver(self, deliveries: Sequence[Delivery]) -> None:
        """Take outcomes from the driver; they are told when its lock is free again."""
        self._outbox.extend(deliveries)

    def push(self, call: Call) -> None:
        """Add a call: sent at once where a worker has nothing to do; else with others, when one will soon be done."""
        driver, source = self._driver, self._source
        with driver.lock:
            if not source.waiting and driver.send_alone(call.task, call):
                if not source.late:
                    call.begin()
                return
            if source.over is None:
                source.waiting.append(call)
                if driver.wanted and driver.coordinator.hungry:
                    driver.pull()
                    driver.nudge()
                return
        call.settle(None, source.over)

    def push_all(self, stretch: Stretch) -> None:
        """Add many tasks at once."""
        driver, source = self._driver, self._source
        with driver.lock:
            if source.over is None:
                source.waiting.append(stretch)
                if driver.wanted and driver.coordinator.hungry:
                    self._feed()
                    driver.nudge()
                return
        stretch.owed.abandon(source.over)

    def attend(self, call: Awaited, timeout: float | None) -> None:
        """Wait until a call is done, `timeout` seconds at most; drive meanwhile, if nobody else does."""
        until = None if timeout is None else time.monotonic() + timeout
        if self._back and not self._alone and self._driving.acquire(blocking=False):
            try:
                self._lead(call, until)
            finally:
                self._driving.release()
                if self._blocked or not self._calm():
                    self._call_back()
        if not call.done():
            me = threading.get_ident()
            self._blocked[me] = call
            try:
                call.wait(None if until is None else max(0.0, until - time.monotonic()))
            finally:
                self._blocked.pop(me, None)

    def drive_alone(self) -> None:
        """From here on no caller drives."""
        if not self._alone:
            self._alone = True
            self._call_back()
            self._driver.wake()

    def finish(self) -> None:
        """No more calls will be pushed; the run ends when those pushed are done."""
        with self._driver.lock:
            self._source.closed = True
            if self._driver.finish is None:
                self._driver.wanted = max(self._driver.wanted, 1)
                self._driver.pull()
                self._driver.backend.wake()
        self._call_back()

    def wind_up(self) -> None:
        """As `finish`, soon: nobody can push any more. From anywhere, also from a garbage collection amid a turn."""
        self._unpushed = True
        self._call_back()
        self._driver.wake()

    def forget(self, owed: Owed) -> None:
        """Drop what is pushed for somebody and was not taken yet."""
        with self._driver.lock:
            self._source.forget(owed)

    def stop(self, reason: BaseException) -> None:
        """End at once: what runs is killed where that can be done, and what has no outcome fails with `reason`."""
        self._failed = self._failed or reason
        self._driver.stop()
        self._call_back()
        self._driver.wake()

    def cancel(self) -> None:
        """Cancel the calls that have not begun."""
        with self._driver.lock:
            if self._driver.alone is not None:
                self._driver.feed(Tick())  # it is known to the source from then on
            self._source.cancel()

    def forsake(self) -> None:
        """In a forked child: no thread drives it there, and what was pushed belongs to the parent."""
        self._driver.forsake()
        self._driving, self._call = threading.Lock(), _taken()
        self._back, self._blocked = False, {}
        self._source.forsake(forks.belongs("call", MAKE_ONE))

    def check_home(self) -> None:
        """Raise `RuntimeError` in a forked child."""
        if self._source.foreign:
            raise forks.belongs("executor", MAKE_ONE)

    def join(self) -> None:
        """Return when everything has ended."""
        if self._thread.ident != threading.get_ident():
            self._thread.join()

    # ------------------------------------------------------------------------------------------- driving, by whom

    def _work(self) -> None:
        error: BaseException | None = None
        try:
            if self._driver.backend.capabilities.in_event_loop:
                from alongside.runtime.loops import drive

                drive(self._driver, self._opened.set, self._after)
            else:
                self._drive()
            error = self._failed or (self._driver.finish.error if self._driver.finish else None)
        except BaseException as raised:
            error = raised
        finally:
            self._tell()
            error = self._ended(error)
            with self._driver.lock:
                self._source.end(error)
            self._source.abandon()
            self._close()
            self._opened.set()

    def _drive(self) -> None:
        try:
            while self._driver.finish is None:
                with self._driving:
                    self._turn()
                blocked = tuple(self._blocked.values())
                self._tell()
                told = len(blocked) == 1 and blocked[0].done()
                del blocked  # a result must not live on here until something else happens
                if told and not self._alone:
                    self._stand_back()
        finally:
            self._driver.close()

    def _stand_back(self) -> None:
        """Let callers drive, until something is left lying, or they are done."""
        self._back, quiet = True, 0
        while self._back and quiet < QUIET:
            turns = self._turns
            if self._call.acquire(timeout=LOOK):
                break
            if self._driving.locked() or self._turns != turns:
                quiet = 0
            elif self._source.busy or self._driver.alone:
                break
            else:
                quiet += 1
        self._back = False

    def _call_back(self) -> None:
        """Have the thread drive again."""
        if self._back:
            self._back = False
            try:
                self._call.release()
            except RuntimeError:
                pass  # it has been called already

    def _lead(self, call: Awaited, until: float | None) -> None:
        """Drive from a caller's thread until its call is done, or time is up."""
        self._turns += 1
        with shielded() as shield:
            shield.wake = self._driver.wake
            while not call.done() and self._calm():
                left = HEARTBEAT if until is None else until - time.monotonic()
                if left <= 0:
                    return
                try:
                    self._turn(left)
                except Exception as error:
                    self._failed = error
                    self._driver.stop()
                self._tell()
                shield.check()

    def _calm(self) -> bool:
        """Whether callers may drive: no callback might hold one up, and there is something to drive."""
        return not self._alone and self._driver.finish is None

    def _turn(self, at_most: float = HEARTBEAT) -> None:
        self._driver.pump(at_most)
        self._serve()

    def _serve(self) -> None:
        """Give what is wanted, and end where nobody can push any more."""
        self._feed_waiting()
        if self._unpushed and not self._source.closed:
            self.finish()

    def _after(self) -> None:
        self._serve()
        self._tell()

    def _feed_waiting(self) -> None:
        if self._source.waiting:
            with self._driver.lock:
                self._feed()

    def _feed(self) -> None:
        """Give what is wanted. What is asked for meanwhile is given by the loop, not by one call inside another."""
        if self._feeding:
            return
        self._feeding = True
        try:
            while self._source.waiting and self._driver.wanted:
                self._driver.pull()
        finally:
            self._feeding = False

    def _tell(self) -> None:
        while self._outbox:
            try:
                delivery = self._outbox.popleft()
            except IndexError:  # a caller who drives has taken it
                return
            self._source.settle(delivery)


def _taken() -> threading.Lock:
    """A lock that is held."""
    lock = threading.Lock()
    lock.acquire()
    return lock


def _answer(call: Call, value: Any) -> None:
    """What was sent alone has come back."""
    call.settle(value, None)
