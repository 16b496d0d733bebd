"""A run without end: calls are pushed one at a time, and each outcome goes to the call it belongs to.

Owns the pushed calls that no worker wanted yet, those that were taken, and the thread that waits for events. What an
executor is made of. Must never decide who runs what: that is the coordinator's, as in any run.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import BrokenExecutor
from typing import Any, Protocol

from alongside.core.model import Block, Delivery
from alongside.runtime.driver import HEARTBEAT, Driver
from alongside.runtime.interrupts import shielded

LOOK = 0.001
"""Seconds between two looks of the thread that has stood back: what nobody waits for is late by two of them at most."""

QUIET = 20
"""Looks without a caller at work after which the thread drives again."""


class Call(Protocol):
    """Something pushed: a future."""

    task: Any

    def begin(self) -> bool:
        """It is about to be sent; False where it was cancelled."""

    def settle(self, value: Any, error: BaseException | None) -> None:
        """Told once what it came to."""

    def cancel(self) -> bool:
        """Have it not run, unless it has begun."""

    def done(self) -> bool:
        """Whether it has an outcome, or was cancelled."""

    def wait(self, timeout: float | None) -> None:
        """Return when it is done, or after `timeout` seconds."""


class Pushed:
    """The input of a service: the calls that were pushed and not taken yet, and those that were, by their number."""

    total: int | None = None

    def __init__(self) -> None:
        self.waiting: deque[Call] = deque()
        self.begun: dict[int, Call] = {}
        self.closed = False
        self._taken = 0

    def take(self, wanted: int) -> tuple[list[Any], bool, BaseException | None]:
        waiting, taken = self.waiting, []
        while waiting and wanted:
            call = waiting.popleft()
            if call.begin():
                self.begin(call)
                taken.append(call.task)
                wanted -= 1
        return taken, self.closed and not waiting, None

    def begin(self, call: Call) -> None:
        """Number a call that has been taken."""
        self.begun[self._taken] = call
        self._taken += 1

    def cancel(self) -> None:
        """Cancel what has not begun."""
        while self.waiting:
            call = self.waiting.popleft()
            call.cancel()
            call.begin()  # those who wait for it are told

    def left(self) -> list[Call]:
        """Part with every call that has no outcome."""
        left = [*self.begun.values(), *(call for call in self.waiting if call.begin())]
        self.begun, self.waiting = {}, deque()
        return left


class Service:
    """Drives a run: in a thread of its own, or in that of a caller who waits for a result.

    A caller who only waits may as well drive: the answer then wakes who wants it, and nobody has to hand it on, which
    halves the time of a call submitted alone. The thread stands back once it has seen that the only caller waited for
    just what has come; it looks every millisecond whether something has been left lying, and drives again if so, or if
    there is nothing to do (an idle worker's death is then noticed by it).

    Guarantees: one thread drives at a time; a call is settled without any lock held: a future's callback may push, or
    wait for a thread that does. Where callbacks are given, the thread drives alone: they might hold a caller up.
    """

    def __init__(self, source: Pushed, ended: Callable[[BaseException | None], None]) -> None:
        self._source = source
        self._ended = ended
        self._outbox: deque[Delivery] = deque()
        self._driver: Driver
        self._close: Callable[[], None]
        self._driving = threading.Lock()
        self._blocked: dict[int, Call] = {}
        """What each caller waits for who does not drive."""
        self._back = self._alone = False
        self._turns = 0
        self._failed: BaseException | None = None
        self._call = threading.Lock()
        self._call.acquire()
        self._opened = threading.Event()
        self._thread = threading.Thread(target=self._work, name="alongside-service", daemon=True)

    def start(self, driver: Driver, close: Callable[[], None]) -> None:
        """Begin to drive. `close` is called at the end."""
        self._driver = driver
        self._close = close
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
                call.begin()
                return
            source.waiting.append(call)
            if driver.wanted and driver.coordinator.hungry:
                driver.pull()

    def attend(self, call: Call, timeout: float | None) -> None:
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

    def cancel(self) -> None:
        """Cancel the calls that have not begun."""
        with self._driver.lock:
            self._source.cancel()

    def join(self) -> None:
        """Return when everything has ended."""
        if self._thread is not threading.current_thread():
            self._thread.join()

    # ------------------------------------------------------------------------------------------- driving, by whom

    def _work(self) -> None:
        error: BaseException | None = None
        try:
            if self._driver.backend.capabilities.in_event_loop:
                from alongside.runtime.loops import run as run_loop

                run_loop(self._drive_async)
            else:
                self._drive()
            error = self._failed or (self._driver.finish.error if self._driver.finish else None)
        except BaseException as raised:
            error = raised
        finally:
            self._tell()
            self._ended(error)
            for call in self._source.left():
                call.settle(None, error or BrokenExecutor("the executor ended before this call was run"))
            self._close()
            self._opened.set()

    def _drive(self) -> None:
        try:
            while self._driver.finish is None:
                with self._driving:
                    self._turn()
                blocked = tuple(self._blocked.values())
                self._tell()
                if len(blocked) == 1 and blocked[0].done() and not self._alone:
                    self._stand_back()
        finally:
            self._driver.close()

    async def _drive_async(self) -> None:
        try:
            self._driver.open()
            self._opened.set()
            while self._driver.finish is None:
                await self._driver.pump_async()
                self._feed_waiting()
                self._tell()
        finally:
            await self._driver.close_async()

    def _stand_back(self) -> None:
        """Let callers drive, until something is left lying, or they are done."""
        self._back, quiet = True, 0
        while self._back and quiet < QUIET:
            turns = self._turns
            if self._call.acquire(timeout=LOOK):
                break
            if self._driving.locked() or self._turns != turns:
                quiet = 0
            elif self._source.waiting or self._source.begun or self._driver.alone:
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

    def _lead(self, call: Call, until: float | None) -> None:
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
        self._feed_waiting()

    def _feed_waiting(self) -> None:
        if self._source.waiting:
            with self._driver.lock:
                self._feed()

    def _feed(self) -> None:
        if self._source.waiting and self._driver.wanted:
            self._driver.pull()

    def _tell(self) -> None:
        begun = self._source.begun
        while self._outbox:
            try:
                delivery = self._outbox.popleft()
            except IndexError:  # a caller who drives has taken it
                return
            if isinstance(delivery, Block):
                for number, value in enumerate(delivery.values, delivery.start):
                    begun.pop(number).settle(value, None)
            else:
                begun.pop(delivery.index).settle(None, delivery.exception)


def _answer(call: Call, value: Any) -> None:
    """What was sent alone has come back."""
    call.settle(value, None)
