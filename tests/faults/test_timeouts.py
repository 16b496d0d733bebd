"""A task that does not end is ended, whatever it hangs in, and takes nothing along."""

from __future__ import annotations

import os
import re
import signal
import threading
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

import alongside
from tests.faults.support import count, executions, exists, until

HARD_CAP = 5.0
"""Seconds: 1.5 are aimed at and printed; a busy machine may take longer."""

MANY = 3_000
SLOW = 1_500


def loop() -> None:
    while True:
        pass


def sleep() -> None:
    time.sleep(3600)


def lock() -> None:
    held = threading.Lock()
    with held:
        held.acquire()


def hold_the_gil() -> None:
    re.match(r"(a|aa)+$", "a" * 60 + "b")


def stop_oneself() -> None:
    os.kill(os.getpid(), signal.SIGSTOP)


def deaf_to_signals() -> None:
    for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
        signal.signal(number, signal.SIG_IGN)
    loop()


HANGS = {f.__name__: f for f in (loop, sleep, lock, hold_the_gil, stop_oneself, deaf_to_signals)}


def hang_at(tally: str, way: str, x: int) -> int:
    if x == SLOW:
        count(tally, f"pid{os.getpid()}")
        HANGS[way]()
    count(tally, x)
    return x + 1


@pytest.mark.parametrize("way", HANGS)
def test_whatever_it_hangs_in(way: str, tmp_path: Path) -> None:
    tally = str(tmp_path / "tally")
    began = time.monotonic()
    run = alongside.run(partial(hang_at, tally, way), range(MANY), backend="processes", max_workers=2, timeout=1)
    took = time.monotonic() - began
    print(f"{way}: {took:.3f} s for timeout=1")
    (failure,) = run.failures
    assert isinstance(failure.exception, alongside.TaskTimeout)
    assert isinstance(failure.exception, TimeoutError)
    assert (failure.index, failure.item) == (SLOW, SLOW)
    assert [r for i, r in enumerate(run.results) if i != SLOW] == [x + 1 for x in range(MANY) if x != SLOW]
    assert 1.0 <= took < HARD_CAP
    done = executions(tally)
    (pid,) = [int(name[3:]) for name in done if name.startswith("pid")]
    until(lambda: not exists(pid), "the process that hung is gone")


def hang_first_time(tally: str, x: int) -> int:
    count(tally, x)
    if x == 7 and executions(tally)["7"] == 1:
        loop()
    return x


def test_with_retries_it_is_tried_again(tmp_path: Path) -> None:
    tally = str(tmp_path / "tally")
    task = partial(hang_first_time, tally)
    results = alongside.map(task, range(50), backend="processes", max_workers=2, timeout=0.5, retries=1, backoff=0)
    assert results == list(range(50))
    assert executions(tally)["7"] == 2


def all_hang(x: int) -> None:
    sleep()


def test_all_tasks_hang() -> None:
    began = time.monotonic()
    run = alongside.run(all_hang, range(8), backend="processes", max_workers=4, timeout=0.3)
    assert [type(failure.exception) for failure in run.failures] == [alongside.TaskTimeout] * 8
    assert time.monotonic() - began < HARD_CAP + 2


def slow_to_unpickle(x: int) -> int:
    sleep()
    return x


@pytest.mark.parametrize("backend", ["threads", "asyncio"])
def test_threads_that_hang_are_replaced(backend: str) -> None:
    gate = threading.Event()

    def task(x: int) -> int:
        if x < 4:
            gate.wait()
        return x

    try:
        run = alongside.run(task, range(6), backend=backend, max_workers=2, timeout=0.3)
    finally:
        gate.set()
    assert [failure.index for failure in run.failures] == [0, 1, 2, 3]
    assert [outcome.value for outcome in run.outcomes[4:]] == [4, 5]


class Slow:
    def __reduce__(self) -> tuple[object, ...]:
        return slow_to_unpickle, (1,)


@pytest.mark.parametrize("batch_size", [1, 4])
def test_an_item_whose_unpickling_hangs(batch_size: int) -> None:
    items: list[object] = [1, 2, Slow(), 4]
    run = alongside.run(type, items, backend="processes", max_workers=2, timeout=0.5, batch_size=batch_size)
    assert [failure.index for failure in run.failures] == [2]
    assert isinstance(run.failures[0].exception, alongside.TaskTimeout)


def identity(x: int) -> int:
    return x


def test_an_idle_worker_is_not_overdue(tmp_path: Path) -> None:
    """The time in which a worker waited for input is not the task's."""
    gate = tmp_path / "gate"
    os.mkfifo(gate)

    def items() -> Iterator[int]:
        yield from range(50)
        with open(gate) as opened:  # longer than the timeout passes before this opens
            opened.read()
        yield from range(50, 100)

    def open_late() -> None:
        time.sleep(0.6)
        gate.write_text("go")

    thread = threading.Thread(target=open_late)
    thread.start()
    results = alongside.imap(identity, items(), backend="processes", max_workers=2, timeout=0.3)
    assert list(results) == list(range(100))
    thread.join()
