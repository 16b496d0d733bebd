"""`alongside.Pool` and `alongside.ThreadPool`: the interface of `multiprocessing.Pool` on alongside's workers.

Owns which results belong to which call of the pool, and the thread that takes the input of a lazy `imap`. Must never
schedule: the service and its coordinator do. `chunksize` decides how much of a lazy input is handed over at a time; how
much goes to a worker at once adapts, whatever it says.
"""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import CancelledError
from itertools import islice
from typing import Any, Self

from alongside.compose import ordinary
from alongside.faces.outcomes import AsyncResult, IMapIterator, IMapUnorderedIterator, MapResult, Told
from alongside.faces.sendable import Sendable
from alongside.runtime import machine
from alongside.runtime.pushed import Awaited, Pushed, Stretch
from alongside.runtime.service import Service
from alongside.workers.calls import Calls, call, call_async

RUN, CLOSE, TERMINATE = "RUN", "CLOSE", "TERMINATE"

AT_HAND = (list, tuple, range)
"""Inputs that cannot block or run the user's code while they are taken."""

AHEAD = 1 << 16
"""Tasks of a lazy input that are taken and not done yet, at most."""


class Pool:
    """A drop-in for `multiprocessing.Pool`; use it as a context manager, or `close` and `join` it.

    `processes`: workers, one per CPU this process may use where not given. `initializer(*initargs)` is called in each
    before its first task; `maxtasksperchild` tasks later it is replaced. `context` is taken and not looked at: workers
    come from a clean helper process. Keyword only: `backend`, and the options of `alongside.map` (`timeout`,
    `retries`, `memory_limit`, …).

    A worker that dies costs the task it was running, which raises `WorkerLost`; the pool goes on.

    >>> import alongside
    >>> with alongside.Pool(2) as pool:
    ...     pool.map(abs, [-1, -2, -3])
    [1, 2, 3]
    """

    _state = CLOSE  # until it has been made

    def __init__(
        self,
        processes: int | None = None,
        initializer: Callable[..., object] | None = None,
        initargs: Iterable[Any] = (),
        maxtasksperchild: int | None = None,
        context: object = None,
        *,
        backend: str = "processes",
        **options: Any,
    ) -> None:
        self._processes = machine.cpu_count() if processes is None else processes
        if self._processes < 1:
            raise ValueError("Number of processes must be at least 1")
        if initializer is not None and not callable(initializer):
            raise TypeError("initializer must be a callable")
        if maxtasksperchild is not None and (type(maxtasksperchild) is not int or maxtasksperchild <= 0):
            raise ValueError("maxtasksperchild must be a positive int or None")
        given = {
            "backend": backend,
            "max_workers": self._processes,
            "initializer": initializer,
            "initargs": () if initializer is None else tuple(initargs),  # nobody's, as in the standard library
            "tasks_per_worker": maxtasksperchild,
            **options,
        }
        checked = ordinary.checked(call, {"on_error": "return", **given})
        self._sendable = Sendable(ordinary.needs_pickling(checked.backend))
        source = Pushed()
        self._feeds = Feeds()
        self._service = Service(source, _ended)
        ordinary.serve(call_async if backend == "asyncio" else call, source, checked, self._service)
        self._state = RUN

    # --------------------------------------------------------------------------------------------------- calls

    def apply(self, func: Callable[..., Any], args: Iterable[Any] = (), kwds: Mapping[str, Any] | None = None) -> Any:
        """What `func(*args, **kwds)` returns, called in a worker."""
        return self.apply_async(func, args, kwds).get()

    def apply_async(
        self,
        func: Callable[..., Any],
        args: Iterable[Any] = (),
        kwds: Mapping[str, Any] | None = None,
        callback: Told = None,
        error_callback: Told = None,
    ) -> AsyncResult:
        """As `apply`, at once: an `AsyncResult`. The callbacks run in a thread of the pool's and should be brief."""
        self._check_running()
        task = self._sendable(func), tuple(args), dict(kwds or {})
        result = AsyncResult(self, task, callback, error_callback)
        if callback is not None or error_callback is not None:
            self._service.drive_alone()
        self._service.push(result)
        return result

    def map(self, func: Callable[[Any], Any], iterable: Iterable[Any], chunksize: int | None = None) -> list[Any]:
        """A list of `func(item)` for each item, in order; raises the earliest item's failure once all are done."""
        results: list[Any] = self.map_async(func, iterable, chunksize).get()
        return results

    def map_async(
        self,
        func: Callable[[Any], Any],
        iterable: Iterable[Any],
        chunksize: int | None = None,
        callback: Told = None,
        error_callback: Told = None,
    ) -> MapResult:
        """As `map`, at once: an `AsyncResult` of the list."""
        return self._map(func, iterable, chunksize, callback, error_callback, star=False)

    def starmap(
        self, func: Callable[..., Any], iterable: Iterable[Iterable[Any]], chunksize: int | None = None
    ) -> list[Any]:
        """As `map`, with each item a tuple of arguments."""
        results: list[Any] = self.starmap_async(func, iterable, chunksize).get()
        return results

    def starmap_async(
        self,
        func: Callable[..., Any],
        iterable: Iterable[Iterable[Any]],
        chunksize: int | None = None,
        callback: Told = None,
        error_callback: Told = None,
    ) -> MapResult:
        """As `starmap`, at once: an `AsyncResult` of the list."""
        return self._map(func, iterable, chunksize, callback, error_callback, star=True)

    def imap(self, func: Callable[[Any], Any], iterable: Iterable[Any], chunksize: int = 1) -> IMapIterator:
        """An iterator of the results, in order. A failure is raised in its item's place; the next ones still come."""
        return self._imap(func, iterable, chunksize, IMapIterator(self))

    def imap_unordered(self, func: Callable[[Any], Any], iterable: Iterable[Any], chunksize: int = 1) -> IMapIterator:
        """As `imap`, with the results in the order in which they come."""
        return self._imap(func, iterable, chunksize, IMapUnorderedIterator(self))

    # ---------------------------------------------------------------------------------------------------- life

    def close(self) -> None:
        """Take no more calls; what was given is done."""
        if self._state == RUN:
            self._state = CLOSE
            self._feeds.when_ended(self._service.finish)

    def terminate(self) -> None:
        """End at once: what runs is killed, and what is not done raises `CancelledError` where it is asked for."""
        self._state = TERMINATE
        self._service.stop(CancelledError("the pool was terminated before this was done"))

    def join(self) -> None:
        """Wait for the workers to be gone; after `close` or `terminate`."""
        if self._state == RUN:
            raise ValueError("Pool is still running")
        if self._state not in (CLOSE, TERMINATE):
            raise ValueError("In unknown state")
        self._service.join()

    def attend(self, waited: Awaited, timeout: float | None) -> None:
        """Wait for a result; used by the results themselves."""
        self._service.attend(waited, timeout)

    def __enter__(self) -> Self:
        self._check_running()
        return self

    def __exit__(self, *exc: object) -> None:
        self.terminate()

    def __del__(self, _warn: Any = warnings.warn, RUN: str = RUN) -> None:  # noqa: N803  (modules may be gone by then)
        if self._state == RUN:
            _warn(f"unclosed running multiprocessing pool {self!r}", ResourceWarning, source=self)
            self._service.stop(CancelledError("the pool was collected before this was done"))

    def __reduce__(self) -> Any:
        raise NotImplementedError("pool objects cannot be passed between processes or pickled")

    def __repr__(self) -> str:
        return f"<alongside.{type(self).__name__} state={self._state} pool_size={self._processes}>"

    # -------------------------------------------------------------------------------------------------- inside

    def _check_running(self) -> None:
        if self._state != RUN:
            raise ValueError("Pool not running")
        self._service.check_home()

    def _map(
        self,
        func: Callable[..., Any],
        iterable: Iterable[Any],
        chunksize: int | None,
        callback: Told,
        error_callback: Told,
        star: bool,
    ) -> MapResult:
        self._check_running()
        _check_chunksize(chunksize)
        items = _at_hand(iterable)
        result = MapResult(self, len(items), callback, error_callback)
        if callback is not None or error_callback is not None:
            self._service.drive_alone()
        if items:
            self._service.push_all(Stretch(result, 0, Calls(self._sendable.for_many(func), items, star)))
        return result

    def _imap(
        self, func: Callable[[Any], Any], iterable: Iterable[Any], chunksize: int, results: IMapIterator
    ) -> IMapIterator:
        self._check_running()
        _check_chunksize(chunksize)
        fn = self._sendable.for_many(func)
        if type(iterable) in AT_HAND and len(iterable) <= AHEAD:  # type: ignore[arg-type]
            if items := _at_hand(iterable):
                self._service.push_all(Stretch(results, 0, Calls(fn, items)))
            results.ended(len(items))
            return results
        self._feeds.begin(Feed(fn, iter(iterable), chunksize, results, self._service))
        return results


class ThreadPool(Pool):
    """A drop-in for `multiprocessing.pool.ThreadPool`: a `Pool` whose workers are threads of this process."""

    def __init__(
        self,
        processes: int | None = None,
        initializer: Callable[..., object] | None = None,
        initargs: Iterable[Any] = (),
        **options: Any,
    ) -> None:
        super().__init__(processes, initializer, initargs, **{"backend": "threads", **options})


class Feed:
    """Takes the input of a lazy `imap`, in a thread of its own, since the input may block.

    Guarantee: what was taken is handed over before the input is asked for more, `chunksize` items at a time; at most
    `AHEAD` of them are not done yet.
    """

    def __init__(self, fn: Any, items: Iterator[Any], chunksize: int, results: IMapIterator, service: Service) -> None:
        self._fn = fn
        self._items = items
        self._chunksize = chunksize
        self._results = results
        self._service = service

    def work(self) -> None:
        """Feed until the input or the pool ends."""
        taken = 0
        error = None
        try:
            while self._results.wait_for_room(taken, AHEAD) and (chunk := list(islice(self._items, self._chunksize))):
                self._service.push_all(Stretch(self._results, taken, Calls(self._fn, chunk)))
                taken += len(chunk)
        except BaseException as raised:  # by the user's iterator; it stands in the place of the next item
            error = raised
        self._results.ended(taken, error)


class Feeds:
    """The threads that take lazy input for a pool; when they have all ended, so may the pool."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._under_way = 0
        self._when_ended: Callable[[], None] | None = None

    def begin(self, feed: Feed) -> None:
        """Have a thread feed."""
        with self._lock:
            self._under_way += 1
        threading.Thread(target=self._work, args=(feed,), name="alongside-feed", daemon=True).start()

    def when_ended(self, then: Callable[[], None]) -> None:
        """Call `then` when no thread feeds."""
        self._when_ended = then
        self._look()

    def _work(self, feed: Feed) -> None:
        feed.work()
        with self._lock:
            self._under_way -= 1
        self._look()

    def _look(self) -> None:
        with self._lock:
            then = None if self._under_way else self._when_ended
            if then is not None:
                self._when_ended = None
        if then is not None:
            then()


def _ended(error: BaseException | None) -> BaseException | None:
    """The run is over; those who wait are told why, as it is."""
    return error


def _at_hand(iterable: Iterable[Any]) -> Sequence[Any]:
    """The items, so that nobody can change them; a range is sent as one."""
    return iterable if type(iterable) is range else list(iterable)


def _check_chunksize(chunksize: int | None) -> None:
    if chunksize is not None and chunksize < 1:
        raise ValueError(f"Chunksize must be 1+, not {chunksize:n}")
