"""One Ctrl-C ends any run: quickly, with one traceback, and with nothing left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from alongside import backends
from tests.conformance import programs

HARD_CAP = 5.0
"""Seconds from the signal to the end. The promise is one; a busy machine is given more, and the time is printed."""

EVERY = [*backends.names(), "auto"]

ASYNC = "asyncio, async def"
"""That backend with a coroutine function; by its name alone it is given an ordinary one, like the others."""

# The tasks wait in slices. Python looks for a signal before it calls the system, and one that comes in between is not
# seen until that call returns: a bare loop of such tasks, without alongside, has slept through 1 interrupt of 600 here.
PROGRAM = """
import asyncio, sys, time
import alongside

def wait(path):
    open(path, "a").close()
    until = time.monotonic() + (0.001 if path.endswith("0") else 600)
    while time.monotonic() < until:
        time.sleep(0.05)

async def wait_later(path):
    open(path, "a").close()
    await asyncio.sleep(0.001 if path.endswith("0") else 600)

paths = [sys.argv[3] + str(n) for n in range(50)]
backend, _, kind = sys.argv[1].partition(", ")
fn = wait_later if kind else wait
if sys.argv[2] == "imap":
    for value in alongside.imap(fn, paths, backend=backend, max_workers=2):
        pass
elif sys.argv[2] == "amap":
    asyncio.run(alongside.amap(fn, paths, backend=backend, max_workers=2))
elif sys.argv[2] == "aimap":
    async def main():
        async for value in alongside.aimap(fn, paths, backend=backend, max_workers=2):
            pass
    asyncio.run(main())
elif sys.argv[2] in ("nested", "nested ordinary"):
    async def cell():
        return alongside.map(wait_later if sys.argv[2] == "nested" else wait, paths, backend=backend, max_workers=2)
    loop = asyncio.new_event_loop()
    try:
        loop.run_until_complete(cell())
    finally:
        loop.close()
else:
    alongside.map(fn, paths, backend=backend, max_workers=2)
"""


@contextmanager
def started(backend: str, call: str, folder: Path) -> Iterator[subprocess.Popen[str]]:
    """The program, once a task that takes for ever is running."""
    program = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, backend, call, f"{folder}/"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
        env=programs.environment(),
    )
    try:
        deadline = time.monotonic() + programs.LIMIT
        while not (folder / "1").exists():
            assert program.poll() is None, program.stderr.read() if program.stderr else ""
            assert time.monotonic() < deadline, "the program did not begin"
            time.sleep(0.005)
        yield program
    finally:
        _end(program)


def _end(program: subprocess.Popen[str]) -> None:
    if program.poll() is None:
        os.killpg(program.pid, signal.SIGKILL)
    program.wait()
    for stream in (program.stdout, program.stderr):
        assert stream is not None
        stream.close()


def members_of(group: int) -> list[str]:
    """The processes that are left in a process group."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue  # it has ended
        if int(fields[2]) == group and fields[0] != "Z":
            found.append(stat.parent.name)
    return found


def check(program: subprocess.Popen[str], what: str) -> None:
    began = time.monotonic()
    _, said = program.communicate(timeout=HARD_CAP)
    took = time.monotonic() - began
    print(f"{what}: ended {took:.2f} s after the signal")
    assert took < HARD_CAP
    # asyncio.run itself shows how it cancelled the main task, in a traceback before the one that counts.
    assert said.count("Traceback (most recent call last)") == (2 if what.endswith(("amap", "aimap")) else 1), said
    assert said.rstrip().endswith("KeyboardInterrupt"), said
    assert program.returncode in (1, -signal.SIGINT, 130)
    assert not members_of(program.pid), "a process is left"


@pytest.mark.parametrize("to_group", [True, False], ids=["terminal", "parent"])
@pytest.mark.parametrize("call", ["map", "imap", "amap", "aimap"])
@pytest.mark.parametrize("backend", [*EVERY, ASYNC])
def test_one_interrupt_ends_the_run(backend: str, call: str, to_group: bool, tmp_path: Path) -> None:
    with started(backend, call, tmp_path) as program:
        (os.killpg if to_group else os.kill)(program.pid, signal.SIGINT)
        check(program, f"{backend} {call}")


@pytest.mark.parametrize("call", ["nested", "nested ordinary"])
@pytest.mark.parametrize("backend", EVERY)
def test_an_interrupt_inside_a_running_loop(backend: str, call: str, tmp_path: Path) -> None:
    """As in a notebook. (Under asyncio.run the first interrupt is asyncio's own and only asks the main task to end.)"""
    with started(backend, call, tmp_path) as program:
        os.killpg(program.pid, signal.SIGINT)
        check(program, f"{backend} in a loop")
