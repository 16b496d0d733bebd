"""Rows about bytes: arrays of 8 MB as arguments, as results, both.

Owns: what a fair copy is, and that every page is read on arrival. Must never: send one array twice as two.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from benchmarks import peers, tasks
from benchmarks.harness import SUBJECT, Contender, Row, Target, Work
from benchmarks.scale import Scale

Call = Callable[[Callable[..., Any], list[Any]], list[Any]]
Ready = Callable[[list[Any]], float]
ONCE = "copying the bytes once"
WARM = "copying into one warm buffer"
TARGETS = (
    Target("at least 5 times faster than ProcessPoolExecutor", 0.2, "ProcessPoolExecutor"),
    Target("faster than joblib's memory maps", 1.0, "joblib, memory maps"),
    Target("within 2.5 times of copying the bytes once", 2.5, ONCE),
)


def arguments(scale: Scale) -> Row:
    """Bound by memory bandwidth and page faults: the parent copies each array once into memory the workers can map, and
    a worker faults in the pages it reads. Pickling is not in the way (out-of-band buffers); a pipe moves 64 kB at a
    time with two copies, which is what the standard pools pay for."""
    expected = _touch_all(_arrays(scale))
    return _row("arguments", scale, _arrays, tasks.touch, sum, expected)


def results(scale: Scale) -> Row:
    """Bound by memory bandwidth and page faults: the worker makes the array, it is copied once into memory that the
    parent maps, and the parent faults in the pages it reads."""
    expected = _touch_all(_arrays(scale))
    return _row("results", scale, _numbers, tasks.make, _touch_all, expected)


def both(scale: Scale) -> Row:
    """Bound by memory bandwidth and page faults, in both directions: two copies of the bytes and the addition."""
    expected = 2 * _touch_all(_arrays(scale))
    return _row("arguments and results", scale, _arrays, tasks.double, _touch_all, expected, crossings=2)


def _arrays(scale: Scale) -> list[Any]:
    return [tasks.make(number) for number in range(scale.arrays)]


def _numbers(scale: Scale) -> list[Any]:
    return list(range(scale.arrays))


def _touch_all(arrays: list[Any]) -> float:
    return sum(tasks.touch(array) for array in arrays)


class _Items:
    """The items of the coming run: made anew, untimed, because joblib and others remember arrays they have sent."""

    def __init__(self, fresh: Callable[[], list[Any]]) -> None:
        self._fresh = fresh
        self.current: list[Any] = []

    def renew(self) -> None:
        self.current.clear()
        self.current.extend(self._fresh())


def _row(
    what: str,
    scale: Scale,
    fresh: Callable[[Scale], list[Any]],
    function: Callable[..., Any],
    ready: Ready,
    expected: float,
    crossings: int = 1,
) -> Row:
    items = _Items(lambda: fresh(scale))
    opened = [(label, functools.partial(_work, OPENED[label], function, items, ready)) for label in OPENED]
    contenders = [Contender(label, work, prepare=items.renew) for label, work in opened]
    return Row(
        f"{scale.arrays} {what} of 8 MB; pools warm, arrays new in each run, every page read on arrival",
        (*contenders, *_floors(_arrays(scale) * crossings)),
        lambda answer: "" if answer == expected else f"the pages read add up to {answer}, not {expected}",
        TARGETS,
        rounds=scale.rounds(5),
    )


def _floors(arrays: list[Any]) -> tuple[Contender, Contender]:
    return (
        Contender(ONCE, lambda: _copies(arrays), limit=True),
        Contender(WARM, lambda: _warm_copies(arrays), limit=True),
    )


@contextmanager
def _work(
    opened: Callable[[], AbstractContextManager[Call]], function: Callable[..., Any], items: _Items, ready: Ready
) -> Iterator[Work]:
    with opened() as call:
        yield lambda: ready(call(function, items.current))


@contextmanager
def _executor() -> Iterator[Call]:
    with peers.stdlib_executor() as executor:
        yield lambda function, items: list(executor.map(function, items))


@contextmanager
def _loky() -> Iterator[Call]:
    with peers.loky_executor() as executor:
        yield lambda function, items: list(executor.map(function, items))


@contextmanager
def _joblib() -> Iterator[Call]:
    delayed = peers.library("joblib").delayed
    with peers.joblib_parallel(max_nbytes="1M", mmap_mode="r", batch_size=1) as parallel:
        yield lambda function, items: list(parallel(delayed(function)(item) for item in items))


@contextmanager
def _mpire() -> Iterator[Call]:
    with peers.mpire_pool() as pool:
        yield lambda function, items: list(
            pool.map(function, [(item,) for item in items], chunk_size=1, concatenate_numpy_output=False)
        )


@contextmanager
def _pebble() -> Iterator[Call]:
    with peers.pebble_pool() as pool:
        yield lambda function, items: list(pool.map(function, items).result())


@contextmanager
def _dask() -> Iterator[Call]:
    with peers.dask_client() as client:
        yield lambda function, items: list(client.gather([client.submit(function, item, pure=False) for item in items]))


@contextmanager
def _ray() -> Iterator[Call]:
    with peers.ray_session() as ray:
        remote = functools.cache(ray.remote)
        yield lambda function, items: list(ray.get([remote(function).remote(item) for item in items]))


@contextmanager
def _alongside() -> Iterator[Call]:
    peers.alongside_map(tasks.same, range(4))
    yield peers.alongside_map


OPENED: dict[str, Callable[[], AbstractContextManager[Call]]] = {
    "ProcessPoolExecutor": _executor,
    "joblib, memory maps": _joblib,
    "mpire": _mpire,
    "loky": _loky,
    "pebble": _pebble,
    "dask": _dask,
    "ray": _ray,
    SUBJECT: _alongside,
}


@contextmanager
def _copies(arrays: list[Any]) -> Iterator[Work]:
    yield lambda: len([array.copy() for array in arrays])


@contextmanager
def _warm_copies(arrays: list[Any]) -> Iterator[Work]:
    import numpy as np

    buffer = np.zeros_like(arrays[0])

    def copy_all() -> None:
        for array in arrays:
            np.copyto(buffer, array)

    yield copy_all
