"""What all tests share: a guard that fails the test that leaves something behind, by its name.

Looked at after every test: threads of alongside's own, child processes, file descriptors. What alongside keeps warm on
purpose (the helper process, its idle workers, their sockets) may stay until the end of the session; then it goes too.
"""

from __future__ import annotations

import gc
import os
import re
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from socket import SocketType, socket
from subprocess import Popen
from typing import Any

import pytest

os.environ["ALONGSIDE_CACHE_DIR"] = ""  # what was measured here before must not decide a test

# A shell ignores SIGINT in what it runs in the background, and every program started from there inherits that: the
# programs that tests interrupt would not notice. A handler, unlike "ignored", does not outlive exec.
signal.signal(signal.SIGINT, signal.default_int_handler)

SETTLE = 2.0
"""Seconds at most in which what is ending may end; nothing is waited for where nothing is left."""


def own_threads() -> set[str]:
    """Threads that alongside started, and what `threading` keeps of those it was never told of."""
    return {thread.name for thread in threading.enumerate() if thread.name.startswith(("alongside-", "Dummy-"))}


def children() -> set[int]:
    """Child processes of this one, the warm helper excepted."""
    found = {int(pid) for path in Path("/proc/self/task").glob("*/children") for pid in _read(path).split()}
    return found - warm_numbers()


def descriptors() -> dict[int, str]:
    """Open descriptors and what they are, without those that belong to the warm helper and its idle workers."""
    warm = warm_numbers()
    found = {}
    for name in os.listdir("/proc/self/fd"):
        try:
            target = os.readlink(f"/proc/self/fd/{name}")
        except OSError:
            continue  # the listing's own
        if int(name) not in warm and not _is_warm_memory(target):
            found[int(name)] = target
    return found


def warm_numbers() -> set[int]:
    """Every descriptor and process id that the supervisor itself holds, found by walking what it owns."""
    from alongside.workers.supervisor import supervisor

    numbers: set[int] = set()
    seen: set[int] = set()
    todo: list[tuple[str, Any]] = [("", supervisor)]
    while todo:
        name, thing = todo.pop()
        if isinstance(thing, int):
            numbers |= {thing} if thing > 2 and _NAMES_A_NUMBER.search(name) else set()
        elif isinstance(thing, (socket, SocketType)):
            numbers.add(thing.fileno())
        elif isinstance(thing, Popen):
            numbers.add(thing.pid)
        elif id(thing) not in seen:
            seen.add(id(thing))
            todo += _parts(name, thing)
    return numbers


_NAMES_A_NUMBER = re.compile("fd|pid|zygote|wake|control")


def _parts(name: str, thing: Any) -> list[tuple[str, Any]]:
    if isinstance(thing, (list, tuple, set)):
        return [(name, part) for part in thing]
    if isinstance(thing, dict):
        return [(name, part) for part in thing.values()]
    if not type(thing).__module__.startswith("alongside."):
        return []
    names = [*getattr(thing, "__dict__", ()), *getattr(type(thing), "__slots__", ())]
    return [(name, getattr(thing, name, None)) for name in names]


def _is_warm_memory(target: str) -> bool:
    """Segments that alongside keeps for the next large payload; they are bounded and have no name on disk."""
    return target.startswith("/memfd:alongside")


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""  # that thread has ended


def wait_until(condition: Callable[[], bool], seconds: float = SETTLE) -> bool:
    """Whether the condition came true in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.002)
    return True


def _left_behind(threads: set[str], processes: set[int], before: dict[int, str]) -> str:
    more_threads = own_threads() - threads
    more_processes = children() - processes
    more_files = {fd: what for fd, what in descriptors().items() if before.get(fd) != what}
    told = []
    told += [f"threads {sorted(more_threads)}"] if more_threads else []
    told += [f"processes {sorted(more_processes)}"] if more_processes else []
    told += [f"descriptors {more_files}"] if more_files else []
    return ", ".join(told)


@pytest.fixture(autouse=True, scope="module")
def only_its_own_garbage() -> None:
    """A collection looks at what a module's tests made; what was there before would cost tens of times more."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def nothing_left_behind() -> Iterator[None]:
    """Fails the test that leaves a thread, a process or a descriptor."""
    before = own_threads(), children(), descriptors()
    yield
    if not _left_behind(*before):
        return
    gc.collect()  # an iterator that was abandoned ends its run when it is collected
    if not wait_until(lambda: not _left_behind(*before)):
        pytest.fail(f"left behind: {_left_behind(*before)}", pytrace=False)


@pytest.fixture(autouse=True, scope="session")
def nothing_left_at_the_end() -> Iterator[None]:
    """Fails when the helper outlives its supervisor."""
    yield
    from alongside.workers.supervisor import supervisor

    supervisor.close()
    left = {int(pid) for path in Path("/proc/self/task").glob("*/children") for pid in _read(path).split()}
    assert not left, f"processes are left after the last test: {left}"
