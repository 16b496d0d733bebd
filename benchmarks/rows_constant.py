"""Rows about a large constant that every task uses: how long it takes to share it, and how often it is held.

Owns: the constant and the processes whose memory is measured. Must never: measure memory in a used process.
"""

from __future__ import annotations

import functools
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from benchmarks import memory, peers, tasks
from benchmarks.harness import SUBJECT, CannotDo, Contender, Row, Target, Work, reported
from benchmarks.scale import Scale

INHERITED: list[Any] = []
Call = Callable[[Any, list[int]], list[float]]
BEST_PEER = "the best peer"


def constant_time(scale: Scale) -> Row:
    """The same constant in each call, as where a program calls again. Bound by memory bandwidth: what is sent once more
    is compared with what the workers have been given. A pool forked from the user's process inherits it, without a
    copy, and pays for its fork (page tables) instead."""
    return _time(scale, "that was there in the call before", lambda _: None)


def constant_changed(scale: Scale) -> Row:
    """Changed before each call, in its first bytes, so that whoever sends it has to send it anew. Bound by fresh
    memory: the constant is copied once into a memory file that the workers map."""
    return _time(scale, "changed before each call", _change)


def _change(table: Any) -> None:
    table[1] += 1


def _time(scale: Scale, which: str, change: Callable[[Any], None]) -> Row:
    table = _constant(scale.constant_length)
    copied = Contender("copying it once", lambda: _copy(table), limit=True)
    contenders = (Contender(label, _sharing(label, table, scale), prepare=lambda: change(table)) for label in SHARERS)
    return Row(
        f"{scale.constant_tasks:,} tasks that use a constant of {table.nbytes / 1e6:.0f} MB, {which}; pools that "
        "inherit it are made inside the timing, the others are warm",
        (*contenders, copied),
        _right(scale),
        (
            Target("as fast as the best peer that shares it", 1.0, BEST_PEER),
            Target("the same for a function that closes over it", 1.0, BEST_PEER, CLOSURE),
        ),
        absent=(
            ("ProcessPoolExecutor", "sends the constant with each task: 1,000 times 500 MB"),
            ("loky", "sends the constant with each task: 1,000 times 500 MB"),
        ),
        rounds=scale.rounds(5),
    )


def constant_memory(scale: Scale) -> Row:
    """Bound by the one copy that workers need which are not forked from the user's process. Figures: the peak of all
    processes together (proportional set sizes, and memory files whether mapped or not) less what they held before the
    call, divided by the constant's size. The caller's own constant was held before; add 1 to count it too."""
    return Row(
        f"memory added by {scale.constant_tasks:,} tasks with that constant, in multiples of its size",
        tuple(Contender(label, functools.partial(_fresh_process, label, scale)) for label in SHARERS),
        _right(scale),
        (Target("at most 1.2 times its size", 1.2), Target("the same for a closure", 1.2, "", CLOSURE)),
        measure=reported,
        unit="x",
        rounds=scale.rounds(3),
        warmups=0,
    )


def _constant(length: int) -> Any:
    import numpy as np

    return np.arange(length, dtype=np.float64)


def _places(scale: Scale) -> list[int]:
    step = scale.constant_length // scale.constant_tasks
    return [number * step for number in range(scale.constant_tasks)]


def _right(scale: Scale) -> Callable[[object], str]:
    expected = [float(place) for place in _places(scale)]
    return lambda answer: "" if answer == expected else "the numbers looked up are wrong"


@contextmanager
def _copy(table: Any) -> Iterator[Work]:
    yield lambda: len(table.copy())


def _sharing(label: str, table: Any, scale: Scale) -> Callable[[], AbstractContextManager[Work]]:
    @contextmanager
    def opened() -> Iterator[Work]:
        with SHARERS[label]() as call:
            yield lambda: call(table, _places(scale))

    return opened


def _inherited_look_up(place: int) -> float:
    return float(INHERITED[0][place])


@contextmanager
def _forked_pool() -> Iterator[Call]:
    import multiprocessing

    context = multiprocessing.get_context("fork")

    def call(table: Any, places: list[int]) -> list[float]:
        INHERITED[:] = [table]
        try:
            with context.Pool(peers.WORKERS) as pool:
                return pool.map(_inherited_look_up, places)
        finally:
            INHERITED.clear()

    yield call


@contextmanager
def _joblib() -> Iterator[Call]:
    joblib = peers.library("joblib")
    with peers.joblib_parallel():
        pass

    def call(table: Any, places: list[int]) -> list[float]:
        parallel = joblib.Parallel(n_jobs=peers.WORKERS, mmap_mode="r")
        return list(parallel(joblib.delayed(tasks.look_up)(table, place) for place in places))

    yield call


@contextmanager
def _mpire() -> Iterator[Call]:
    mpire = peers.library("mpire")

    def call(table: Any, places: list[int]) -> list[float]:
        with mpire.WorkerPool(n_jobs=peers.WORKERS, shared_objects=table, start_method="fork") as pool:
            return list(pool.map(tasks.look_up, places))

    yield call


@contextmanager
def _dask() -> Iterator[Call]:
    with peers.dask_client() as client:

        def call(table: Any, places: list[int]) -> list[float]:
            sent = client.scatter(table, broadcast=True, hash=False)
            return list(client.gather(client.map(_swapped, places, table=sent, pure=False)))

        yield call


def _swapped(place: int, table: Any) -> float:
    return tasks.look_up(table, place)


@contextmanager
def _ray() -> Iterator[Call]:
    with peers.ray_session() as ray:
        remote = ray.remote(tasks.look_up)

        def call(table: Any, places: list[int]) -> list[float]:
            sent = ray.put(table)
            return list(ray.get([remote.remote(sent, place) for place in places]))

        yield call


@contextmanager
def _alongside_partial() -> Iterator[Call]:
    peers.alongside_map(tasks.same, range(4))
    yield lambda table, places: peers.alongside_map(functools.partial(tasks.look_up, table), places)


@contextmanager
def _alongside_closure() -> Iterator[Call]:
    peers.alongside_map(tasks.same, range(4))
    yield lambda table, places: peers.alongside_map(lambda place: float(table[place]), places)


CLOSURE = f"{SUBJECT}, closure"
SHARERS: dict[str, Callable[[], AbstractContextManager[Call]]] = {
    "Pool, forked global": _forked_pool,
    "joblib, memory map": _joblib,
    "mpire, shared_objects": _mpire,
    "dask, scattered": _dask,
    "ray, put": _ray,
    SUBJECT: _alongside_partial,
    CLOSURE: _alongside_closure,
}


@contextmanager
def _fresh_process(label: str, scale: Scale) -> Iterator[Work]:
    command = [sys.executable, "-m", "benchmarks.rows_constant", label, *(["--quick"] if scale.quick else [])]

    def work() -> tuple[float, list[float]]:
        ran = subprocess.run(command, stdout=subprocess.PIPE, start_new_session=True, check=False)
        if ran.returncode:
            raise CannotDo(f"the process ended with exit code {ran.returncode}")
        report = json.loads(ran.stdout.splitlines()[-1])
        if report["cannot"]:
            raise CannotDo(report["cannot"])
        return report["times"], report["answer"]

    yield work


def _held(label: str, scale: Scale) -> dict[str, Any]:
    """The body of the fresh process: make the constant, open the contender, call once under the sampler."""
    table = _constant(scale.constant_length)
    try:
        with SHARERS[label]() as call:
            before, peak, answer = memory.peak_of(lambda: call(table, _places(scale)), os.getpid())
    except CannotDo as reason:
        return {"cannot": str(reason)}
    return {"cannot": "", "times": (peak - before) / table.nbytes, "answer": answer}


if __name__ == "__main__":
    print(json.dumps(_held(sys.argv[1], Scale(quick="--quick" in sys.argv))))
