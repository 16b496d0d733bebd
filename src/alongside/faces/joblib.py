"""joblib's backend "alongside": `joblib.Parallel`, and with it scikit-learn's `n_jobs`, on alongside's workers.

Owns how joblib's batches become calls of an `Executor`, and how far a generator's input may run ahead of whoever reads
it. Must never schedule: joblib makes the batches, the executor runs them.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import BrokenExecutor, Future
from contextlib import contextmanager
from typing import Any

from joblib.parallel import (
    AutoBatchingMixin,
    FallbackToBackend,
    ParallelBackendBase,
    SequentialBackend,
    register_parallel_backend,
)

from alongside.core.options import Options
from alongside.faces.futures import Executor
from alongside.runtime import machine

THREADS = ("OMP", "OPENBLAS", "MKL", "BLIS", "VECLIB_MAXIMUM", "NUMBA", "NUMEXPR")
"""Libraries that are told by `NAME_NUM_THREADS` how many threads to use inside a task."""


class AlongsideBackend(AutoBatchingMixin, ParallelBackendBase):  # type: ignore[misc]  # joblib has no types
    """What `joblib.parallel_config("alongside")` names.

    Keyword arguments are the options of `alongside.Executor`: `retries=1` gives each batch another attempt, and
    `memory_limit=` replaces a worker that grows too large. `backend="threads"` runs the batches in threads.
    To alongside a task is one batch of joblib's: `timeout=`, `memory_limit=` and `retries=` count for all the calls in
    it together. `joblib.Parallel(batch_size=1)` makes each call one; its own `timeout=` is another thing, for the wait.
    """

    supports_retrieve_callback = True
    supports_inner_max_num_threads = True
    MIN_IDEAL_BATCH_DURATION = 0.05
    MAX_IDEAL_BATCH_DURATION = 0.5

    def __init__(self, nesting_level: int | None = None, inner_max_num_threads: int | None = None, **options: Any):
        super().__init__(nesting_level=nesting_level, inner_max_num_threads=inner_max_num_threads)
        self._options = options
        self._workers: Executor | None = None
        self._flow = Flow(0, None)
        self._threads: int | None = None
        self._given: dict[str, Any] = {}
        self.parallel: Any = None

    @property
    def supports_sharedmem(self) -> bool:
        """Whether tasks see the caller's objects themselves."""
        return self._options.get("backend") == "threads"

    @property
    def uses_threads(self) -> bool:
        """Whether tasks run in threads of this process."""
        return self.supports_sharedmem

    def effective_n_jobs(self, n_jobs: int | None) -> int:
        """How many batches run at once: `n_jobs`, counted from the CPUs this process may use where it is negative."""
        if n_jobs == 0:
            raise ValueError("n_jobs == 0 in Parallel has no meaning")
        if n_jobs is None:
            return 1
        return n_jobs if n_jobs > 0 else max(machine.cpu_count() + 1 + n_jobs, 1)

    def configure(self, n_jobs: int = 1, parallel: Any = None, **given: Any) -> int:
        """Make ready for a call of `Parallel`."""
        n_jobs = self.effective_n_jobs(n_jobs)
        if n_jobs == 1:
            raise FallbackToBackend(SequentialBackend(nesting_level=self.nesting_level))
        self.parallel = parallel
        self._threads = self._inner_threads(n_jobs)
        self._flow = Flow(2 * n_jobs, 4 * n_jobs if parallel.return_generator else None)
        self._given = given
        options = {name: value for name, value in given.items() if name in Options.__slots__}
        self._workers = Executor(**{"backend": "processes", **self._options, **options, "max_workers": n_jobs})
        return n_jobs

    def submit(self, batch: Callable[[], list[Any]], callback: Callable[[Future[Any]], object] | None = None) -> None:
        """Have a batch run, and `callback` told; later, where too many results wait for their reader already."""
        self._flow.pass_on(lambda: self._send(batch, callback))

    @contextmanager
    def retrieval_context(self) -> Iterator[None]:
        """Around joblib's looking for results, every 10 ms. Whoever is to get a list begins when all of it is there."""
        if not self.parallel.return_generator and self.parallel.timeout is None:
            self._flow.wait_for_all(self._aborting)
        yield

    def retrieve_result_callback(self, future: Future[list[Any]]) -> Any:
        """A batch's results, or what it raised."""
        return self._flow.counted(future.result())

    def terminate(self) -> None:
        """The call of `Parallel` is over. Worker processes stay warm for the next one."""
        workers, self._workers = self._workers, None
        if workers is not None:
            workers.shutdown(wait=True)
        self.reset_batch_stats()

    def abort_everything(self, ensure_ready: bool = True) -> None:
        """A task has failed, or nobody wants the rest: drop what waits, end what runs."""
        self._flow.close()
        workers, self._workers = self._workers, None
        if workers is not None:
            workers.kill_workers()
        if ensure_ready:
            self.configure(n_jobs=self.parallel.n_jobs, parallel=self.parallel, **self._given)

    def _send(self, batch: Callable[[], list[Any]], callback: Callable[[Future[Any]], object] | None) -> None:
        future, flow = self._submitted(batch), self._flow
        future.add_done_callback(flow.done)
        if callback is not None:
            future.add_done_callback(callback)
        future.add_done_callback(lambda _: flow.told(self._aborting))

    def _submitted(self, batch: Callable[[], list[Any]]) -> Future[Any]:
        """The batch as a future. Where it cannot be sent any more, that is what it comes to: joblib is told so."""
        assert self._workers is not None, "batches are sent between `configure` and `terminate`"
        try:
            return self._workers.submit(run_batch, batch, self._threads)
        except BrokenExecutor as error:
            failed: Future[Any] = Future()
            failed.set_exception(error.__cause__ or error)
            return failed

    def _aborting(self) -> bool:
        """Whether joblib wants no more of the call. Where a joblib does not say, it is left to look for itself."""
        return bool(getattr(self.parallel, "_aborting", True))

    def _inner_threads(self, n_jobs: int) -> int | None:
        """How many threads a library may use inside a task; None: as it is in a worker, one, or as the user has set."""
        share = machine.cpu_count() // n_jobs
        if self.inner_max_num_threads is not None or self.supports_sharedmem:
            threads: int | None = self.inner_max_num_threads
            return threads
        return None if share <= 1 or any(f"{name}_NUM_THREADS" in os.environ for name in THREADS) else share


class Flow:
    """Lets batches through, `most` at a time; where `ahead` is given, also only while fewer than that wait to be read.

    Guarantees: what is held back is sent in order, as soon as there is room. Nobody waits here, so that the thread that
    hands over results cannot be stopped by a slow reader. What is held back is never what the reader waits for: that is
    older, and sent.
    Two for each worker, so that none waits for its next one to be pickled; one that is caught behind a batch that turns
    out to be long is taken back and given to another worker.
    """

    def __init__(self, most: int, ahead: int | None) -> None:
        self._most = most
        self._ahead = ahead
        self._running = 0
        self._unread = 0
        self._held: deque[Callable[[], None]] = deque()
        self._untold = 0
        """Batches of whose outcome joblib has not heard."""
        self._lock = threading.Lock()
        self._changed = threading.Condition(self._lock)

    def pass_on(self, send: Callable[[], None]) -> None:
        """Send now, or when there is room."""
        with self._lock:
            self._untold += 1
            self._held.append(send)
        self._send()

    def done(self, _: object) -> None:
        """A batch that was sent is done."""
        with self._lock:
            self._running -= 1
        self._send()

    def told(self, over: Callable[[], bool]) -> None:
        """joblib has heard of a batch, and has sent the next ones, if there are any and it is not `over`."""
        with self._lock:
            self._untold -= 1
            if not self._untold or over():
                self._changed.notify_all()

    def wait_for_all(self, over: Callable[[], bool]) -> None:
        """Return when joblib has heard of every batch, or it is `over`."""
        with self._lock:
            self._changed.wait_for(lambda: not self._untold or over())

    def counted(self, results: list[Any]) -> Any:
        """The results, counted as waiting until somebody begins to read them."""
        if self._ahead is None:
            return results
        with self._lock:
            self._unread += 1
        return _Waiting(results, self._read)

    def close(self) -> None:
        """Nothing more is sent."""
        with self._lock:
            self._held.clear()

    def _read(self) -> None:
        with self._lock:
            self._unread -= 1
        self._send()

    def _send(self) -> None:
        """Send what there is room for; not under the lock, since a batch may be done before it is counted."""
        while (send := self._next()) is not None:
            send()

    def _next(self) -> Callable[[], None] | None:
        with self._lock:
            full = self._running >= self._most or (self._ahead is not None and self._unread >= self._ahead)
            if full or not self._held:
                return None
            self._running += 1
            return self._held.popleft()


class _Waiting:
    """A batch of results that tells when its reader comes to it."""

    def __init__(self, results: list[Any], read: Callable[[], None]) -> None:
        self._results = results
        self._read = read

    def __iter__(self) -> Iterator[Any]:
        self._read()
        return iter(self._results)


def run_batch(batch: Callable[[], list[Any]], threads: int | None) -> list[Any]:
    """In a worker: joblib's batch, with `threads` threads for the libraries that start their own.

    That it stands in this module makes the name "alongside" known in the worker too.
    """
    if threads is None:
        return batch()
    with inner_threads(threads):
        return batch()


@contextmanager
def inner_threads(threads: int) -> Iterator[None]:
    """Have libraries use so many threads: those that are loaded, and those that will be."""
    from threadpoolctl import threadpool_limits

    before = {name: os.environ.get(name) for name in (f"{library}_NUM_THREADS" for library in THREADS)}
    os.environ.update(dict.fromkeys(before, str(threads)))
    try:
        with threadpool_limits(threads):
            yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def register() -> None:
    """Make the name "alongside" known to joblib."""
    register_parallel_backend("alongside", AlongsideBackend)


register()
