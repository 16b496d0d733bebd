"""What a task does to its process harms that process only, and not the next call that gets the same warm worker."""

from __future__ import annotations

import os
import resource
import signal
import socket
import subprocess
import sys
import threading
import time
from functools import partial
from pathlib import Path
from typing import Any

import pytest

import alongside
from tests.faults.support import Program, count, executions, ok, until

MANY = 400
ODD_ONE = 123


def calls(task: Any, items: Any = range(MANY), **options: Any) -> list[Any]:
    return alongside.map(task, items, backend="processes", max_workers=1, **options)


def surroundings(_: int) -> dict[str, Any]:
    return {
        "folder": os.getcwd(),
        "environment": {name: value for name, value in os.environ.items() if not name.startswith("PYTEST")},
        "path": list(sys.path),
        "arguments": list(sys.argv),
        "depth": sys.getrecursionlimit(),
        "usr1": signal.getsignal(signal.SIGUSR1) is signal.SIG_DFL,
        "int": signal.getsignal(signal.SIGINT) is signal.SIG_IGN,
        "alarm": signal.getitimer(signal.ITIMER_REAL),
        "blocked": signal.pthread_sigmask(signal.SIG_BLOCK, ()),
        "streams": (sys.stdout.closed, sys.stderr.closed, sys.stdout.fileno(), sys.stderr.fileno()),
        "files": [os.fstat(fd)[:3] for fd in (0, 1, 2)],
        "umask": _umask(),
        "threads": [thread.name for thread in threading.enumerate() if thread.name != "MainThread"],
        "limits": resource.getrlimit(resource.RLIMIT_CORE),
    }


def _umask() -> int:
    present = os.umask(0)
    os.umask(present)
    return present


def change_folder(x: int) -> None:
    os.chdir("/")


def change_environment(x: int) -> None:
    os.environ["LEFT_BEHIND"] = "1"
    os.environ.pop("PATH", None)


def change_path(x: int) -> None:
    sys.path.insert(0, "/left/behind")
    sys.argv.append("left behind")


def change_depth(x: int) -> None:
    sys.setrecursionlimit(5_000)


def change_signals(x: int) -> None:
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR2})
    signal.setitimer(signal.ITIMER_REAL, 3600)


def change_umask(x: int) -> None:
    os.umask(0o777)


def exchange_streams(x: int) -> None:
    sys.stdout = sys.stderr = open(os.devnull, "w")  # noqa: SIM115


def close_streams(x: int) -> None:
    sys.stdout.close()


def close_standard_descriptors(x: int) -> None:
    for fd in (0, 1, 2):
        os.close(fd)


def leave_a_thread(x: int) -> None:
    threading.Thread(target=time.sleep, args=(3600,), daemon=True, name="left behind").start()


def limit_oneself(x: int) -> None:
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


DEEDS = [
    change_folder,
    change_environment,
    change_path,
    change_depth,
    change_signals,
    change_umask,
    exchange_streams,
    close_streams,
    close_standard_descriptors,
    leave_a_thread,
    limit_oneself,
]


@pytest.mark.parametrize("deed", DEEDS, ids=lambda deed: deed.__name__)
def test_the_next_call_finds_things_as_they_were(deed: Any) -> None:
    (before,) = calls(surroundings, [0])
    assert calls(deed, [0]) == [None]
    (after,) = calls(surroundings, [0])
    assert {name: (before[name], after[name]) for name in after if after[name] != before[name]} == {}


def test_a_call_finds_the_callers_surroundings_of_now(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    calls(surroundings, [0])  # so that a warm worker is there
    depth = sys.getrecursionlimit()
    request.addfinalizer(lambda: sys.setrecursionlimit(depth))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SET_NOW", "yes")
    monkeypatch.delenv("HOME", raising=False)
    monkeypatch.syspath_prepend(str(tmp_path))
    sys.setrecursionlimit(4_321)
    (there,) = calls(surroundings, [0])
    assert there["folder"] == str(tmp_path)
    assert there["environment"]["SET_NOW"] == "yes"
    assert "HOME" not in there["environment"]
    assert there["path"] == sys.path
    assert there["depth"] == 4_321


def test_a_module_written_between_calls_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls(abs, [0])
    (tmp_path / "written_just_now.py").write_text("def task(x):\n    return x + 1000\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    import written_just_now  # type: ignore[import-not-found]

    try:
        assert calls(written_just_now.task, [1, 2]) == [1001, 1002]
    finally:
        del sys.modules["written_just_now"]


def test_a_function_defined_anew_between_calls_is_the_new_one() -> None:
    scope: dict[str, Any] = {"__name__": "__main__"}
    for version in (1, 2):
        exec(f"def task(x):\n    return helper(x)\ndef helper(x):\n    return x * {version}", scope)
        assert calls(scope["task"], [10]) == [10 * version]


def close_every_descriptor(tally: str, x: int) -> int:
    count(tally, x)
    if x == ODD_ONE:
        os.closerange(3, 256)
    return x


@pytest.mark.parametrize("batch_size", [None, 1, 50])
def test_a_task_that_closes_every_descriptor_fails_alone(batch_size: int | None, tmp_path: Path) -> None:
    task = partial(close_every_descriptor, str(tmp_path / "tally"))
    run = alongside.run(task, range(MANY), backend="processes", max_workers=2, batch_size=batch_size)
    assert [failure.index for failure in run.failures] == [ODD_ONE]
    assert isinstance(run.failures[0].exception, alongside.WorkerLost)
    assert [r for i, r in enumerate(run.results) if i != ODD_ONE] == [x for x in range(MANY) if x != ODD_ONE]


def close_and_hang(x: int) -> int:
    if x == 3:
        os.closerange(3, 256)
        threading.Event().wait()
    return x


def test_a_task_that_closes_every_descriptor_and_hangs_is_ended() -> None:
    run = alongside.run(close_and_hang, range(10), backend="processes", max_workers=2, batch_size=1)
    assert [failure.index for failure in run.failures] == [3]
    assert "closed its connection" in str(run.failures[0].exception)


def fork_and_wait(tally: str, status: str, x: int) -> int:
    """Fork a child that comes back from the function, or exits from it."""
    count(tally, x)
    pid = os.fork()
    if pid == 0:
        if status == "exits":
            sys.exit(5)
        if status == "raises":
            raise SystemExit
        return -1
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
@pytest.mark.parametrize(("status", "code"), [("exits", 5), ("raises", 0), ("returns", 0)])
def test_a_task_that_forks_a_child_itself(status: str, code: int, tmp_path: Path) -> None:
    tally = str(tmp_path / "tally")
    task = partial(fork_and_wait, tally, status)
    assert alongside.map(task, range(60), backend="processes", max_workers=2) == [code] * 60
    assert set(executions(tally).values()) == {1}, "a forked child runs none of the tasks behind"


def leave_a_child(tally: str, x: int) -> int:
    count(tally, x)
    if x == 5 and os.fork() == 0:
        signal.pause()  # holds whatever it inherited
    if x == 7:
        os.kill(os.getpid(), signal.SIGKILL)
    return x


LEAVES_A_CHILD = """
import sys
import alongside
from functools import partial
from tests.faults.test_misbehaving_tasks import leave_a_child

run = alongside.run(partial(leave_a_child, sys.argv[1]), range(20), backend="processes", max_workers=1, batch_size=1)
print([failure.index for failure in run.failures], flush=True)
"""


def test_a_child_that_a_task_left_does_not_hide_the_workers_death(tmp_path: Path) -> None:
    with Program(LEAVES_A_CHILD, tmp_path / "tally", folder=tmp_path) as program:
        program.reads("[7]")


def pool_inside(x: int) -> list[int]:
    import multiprocessing

    with multiprocessing.get_context("fork").Pool(2) as pool:
        return pool.map(abs, [-x, -x - 1])


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_task_that_uses_multiprocessing_itself() -> None:
    results = alongside.map(pool_inside, range(4), backend="processes", max_workers=2)
    assert results == [[x, x + 1] for x in range(4)]


def run_a_command(x: int) -> str:
    return subprocess.run(["echo", str(x)], capture_output=True, text=True, check=True).stdout.strip()


def test_a_task_that_runs_commands() -> None:
    assert alongside.map(run_a_command, range(10), backend="processes", max_workers=2) == [str(x) for x in range(10)]


def leak_descriptors(x: int) -> int:
    _leaked.extend(socket.socket() for _ in range(150))
    return os.getpid()


_leaked: list[socket.socket] = []


@pytest.mark.filterwarnings("ignore:changes lost")  # what is kept in the workers is what this is about
def test_a_worker_full_of_open_files_is_replaced() -> None:
    first, second = calls(leak_descriptors, [0]), calls(leak_descriptors, [0])
    assert first != second


PRINTS = """
import alongside

def task(x):
    print("line", x)
    return x

alongside.map(task, range(2000), backend="processes", max_workers=2)
"""


def test_what_tasks_print_is_all_there(tmp_path: Path) -> None:
    with Program(PRINTS, folder=tmp_path) as program:
        lines = ok(program).splitlines()
    assert sorted(lines) == sorted(f"[task {x}] line {x}" for x in range(2000))


def chance(_: int) -> tuple[float, float]:
    import random

    import numpy as np

    return random.random(), float(np.random.random())


def warm(barrier: str, x: int) -> tuple[float, float]:
    count(barrier, x)
    until(lambda: len(executions(barrier)) == 2, "both workers are at work")
    return chance(x)


def test_workers_draw_different_random_numbers(tmp_path: Path) -> None:
    for attempt in range(2):
        task = partial(warm, str(tmp_path / f"tally{attempt}"))
        (a, b), (c, d) = alongside.map(task, range(2), backend="processes", max_workers=2, batch_size=1)
        assert a != c
        assert b != d
