"""A worker that is lost costs the task in its hands, and no other."""

from __future__ import annotations

import ctypes
import os
import random
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

import pytest

import alongside
from alongside.backends import processes
from alongside.workers.supervisor import supervisor
from alongside.workers.vigil import Vigil
from tests.faults.support import count, executions, exists, until

MANY = 3_000
FATAL = 1_234


def killed() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def segfault() -> None:
    ctypes.string_at(0)


def leave() -> None:
    os._exit(7)


WAYS = {
    "SIGKILL": (killed, signal.SIGKILL, None),
    "segfault": (segfault, signal.SIGSEGV, None),
    "_exit": (leave, None, 7),
    "abort": (os.abort, signal.SIGABRT, None),
}


def fatal_once(tally: str, way: str, x: int) -> int:
    count(tally, x)
    if x == FATAL and executions(tally)[str(x)] == 1:
        WAYS[way][0]()
    return x * x


def fatal_always(tally: str, x: int) -> int:
    count(tally, x)
    if x == FATAL:
        killed()
    return x * x


@pytest.mark.parametrize("way", WAYS)
def test_only_the_task_in_hand_fails(way: str, tmp_path: Path) -> None:
    tally = str(tmp_path / "tally")
    run = alongside.run(partial(fatal_once, tally, way), range(MANY), backend="processes", max_workers=2)
    (failure,) = run.failures
    lost = failure.exception
    assert isinstance(lost, alongside.WorkerLost)
    assert (lost.index, lost.item, failure.item) == (FATAL, FATAL, FATAL)
    assert (lost.signal, lost.exit_code) == (WAYS[way][1], WAYS[way][2])
    assert lost.pid
    assert lost.pid != os.getpid()
    assert lost.cause
    assert [r for i, r in enumerate(run.results) if i != FATAL] == [x * x for x in range(MANY) if x != FATAL]
    assert executions(tally)[str(FATAL)] == 1
    until(lambda: not exists(lost.pid or 0), "the lost worker's process is gone")


@pytest.mark.parametrize("way", WAYS)
def test_with_retries_it_is_tried_again(way: str, tmp_path: Path) -> None:
    tally = str(tmp_path / "tally")
    task = partial(fatal_once, tally, way)
    results = alongside.map(task, range(MANY), backend="processes", max_workers=2, retries=1, backoff=0)
    assert results == [x * x for x in range(MANY)]
    assert executions(tally)[str(FATAL)] == 2


def test_a_task_that_kills_every_worker_stops_after_its_attempts(tmp_path: Path) -> None:
    tally = str(tmp_path / "tally")
    run = alongside.run(
        partial(fatal_always, tally), range(MANY), backend="processes", max_workers=2, retries=3, backoff=0
    )
    (failure,) = run.failures
    assert isinstance(failure.exception, alongside.WorkerLost)
    assert failure.attempts == 4
    assert executions(tally)[str(FATAL)] == 4
    assert run.stats.succeeded == MANY - 1


def test_the_loss_is_raised_with_its_type_and_names_the_task(tmp_path: Path) -> None:
    with pytest.raises(alongside.WorkerLost, match=f"while running task {FATAL}") as caught:
        alongside.map(partial(fatal_always, str(tmp_path / "tally")), range(MANY), backend="processes", max_workers=2)
    assert "SIGKILL" in str(caught.value)


def steady(tally: str, x: int) -> int:
    count(tally, x)
    return sum(i * i for i in range(2_000)) + x


@contextmanager
def killer(pause: float) -> Iterator[list[int]]:
    """Kills a worker that is at work, again and again; the process ids of those it killed."""
    stop, victims, chance = threading.Event(), [], random.Random(20)

    def kill() -> None:
        while not stop.wait(pause):
            pids = [supervisor._nursery._pids.get(number) for number in tuple(supervisor._lent)]
            running = [pid for pid in pids if pid and exists(pid)]
            if running:
                victim = chance.choice(running)
                with suppress(ProcessLookupError):  # it has ended of itself, of what was done to it before
                    os.kill(victim, signal.SIGKILL)
                    victims.append(victim)

    thread = threading.Thread(target=kill)
    thread.start()
    try:
        yield victims
    finally:
        stop.set()
        thread.join()


def test_workers_killed_at_random_five_times_a_second(tmp_path: Path) -> None:
    """A long run, with retries: every result is right whatever is killed."""
    tally, tasks = str(tmp_path / "tally"), 12_000
    task = partial(steady, tally)
    with killer(0.2) as victims:
        results = alongside.map(task, range(tasks), backend="processes", max_workers=3, retries=10, backoff=0)
    assert results == [steady("/dev/null", x) for x in range(tasks)]
    done = executions(tally)
    assert len(done) == tasks
    print(f"{len(victims)} workers killed, {done.total() - tasks} of {tasks} tasks executed again")
    assert victims, "the run was too short for a kill"


def test_workers_killed_at_random_under_an_iterator(tmp_path: Path) -> None:
    """Here the consumer's thread sends what another thread's events asked for."""
    task = partial(steady, str(tmp_path / "tally"))
    with killer(0.02) as victims:
        results = alongside.imap(
            task, iter(range(6_000)), backend="processes", max_workers=3, retries=10, backoff=0, window=200
        )
        assert list(results) == [steady("/dev/null", x) for x in range(6_000)]
    assert victims


def fatal_when_loaded() -> None:
    os._exit(3)


class FatalToLoad:
    """Ends the process that unpickles it."""

    def __init__(self, number: int) -> None:
        self.number = number

    def __reduce__(self) -> tuple[object, ...]:
        return leave, ()


def number_of(tally: object, item: object) -> object:
    count(str(tally), item)
    return item


@pytest.mark.parametrize("batch_size", [None, 50])
def test_an_item_that_ends_the_worker_when_it_is_unpickled_fails_alone(batch_size: int | None, tmp_path: Path) -> None:
    items: list[object] = list(range(500))
    items[321] = FatalToLoad(321)
    run = alongside.run(
        partial(number_of, str(tmp_path / "tally")), items, backend="processes", max_workers=2, batch_size=batch_size
    )
    assert [failure.index for failure in run.failures] == [321]
    assert isinstance(run.failures[0].exception, alongside.WorkerLost)
    assert [r for i, r in enumerate(run.results) if i != 321] == [x for x in range(500) if x != 321]


def test_a_function_that_ends_every_worker_when_it_is_loaded_ends_the_run() -> None:
    with pytest.raises(alongside.WorkerLost, match="exit code 7"):
        alongside.map(partial(number_of, FatalToLoad(0)), range(100), backend="processes", max_workers=2)


def test_an_initializer_that_ends_every_worker_ends_the_run() -> None:
    with pytest.raises(alongside.WorkerLost, match="exit code 3"):
        alongside.map(abs, range(100), backend="processes", max_workers=2, initializer=fatal_when_loaded)


def refuse() -> None:
    raise RuntimeError("not today")


def test_an_initializer_that_raises_ends_the_run_with_its_exception() -> None:
    with pytest.raises(RuntimeError, match="not today"):
        alongside.map(abs, range(100), backend="processes", max_workers=2, initializer=refuse)


def worker_pid(_: int) -> int:
    return os.getpid()


def test_a_warm_worker_killed_between_calls_is_replaced() -> None:
    first = set(alongside.map(worker_pid, range(50), backend="processes", max_workers=2))
    for pid in first:
        os.kill(pid, signal.SIGKILL)
    until(lambda: not any(map(exists, first)), "the killed workers are gone")
    second = set(alongside.map(worker_pid, range(50), backend="processes", max_workers=2))
    assert not first & second


def test_the_helper_killed_between_calls_is_replaced() -> None:
    alongside.map(worker_pid, range(50), backend="processes", max_workers=2)
    helper = supervisor._nursery._helper._pid
    os.kill(helper, signal.SIGKILL)
    until(lambda: not exists(helper), "the helper is gone")
    assert alongside.map(abs, range(50), backend="processes", max_workers=2) == list(range(50))
    assert supervisor._nursery._helper._pid != helper


def kill_the_helper_once(tally: str, x: int) -> int:
    count(tally, x)
    if x == FATAL and executions(tally)[str(x)] == 1:
        os.kill(os.getppid(), signal.SIGKILL)
        threading.Event().wait()  # for the kernel, which ends this process with its parent
    return x


def test_the_helper_killed_during_a_run_costs_no_task_an_attempt(tmp_path: Path) -> None:
    task = partial(kill_the_helper_once, str(tmp_path / "tally"))
    run = alongside.run(task, range(MANY), backend="processes", max_workers=2)
    assert not run.failures
    assert run.results == list(range(MANY))


class Keen(Vigil):
    """Always looks."""

    keen = property(lambda _: True, lambda _, __: None)


def test_an_executor_heals_while_both_ends_look_for_the_next_call(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "Vigil", Keen)
    with alongside.Executor("processes", 2) as executor:
        for number in range(200):
            if number % 50 == 25:
                with pytest.raises(alongside.WorkerLost):
                    executor.submit(leave).result()
            assert executor.submit(abs, -number).result() == number
