"""The bar tells how far it is, in a terminal, in a log, to an object of the user's; and leaves nothing behind."""

from __future__ import annotations

import asyncio
import io
import os
import pty
import re
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

import alongside
from alongside.core.events import Crew, Moved
from alongside.observe import progress
from alongside.testing import Raises, rehearse


class Mine:
    """An object like a bar."""

    def __init__(self) -> None:
        self.steps: list[int] = []
        self.texts: list[str] = []
        self.closed = self.drawn = 0

    def update(self, n: int) -> None:
        self.steps.append(n)

    def set_postfix_str(self, text: str, refresh: bool) -> None:
        self.texts.append(text)

    def refresh(self) -> None:
        self.drawn += 1

    def close(self) -> None:
        self.closed += 1


def invert(x: int) -> float:
    return 1 / x


@pytest.mark.parametrize("backend", ["serial", "threads", "processes", "asyncio"])
def test_an_object_of_the_users_is_told_of_every_task_once(backend: str) -> None:
    mine = Mine()
    alongside.run(invert, range(200), backend=backend, progress=mine)
    assert sum(mine.steps) == 200
    assert mine.texts[0] == backend
    assert mine.texts[-1] == f"{backend}, 1 failed"
    assert (mine.drawn, mine.closed) == (1, 0)  # it is the user's to close


def test_retries_are_told_and_not_counted_as_progress() -> None:
    mine = Mine()
    rehearse(abs, range(10), faults={3: [Raises(OSError()), Raises(OSError())]}, retries=2, progress=mine)
    assert sum(mine.steps) == 10
    assert mine.texts[-1].endswith("2 retried")


def test_a_change_of_backend_is_told() -> None:
    def compute(n: int) -> int:
        return sum(k * k for k in range(20_000))

    mine = Mine()
    run = alongside.run(compute, range(600), progress=mine, max_workers=2)
    assert sum(mine.steps) == 600
    if run.plan.backend != "serial":  # on a machine with one CPU it stays
        assert mine.texts[-1] == f"serial → {run.plan.backend}"


def test_a_move_to_more_workers_of_the_same_kind_is_no_change() -> None:
    mine = Mine()
    watcher = progress.Progress(mine, 10, backend="processes")
    for name in ("threads", "threads"):
        watcher.on_event(Moved(Crew(8, name=name)), 0.0)
    assert mine.texts[-1] == "processes → threads"


def test_only_update_is_needed() -> None:
    class Least:
        n = 0

        def update(self, n: int) -> None:
            self.n += n

    least = Least()
    alongside.map(abs, range(100), progress=least, backend="threads")
    assert least.n == 100


def test_async_and_lazy_runs_have_a_bar_too() -> None:
    async def later(x: int) -> int:
        await asyncio.sleep(0)
        return x

    bars = [Mine(), Mine(), Mine()]
    asyncio.run(alongside.amap(later, range(20), progress=bars[0]))
    alongside.map(later, range(20), progress=bars[1])
    list(alongside.imap(abs, iter(range(20)), progress=bars[2]))
    assert [sum(mine.steps) for mine in bars] == [20, 20, 20]


@pytest.mark.parametrize("wrong", ["yes", 7, object()])
def test_what_is_no_bar_is_refused(wrong: Any) -> None:
    with pytest.raises(alongside.OptionError, match="progress"):
        alongside.map(abs, [1], progress=wrong)


PROGRAM = """
import alongside

def task(n):
    if n == 3:
        raise ValueError(n)
    return n

def nested(n):
    return sum(alongside.map(task, range(10, 20), progress=True, backend="serial"))

alongside.map(task, range(200), progress=True, backend="threads", on_error="skip")
alongside.map(task, iter(range(50)), progress=True, backend="serial", on_error="skip")
alongside.map(nested, range(2), progress=True, backend="threads", max_workers=2)
"""


def test_in_a_log_it_is_whole_lines(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=60, check=True)
    assert "\r" not in done.stderr
    lines = done.stderr.splitlines()
    assert re.search(r"^100% 200/200 \[.*tasks/s, threads, 1 failed\]$", lines[0])
    assert re.search(r"^50 ?tasks \[.*serial, 1 failed\]$", lines[1])
    assert len(lines) == 5


def test_in_a_long_log_there_is_a_line_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    moment = [0.0]
    stream = io.StringIO()
    monkeypatch.setattr("sys.stderr", stream)
    bar = progress.bar(1000)
    monkeypatch.setattr(bar, "_time", lambda: moment[0])
    bar.start_t = bar.last_print_t = 0.0
    for _ in range(1000):
        moment[0] += 1.0
        bar.update(1)
    bar.refresh()
    bar.close()
    lines = stream.getvalue().splitlines()
    assert 25 <= len(lines) <= 60  # 5 s apart at first, 30 s at last
    assert lines[-1].startswith("100% 1000/1000")


def test_in_a_terminal_it_is_drawn_over_itself() -> None:
    ours, theirs = pty.openpty()
    with subprocess.Popen([sys.executable, "-c", PROGRAM], stderr=theirs, stdout=theirs) as program:
        os.close(theirs)
        said = b""
        while True:
            try:
                said += os.read(ours, 65536)
            except OSError:  # the other end is closed
                break
        assert program.wait() == 0
    os.close(ours)
    text = said.decode()
    assert "200/200" in text
    assert "threads, 1 failed" in text
    assert "\r" in text


def test_no_thread_of_tqdms_is_left() -> None:
    before = set(threading.enumerate())
    stream, sys.stderr = sys.stderr, io.StringIO()
    try:
        alongside.map(abs, range(100), progress=True, backend="serial")
    finally:
        sys.stderr = stream
    assert set(threading.enumerate()) == before
