"""`alongside.Executor`: a `concurrent.futures.Executor` on any backend.

Owns the futures of the calls submitted. Must never schedule: the service and its coordinator do.
"""

from __future__ import annotations

import os
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import BrokenExecutor
from concurrent.futures import Executor as StandardExecutor
from itertools import islice
from typing import Any

from alongside.compose import ordinary
from alongside.faces.future import Future
from alongside.faces.sendable import Sendable
from alongside.runtime import forks, machine
from alongside.runtime.pushed import Pushed
from alongside.runtime.results import Run
from alongside.runtime.service import Service
from alongside.workers.calls import Calls, call, call_async


class Executor(StandardExecutor):
    """Runs calls side by side; a drop-in for the standard library's executors.

    `backend`, `max_workers`, `initializer`, `initargs`, `timeout`, `retries` and the other options are those of
    `alongside.map`; "auto" takes processes. A lost worker costs the call it was running and no other. An async function
    is run to its end: many side by side with "asyncio", elsewhere one at a time in each worker.

    >>> import alongside
    >>> with alongside.Executor("threads") as executor:
    ...     executor.submit(pow, 2, 10).result()
    1024
    """

    _future: type[Future] = Future
    _breaks: type[BrokenExecutor] | None = None
    """As what those hear of it who wait when the workers have ended; None: as it is."""
    _thread_names = ""

    def __init__(self, backend: str = "auto", max_workers: int | None = None, **options: Any) -> None:
        given = {"backend": "processes" if backend == "auto" else backend, "max_workers": max_workers, **options}
        self._options = ordinary.checked(call, {"on_error": "return", **given})
        self._given = given
        self._max_workers = machine.cpu_count() if max_workers is None else max_workers  # Dask asks for it
        self._lock = threading.Lock()
        forks.runs.add(self)
        self._closed = False
        self._broken: BaseException | None = None
        self._service: Service | None = None
        self._here = not ordinary.needs_pickling(self._options.backend)
        """Whether workers share memory with whoever submits."""
        self._sendable = Sendable(not self._here)

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future:
        """Have `fn(*args, **kwargs)` called; a future for its result."""
        with self._lock:
            if self._broken is not None:
                raise self._failure(self._broken)
            service = self._running()
            future = self._future((self._sendable(fn), args, kwargs), service)
            if self._here:
                future.task += (future,)
            service.push(future)
        return future

    def map(
        self,
        fn: Callable[..., Any],
        /,
        *iterables: Iterable[Any],
        timeout: float | None = None,
        chunksize: int = 1,
        buffersize: int | None = None,
    ) -> Iterator[Any]:
        """An iterator of `fn(*items)`, in order, all of them submitted now; a failure is raised in its place.

        `buffersize`: submit only so many ahead of the results, and take the input as they are taken. `chunksize`: above
        1, the calls are handed over together, which costs much less for brief ones; how many go to a worker at once
        adapts. `TimeoutError` when a result is not there `timeout` seconds after the call of `map`.
        """
        if chunksize < 1:
            raise ValueError("chunksize must be >= 1.")
        if buffersize is not None:
            if not isinstance(buffersize, int):
                raise TypeError("buffersize must be an integer or None")
            if buffersize < 1:
                raise ValueError("buffersize must be None or > 0")
            return self._buffered(fn, zip(*iterables, strict=False), timeout, buffersize)
        if chunksize == 1:
            return super().map(fn, *iterables, timeout=timeout)
        from alongside.faces.mapping import mapped

        star = len(iterables) > 1
        items = list(zip(*iterables, strict=False) if star else iterables[0] if iterables else ())
        with self._lock:
            if self._broken is not None:
                raise self._failure(self._broken)
            service = self._running()
        return mapped(service, Calls(self._sendable.for_many(fn), items, star), timeout, self._future.told)

    def imap(self, fn: Callable[..., Any], *iterables: Iterable[Any], ordered: bool = True) -> Iterator[Any]:
        """As `alongside.imap`, with this executor's options."""
        return ordinary.stream(fn, iterables, self._given, ordered)

    def run(self, fn: Callable[..., Any], *iterables: Iterable[Any]) -> Run:
        """As `alongside.run`, with this executor's options."""
        return ordinary.run(fn, iterables, self._given)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Take no more calls; wait for those submitted, unless told not to."""
        with self._lock:
            self._closed = True
            service = self._service
        if service is None:
            return
        if cancel_futures:
            service.cancel()
        service.finish()
        if wait:
            service.join()

    def kill_workers(self) -> None:
        """End at once: the calls that are not done raise `BrokenExecutor`, and no more are taken."""
        with self._lock:
            self._closed = True
            service = self._service
        if service is not None:
            service.stop(BrokenExecutor("the workers were killed before this call was done"))
            service.join()

    def __del__(self) -> None:
        service = getattr(self, "_service", None)
        if service is not None and not self._closed:
            service.wind_up()

    def _buffered(
        self, fn: Callable[..., Any], items: Iterator[Any], timeout: float | None, ahead: int
    ) -> Iterator[Any]:
        until = None if timeout is None else time.monotonic() + timeout
        futures = deque(self.submit(fn, *args) for args in islice(items, ahead))
        return _results(futures, (self.submit(fn, *args) for args in items), until)

    def _running(self) -> Service:
        if self._closed:
            raise RuntimeError("cannot schedule new futures after shutdown")
        if self._service is None:
            return self._start()
        self._service.check_home()
        return self._service

    def forsake(self) -> None:
        """In a forked child: no thread of it holds the lock. What was submitted is the parent's."""
        self._lock = threading.Lock()

    def _failure(self, error: BaseException) -> BaseException:
        """What ended the workers, as whoever submits now hears of it."""
        kind = self._breaks or BrokenExecutor
        if isinstance(error, kind):
            return error
        broken = kind(f"no call can be run any more, since {error!r} ended the workers")
        broken.__cause__ = error
        return broken

    def _start(self) -> Service:
        source = Pushed(late=self._here)
        service = Service(source, _Ended(self))
        fn = call_async if self._options.backend == "asyncio" else call
        ordinary.serve(fn, source, self._options, service, self._thread_names)
        self._service = service
        _living.add(self)
        _under_way.add(service)
        return service


class _Ended:
    """Tells an executor, if it is still there, that its run is over: the run must not keep it alive.

    The run ends of itself only where a worker could not be made ready, or workers died without end.
    """

    def __init__(self, executor: Executor) -> None:
        self._executor = weakref.ref(executor)

    def __call__(self, error: BaseException | None) -> BaseException | None:
        executor = self._executor()
        if executor is None or error is None:
            return error
        executor._broken = error
        return executor._failure(error) if executor._breaks else error


def _results(futures: deque[Future], more: Iterator[Future], until: float | None) -> Iterator[Any]:
    """Each future's result; for each that is taken, one more is submitted. Those that are left are cancelled."""
    try:
        while futures:
            future = futures.popleft()
            try:
                yield future.result(None if until is None else until - time.monotonic())
            finally:
                future.cancel()
            del future
            futures.extend(islice(more, 1))
    finally:
        for future in futures:
            future.cancel()


_living: weakref.WeakSet[Executor] = weakref.WeakSet()
_under_way: weakref.WeakSet[Service] = weakref.WeakSet()
"""Their services: a service outlives an executor that nobody has any more, until the last call is done."""


def _finish_all() -> None:
    """Have the program end only when what was submitted is done, as it does with the standard executors."""
    for executor in list(_living):
        executor.shutdown(wait=False)
    for service in list(_under_way):
        service.finish()
        service.join()


threading._register_atexit(_finish_all)  # type: ignore[attr-defined]  # it comes before the wait for threads
if hasattr(os, "register_at_fork"):
    for theirs in (_living, _under_way):
        os.register_at_fork(after_in_child=theirs.clear)  # what was submitted is the parent's
