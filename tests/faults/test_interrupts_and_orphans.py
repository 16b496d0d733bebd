"""However a program is ended, and in whatever phase of a run: nothing of it is left, and soon.

Each program stops at a named place and says so; then the signal is sent. What is left is found by a mark that all its
processes carry in their environment.
"""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from pathlib import Path

import pytest

from tests.faults.support import Program, exists, ok, until, workers_of

PHASES = """
import itertools, os, signal, sys, threading
import alongside
from alongside.workers import forked, supervisor

PHASE = sys.argv[1]
signalled, wakeup = os.pipe()
os.set_blocking(wakeup, False)
signal.set_wakeup_fd(wakeup)


def here(phase):
    if phase == PHASE:
        globals()["PHASE"] = ""
        print("here", flush=True)
        os.read(signalled, 1)  # until a signal has come; where it is let in, its exception is raised right here


def stopping_after(owner, name, phase):
    original = getattr(owner, name)
    def wrapped(*args, **kwargs):
        result = original(*args, **kwargs)
        here(phase)
        return result
    setattr(owner, name, wrapped)


stopping_after(os, "posix_spawn", "starting")
stopping_after(forked.ForkingNursery, "create", "hiring")
stopping_after(supervisor.Supervisor, "give_back", "closing")


def task(x, phase=PHASE):
    if phase == "running" or (phase == "draining" and x == 999):
        if x in (0, 999):
            print("here", flush=True)
        threading.Event().wait()
    return x


def go():
    alongside.map(task, range(1000), backend="processes", max_workers=2)
    here("between")
    for n, x in enumerate(alongside.imap(abs, itertools.count(), backend="processes", max_workers=2)):
        if n == 100:
            here("streaming")
            break
    here("after")
"""

ENDED_FROM_OUTSIDE = (
    PHASES
    + """
go()
print("came to its end", PHASE)
"""
)

NAMES = ["starting", "hiring", "running", "draining", "closing", "between", "streaming", "after"]


def send(way: str, pid: int) -> int:
    """Send the signal; the exit status it must lead to."""
    if way == "ctrl-c":
        os.killpg(pid, signal.SIGINT)
    else:
        os.kill(pid, getattr(signal, way))
    return -int(signal.SIGINT if way == "ctrl-c" else getattr(signal, way))


@pytest.mark.parametrize("way", ["ctrl-c", "SIGINT", "SIGTERM", "SIGKILL"])
@pytest.mark.parametrize("phase", NAMES)
def test_nothing_is_left(phase: str, way: str, tmp_path: Path) -> None:
    with Program(ENDED_FROM_OUTSIDE, phase, folder=tmp_path) as program:
        program.reads("here")
        expected = send(way, program.pid)
        took = program.is_gone()
        status, out, err = program.ends()
    print(f"{way} while {phase}: nothing left after {took:.3f} s")
    assert status == expected, (out, err)
    assert err.count("Traceback") == (expected == -signal.SIGINT), err
    assert "came to its end" not in out
    assert "ignored" not in err, err


GOES_ON = (
    PHASES
    + """
def open_files():
    return sorted(os.readlink(f"/proc/self/fd/{fd}") for fd in os.listdir("/proc/self/fd") if fd_is_there(fd))


def fd_is_there(fd):
    return os.path.lexists(f"/proc/self/fd/{fd}") and not os.readlink(f"/proc/self/fd/{fd}").startswith("/proc")


import mmap, multiprocessing, selectors, _ctypes, ctypes
before = open_files(), threading.active_count()
try:
    go()
except KeyboardInterrupt:
    print("interrupted", flush=True)
assert alongside.map(abs, range(-500, 0), backend="processes", max_workers=2) == list(range(500, 0, -1))
supervisor.supervisor.close()
after = open_files(), threading.active_count()
assert before == after, (before, after)
print("went on")
"""
)


@pytest.mark.parametrize("phase", NAMES)
def test_a_program_that_catches_the_interrupt_goes_on(phase: str, tmp_path: Path) -> None:
    with Program(GOES_ON, phase, folder=tmp_path) as program:
        program.reads("here")
        os.killpg(program.pid, signal.SIGINT)
        assert ok(program).splitlines() == ["interrupted", "went on"]


AT_ANY_MOMENT = """
import os, random, signal, sys, threading, time
import alongside
from alongside.workers.supervisor import supervisor

chance = random.Random(int(sys.argv[1]))
go, done = threading.Semaphore(0), threading.Semaphore(0)


def interrupter():
    while go.acquire() and not over:
        time.sleep(chance.uniform(0, 0.03))
        os.kill(os.getpid(), signal.SIGINT)
        done.release()


def files():
    return len(os.listdir("/proc/self/fd"))


def task(x):
    return [x] * 100


over = False
thread = threading.Thread(target=interrupter)
thread.start()
alongside.map(task, range(100), backend="processes", max_workers=2)
supervisor.close()
before, interrupted = files(), 0
for round in range(int(sys.argv[2])):
    if round % 5 == 0:
        supervisor.close()
    try:
        go.release()
        if round % 2:
            alongside.map(task, range(20_000), backend="processes", max_workers=2)
        else:
            for _ in alongside.imap(task, range(20_000), backend="processes", max_workers=2):
                pass
        done.acquire()
    except KeyboardInterrupt:
        interrupted += 1
        done.acquire()
over = True
go.release()
thread.join()
assert alongside.map(abs, range(100), backend="processes", max_workers=2) == list(range(100))
supervisor.close()
assert threading.active_count() == 1, threading.enumerate()
assert files() == before, (files(), before)
assert interrupted
print(interrupted, "interrupted")
"""


@pytest.mark.parametrize("seed", [1, 2])
def test_interrupted_at_any_moment(seed: int, tmp_path: Path) -> None:
    with Program(AT_ANY_MOMENT, seed, 40, folder=tmp_path) as program:
        print(ok(program))


BUSY = """
import sys, threading
import alongside


def forever(x):
    print("here", flush=True)
    while True:
        pass


alongside.map(forever, range(2), backend="processes", max_workers=2)
"""


def test_workers_die_with_the_helper_when_both_parents_are_killed(tmp_path: Path) -> None:
    """The worst case: nobody is left who could tell them."""
    with Program(BUSY, folder=tmp_path) as program:
        program.reads("here")
        (zygote,) = workers_of(program.mark)["zygote"]
        os.kill(program.pid, signal.SIGKILL)
        os.kill(zygote, signal.SIGKILL)
        print(f"nothing left after {program.is_gone():.3f} s")


SLOW_IMPORT = """
import sys
sys.path.insert(0, sys.argv[1])
import alongside
import slow_here_fast_there

alongside.map(slow_here_fast_there.task, range(10), backend="processes", max_workers=2)
"""

SLOW_MODULE = """
import os, signal, time

if os.environ.get("ALONGSIDE_WORKER"):
    {before}
    open("importing", "w").close()
    time.sleep(3600)


def task(x):
    return x
"""


LOST = "signal.signal(signal.SIGIO, signal.SIG_IGN)  # as good as one that comes just before the sleep begins"


@pytest.mark.parametrize("before", ["pass", LOST], ids=["", "the first signal lost"])
@pytest.mark.parametrize("way", ["SIGINT", "SIGKILL"])
def test_while_the_helper_imports_a_slow_module(way: str, before: str, tmp_path: Path) -> None:
    (tmp_path / "slow_here_fast_there.py").write_text(SLOW_MODULE.format(before=before))
    with Program(SLOW_IMPORT, tmp_path, folder=tmp_path) as program:
        until(lambda: (tmp_path / "importing").exists(), "the helper imports the module")
        send(way, program.pid)
        print(f"{way}: nothing left after {program.is_gone():.3f} s")


EXITS_WITH_A_RUN_OPEN = """
import itertools, sys
import alongside


def task(x):
    return x


results = alongside.imap(task, itertools.count(), backend="processes", max_workers=2)
print(next(results), flush=True)
"""


def test_a_program_that_ends_with_an_iterator_half_used(tmp_path: Path) -> None:
    with Program(EXITS_WITH_A_RUN_OPEN, folder=tmp_path) as program:
        status, out, err = program.ends()
        assert (status, out, err) == (0, "0\n", "")
        program.is_gone()


STARTS_A_THREAD_OF_ITS_OWN = """
import threading
import alongside


def background():
    print(len(alongside.map(abs, range(1000), backend="processes", max_workers=2)), flush=True)


thread = threading.Thread(target=background)
thread.start()
thread.join()
"""


def test_workers_started_from_a_thread_outlive_that_thread_only(tmp_path: Path) -> None:
    with Program(STARTS_A_THREAD_OF_ITS_OWN, folder=tmp_path) as program:
        assert ok(program) == "1000\n"


def test_a_killed_worker_leaves_no_process_of_the_run(tmp_path: Path) -> None:
    with Program(BUSY, folder=tmp_path) as program:
        program.reads("here")
        until(lambda: len(workers_of(program.mark)["workers"]) == 2, "both workers run")
        victims = workers_of(program.mark)["workers"]
        for pid in victims:
            with suppress(ProcessLookupError):  # the loss of the first one ends the run, and the run the second
                os.kill(pid, signal.SIGKILL)
        until(lambda: not any(map(exists, victims)), "the victims are gone")
        os.kill(program.pid, signal.SIGTERM)
        program.is_gone()
