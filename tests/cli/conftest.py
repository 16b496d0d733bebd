"""What the command-line tests share: a folder with functions in it, and two ways of calling the command line.

`inside` runs it in this process (quick, for what needs no workers); `outside` runs it as people do.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

TOOLS = """
import os


def square(text):
    return int(text) ** 2


def shout(text):
    return text.upper()


def row_total(row):
    return int(row["price"]) * int(row["count"])


def size(path):
    return os.path.getsize(path)


def as_set(text):
    return {text}


def not_a_number(text):
    return float("nan")


async def later(text):
    return text[::-1]


def process(text):
    return os.getpid()


def tell_and_wait(path):
    with open(path, "w") as pipe:
        pipe.write("started\\n")
        pipe.flush()
        wait_for_ever()


def wait_for_ever():
    # In short naps: a signal that comes just before an endless one begins would not end it.
    import threading

    while not threading.Event().wait(0.05):
        pass


class Shop:
    @staticmethod
    def price(text):
        return len(text)


answer = 42
"""


@dataclass
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The current directory, with `tools.py` in it; sys.path and sys.modules are put back."""
    (tmp_path / "tools.py").write_text(TOOLS)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setenv("COLUMNS", "400")
    monkeypatch.setenv("TERMINAL_WIDTH", "400")
    monkeypatch.setenv("NO_COLOR", "1")
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        if str(tmp_path) in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]


Call = Callable[..., Ended]


@pytest.fixture
def inside(folder: Path) -> Call:
    """`inside("map", "tools:square", stdin="1\\n2\\n")`, in this process."""
    from alongside.cli.app import app

    def call(*arguments: str, stdin: str = "") -> Ended:
        done = CliRunner().invoke(app, list(arguments), input=stdin, prog_name="alongside")
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            raise done.exception
        return Ended(done.exit_code, done.stdout, done.stderr)

    return call


@pytest.fixture
def start(folder: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Start `python -m alongside …` in a process group of its own; it is gone when the test ends."""
    started: list[subprocess.Popen[str]] = []

    def call(*arguments: str, **options: Any) -> subprocess.Popen[str]:
        streams = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | options
        command = [sys.executable, "-m", "alongside", *arguments]
        started.append(subprocess.Popen(command, text=True, start_new_session=True, env=dict(os.environ), **streams))
        return started[-1]

    yield call
    for process in started:
        if process.poll() is None:
            process.kill()
        process.wait()
        for stream in (process.stdin, process.stdout, process.stderr):
            if stream:
                stream.close()


@pytest.fixture
def outside(start: Callable[..., subprocess.Popen[str]]) -> Call:
    """`outside("map", "tools:square", stdin="1\\n2\\n")`, as people call it."""

    def call(*arguments: str, stdin: str = "") -> Ended:
        process = start(*arguments)
        out, err = process.communicate(stdin, timeout=100)
        return Ended(process.returncode, out, err)

    return call
