"""Rows about many small tasks: a million in one map, one at a time, a burst of submits.

Owns: the search for each peer's best batch. Must never: give alongside a setting that its users would have to find.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from benchmarks import limits, peers, tasks
from benchmarks.harness import SUBJECT, Contender, Row, Target, Work, say
from benchmarks.scale import Scale

MICROSECOND = 1e-6
LOOP = "pickling and calling in one process"


def million(scale: Scale) -> Row:
    """Bound by pickling small integers twice in the parent and by the interpreter's loop in the workers; system calls
    and wake-ups are shared by thousands of tasks."""
    count, fewer, fewest = scale.many, scale.many // 10, scale.many // 500
    return Row(
        f"{count:,} no-op tasks, 2 warm workers, per task; each peer at the best batch found by trying",
        (
            Contender("multiprocessing.Pool", lambda: _pool(count), per=count),
            Contender("ProcessPoolExecutor", lambda: _executor(count), per=count),
            Contender(f"joblib ({fewer:,} tasks)", lambda: _joblib(fewer), per=fewer),
            Contender(f"mpire ({fewer:,} tasks)", lambda: _mpire(fewer), per=fewer),
            Contender(f"pebble ({fewer:,} tasks)", lambda: _pebble(fewer), per=fewer),
            Contender(f"dask ({fewest:,} tasks)", lambda: _dask(fewest), per=fewest),
            Contender(f"ray ({fewest:,} tasks)", lambda: _ray(fewest), per=fewest),
            Contender(SUBJECT, lambda: _alongside(count), per=count),
            Contender(LOOP, lambda: _pickled_loop(count), per=count, limit=True),
        ),
        _in_order(count, fewer, fewest),
        (
            Target("no slower than Pool.map with its best chunksize", 1.0, "multiprocessing.Pool"),
            Target("at most 1 µs a task", MICROSECOND),
        ),
        rounds=scale.rounds(7),
    )


def _in_order(*counts: int) -> Callable[[object], str]:
    """The answer must be 0, 1, 2 ... and as long as one of `counts` (slow contenders are given fewer tasks)."""

    def check(answer: object) -> str:
        right = isinstance(answer, list) and len(answer) in counts and answer == list(range(len(answer)))
        return "" if right else "the results are not the arguments in order"

    return check


def _best(label: str, count: int, work: Callable[[int], object], smallest: int = 500) -> int:
    tried = [size for size in (500, 2_000, 8_000, 31_250, 125_000, 500_000) if smallest <= size <= count // 2]
    size = peers.best_of(tried or [count // 2], work)
    say(f"  {label}: best batch {size:,}")
    return size


@contextmanager
def _pool(count: int) -> Iterator[Work]:
    with peers.stdlib_pool() as pool:
        size = _best("multiprocessing.Pool", count, lambda size: pool.map(tasks.same, range(count), size))
        yield lambda: pool.map(tasks.same, range(count), size)


@contextmanager
def _executor(count: int) -> Iterator[Work]:
    with peers.stdlib_executor() as executor:

        def work(size: int) -> list[int]:
            return list(executor.map(tasks.same, range(count), chunksize=size))

        size = _best("ProcessPoolExecutor", count, work)
        yield lambda: work(size)


@contextmanager
def _joblib(count: int) -> Iterator[Work]:
    joblib = peers.library("joblib")

    def work(size: int) -> list[int]:
        parallel = joblib.Parallel(n_jobs=peers.WORKERS, batch_size=size, pre_dispatch=4 * size)
        return list(parallel(joblib.delayed(tasks.same)(item) for item in range(count)))

    size = _best("joblib", count, work, smallest=2_000)
    yield lambda: work(size)


@contextmanager
def _mpire(count: int) -> Iterator[Work]:
    with peers.mpire_pool() as pool:

        def work(size: int) -> list[int]:
            return list(pool.map(tasks.same, range(count), chunk_size=size))

        size = _best("mpire", count, work, smallest=2_000)
        yield lambda: work(size)


@contextmanager
def _pebble(count: int) -> Iterator[Work]:
    with peers.pebble_pool() as pool:

        def work(size: int) -> list[int]:
            return list(pool.map(tasks.same, range(count), chunksize=size).result())

        size = _best("pebble", count, work, smallest=2_000)
        yield lambda: work(size)


@contextmanager
def _dask(count: int) -> Iterator[Work]:
    with peers.dask_client() as client:
        yield lambda: client.gather(client.map(tasks.same, range(count), pure=False, batch_size=1_000))


@contextmanager
def _ray(count: int) -> Iterator[Work]:
    with peers.ray_session() as ray:
        remote = ray.remote(tasks.same)
        yield lambda: ray.get([remote.remote(item) for item in range(count)])


@contextmanager
def _alongside(count: int) -> Iterator[Work]:
    peers.alongside_map(tasks.same, range(1_000))
    yield lambda: peers.alongside_map(tasks.same, range(count))


@contextmanager
def _pickled_loop(count: int) -> Iterator[Work]:
    yield lambda: limits.pickled_loop(list(range(count)))


def one_at_a_time(scale: Scale) -> Row:
    """Bound by two wake-ups: the worker's and the parent's. Everything above the raw round trip is pickling, the future
    and, where a library has a helper thread, one more wake-up and a hand-over of the GIL."""
    trips, few = scale.trips, scale.trips // 10
    return Row(
        f"submit(f, x).result(), {trips:,} in a row, per call; executors warm, 2 workers",
        (
            _trips("ProcessPoolExecutor", peers.stdlib_executor, trips),
            _trips("loky", peers.loky_executor, trips),
            _trips("pebble", _pebble_executor, trips),
            Contender("multiprocessing.Pool.apply", lambda: _apply(trips), per=trips),
            Contender("mpire.apply", lambda: _mpire_apply(trips), per=trips),
            Contender(f"dask ({few:,} calls)", lambda: _dask_trips(few), per=few),
            Contender(f"ray ({few:,} calls)", lambda: _ray_trips(few), per=few),
            _trips(SUBJECT, peers.alongside_executor, trips),
            Contender("raw pipe round trip", lambda: _echoes(trips), per=trips, limit=True),
        ),
        _in_order(trips, few),
        (
            Target("at most a quarter of ProcessPoolExecutor's time", 0.25, "ProcessPoolExecutor"),
            Target("within 4 times a raw pipe round trip", 4.0, "raw pipe round trip"),
        ),
        absent=(("joblib", "has no submit"),),
        rounds=scale.rounds(7),
    )


def _trips(label: str, opened: Callable[[], AbstractContextManager[Executor]], trips: int) -> Contender:
    @contextmanager
    def works() -> Iterator[Work]:
        with opened() as executor:
            yield lambda: [executor.submit(tasks.same, item).result() for item in range(trips)]

    return Contender(label, works, per=trips)


class _PebbleExecutor(Executor):
    """pebble's schedule under the name submit."""

    def __init__(self, pool: Any) -> None:
        self._pool = pool

    def submit(self, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        return self._pool.schedule(function, args=args, kwargs=kwargs)


@contextmanager
def _pebble_executor() -> Iterator[Executor]:
    with peers.pebble_pool() as pool:
        yield _PebbleExecutor(pool)


@contextmanager
def _apply(trips: int) -> Iterator[Work]:
    with peers.stdlib_pool() as pool:
        yield lambda: [pool.apply(tasks.same, (item,)) for item in range(trips)]


@contextmanager
def _mpire_apply(trips: int) -> Iterator[Work]:
    with peers.mpire_pool() as pool:
        yield lambda: [pool.apply(tasks.same, (item,)) for item in range(trips)]


@contextmanager
def _dask_trips(trips: int) -> Iterator[Work]:
    with peers.dask_client() as client:
        yield lambda: [client.submit(tasks.same, item, pure=False).result() for item in range(trips)]


@contextmanager
def _ray_trips(trips: int) -> Iterator[Work]:
    with peers.ray_session() as ray:
        remote = ray.remote(tasks.same)
        yield lambda: [ray.get(remote.remote(item)) for item in range(trips)]


@contextmanager
def _echoes(trips: int) -> Iterator[Work]:
    with limits.echo() as trip:
        yield lambda: [trip(b"x" * 64) for _ in range(trips)]


def burst(scale: Scale) -> Row:
    """Bound by the futures themselves: each makes a condition and a lock, and is resolved under it. Pickling comes
    second; wake-ups are few when calls leave in batches."""
    count = scale.burst
    return Row(
        f"{count:,} submits, then every result, per submit; executors warm, 2 workers",
        (
            _burst("ProcessPoolExecutor", peers.stdlib_executor, count),
            _burst("loky", peers.loky_executor, count),
            _burst("pebble", _pebble_executor, count),
            Contender("multiprocessing.Pool.apply_async", lambda: _applies(count), per=count),
            _burst(SUBJECT, peers.alongside_executor, count),
            Contender("bare futures and pickling", lambda: _bare_futures(count), per=count, limit=True),
        ),
        _in_order(count),
        (Target("at most a tenth of ProcessPoolExecutor's time", 0.1, "ProcessPoolExecutor"),),
        absent=(("joblib", "has no submit"),),
        rounds=scale.rounds(7),
    )


def _burst(label: str, opened: Callable[[], AbstractContextManager[Executor]], count: int) -> Contender:
    @contextmanager
    def works() -> Iterator[Work]:
        with opened() as executor:
            yield lambda: _results([executor.submit(tasks.same, item) for item in range(count)])

    return Contender(label, works, per=count)


def _results(futures: list[Any]) -> list[Any]:
    return [future.result() for future in futures]


@contextmanager
def _applies(count: int) -> Iterator[Work]:
    with peers.stdlib_pool() as pool:
        yield lambda: [waiting.get() for waiting in [pool.apply_async(tasks.same, (item,)) for item in range(count)]]


@contextmanager
def _bare_futures(count: int) -> Iterator[Work]:
    yield lambda: limits.bare_futures(count)
