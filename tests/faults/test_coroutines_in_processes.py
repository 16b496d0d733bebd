"""Async functions in worker processes: many at once in each, and what one of them does harms no other."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from functools import partial
from itertools import islice
from pathlib import Path

import pytest

import alongside
from alongside.core.choose import Facts
from alongside.exceptions import MemoryLimitExceeded, TaskTimeout, WorkerLost
from alongside.runtime import known
from alongside.workers.supervisor import supervisor
from tests.faults.support import count, executions, until

# To start a process, or to be given a lot of memory, may hold a loop for long on a busy machine; rightly that is said.
pytestmark = pytest.mark.filterwarnings("ignore:blocked loop")

begun: set[int] = set()


async def meet(together: int, x: int) -> int:
    """Ends when so many of them are under way in this process."""
    begun.add(x)
    while len(begun) < together:
        await asyncio.sleep(0.001)
    return os.getpid()


@pytest.mark.filterwarnings("ignore:changes lost")
def test_each_process_runs_many_at_once() -> None:
    assert len(set(alongside.map(partial(meet, 40), range(200), backend="processes", timeout=60))) <= 2


KEPT = 0.03
"""Seconds of computing: 95 times that is worth even workers that take half a second to start."""


async def computes(x: int) -> int:
    await asyncio.sleep(0.001)
    until = time.thread_time() + KEPT
    while time.thread_time() < until:
        pass
    return os.getpid()


@pytest.mark.skipif(alongside.cpu_count() < 2, reason="on one CPU nothing is gained by a second loop")
def test_coroutines_known_to_compute_are_not_all_begun_before_their_workers_are_there() -> None:
    """What one loop has begun can go nowhere else: up to a hundred stayed there in the second call too."""
    supervisor.close()
    known.keep(computes, Facts(30, None, KEPT + 0.001, KEPT, KEPT, coroutine=True, kept=KEPT))
    run = alongside.run(computes, range(95))
    assert run.plan.backend == "processes"
    assert len(set(run.results)) == 3


async def never_more_than(most: int, tally: str, x: int) -> int:
    count(tally, "begin")
    ended = executions(tally)
    assert ended["begin"] - ended["end"] <= most
    await asyncio.sleep(0.002)
    count(tally, "end")
    return x


@pytest.mark.parametrize("most", [1, 2, 5])
def test_at_most_max_workers_at_once_in_all_processes_together(most: int, tmp_path: Path) -> None:
    task = partial(never_more_than, most, str(tmp_path / "tally"))
    assert alongside.map(task, range(30), backend="processes", max_workers=most) == list(range(30))


under_way = 0
"""In a worker: how many of its coroutines are."""


async def die(how: str, tally: str, x: int) -> int:
    global under_way  # of this worker's own
    count(tally, x)
    under_way += 1
    await asyncio.sleep(0.001)
    if x == 77:
        await end_this_process(how)
    under_way -= 1
    return x


async def end_this_process(how: str) -> None:
    if how == "at once":
        os._exit(3)
    if how == "connection closed":
        os.closerange(3, 100)
        await asyncio.sleep(60)
    while under_way > 1:  # from outside it may hit the process amid anybody's step, who would then be charged
        await asyncio.sleep(0.001)
    if how == "when nothing runs":
        await asyncio.to_thread(os.kill, os.getpid(), signal.SIGKILL)
    await asyncio.create_subprocess_exec("kill", "-9", str(os.getpid()))
    await asyncio.sleep(60)


@pytest.mark.filterwarnings("ignore:changes lost")
@pytest.mark.parametrize("how", ["at once", "when nothing runs", "by another's hand", "connection closed"])
@pytest.mark.parametrize("retries", [0, 1])
def test_a_crash_is_charged_to_the_coroutine_that_caused_it(how: str, retries: int, tmp_path: Path) -> None:
    tally = str(tmp_path / "tally")
    run = alongside.run(partial(die, how, tally), range(300), backend="processes", retries=retries, backoff=lambda n: 0)
    (failure,) = run.failures
    assert (failure.index, type(failure.exception), failure.attempts) == (77, WorkerLost, retries + 1)
    assert [outcome.value for outcome in run.outcomes if outcome.ok] == [x for x in range(300) if x != 77]
    assert all(outcome.attempts == 1 for outcome in run.outcomes if outcome.ok)
    assert max(executions(tally).values()) <= 12 * (retries + 1), "halving finds the culprit in a few losses"


def test_a_worker_killed_from_outside_charges_one_at_most(tmp_path: Path) -> None:
    """The one whose step ran at that moment, if there was one: nothing can tell that it was not the culprit."""
    gate, tally = str(tmp_path / "gate"), str(tmp_path / "tally")
    task = partial(wait_for, gate, tally)
    results = alongside.imap(task, range(40), backend="processes", retries=1, backoff=0)
    pid = next(results)
    os.kill(pid, signal.SIGKILL)
    Path(gate).touch()
    assert len(list(results)) == 39


async def wait_for(gate: str, tally: str, x: int) -> int:
    count(tally, x)
    while x and not Path(gate).exists():
        await asyncio.sleep(0.002)
    return os.getpid()


async def hang(how: str, tally: str, x: int) -> int:
    await asyncio.sleep(0.001)
    if x == 30:
        try:
            if how == "waiting":
                await asyncio.sleep(3600)
            time.sleep(3600)
        finally:
            count(tally, "cleaned")
    return x


@pytest.mark.parametrize("how", ["waiting", "blocking"])
def test_one_that_does_not_end_is_ended_on_time_and_only_that_one(how: str, tmp_path: Path) -> None:
    tally = str(tmp_path / "tally")
    began = time.monotonic()
    run = alongside.run(partial(hang, how, tally), range(100), backend="processes", timeout=0.3)
    assert time.monotonic() - began < 5.0, "0.4 s are aimed at; a busy machine may take longer"
    (failure,) = run.failures
    assert (failure.index, type(failure.exception)) == (30, TaskTimeout)
    assert executions(tally)["cleaned"] == (how == "waiting"), "what waits is cancelled, what blocks is killed"
    assert all(outcome.attempts == 1 for outcome in run.outcomes if outcome.ok)


async def one_blocks(gate: str, x: int) -> int:
    if x == 19:
        until(lambda: Path(gate).exists(), "the results of the others have been received")
    await asyncio.sleep(0)
    return x


def test_results_do_not_wait_for_one_that_blocks_its_loop(tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    task = partial(one_blocks, str(gate))
    results = alongside.imap(task, range(20), backend="processes", max_workers=1, ordered=False)
    assert sorted(islice(results, 19)) == list(range(19))
    gate.touch()
    assert list(results) == [19]


async def grow(x: int) -> int:
    held = bytearray(300 << 20 if x == 60 else 1)
    await asyncio.sleep(0.5 if x == 60 else 0.001)
    return len(held)


def test_one_that_takes_too_much_memory_is_found_and_named() -> None:
    run = alongside.run(grow, range(100), backend="processes", memory_limit=200 << 20)
    (failure,) = run.failures
    assert (failure.index, type(failure.exception)) == (60, MemoryLimitExceeded)


async def leave_a_thread(x: int) -> int:
    if x == 0:
        _ = asyncio.get_running_loop().run_in_executor(None, time.sleep, 3600)
    await asyncio.sleep(0.001)
    return x


def test_a_thread_that_goes_on_does_not_hold_up_the_next_run() -> None:
    for _ in range(3):
        assert alongside.map(leave_a_thread, range(10), backend="processes") == list(range(10))


async def fork(tally: str, x: int) -> int:
    if x == 5 and os.fork() == 0:
        await asyncio.sleep(0)
        count(tally, "went-on")
    await asyncio.sleep(0.01)
    return x


def test_a_child_that_a_coroutine_forks_ends_where_it_waits(tmp_path: Path) -> None:
    tally = str(tmp_path / "tally")
    assert alongside.map(partial(fork, tally), range(40), backend="processes") == list(range(40))
    assert not executions(tally)


async def unpicklable(x: int) -> object:
    await asyncio.sleep(0)
    return (lambda: x) if x != 3 else (n for n in range(x))


def test_a_result_that_cannot_travel_fails_its_task_only() -> None:
    run = alongside.run(unpicklable, range(10), backend="processes")
    assert [failure.index for failure in run.failures] == [3]
    assert [outcome.value() for outcome in run.outcomes if outcome.ok] == [0, 1, 2, 4, 5, 6, 7, 8, 9]


PROGRAM = """
import asyncio, os
import alongside
from tests.faults.test_coroutines_in_processes import die, hang
from functools import partial
for how in ("at once", "when nothing runs"):
    run = alongside.run(partial(die, how, os.devnull), range(120), backend="processes")
    print([failure.index for failure in run.failures], run.stats.succeeded)
run = alongside.run(partial(hang, "blocking", os.devnull), range(60), backend="processes", timeout=0.3)
print([failure.index for failure in run.failures], run.stats.succeeded)
"""


def test_the_same_where_workers_are_spawned() -> None:
    environment = {**os.environ, "ALONGSIDE_PORTABLE": "1"}
    told = subprocess.run(
        [sys.executable, "-c", PROGRAM], env=environment, capture_output=True, text=True, timeout=100, check=True
    )
    assert told.stdout.split("\n")[:3] == ["[77] 119", "[77] 119", "[30] 59"]
