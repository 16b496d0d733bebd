"""Outcomes as they come, to whoever iterates.

Owns the hand-over between a running driver and a consumer that may be slow. Must never take more from the input than
the coordinator's window allows, and never in another thread than the consumer's.
"""

from __future__ import annotations

import atexit
import contextvars
import threading
from _queue import Empty, SimpleQueue  # not `queue`: a file of that name may lie in the folder of a script
from collections.abc import Callable, Iterator, Sequence
from functools import partial

from alongside.core import events as ev
from alongside.core.model import Delivery, size
from alongside.runtime.driver import Driver
from alongside.runtime.interrupts import shielded
from alongside.workers.bell import HEARTBEAT


class Inbox:
    """What has come and was not taken yet."""

    def __init__(self) -> None:
        self._ready: list[Delivery] = []
        self.changed: Callable[[], None] = lambda: None

    def __call__(self, deliveries: Sequence[Delivery]) -> None:
        self._ready.extend(deliveries)
        self.changed()

    def __len__(self) -> int:
        return len(self._ready)

    def take(self) -> list[Delivery]:
        ready, self._ready = self._ready, []
        return ready


class Stream:
    """Pulls deliveries out of a run.

    A backend that works in the caller is stepped by the caller; any other is driven by a thread, so that workers stay
    busy and timeouts are kept while the consumer does something else.
    """

    def __init__(self, driver: Driver, inbox: Inbox, consider: Callable[[], None], pulls: bool = True) -> None:
        """`pulls`: the consumer's thread takes the input; otherwise somebody else feeds the driver."""
        self._driver = driver
        self._inbox = inbox
        self._consider = consider
        self._pulls = pulls
        self._bell: SimpleQueue[None] = SimpleQueue()
        self._pump: threading.Thread | None = None
        self._error: BaseException | None = None
        self._opened = threading.Event()

    def __iter__(self) -> Iterator[list[Delivery]]:
        """Whatever is ready, as soon as there is something; the next request says that it was taken.

        Ends when the run does; what it ended in is the driver's `finish`.
        """
        try:
            with shielded():
                self._start()
            while batch := self._next():
                yield batch
                with shielded():
                    self._feed(ev.Taken(sum(map(size, batch))))
        finally:
            try:
                with shielded():
                    self._stop()
            except KeyboardInterrupt:
                self._stop()  # it may have come before the shield was up
                raise

    def _next(self) -> list[Delivery]:
        while not self._inbox and self._driver.finish is None:
            if self._pump is None and self._in_caller():
                with shielded():
                    self._step()
                    self._consider()
            else:
                self._wait()
        if self._error is not None:
            raise self._error
        return self._inbox.take()

    def _step(self) -> None:
        if self._pulls:
            self._driver.pull()
        self._driver.pump()

    def _in_caller(self) -> bool:
        return self._driver.backend.capabilities.in_caller

    def _start(self) -> None:
        atexit.register(self._stop)
        self._inbox.changed = self._driver.on_finish = self._notify
        if self._pulls:
            self._driver.on_pull = self._notify
        self._driver.pumped = not self._pulls
        if self._driver.backend.capabilities.in_event_loop:
            from alongside.runtime.loops import drive

            self._start_pump(partial(drive, self._driver, self._opened.set, self._consider))
            self._opened.wait()
        else:
            self._driver.open()

    def _start_pump(self, work: Callable[[], None]) -> None:
        context = contextvars.copy_context()  # so that worker threads, which the pump starts, see the consumer's
        self._pump = threading.Thread(
            target=context.run, args=(self._guarded, work), name="alongside-driver", daemon=True
        )
        self._driver.pumped = True
        self._pump.start()

    def _wait(self) -> None:
        if self._pump is None:
            with shielded():
                self._start_pump(self._work)
        if self._pulls and self._driver.wanted:
            with shielded():
                self._driver.pull()
                self._driver.nudge()
            return
        self._listen()

    def _listen(self) -> None:
        """Until the bell rings, which says to look again.

        Why not a Condition: its `wait` is Python code that lets its lock go and takes it back. A Ctrl-C between the two
        would leave it in a state from which it can only raise again. This `get` is one step that a signal ends cleanly.
        """
        try:
            self._bell.get(timeout=HEARTBEAT)
        except Empty:
            return

    def _feed(self, event: ev.Event) -> None:
        self._driver.feed(event)
        if self._pump is not None:
            self._driver.nudge()

    def _notify(self) -> None:
        if self._pump is not None and self._bell.empty():
            self._bell.put(None)

    def _work(self) -> None:
        while self._driver.finish is None:
            self._driver.pump()
            self._consider()

    def _guarded(self, work: Callable[[], None]) -> None:
        try:
            work()
        except BaseException as error:
            self._error = error
            self._driver.stop()
        finally:
            self._opened.set()
            self._notify()

    def _stop(self) -> None:
        """End the run; does nothing the second time.

        Why also at exit: an iterator that is still open then would be closed when its module is torn down, when threads
        are frozen wherever they are, perhaps with our lock in their hands.
        """
        atexit.unregister(self._stop)
        self._driver.stop()
        if self._pump is not None and self._pump.ident != threading.get_ident():
            self._driver.nudge()
            self._pump.join()
        self._driver.close()
        self._inbox.changed = lambda: None
