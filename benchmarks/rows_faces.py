"""Rows about the faces: the same call, on the tool it was written for and on alongside.

Owns: that both get the same arguments. Must never: time anything, or choose a setting that favours one of them.
"""

from __future__ import annotations

import concurrent.futures
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from benchmarks import peers, tasks
from benchmarks.harness import SUBJECT, Contender, Row, Target, Work
from benchmarks.peers import WORKERS, library
from benchmarks.scale import Scale

Opened = Callable[[], AbstractContextManager[Work]]


def _row(title: str, scale: Scale, tool: str, **ways: Any) -> Row:
    """A row of one tool and alongside; `check` says whether an answer is right."""
    count, factor = ways.get("per", 1), ways.get("factor", 1.0)
    others = [Contender(other, opened, per=count) for other, opened in ways.get("others", {}).items()]
    return Row(
        title,
        (
            Contender(tool, ways["before"], per=count),
            *others,
            Contender(SUBJECT, ways["after"], per=count),
        ),
        lambda answer: "" if ways["check"](answer) else "the answer is wrong",
        (Target(f"no slower than {tool}", factor, tool),),
        rounds=scale.rounds(7),
    )


def pool_map(scale: Scale) -> Row:
    """Bound by pickling small integers twice in the parent and by the loop in the workers."""
    count = scale.many
    items = list(range(count))

    def opened(make: Callable[[], Any]) -> Opened:
        return lambda: _warm(make, lambda pool: pool.map(tasks.same, items, count // 32))

    return _row(
        f"Pool(2).map of {count:,} no-op tasks in 32 chunks, warm, per task",
        scale,
        "multiprocessing.Pool",
        before=opened(lambda: library("multiprocessing").Pool(WORKERS)),
        after=opened(lambda: library("alongside").Pool(WORKERS)),
        check=lambda answer: answer == items,
        per=count,
    )


def executor_map(scale: Scale) -> Row:
    """Bound as pool-map is."""
    count = scale.many // 5
    items = list(range(count))

    def opened(make: Callable[[], Any]) -> Opened:
        return lambda: _warm(make, lambda executor: list(executor.map(tasks.same, items, chunksize=count // 32)))

    return _row(
        f"ProcessPoolExecutor(2).map of {count:,} no-op tasks in 32 chunks, warm, per task",
        scale,
        "ProcessPoolExecutor",
        before=opened(lambda: concurrent.futures.ProcessPoolExecutor(WORKERS)),
        after=opened(lambda: library("alongside.futures").ProcessPoolExecutor(WORKERS)),
        check=lambda answer: answer == items,
        per=count,
    )


def thread_submits(scale: Scale) -> Row:
    """Bound by making futures and by the interpreter lock, which the submitting thread and the workers share."""
    count = scale.many // 50

    def opened(make: Callable[[], Any]) -> Opened:
        def burst(executor: Any) -> list[Any]:
            return [future.result() for future in [executor.submit(tasks.same, x) for x in range(count)]]

        return lambda: _warm(make, burst)

    return _row(
        f"ThreadPoolExecutor(8): a burst of {count:,} submits and their results, per call",
        scale,
        "ThreadPoolExecutor",
        before=opened(lambda: concurrent.futures.ThreadPoolExecutor(8)),
        after=opened(lambda: library("alongside.futures").ThreadPoolExecutor(8)),
        check=lambda answer: answer == list(range(count)),
        per=count,
    )


def joblib_small(scale: Scale) -> Row:
    """Bound by joblib itself, which makes a tuple per task; under loky it looks for results every 10 ms."""
    count = scale.many // 50
    return _row(
        f"joblib.Parallel(2) over {count:,} no-op tasks, warm, per task",
        scale,
        "loky",
        **_in_joblib(lambda parallel, delayed: parallel(delayed(tasks.same)(x) for x in range(count))),
        check=lambda answer: answer == list(range(count)),
        per=count,
    )


def joblib_arrays(scale: Scale) -> Row:
    """Bound by reading the array; under loky joblib looks for results every 10 ms."""
    numpy = library("numpy")
    array, count = numpy.arange(1_000_000, dtype=float), 40
    return _row(
        f"joblib.Parallel(2): {count} sums of one array of 8 MB, warm",
        scale,
        "loky",
        **_in_joblib(lambda parallel, delayed: parallel(delayed(numpy.sum)(array) for _ in range(count))),
        check=lambda answer: answer == [array.sum()] * count,
    )


def grid_search(scale: Scale) -> Row:
    """Bound by fitting support vector machines."""

    def search(parallel: Any, delayed: Any) -> Any:
        from sklearn.datasets import load_digits
        from sklearn.model_selection import GridSearchCV
        from sklearn.svm import SVC

        x, y = load_digits(return_X_y=True)
        grid = {"C": [0.1, 1, 10], "gamma": [0.0005, 0.001, 0.002]}
        return GridSearchCV(SVC(), grid, cv=3).fit(x[:900], y[:900]).best_params_

    return _row(
        "scikit-learn: GridSearchCV over 9 settings of SVC, 3 folds, digits, n_jobs=2",
        scale,
        "loky",
        **_in_joblib(search),
        check=lambda answer: set(answer) == {"C", "gamma"},
    )


def random_forest(scale: Scale) -> Row:
    """Bound by growing trees. scikit-learn itself would take threads here: growing releases the interpreter lock."""

    def grow(parallel: Any, delayed: Any) -> Any:
        from sklearn.datasets import make_classification
        from sklearn.ensemble import RandomForestClassifier

        x, y = make_classification(4000, 20, random_state=0)
        return RandomForestClassifier(60, random_state=0).fit(x, y).score(x, y)

    ways = _in_joblib(grow)
    return _row(
        "scikit-learn: RandomForestClassifier(60).fit and .score, 4,000 rows, n_jobs=2",
        scale,
        "loky",
        **ways,
        others={"joblib's threads": lambda: _under("threading", grow)},
        check=lambda answer: answer > 0.9,
    )


@contextmanager
def _warm(make: Callable[[], Any], work: Callable[[Any], Any]) -> Iterator[Work]:
    with make() as pool:
        yield lambda: work(pool)


def _in_joblib(work: Callable[[Any, Any], Any]) -> dict[str, Opened]:
    return {"before": lambda: _under("loky", work), "after": lambda: _under("alongside", work)}


@contextmanager
def _under(backend: str, work: Callable[[Any, Any], Any]) -> Iterator[Work]:
    """The work with joblib's backend of that name, its workers warm between the rounds."""
    library("alongside.joblib")
    joblib = peers.library("joblib")

    def run() -> Any:
        with joblib.parallel_config(backend, n_jobs=WORKERS):
            return work(joblib.Parallel(), joblib.delayed)

    yield run
