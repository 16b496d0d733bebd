"""What worker processes print, log and warn appears where the parent's does: tagged, in order, bounded."""

from __future__ import annotations

import io
import logging
import os
import signal
import subprocess
import sys
import time
import warnings
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import pytest

import alongside
from alongside.workers.runner import BATCH, OFFSET
from alongside.workers.voice import ERR, LOG, MOST, OUT, Mouth, Voice
from tests.faults.support import Program, ok

PROCESSES: dict[str, Any] = {"backend": "processes", "max_workers": 2}
ONE: dict[str, Any] = {"backend": "processes", "max_workers": 1}


@pytest.fixture(params=["forked", "spawned"])
def way(request: pytest.FixtureRequest) -> dict[str, str]:
    """The environment of a program whose workers are forked, or spawned."""
    return dict(os.environ, **({"ALONGSIDE_PORTABLE": "1"} if request.param == "spawned" else {}))


def printed(fn: Any, items: Any, **options: Any) -> tuple[list[str], list[str]]:
    """The lines that go to this process's standard output and error while tasks run."""
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        alongside.map(fn, items, **{**PROCESSES, **options})
    return out.getvalue().splitlines(), err.getvalue().splitlines()


def talk(n: int) -> int:
    print("one", n)
    print("two", end=" ")
    print("halves", n)
    print("oh", n, file=sys.stderr)
    return n


def test_prints_go_where_the_parents_go_line_by_line_with_their_task() -> None:
    out, err = printed(talk, range(100))
    assert sorted(out) == sorted(f"[task {n}] {line} {n}" for n in range(100) for line in ("one", "two halves"))
    assert sorted(err) == sorted(f"[task {n}] oh {n}" for n in range(100))


def test_lines_of_a_worker_stay_in_order() -> None:
    out, _ = printed(talk, range(500), max_workers=1)
    assert out == [f"[task {n}] {line} {n}" for n in range(500) for line in ("one", "two halves")]


def test_a_line_that_a_task_leaves_open_is_ended_for_it() -> None:
    out, _ = printed(lambda n: print("open", end=""), range(3), max_workers=1)
    assert out == [f"[task {n}] open" for n in range(3)]


def test_what_a_task_said_comes_before_its_result() -> None:
    stream = io.StringIO()
    with redirect_stdout(stream):
        results = alongside.imap(talk, range(20), **ONE)
        for n in results:
            assert f"[task {n}] one {n}\n[task {n}] two halves {n}\n" in stream.getvalue()


def test_what_is_said_comes_while_the_task_goes_on(tmp_path: Path) -> None:
    """Each task waits until the parent has shown what it printed: without that it would wait for ever."""
    seen = tmp_path / "seen"

    class Stream(io.StringIO):
        def write(self, text: str) -> int:
            if "now" in text:
                seen.touch()
            return super().write(text)

    def wait(n: int) -> bool:
        print("now")
        deadline = time.monotonic() + 30
        while not seen.exists() and time.monotonic() < deadline:
            time.sleep(0.001)
        return seen.exists()

    with redirect_stdout(Stream()):
        assert alongside.map(wait, [0], **ONE) == [True]


class Kept(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)


@pytest.fixture
def kept() -> Iterator[Kept]:
    """What the parent's handler gets of the logger `tests.talk`, from INFO on."""
    logger, handler = logging.getLogger("tests.talk"), Kept()
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    yield handler
    logger.removeHandler(handler)
    logger.setLevel(logging.NOTSET)


def log(n: int) -> int:
    logger = logging.getLogger("tests.talk")
    logger.debug("not at this level")
    logger.info("%s of %s", n, object(), extra={"where": n, "odd": object()})
    try:
        raise ValueError(n)
    except ValueError:
        logger.exception("failed")
    return n


def test_log_records_go_to_the_parents_handlers_by_the_parents_levels(kept: Kept) -> None:
    alongside.map(log, range(10), **PROCESSES)
    infos = [record for record in kept.records if record.levelno == logging.INFO]
    errors = [record for record in kept.records if record.levelno == logging.ERROR]
    assert len(infos) + len(errors) == len(kept.records) == 20
    assert sorted(record.task for record in infos) == list(range(10))  # type: ignore[attr-defined]
    assert all(record.getMessage().startswith(f"[task {record.task}] {record.task} of <object") for record in infos)  # type: ignore[attr-defined]
    assert all(record.where == record.task and record.process != os.getpid() for record in infos)  # type: ignore[attr-defined]
    assert all("ValueError: " in str(record.exc_text) for record in errors)


def test_a_level_that_the_parent_takes_back_is_taken_back_in_a_warm_worker(kept: Kept) -> None:
    alongside.map(log, [0], **ONE)
    logging.getLogger("tests.talk").setLevel(logging.CRITICAL)
    before = len(kept.records)
    alongside.map(log, [0], **ONE)
    assert len(kept.records) == before


class Mine(UserWarning):
    def __init__(self, text: str, more: int) -> None:
        super().__init__(text)


def warn(n: int) -> int:
    warnings.warn("careful", UserWarning, stacklevel=1)
    warnings.warn(Mine("mine", 1), stacklevel=1)
    return n


def test_warnings_are_the_parents_to_show() -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        alongside.map(warn, range(5), **PROCESSES)
    told = sorted(str(one.message) for one in caught if "careful" in str(one.message))
    assert told == [f"[task {n}] careful" for n in range(5)]
    assert {one.category for one in caught} == {UserWarning, Mine}
    assert {Path(one.filename).name for one in caught} == {"test_what_workers_say.py"}


def test_a_warning_of_many_workers_is_shown_as_often_as_the_filters_say() -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default")
        alongside.map(lambda n: warnings.warn("once and for all", stacklevel=1), range(40), **PROCESSES, batch_size=1)
    assert len(caught) == 1


def test_filters_come_along() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        run = alongside.run(warn, range(3), **PROCESSES)
    assert [type(failure.exception) for failure in run.failures] == [UserWarning] * 3


def shout(n: int) -> int:
    for _ in range(200):
        print("x" * 20_000)
    return n


def test_a_task_that_prints_without_end_is_shown_or_counted() -> None:
    """Four megabytes a task, faster than they can be shown: each line arrives, or is counted."""
    out, err = printed(shout, range(2), max_workers=1)
    dropped = [int(line.partition("] ")[2].split()[0].replace(",", "")) for line in err if "were dropped" in line]
    assert len(out) + sum(dropped) == 400


def test_saying_never_waits_for_a_parent_that_does_not_read() -> None:
    sent: list[Any] = []
    page = [0] * 8
    voice = Voice(page, sent.append, lambda: False)
    page[BATCH], page[OFFSET] = 1, 1
    for _ in range(3000):
        voice.write(OUT, "y" * 999 + "\n")
    voice.say(LOG, (200, {}), 200)
    voice.send()
    assert sent == []
    voice.send(everything=True)
    pieces = [piece for several in sent for piece in several]
    kept = sum(len(piece[2]) for piece in pieces if piece[0] == OUT)
    assert kept <= MOST
    assert pieces[-1][2] == 3000 - kept // 1000


def test_lines_of_two_tasks_never_become_one() -> None:
    sent: list[Any] = []
    page = [0] * 8
    voice = Voice(page, sent.append, lambda: True)
    voice.begins(7, 40)
    for offset in (1, 2):
        page[BATCH], page[OFFSET] = 7, offset
        voice.write(ERR, "half")
    voice.end_lines()
    voice.send()
    assert sent == [[(ERR, 40, "half\n"), (ERR, 41, "half\n")]]


def test_the_stream_of_a_worker_is_like_any_text_stream() -> None:
    behind = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
    mouth = Mouth(Voice([0] * 8, lambda pieces: None, lambda: True), OUT, behind)
    assert isinstance(mouth, io.TextIOBase)
    assert (mouth.encoding, mouth.isatty(), mouth.writable(), mouth.closed) == ("utf-8", False, True, False)
    assert mouth.buffer is behind.buffer
    assert mouth.write("abc") == 3
    with pytest.raises(TypeError):
        mouth.write(b"abc")  # type: ignore[arg-type]
    del mouth
    assert not behind.closed
    behind.close()


def die(n: int) -> int:
    print("my last words", flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
    return n


def test_what_was_flushed_before_a_kill_has_arrived() -> None:
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        run = alongside.run(die, range(3), **PROCESSES)
    assert len(run.failures) == 3
    assert sorted(out.getvalue().splitlines()) == [f"[task {n}] my last words" for n in range(3)]


BELOW = """
import os, subprocess, sys
import alongside

def task(n):
    subprocess.run(["echo", "by a program"], check=True)
    os.write(1, b"by its number\\n")
    sys.stdout.buffer.write(b"by the buffer\\n")
    sys.stdout.buffer.flush()
    if os.fork() == 0:
        print("by a child")
        sys.stdout.flush()
        os._exit(0)
    os.wait()
    return n

alongside.map(task, [0], backend="processes")
"""


def test_what_bypasses_the_streams_is_written_as_ever(tmp_path: Path, way: dict[str, str]) -> None:
    (tmp_path / "below.py").write_text(BELOW)
    done = subprocess.run(
        [sys.executable, "below.py"], cwd=tmp_path, env=way, capture_output=True, text=True, timeout=60, check=True
    )
    assert sorted(done.stdout.splitlines()) == ["by a child", "by a program", "by its number", "by the buffer"]


@pytest.mark.parametrize("stream", ["None", "Broken()"])
def test_a_parent_without_a_stream_loses_the_lines_and_nothing_else(stream: str, tmp_path: Path) -> None:
    text = f"""
import sys, alongside

class Broken:
    def write(self, text): raise OSError("broken")
    def flush(self): raise OSError("broken")

own, sys.stdout = sys.stdout, {stream}
values = alongside.map(lambda n: print("lost") or n, range(10), backend="processes")
sys.stdout = own
print(values == list(range(10)))
"""
    with Program(text, folder=tmp_path) as program:
        assert ok(program) == "True\n"


def test_coroutines_in_a_worker_are_told_apart() -> None:
    async def say(n: int) -> int:
        import asyncio

        print("before", n)
        await asyncio.sleep(0.01)
        print("after", n)
        return n

    out, _ = printed(say, range(20), max_workers=1)
    assert sorted(out) == sorted(f"[task {n}] {when} {n}" for n in range(20) for when in ("before", "after"))


def test_an_executor_shows_them_too() -> None:
    stream = io.StringIO()
    with redirect_stdout(stream), alongside.Executor(max_workers=1) as executor:
        executor.submit(talk, 5).result()
    assert stream.getvalue().splitlines() == ["[task 0] one 5", "[task 0] two halves 5"]
