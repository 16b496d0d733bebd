"""An executor or a pool in a child that the user forks: it says whose it is, and nobody waits there for ever."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults.support import IN_CHILD, Program, ok

FORKS = (
    IN_CHILD
    + """
import concurrent.futures, os, sys, threading, time
import alongside
from alongside.faces import future as futures

backend, gate = sys.argv[1:]


def held(gate):
    while not os.path.exists(gate):
        time.sleep(0.001)
    return 5


def square(x):
    return x * x


def says_so(call, *arguments):
    try:
        call(*arguments)
    except RuntimeError as error:
        assert "belongs to the process that was forked" in str(error), error
        assert "make an executor of your own" in str(error), error
    else:
        raise AssertionError("nothing was raised")


def hold(*locks):
    for lock in locks:
        lock.acquire()
    held_now.set()
    go_on.wait()
    for lock in locks:
        lock.release()


held_now, go_on = threading.Event(), threading.Event()
callbacks = []
executor = alongside.Executor(backend, 1)
assert executor.submit(square, 3).result() == 9
alone = executor.submit(held, gate)


def inherits_one():
    says_so(alone.result)


in_child(inherits_one)
waiting = [executor.submit(square, x) for x in range(100)]
mapped = executor.map(square, range(100), chunksize=7)
waiting[0].add_done_callback(lambda future: callbacks.append(os.getpid()))
pool = alongside.Pool(1, backend=backend)
applied = pool.apply_async(held, (gate,), callback=callbacks.append, error_callback=callbacks.append)
pooled = pool.map_async(square, range(100), callback=callbacks.append, error_callback=callbacks.append)
lazy = pool.imap(square, range(100))


def submits():
    says_so(executor.submit, square, 2)
    says_so(executor.map, square, [2])
    says_so(pool.apply_async, square, (2,))
    says_so(pool.map, square, [2])


def waits():
    for future in (alone, waiting[0], waiting[99]):
        says_so(future.result)
        assert future.done()
    assert len(concurrent.futures.wait(waiting).done) == 100
    assert len(list(concurrent.futures.as_completed(waiting))) == 100
    says_so(next, mapped)
    for result in (applied, pooled):
        says_so(result.get)
    says_so(next, lazy)
    assert callbacks == []


def leaves():
    executor.shutdown()
    pool.terminate()
    pool.join()


def makes_one():
    with alongside.Executor(backend, 1) as own:
        assert own.submit(square, 4).result() == 16
        future = own.submit(square, 4)
        assert concurrent.futures.wait([future]).done == {future}


thread = threading.Thread(
    target=hold, args=(futures._border, executor._lock, executor._service._driver.lock, waiting[0]._condition)
)
thread.start()
held_now.wait()
in_child(submits, waits, leaves, makes_one)
go_on.set()
thread.join()
open(gate, "w").close()
assert alone.result() == 5
assert [future.result() for future in waiting] == list(mapped) == [x * x for x in range(100)]
assert pooled.get() == list(lazy) == [x * x for x in range(100)]
executor.shutdown()
pool.terminate()
pool.join()
assert sorted(map(str, callbacks)) == sorted(map(str, [os.getpid(), 5, pooled.get()]))
print("right")
"""
)


@pytest.mark.parametrize("backend", ["processes", "threads", "asyncio"])
def test_in_a_forked_child(backend: str, tmp_path: Path) -> None:
    with Program(FORKS, backend, tmp_path / "gate", folder=tmp_path) as program:
        assert ok(program) == "right\n"


ENDS_IN_THE_CHILD = """
import os, sys
import alongside

with alongside.Executor("processes", 1) as executor:
    future = executor.submit(abs, -1)
    pid = os.fork()
    if pid == 0:
        sys.exit(7)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 7
    assert future.result() == 1
print("right")
"""


def test_a_child_may_leave_through_the_parents_with_block(tmp_path: Path) -> None:
    with Program(ENDS_IN_THE_CHILD, folder=tmp_path) as program:
        assert ok(program) == "right\n"
