"""`alongside.futures`: the standard executors by name; the interpreter's own tests of them run in tests/stdlib."""

from __future__ import annotations

import asyncio
import gc
import itertools
import os
import signal
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Callable
from concurrent.futures import BrokenExecutor
from concurrent.futures.process import BrokenProcessPool
from concurrent.futures.thread import BrokenThreadPool
from functools import partial
from typing import Any

import pytest

import alongside
from alongside import WorkerLost
from alongside.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor, as_completed, wait
from alongside.runtime import service
from tests.conftest import wait_until
from tests.faces.support import square, square_or_die

KINDS = [ProcessPoolExecutor, ThreadPoolExecutor]


def unfit(_: object = None) -> None:
    raise LookupError("no")


# --- as the standard's ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [*KINDS, alongside.ThreadPool])
def test_arguments_of_no_initializer_are_nobodys_as_in_the_standard_ones(kind: Any) -> None:
    with kind(1, initargs=(1,)) as workers:
        assert list(workers.map(abs, [-1])) == [1]


@pytest.mark.parametrize("kind", KINDS)
def test_wrong_arguments_are_refused_as_the_standard_ones_do(kind: Any) -> None:
    for workers in (0, -1):
        with pytest.raises(ValueError, match="max_workers must be greater than 0"):
            kind(workers)
    with pytest.raises(TypeError, match="initializer must be a callable"):
        kind(initializer=3)
    with pytest.raises(alongside.OptionError, match="did you mean 'retries'"):
        kind(retrys=3)


def test_wrong_arguments_of_processes_alone() -> None:
    with pytest.raises(TypeError, match="must be an integer"):
        ProcessPoolExecutor(max_tasks_per_child="3")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=">= 1"):
        ProcessPoolExecutor(max_tasks_per_child=0)


@pytest.mark.parametrize("kind", KINDS)
def test_arguments_by_position(kind: Any) -> None:
    second = "prefix" if kind is ThreadPoolExecutor else None
    with kind(2, second, square, (3,)) as executor:
        assert executor.submit(square, 3).result() == 9


@pytest.mark.parametrize(
    ("kind", "error"), [(ProcessPoolExecutor, BrokenProcessPool), (ThreadPoolExecutor, BrokenThreadPool)]
)
def test_an_initializer_that_raises_breaks_the_executor(kind: Any, error: type[Exception]) -> None:
    with kind(1, initializer=unfit) as executor:
        with pytest.raises(error, match="LookupError") as raised:
            executor.submit(square, 2).result()
        assert isinstance(raised.value.__cause__, LookupError)
        with pytest.raises(error):
            executor.submit(square, 2)
        with pytest.raises(error):
            executor.map(square, [1, 2], chunksize=2)


def test_threads_have_the_names_they_were_given() -> None:
    together = threading.Barrier(3)

    def name() -> str:
        together.wait(30)
        return threading.current_thread().name

    with ThreadPoolExecutor(3, "crawler") as executor:
        futures = [executor.submit(name) for _ in range(3)]
        assert {future.result() for future in futures} == {"crawler_0", "crawler_1", "crawler_2"}


def test_workers_are_replaced_after_so_many_calls() -> None:
    with ProcessPoolExecutor(1, max_tasks_per_child=2) as executor:
        assert len({executor.submit(os.getpid).result() for _ in range(6)}) == 3


@pytest.mark.parametrize("chunksize", [1, 3, 100])
@pytest.mark.parametrize("kind", KINDS)
def test_map(kind: Any, chunksize: int) -> None:
    with kind(2) as executor:
        assert list(executor.map(square, range(50), chunksize=chunksize)) == [x * x for x in range(50)]
        assert list(executor.map(pow, range(50), itertools.repeat(2), chunksize=chunksize)) == [
            x * x for x in range(50)
        ]
        assert list(executor.map(square, [], chunksize=chunksize)) == []
        results = executor.map(square, [1, "x", 3], chunksize=chunksize)
        assert next(results) == 1
        with pytest.raises(TypeError):
            next(results)
        with pytest.raises(StopIteration):
            next(results)


@pytest.mark.parametrize("chunksize", [1, 2])
def test_map_waits_no_longer_than_it_may(chunksize: int) -> None:
    done = threading.Event()
    with ThreadPoolExecutor(1) as executor:
        results = executor.map(lambda x: x or done.wait(), [1, 0], timeout=0.05, chunksize=chunksize)
        assert next(results) == 1
        with pytest.raises(TimeoutError):
            next(results)
        done.set()


def test_map_with_a_buffer_takes_its_input_as_results_are_taken() -> None:
    taken: list[int] = []

    def noted() -> Any:
        for number in itertools.count():
            taken.append(number)
            yield number

    with ThreadPoolExecutor(2) as executor:
        results = executor.map(square, noted(), buffersize=4)
        assert len(taken) == 4
        assert [next(results) for _ in range(10)] == [x * x for x in range(10)]
        assert len(taken) <= 14
        results.close()  # type: ignore[attr-defined]
        for wrong in (0, -1):
            with pytest.raises(ValueError, match="buffersize"):
                executor.map(square, [1], buffersize=wrong)
        with pytest.raises(TypeError, match="buffersize"):
            executor.map(square, [1], buffersize="4")  # type: ignore[arg-type]


def test_what_map_has_not_sent_when_its_reader_leaves_is_dropped() -> None:
    begun: list[int] = []
    goes_on = threading.Event()

    def note(number: int) -> int:
        begun.append(number)
        goes_on.wait()
        return number

    with ThreadPoolExecutor(1) as executor:
        results = executor.map(note, range(100_000), chunksize=10, timeout=0.05)
        with pytest.raises(TimeoutError):
            next(results)
        goes_on.set()
    assert len(begun) < 100_000


# --- nothing is lost ------------------------------------------------------------------------------------------------


def test_a_killed_worker_costs_its_call_and_the_next_works() -> None:
    with ProcessPoolExecutor(2) as executor:
        futures = [executor.submit(square_or_die, x) for x in range(20)]
        with pytest.raises(BrokenProcessPool) as raised:
            futures[7].result()
        assert isinstance(raised.value, WorkerLost)
        assert raised.value.signal == signal.SIGKILL
        assert [future.result() for x, future in enumerate(futures) if x != 7] == [x * x for x in range(20) if x != 7]
        assert executor.submit(square, 5).result() == 25
        assert list(executor.map(square, range(5), chunksize=2)) == [0, 1, 4, 9, 16]


def test_a_killed_worker_in_a_chunk_costs_one_result() -> None:
    with ProcessPoolExecutor(2) as executor:
        results = executor.map(square_or_die, range(20), chunksize=10)
        assert [next(results) for _ in range(7)] == [x * x for x in range(7)]
        with pytest.raises(BrokenProcessPool):
            next(results)
        assert executor.submit(square, 5).result() == 25


@pytest.mark.parametrize("end", ["kill_workers", "terminate_workers"])
def test_killing_the_workers_ends_at_once(end: str) -> None:
    executor = ProcessPoolExecutor(1)
    running, waiting = executor.submit(time.sleep, 600), executor.submit(square, 2)
    getattr(executor, end)()
    for future in (running, waiting):
        with pytest.raises(BrokenExecutor, match="killed"):
            future.result()
    with pytest.raises(RuntimeError):
        executor.submit(square, 2)


SCRIPT = """
import time
from alongside.futures import {kind}


def late(number):
    time.sleep(0.3)
    print("done %d\\n" % number, end="", flush=True)  # in one piece: threads print at the same time


executor = {kind}(2)
futures = [executor.submit(late, number) for number in range(3)]
{then}
"""


@pytest.mark.parametrize("then", ["", "del executor", "executor.shutdown(wait=False); del executor, futures"])
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_a_program_ends_when_what_it_submitted_is_done(kind: Any, then: str) -> None:
    script = SCRIPT.format(kind=kind.__name__, then=then)
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
    assert (ended.returncode, ended.stderr) == (0, "")
    said = [line.rpartition("] ")[2] for line in ended.stdout.split("\n")[:-1]]  # a process's lines name their task
    assert sorted(said) == ["done 0", "done 1", "done 2"]


def test_submitting_as_the_interpreter_ends_is_refused() -> None:
    late = "import atexit\nfrom alongside.futures import ThreadPoolExecutor as T\nt = T(1)\nt.submit(id, 1).result()\n"
    late += "atexit.register(lambda: t.submit(id, 1))\n"
    ended = subprocess.run([sys.executable, "-c", late], capture_output=True, text=True, timeout=60)
    assert "RuntimeError: cannot schedule new futures after shutdown" in ended.stderr


@pytest.mark.parametrize("kind", KINDS)
def test_an_executor_nobody_has_any_more_finishes_its_calls_and_ends(kind: Any) -> None:
    executor = kind(1)
    futures = [executor.submit(square, x) for x in range(20)]
    gone = weakref.ref(executor)
    del executor
    gc.collect()
    assert gone() is None
    assert [future.result() for future in futures] == [x * x for x in range(20)]
    assert wait_until(lambda: not any(t.name == "alongside-service" for t in threading.enumerate()))


# --- what is kept ---------------------------------------------------------------------------------------------------


class Counter:
    def __init__(self) -> None:
        self.count = 0

    def __call__(self) -> int:
        return self.count

    def told(self) -> int:
        return self.count


def test_an_object_that_is_called_is_sent_as_it_is_now() -> None:
    counter = Counter()
    with ProcessPoolExecutor(1) as executor:
        for count in range(3):
            counter.count = count
            assert executor.submit(counter).result() == count
            assert executor.submit(counter.told).result() == count


def reader_of(counter: Counter) -> Callable[[], int]:
    return lambda: counter.count


def test_functions_that_were_submitted_are_not_kept() -> None:
    with ProcessPoolExecutor(1) as executor:
        data = Counter()
        gone = weakref.ref(data)
        assert executor.submit(partial(Counter.told, data)).result() == 0
        assert executor.submit(reader_of(data)).result() == 0
        del data
        assert wait_until(lambda: gc.collect() >= 0 and gone() is None)


@pytest.mark.parametrize("kind", KINDS)
def test_a_result_that_was_taken_is_not_kept_while_nothing_happens(kind: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The service's thread stands back once it has seen somebody wait. Here it does so until it is called."""
    monkeypatch.setattr(service, "QUIET", 1 << 62)
    stood_back = threading.Event()
    monkeypatch.setattr(service.Service, "_stand_back", telling(service.Service._stand_back, stood_back))
    with kind(1) as executor:
        while not stood_back.is_set():
            future = executor.submit(given_back, Counter())
            result = weakref.ref(future.result())
            del future
            assert wait_until(partial(is_gone, result))


def is_gone(thing: weakref.ref[Any]) -> bool:
    return gc.collect() >= 0 and thing() is None


def telling(stand_back: Callable[[Any], None], told: threading.Event) -> Callable[[Any], None]:
    def stands_back(one: Any) -> None:
        told.set()
        stand_back(one)

    return stands_back


def given_back(x: object) -> object:
    return x


# --- who takes an executor ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [*KINDS, Executor])
def test_the_event_loop_runs_its_calls_in_it(kind: Any) -> None:
    async def main(executor: Any) -> list[int]:
        loop = asyncio.get_running_loop()
        return list(await asyncio.gather(*(loop.run_in_executor(executor, square, x) for x in range(20))))

    with kind(max_workers=2) as executor:
        assert asyncio.run(main(executor)) == [x * x for x in range(20)]


@pytest.mark.parametrize("kind", KINDS)
def test_wait_and_as_completed(kind: Any) -> None:
    with kind(2) as executor:
        futures = [executor.submit(square, x) for x in range(10)]
        assert wait(futures, timeout=30).not_done == set()
        assert sorted(future.result() for future in as_completed(futures)) == [x * x for x in range(10)]


@pytest.mark.parametrize("backend", ["processes", "threads"])
def test_dask_computes_on_it(backend: str) -> None:
    dask = pytest.importorskip("dask", reason="dask is not installed")
    total = dask.delayed(sum)([dask.delayed(lambda x: x * x)(x) for x in range(10)])
    with Executor(backend, max_workers=2) as executor:
        assert total.compute(scheduler=executor) == 285
        with pytest.raises(LookupError):
            dask.delayed(unfit)(total).compute(scheduler=executor)
        assert total.compute(scheduler=executor) == 285
