"""`alongside.Executor`: a `concurrent.futures.Executor` on any backend.

Owns the futures of the calls submitted. Must never schedule: the service and its coordinator do.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import BrokenExecutor
from concurrent.futures import Executor as StandardExecutor
from typing import Any

from alongside import compose
from alongside.faces.future import Future
from alongside.faces.sendable import Sendable
from alongside.runtime.pushed import Pushed
from alongside.runtime.results import Run
from alongside.runtime.service import Service
from alongside.workers.calls import call, call_async


class Executor(StandardExecutor):
    """Runs calls side by side; a drop-in for the standard library's executors.

    `backend`, `max_workers`, `initializer`, `initargs`, `timeout`, `retries` and the other options are those of
    `alongside.map`; "auto" takes processes. A lost worker costs the call it was running and no other.

    >>> import alongside
    >>> with alongside.Executor("threads") as executor:
    ...     executor.submit(pow, 2, 10).result()
    1024
    """

    def __init__(self, backend: str = "auto", max_workers: int | None = None, **options: Any) -> None:
        given = {"backend": "processes" if backend == "auto" else backend, "max_workers": max_workers, **options}
        self._options = compose.checked(call, {"on_error": "return", **given})
        self._given = given
        self._lock = threading.Lock()
        self._closed = False
        self._broken: BaseException | None = None
        self._service: Service | None = None
        self._sendable = Sendable(compose.needs_pickling(self._options.backend))

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future:
        """Have `fn(*args, **kwargs)` called; a future for its result."""
        with self._lock:
            if self._broken is not None:
                raise BrokenExecutor(f"no call can be run any more, since {self._broken!r} ended the workers")
            if self._closed:
                raise RuntimeError("cannot schedule new futures after shutdown")
            service = self._service or self._start()
            future = Future((self._sendable(fn), args, kwargs), service)
            service.push(future)
        return future

    def imap(self, fn: Callable[..., Any], *iterables: Iterable[Any], ordered: bool = True) -> Iterator[Any]:
        """As `alongside.imap`, with this executor's options."""
        return compose.stream(fn, iterables, self._given, ordered)

    def run(self, fn: Callable[..., Any], *iterables: Iterable[Any]) -> Run:
        """As `alongside.run`, with this executor's options."""
        return compose.run(fn, iterables, self._given)

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

    def _start(self) -> Service:
        source = Pushed()
        service = Service(source, self._ended)
        compose.serve(call_async if self._options.backend == "asyncio" else call, source, self._options, service)
        self._service = service
        return service

    def _ended(self, error: BaseException | None) -> None:
        """The run is over: of itself only where a worker could not be made ready, or workers died without end."""
        self._broken = error
