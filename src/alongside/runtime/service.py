"""A run without end: tasks are pushed one at a time, and each outcome goes to whoever waits for it.

Owns the pushed tasks that no worker wanted yet, and the thread that waits for events. What an executor is made of. Must
never decide who runs what: that is the coordinator's, as in any run.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

from alongside.core.model import Block, Delivery
from alongside.runtime.driver import Driver

Settle = Callable[[int, Any, BaseException | None], None]
"""Told once per task: its number, its value, or what it raised."""


class Pushed:
    """The input of a service: what was pushed and not taken yet."""

    def __init__(self) -> None:
        self.items: deque[Any] = deque()
        self.closed = False
        self.total: int | None = None

    def take(self, wanted: int) -> tuple[list[Any], bool, BaseException | None]:
        items = self.items
        taken = [items.popleft() for _ in range(min(wanted, len(items)))]
        return taken, self.closed and not items, None


class Service:
    """Drives a run in a thread of its own; tasks are numbered in the order in which they are pushed.

    Guarantee: `settle` and `ended` are called in that thread, without any lock held: a future's callback may push, or
    wait for a thread that does.
    """

    def __init__(self, source: Pushed, settle: Settle, ended: Callable[[BaseException | None], None]) -> None:
        self._source = source
        self._settle = settle
        self._ended = ended
        self._outbox: deque[Delivery] = deque()
        self._driver: Driver
        self._close: Callable[[], None]
        self._thread = threading.Thread(target=self._work, name="alongside-service", daemon=True)

    def start(self, driver: Driver, close: Callable[[], None]) -> None:
        """Begin to drive. `close` is called at the end."""
        self._driver = driver
        self._close = close
        driver.on_pull = self._feed
        driver.pumped = True
        try:
            driver.open()
        except BaseException:
            driver.close()
            raise
        self._thread.start()

    def deliver(self, deliveries: Sequence[Delivery]) -> None:
        """Take outcomes from the driver; they are told when its lock is free again."""
        self._outbox.extend(deliveries)

    def push(self, item: Any) -> None:
        """Add a task: sent at once where a worker has nothing to do; else with others, when one will soon be done."""
        with self._driver.lock:
            self._source.items.append(item)
            if self._driver.wanted and self._driver.coordinator.hungry:
                self._driver.pull()

    def finish(self) -> None:
        """No more tasks will be pushed; the run ends when those pushed are done."""
        with self._driver.lock:
            self._source.closed = True
            if self._driver.finish is None:
                self._driver.wanted = max(self._driver.wanted, 1)
                self._driver.pull()
                self._driver.backend.wake()

    def join(self) -> None:
        """Return when everything has ended."""
        if self._thread is not threading.current_thread():
            self._thread.join()

    def _feed(self) -> None:
        if self._source.items and self._driver.wanted:
            self._driver.pull()

    def _work(self) -> None:
        error: BaseException | None = None
        try:
            while self._driver.finish is None:
                self._turn()
            error = self._driver.finish.error
        except BaseException as raised:
            error = raised
        finally:
            self._driver.close()
            self._tell()
            self._close()
            self._ended(error)

    def _turn(self) -> None:
        self._driver.pump()
        with self._driver.lock:
            self._feed()
        self._tell()

    def _tell(self) -> None:
        while self._outbox:
            delivery = self._outbox.popleft()
            if isinstance(delivery, Block):
                for number, value in enumerate(delivery.values, delivery.start):
                    self._settle(number, value, None)
            else:
                self._settle(delivery.index, None, delivery.exception)
