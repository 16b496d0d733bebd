"""What a pool's calls give back: results to wait for, and iterators of results.

Owns each call's results until they are taken. Must never decide who runs what.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from multiprocessing import TimeoutError as MultiprocessingTimeoutError
from multiprocessing.pool import MaybeEncodingError  # type: ignore[attr-defined]  # typeshed leaves it out
from pickle import PicklingError
from typing import TYPE_CHECKING, Any

from alongside.exceptions import NotPicklable

if TYPE_CHECKING:
    from alongside.faces.pool import Pool

Told = Callable[[Any], object] | None
"""A callback: of the result, or of the exception."""

Raises = Callable[[BaseException], BaseException]
"""What is raised for an error."""

PICKLES_OWN = (PicklingError, TypeError, AttributeError, RecursionError)
"""What pickle itself raises; anything else was raised by the code of the object that was pickled."""


class UnsendableResult(NotPicklable, MaybeEncodingError):  # type: ignore[misc]  # the same
    """A `NotPicklable` result, also for code that expects `multiprocessing.pool.MaybeEncodingError`."""

    def __init__(self, error: Any) -> None:
        Exception.__init__(self, *error.args)
        self.__dict__.update(error.__dict__)
        self.exc = error.reason
        self.value = error.path


def as_a_pool_raises(error: BaseException) -> BaseException:
    """The error, as code written for `multiprocessing.Pool` knows it."""
    if not isinstance(error, NotPicklable):
        return error
    if error.what == "result":
        return UnsendableResult(error)
    cause = error.__cause__
    return error if cause is None or isinstance(cause, PICKLES_OWN) else cause


class AsyncResult:
    """The result of a call, to be waited for; as `multiprocessing.pool.AsyncResult`."""

    def __init__(self, pool: Pool, task: Any, callback: Told = None, error_callback: Told = None) -> None:
        self.task = task
        self._pool: Pool | None = pool  # a pool that is owed for is not collected
        self._callback = callback
        self._error_callback = error_callback
        self._latch = threading.Lock()
        self._latch.acquire()
        self._ready = False
        self._success = False
        self._value: Any = None

    def ready(self) -> bool:
        """Whether the call is done."""
        return self._ready

    def successful(self) -> bool:
        """Whether it did not raise; `ValueError` where it is not done."""
        if not self._ready:
            raise ValueError(f"{self!r} not ready")
        return self._success

    def wait(self, timeout: float | None = None) -> None:
        """Wait until it is done, at most `timeout` seconds."""
        pool = self._pool
        if pool is not None and not self._ready:
            pool.attend(Waited(self), timeout)

    def get(self, timeout: float | None = None) -> Any:
        """The result, or what the call raised; `multiprocessing.TimeoutError` after `timeout` seconds."""
        self.wait(timeout)
        if not self._ready:
            raise MultiprocessingTimeoutError
        if self._success:
            return self._value
        raise self._value

    # ------------------------------------------------------------------------------------ for the service alone

    def done(self) -> bool:
        """Whether it has an outcome."""
        return self._ready

    def begin(self) -> bool:
        """It is about to be sent."""
        return True

    def cancel(self) -> bool:
        """It cannot be cancelled."""
        return False

    def settle(self, value: Any, error: BaseException | None) -> None:
        """The call has returned, or raised."""
        if error is None:
            self._done(True, value)
        else:
            self._done(False, as_a_pool_raises(error))

    def abandon(self, error: BaseException) -> None:
        """The call will not be made any more."""
        if not self._ready:
            self._done(False, error)

    def forsake(self, error: BaseException) -> None:
        """As `abandon`, in a forked child."""
        self._callback = self._error_callback = None
        self.abandon(error)

    def stay(self, timeout: float | None) -> None:
        """Wait, and leave the driving to others."""
        if self._latch.acquire(timeout=-1 if timeout is None else max(0.0, timeout)):
            self._latch.release()

    def _done(self, success: bool, value: Any) -> None:
        self.task = None
        self._success, self._value = success, value
        told = self._callback if success else self._error_callback
        if told is not None:
            _tell(told, value)
        self._ready = True
        self._latch.release()
        self._pool = self._callback = self._error_callback = None


class Waited:
    """A result, as the service knows what a caller waits for."""

    def __init__(self, result: AsyncResult) -> None:
        self.done = result.done
        self.wait = result.stay


class MapResult(AsyncResult):
    """The list of results of a `map`. Done when all are; the earliest item's failure is what it raises."""

    def __init__(self, pool: Pool, count: int, callback: Told = None, error_callback: Told = None) -> None:
        super().__init__(pool, None, callback, error_callback)
        self._lock = threading.Lock()
        self._left = count
        self._values: list[Any] = [None] * count
        self._failed_at = count
        self._failure: BaseException | None = None
        if not count:
            self._done(True, [])

    def take(self, offset: int, values: list[Any]) -> None:
        """Some items are done."""
        self._values[offset : offset + len(values)] = values
        self._count_down(len(values))

    def fail(self, offset: int, error: BaseException) -> None:
        """An item has failed."""
        with self._lock:
            if offset < self._failed_at:
                self._failed_at, self._failure = offset, as_a_pool_raises(error)
        self._count_down(1)

    def _count_down(self, count: int) -> None:
        with self._lock:
            self._left -= count
            left = self._left
        if not left:
            values, self._values = self._values, []
            self._done(self._failure is None, values if self._failure is None else self._failure)


class IMapIterator:
    """The results of an `imap`, in order; `next(timeout)` waits that many seconds at most.

    `pool` lives as long as results may come. `raises`: an error, as the reader is to have it.
    """

    def __init__(self, pool: object = None, raises: Raises = as_a_pool_raises) -> None:
        self._pool: object = pool
        self._raises = raises
        self._changed = threading.Condition(threading.Lock())
        self._come: dict[int, list[Any] | BaseException] = {}
        self._current: deque[Any] = deque()
        self._position = 0
        self._settled = 0
        self._length: int | None = None
        self._last: BaseException | None = None
        self._abandoned: BaseException | None = None

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        return self.next()

    def next(self, timeout: float | None = None) -> Any:
        """The next result, or what its call raised; `multiprocessing.TimeoutError` where it does not come in time."""
        until = None
        while True:
            try:
                return self._current.popleft()  # atomic, and without the lock: a consumer may read millions
            except IndexError:
                if timeout is not None:
                    until = time.monotonic() + timeout if until is None else until
                    timeout = max(0.0, until - time.monotonic())
                self.wait_for_some(timeout)  # what came may be another consumer's by now

    def wait_for_some(self, timeout: float | None = None) -> deque[Any]:
        """Where none is there: wait as `next` does, for as many as come together; they are taken from the left."""
        with self._changed:
            if not self._current:
                if not self._changed.wait_for(self._has_more, timeout):
                    raise MultiprocessingTimeoutError
                self._load()
            return self._current

    def take(self, offset: int, values: list[Any]) -> None:
        """Some items are done."""
        self._arrive(offset, values, len(values))

    def fail(self, offset: int, error: BaseException) -> None:
        """An item has failed."""
        self._arrive(offset, self._raises(error), 1)

    def abandon(self, error: BaseException) -> None:
        """What has not come will not come."""
        with self._changed:
            self._abandoned = error
            self._changed.notify_all()

    def forsake(self, error: BaseException) -> None:
        """As `abandon`, in a forked child."""
        self._changed = threading.Condition(threading.Lock())
        self.abandon(error)

    def ended(self, count: int, error: BaseException | None = None) -> None:
        """There are `count` items; behind them the input raised `error`."""
        with self._changed:
            self._length, self._last = count, error
            self._changed.notify_all()

    def wait_for_room(self, taken: int, ahead: int) -> bool:
        """Wait until fewer than `ahead` of the `taken` items are not done; False where the pool has ended."""
        with self._changed:
            self._changed.wait_for(lambda: self._abandoned or taken - self._settled < ahead)
            return self._abandoned is None

    def _arrive(self, offset: int, outcome: list[Any] | BaseException, count: int) -> None:
        with self._changed:
            self._come[offset] = outcome
            self._settled += count
            self._changed.notify_all()

    def _has_more(self) -> bool:
        return self._wanted() in self._come or self._length == self._position or self._abandoned is not None

    def _wanted(self) -> int:
        return self._position

    def _load(self) -> None:
        """Take what has come next; raise it where it is a failure, and where nothing more will come."""
        outcome = self._come.pop(self._wanted(), None)
        if isinstance(outcome, list):
            self._position += len(outcome)
            self._current.extend(outcome)
            return
        if outcome is not None:
            self._position += 1
            raise outcome
        self._pool = None
        last, self._last = self._abandoned if self._position != self._length else self._last, None
        raise last or StopIteration


class IMapUnorderedIterator(IMapIterator):
    """The results of an `imap_unordered`, in the order in which they come."""

    def _wanted(self) -> int:
        return next(iter(self._come), -1)


def _tell(told: Callable[[Any], object], value: Any) -> None:
    """Call a callback; what it raises must not end the thread that settles everybody's results."""
    try:
        told(value)
    except Exception:
        logging.getLogger("alongside").exception("a callback of alongside.Pool raised")
