"""What the fault tests share: executions counted outside the process, programs run as people run them, what they leave.

Owns no test. Nothing here waits for a length of time: `until` looks at a condition, and gives up after a generous cap.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import textwrap
import time
import uuid
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

ROOT = Path(__file__).parents[2]
CAP = 20.0
"""Seconds after which something that should have happened is taken not to happen: machines may be busy."""

MARK = "ALONGSIDE_TEST_MARK"

IN_CHILD = """
import os, sys


def in_child(*works):
    sys.stdout.flush()
    for work in works:
        pid = os.fork()
        if pid == 0:
            status = 1
            try:
                work()
                status = 0
            finally:
                sys.stderr.flush()
                os._exit(status)
        assert os.waitpid(pid, 0)[1] == 0, work.__name__
"""
"""The beginning of a program: what runs functions in a forked child each, in turn, and fails where one does."""


def count(tally: str, task: object) -> None:
    """Note one execution of a task, in a file: it survives whatever happens to the process."""
    fd = os.open(tally, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        os.write(fd, f"{task}\n".encode())
    finally:
        os.close(fd)


def executions(tally: str) -> Counter[str]:
    """How often each task was executed."""
    path = Path(tally)
    return Counter(path.read_text().split()) if path.exists() else Counter()


def until(condition: Callable[[], object], what: str, cap: float = CAP) -> float:
    """Wait until the condition holds; the seconds it took. Fails the test after `cap` seconds."""
    began = time.monotonic()
    while not condition():
        assert time.monotonic() - began < cap, f"after {cap:g} s still not: {what}"
        time.sleep(0.002)
    return time.monotonic() - began


def exists(pid: int) -> bool:
    """Whether a process of that id runs (one that has ended and was not reaped does not)."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state not in "ZX"


def marked(mark: str) -> dict[int, str]:
    """The processes that carry a mark in their environment, and their command lines."""
    found = {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            carries = f"{MARK}={mark}".encode() in (entry / "environ").read_bytes().split(b"\0")
            if carries and exists(int(entry.name)):
                found[int(entry.name)] = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()[:200]
        except OSError:
            continue  # it has just ended
    return found


def workers_of(mark: str) -> dict[str, list[int]]:
    """The helper and the workers among the marked processes: the helper is the parent of the workers."""
    helpers = [pid for pid, command in marked(mark).items() if "alongside.workers.zygote" in command]
    zygotes = [pid for pid in helpers if parent(pid) not in helpers]
    return {"zygote": zygotes, "workers": [pid for pid in helpers if pid not in zygotes]}


def parent(pid: int) -> int:
    """The parent of a process; 0 where it has ended."""
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return 0


class Program:
    """A script run in a session of its own, all of whose processes carry a mark."""

    def __init__(
        self,
        source: str,
        *arguments: object,
        folder: Path,
        environment: dict[str, str] | None = None,
        prefix: tuple[str, ...] = (),
        close: tuple[int, ...] = (),
    ) -> None:
        self.mark = uuid.uuid4().hex
        script = folder / f"program_{self.mark[:8]}.py"
        script.write_text(textwrap.dedent(source))
        path = os.pathsep.join([str(ROOT / "src"), str(ROOT)])
        env = {**os.environ, "PYTHONPATH": path, MARK: self.mark, **(environment or {})}
        closing = tuple(f"{fd}<&-" for fd in close)
        if closing:
            prefix = (*prefix, "sh", "-c", f'exec "$@" {" ".join(closing)}', "sh")
        self.process = subprocess.Popen(
            [*prefix, sys.executable, str(script), *map(str, arguments)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=env,
            cwd=folder,
            start_new_session=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        for pid in [self.process.pid, *marked(self.mark)]:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        self.process.communicate()

    @property
    def pid(self) -> int:
        return self.process.pid

    def reads(self, line: str) -> None:
        """Wait for a line of its output, whichever task wrote it."""
        assert self.process.stdout is not None
        got = re.sub(r"^\[task \d+\] ", "", self.process.stdout.readline().strip())
        if got != line:
            self.process.kill()
            out, err = self.process.communicate()
            raise AssertionError(f"expected {line!r}, got {got!r}, then {out!r}; standard error: {err}")

    def ends(self, cap: float = 60.0) -> tuple[int, str, str]:
        """Wait for its end: exit status (negative: signal), output, standard error."""
        out, err = self.process.communicate(timeout=cap)
        return self.process.returncode, out, err

    def left(self) -> dict[int, str]:
        """Its processes that still run."""
        return marked(self.mark)

    def is_gone(self, cap: float = 5.0) -> float:
        """Wait until none of its processes is left; the seconds that took."""
        began = time.monotonic()
        self.process.wait(cap)
        while left := self.left():
            assert time.monotonic() - began < cap, f"still there after {cap:g} s: {left}"
            time.sleep(0.005)
        return time.monotonic() - began


def ok(program: Program, cap: float = 60.0) -> str:
    """Wait for the program's end, which must be a good one with nothing left; its output."""
    status, out, err = program.ends(cap)
    assert status == 0, f"exit status {status}\n{out}\n{err}"
    program.is_gone()
    return out
