"""The user's own threads, locks and forks: none of them can make alongside hang, and a forked child starts afresh."""

from __future__ import annotations

import gc
import os
from pathlib import Path

import pytest

import alongside
from tests.faults.support import IN_CHILD, Program, ok

LONG = bool(os.environ.get("ALONGSIDE_LONG_TESTS"))

BUSY_PARENT = """
import logging, sys, threading
import numpy
import alongside
from alongside.workers.supervisor import supervisor

matrix = numpy.random.rand(300, 300)
(matrix @ matrix).sum()
stop = threading.Event()
lock = threading.Lock()


def restless():
    while not stop.is_set():
        with lock:
            logging.getLogger("x").debug("y")
            (matrix @ matrix).sum()


def task(x):
    with threading.Lock():
        logging.getLogger("x").debug("y")
        return float((numpy.eye(20) * x).sum())


threads = [threading.Thread(target=restless) for _ in range(3)]
for thread in threads:
    thread.start()
try:
    for pool in range(int(sys.argv[1])):
        lock.acquire()  # held by this thread while processes are started
        try:
            results = alongside.map(task, range(20), backend="processes", max_workers=2)
        finally:
            lock.release()
        assert results == [20.0 * x for x in range(20)]
        supervisor.close()
finally:
    stop.set()
for thread in threads:
    thread.join()
print("never hung")
"""


@pytest.mark.timeout(300)
def test_pools_in_a_row_in_a_busy_process(tmp_path: Path) -> None:
    """50 of them; 200 where ALONGSIDE_LONG_TESTS is set."""
    with Program(BUSY_PARENT, 200 if LONG else 50, folder=tmp_path) as program:
        assert ok(program, 280) == "never hung\n"


def collection(_: object) -> tuple[bool, int]:
    return gc.isenabled(), gc.get_freeze_count()


def test_workers_collect_garbage_but_not_among_what_they_share_with_their_zygote() -> None:
    found = alongside.map(collection, range(2), backend="processes", max_workers=1)
    assert all(enabled and frozen > 1000 for enabled, frozen in found)


FORKS = (
    IN_CHILD
    + """
import os, sys
import alongside


def task(x):
    return os.getpid() if x < 0 else x * x


def check():
    assert alongside.map(task, range(200), backend="processes", max_workers=2) == [x * x for x in range(200)]


check()
ours = set(alongside.map(task, [-1] * 100, backend="processes", max_workers=2))


def child():
    check()
    theirs = set(alongside.map(task, [-1] * 100, backend="processes", max_workers=2))
    assert not ours & theirs, (ours, theirs)
    in_child(check)


in_child(child)
check()
assert ours & set(alongside.map(task, [-1] * 100, backend="processes", max_workers=2)), "the parent's workers survive"
print("right")
"""
)


def test_a_forked_child_uses_workers_of_its_own(tmp_path: Path) -> None:
    with Program(FORKS, folder=tmp_path) as program:
        assert ok(program) == "right\n"


FORKS_AMID_A_RUN = """
import gc, itertools, os, sys
import alongside


def task(x):
    return x * x


results = alongside.imap(task, itertools.count(), backend="processes", max_workers=2)
assert [next(results) for _ in range(100)] == [x * x for x in range(100)]
for way in ("collects", "exits"):
    pid = os.fork()
    if pid == 0:
        if way == "exits":
            sys.exit(0)  # everything is finalised, the iterator too
        del results
        gc.collect()
        assert alongside.map(task, range(50), backend="processes", max_workers=2) == [x * x for x in range(50)]
        os._exit(0)
    assert os.waitpid(pid, 0)[1] == 0, way
assert [next(results) for _ in range(2000)] == [x * x for x in range(100, 2100)]
print("right")
"""


def test_a_fork_amid_a_run_leaves_the_parents_run_alone(tmp_path: Path) -> None:
    with Program(FORKS_AMID_A_RUN, folder=tmp_path) as program:
        assert ok(program) == "right\n"


FORKS_WHILE_A_LOCK_IS_HELD = """
import gc, itertools, os, threading
import alongside
from alongside.runtime.driver import Driver


def task(x):
    return x * x


results = alongside.imap(task, itertools.count(), backend="processes", max_workers=2)
assert next(results) == 0
driver, = (thing for thing in gc.get_objects() if isinstance(thing, Driver))
held, go_on = threading.Event(), threading.Event()


def hold():
    with driver.lock:
        held.set()
        go_on.wait()


threading.Thread(target=hold).start()
held.wait()
for way in ("goes on", "lets go"):
    pid = os.fork()
    if pid == 0:
        if way == "goes on":
            try:
                list(results)
            except RuntimeError as error:
                assert "belongs to the process that was forked" in str(error)
            else:
                os._exit(1)
        del results
        gc.collect()
        os._exit(0)
    assert os.waitpid(pid, 0)[1] == 0, way
go_on.set()
assert [next(results) for _ in range(2000)] == [x * x for x in range(1, 2001)]
print("right")
"""


def test_a_fork_while_a_thread_holds_a_runs_lock(tmp_path: Path) -> None:
    with Program(FORKS_WHILE_A_LOCK_IS_HELD, folder=tmp_path) as program:
        assert ok(program) == "right\n"


IN_MULTIPROCESSING = """
import multiprocessing, sys
import alongside


def task(x):
    return x * x


def work(n):
    return sum(alongside.map(task, range(n), backend="processes", max_workers=2))


if __name__ == "__main__":
    assert work(100) == sum(x * x for x in range(100))
    context = multiprocessing.get_context(sys.argv[1])
    with context.Pool(2) as pool:
        assert pool.map(work, [10, 20, 30]) == [sum(x * x for x in range(n)) for n in (10, 20, 30)]
    assert work(100) == sum(x * x for x in range(100))
    print("right")
"""


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_inside_the_children_of_multiprocessing(method: str, tmp_path: Path) -> None:
    with Program(IN_MULTIPROCESSING, method, folder=tmp_path) as program:
        assert ok(program) == "right\n"


FROM_THREADS = """
import threading
import alongside


def task(x):
    return x * x


def work(n):
    for _ in range(15):
        assert alongside.map(task, range(n), backend="processes", max_workers=2) == [x * x for x in range(n)]
        stream = alongside.imap(task, range(n), backend="processes", max_workers=2)
        assert [next(stream) for _ in range(5)] == [0, 1, 4, 9, 16]
        del stream
    right.append(n)


right = []
threads = [threading.Thread(target=work, args=(n,)) for n in (50, 500, 5000, 300)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(sorted(right))
"""


def test_several_threads_at_once(tmp_path: Path) -> None:
    with Program(FROM_THREADS, folder=tmp_path) as program:
        assert ok(program) == "[50, 300, 500, 5000]\n"


THREADED_MODULE = """
import os, threading, time

with open(os.environ["TALLY"], "a") as tally:
    tally.write(f"{os.getpid()}\\n")
lock = threading.Lock()


def hold():
    while True:
        with lock:
            time.sleep(0.001)


threading.Thread(target=hold, daemon=True).start()


def task(x):
    with lock:  # for ever held, if this process was forked while the thread held it
        return x
"""

USES_IT = """
import sys
sys.path.insert(0, sys.argv[1])
import alongside
import starts_a_thread

for _ in range(5):
    results = alongside.map(starts_a_thread.task, range(100), backend="processes", max_workers=3)
    assert results == list(range(100))
print("right")
"""


def test_a_module_that_starts_a_thread_when_imported(tmp_path: Path) -> None:
    """The helper must not fork while it has that thread: it begins again without the module."""
    (tmp_path / "starts_a_thread.py").write_text(THREADED_MODULE)
    environment = {"TALLY": str(tmp_path / "tally")}
    with Program(USES_IT, tmp_path, folder=tmp_path, environment=environment) as program:
        assert ok(program) == "right\n"
