"""Rows about sharing out the work: heavy tails, and what a task costs as tasks and workers grow in number.

Owns: the durations, fixed by a seed. Must never: tell a contender how long a task will take.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from benchmarks import peers, tasks
from benchmarks.harness import SUBJECT, CannotDo, Contender, Row, Target, Work
from benchmarks.scale import Scale

SHORTEST, LONGEST = 0.0002, 0.04  # of the seconds one worker has to do
BARE = "two bare processes, one task at a time"
Call = Callable[[list[float]], list[float]]


def heavy_tail(scale: Scale) -> Row:
    """Bound by the work itself: the tasks keep a CPU busy for a known time. What is lost is the start, the wait for the
    last worker, and CPU time taken by the parent (or by other programs) from the two workers."""
    durations = _ascending(scale.spinning)
    what = f"{len(durations)} tasks, Pareto, the longest last"
    return _schedule(what, durations, scale)


def one_giant(scale: Scale) -> Row:
    """Bound by the longest task: it comes last and alone takes as long as one worker's share. The others must be out of
    the way when it starts, and it must not wait in a batch behind them."""
    giant = scale.spinning
    durations = [giant * 0.02 / 200] * 400 + [giant]
    what = "400 small tasks, then one that takes 50 times a worker's share of them"
    return _schedule(what, durations, scale)


def _ascending(share: float) -> list[float]:
    """Pareto durations, ascending, that add up to `share` seconds for each worker; the longest is 4 % of that."""
    generator = random.Random(20)
    drawn = [min(generator.paretovariate(1.1) * SHORTEST, LONGEST) for _ in range(100_000)]
    durations: list[float] = []
    for duration in drawn:
        if sum(durations) >= peers.WORKERS - LONGEST:
            break
        durations.append(duration)
    return [duration * share for duration in sorted([*durations, LONGEST])]


def _schedule(what: str, durations: list[float], scale: Scale) -> Row:
    ideal = max(sum(durations) / peers.WORKERS, max(durations))
    return Row(
        f"{what}: {sum(durations):.2f} s of work, ideal {ideal:.2f} s on 2 workers; figures are wall time / ideal",
        (
            _shared("multiprocessing.Pool", _pool, durations, ideal),
            _shared("ProcessPoolExecutor", _executor, durations, ideal),
            _shared("joblib", _joblib, durations, ideal),
            _shared("mpire", _mpire, durations, ideal),
            _shared(SUBJECT, _alongside, durations, ideal),
            Contender(BARE, lambda: _bare(durations), per=ideal, limit=True),
        ),
        lambda answer: "" if answer == durations else "the results are not the durations in order",
        (
            Target("95 % of the ideal", 1 / 0.95),
            Target("95 % of what two bare processes reach in the same run (for a busy machine)", 1 / 0.95, BARE),
        ),
        unit="x",
        rounds=scale.rounds(5),
    )


def _shared(
    label: str, opened: Callable[[], AbstractContextManager[Call]], durations: list[float], ideal: float
) -> Contender:
    @contextmanager
    def works() -> Iterator[Work]:
        with opened() as call:
            yield lambda: call(durations)

    return Contender(label, works, per=ideal)


@contextmanager
def _pool() -> Iterator[Call]:
    with peers.stdlib_pool() as pool:
        yield lambda durations: pool.map(tasks.spin, durations, 1)


@contextmanager
def _executor() -> Iterator[Call]:
    with peers.stdlib_executor() as executor:
        yield lambda durations: list(executor.map(tasks.spin, durations))


@contextmanager
def _joblib() -> Iterator[Call]:
    delayed = peers.library("joblib").delayed
    with peers.joblib_parallel() as parallel:
        yield lambda durations: list(parallel(delayed(tasks.spin)(duration) for duration in durations))


@contextmanager
def _mpire() -> Iterator[Call]:
    with peers.mpire_pool() as pool:
        yield lambda durations: list(pool.map(tasks.spin, durations, chunk_size=1))


@contextmanager
def _alongside() -> Iterator[Call]:
    peers.alongside_map(tasks.same, range(4))
    yield lambda durations: peers.alongside_map(tasks.spin, durations)


@contextmanager
def _bare(durations: list[float]) -> Iterator[Work]:
    from benchmarks.limits import shared_out

    yield lambda: shared_out(tasks.spin, durations, peers.WORKERS)


def scaling(scale: Scale) -> Row:
    """Bound by pickling and calling, as the no-op row. With more workers than CPUs the rest is context switches; with
    few tasks it is the wake-ups of the call, divided by fewer tasks."""
    counts, workers = scale.task_counts, scale.worker_counts
    return Row(
        "no-op tasks, seconds per task (each number of workers warmed by a small call just before)",
        tuple(_cell(count, number) for count in counts for number in workers),
        lambda answer: "" if isinstance(answer, list) and answer == list(range(len(answer))) else "wrong results",
        (*_more_tasks(counts[-2], counts[-1], workers), *_more_workers(workers[1], workers[-1], counts)),
        rounds=scale.rounds(3),
        warmups=0,
    )


def _more_tasks(few: int, many: int, workers: tuple[int, ...]) -> list[Target]:
    return [
        Target(
            f"{number} workers: a task of {many:,} costs no more than one of {few:,} (within a tenth)",
            1.1,
            cell_name(few, number),
            cell_name(many, number),
        )
        for number in workers
    ]


def _more_workers(narrow: int, wide: int, counts: tuple[int, ...]) -> list[Target]:
    return [
        Target(
            f"{count:,} tasks: one costs no more on {wide} workers than on {narrow} (within a tenth)",
            1.1,
            cell_name(count, narrow),
            cell_name(count, wide),
        )
        for count in counts
    ]


def cell_name(count: int, workers: int) -> str:
    """The name of one cell of the scaling table."""
    return f"{count:,} tasks on {workers} workers"


def _cell(count: int, workers: int) -> Contender:
    @contextmanager
    def opened() -> Iterator[Work]:
        yield lambda: _exactly(peers.alongside_map(tasks.same, range(count), workers=workers), count)

    def warm() -> None:
        peers.alongside_map(tasks.same, range(100 * workers), workers=workers)

    return Contender(cell_name(count, workers), opened, per=count, prepare=warm)


def _exactly(answer: list[Any], count: int) -> list[Any]:
    if len(answer) != count:
        raise CannotDo(f"WRONG ANSWER: {len(answer)} results of {count}")
    return answer
