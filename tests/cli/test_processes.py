"""The command line as people run it: worker processes, Ctrl-C, closed pipes, endless input."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import TextIO

import pytest

from tests.cli.conftest import Call

Start = Callable[..., "subprocess.Popen[str]"]


@pytest.mark.parametrize("spec", ["tools.py:square", "tools:square"])
def test_a_function_of_ones_own_file_runs_in_worker_processes(outside: Call, spec: str) -> None:
    done = outside("map", spec, "--backend", "processes", "-w", "2", stdin="1\nx\n3\n")
    assert done.out == "1\n9\n", done.err
    assert done.code == 1
    assert "task 1, 'x': ValueError" in done.err


def test_it_really_is_another_process(start: Start) -> None:
    process = start("map", "tools.py:process", "--backend", "processes", "-w", "1")
    out, err = process.communicate("a\n", timeout=100)
    assert process.returncode == 0, err
    assert int(out) != process.pid


def test_a_file_outside_the_current_directory_with_a_neighbour(outside: Call, folder: Path) -> None:
    (folder / "far").mkdir()
    (folder / "far" / "neighbour.py").write_text("FACTOR = 10\n")
    (folder / "far" / "job.py").write_text("import neighbour\ndef f(text):\n    return int(text) * neighbour.FACTOR\n")
    done = outside("map", "far/job.py:f", "--backend", "processes", "-w", "1", stdin="4\n")
    assert (done.code, done.out) == (0, "40\n"), done.err


def test_a_file_named_like_a_module_of_the_standard_library(outside: Call, folder: Path) -> None:
    (folder / "queue.py").write_text("def f(text):\n    return text + '!'\n")
    done = outside("map", "queue.py:f", "--backend", "serial", stdin="a\n")
    assert (done.code, done.out) == (0, '"a!"\n'), done.err


def reading_end(path: Path, process: subprocess.Popen[str]) -> TextIO:
    """The named pipe, as soon as something can be read from it; fails where the process ends before that."""
    pipe = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    assert process.stdout is not None
    ready, _, _ = select.select([pipe, process.stdout.fileno()], [], [])
    if pipe not in ready:
        os.close(pipe)
        pytest.fail(f"it ended before the task began: {process.communicate()}")
    os.set_blocking(pipe, True)
    return open(pipe, encoding="utf-8")


@pytest.mark.parametrize("backend", ["serial", "threads", "processes"])
def test_ctrl_c_ends_it_with_one_line_and_leaves_no_worker(start: Start, folder: Path, backend: str) -> None:
    """The named pipe says when the task has begun; its end says that nobody who ran the task is left."""
    os.mkfifo(folder / "pipe")
    process = start("map", "tools.py:tell_and_wait", "--backend", backend, "-w", "1")
    assert process.stdin is not None
    process.stdin.write("pipe\n")
    process.stdin.close()
    process.stdin = None
    with reading_end(folder / "pipe", process) as pipe:
        assert pipe.readline() == "started\n"
        os.killpg(process.pid, signal.SIGINT)
        out, err = process.communicate(timeout=50)
        assert pipe.read() == ""
    assert (process.returncode, out) == (130, ""), err
    assert err.startswith("Interrupted after 0 tasks")
    assert len(err.splitlines()) == 1


def test_ctrl_c_while_waiting_for_input(start: Start) -> None:
    process = start("map", "tools:shout", "--backend", "serial", "--window", "1")
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write("a\n")
    process.stdin.flush()
    assert process.stdout.readline() == '"A"\n'
    os.killpg(process.pid, signal.SIGINT)
    _, err = process.communicate(timeout=100)
    assert process.returncode == 130
    assert err.startswith("Interrupted after ")
    assert "Traceback" not in err


def test_ctrl_c_while_the_function_is_being_imported(start: Start, folder: Path) -> None:
    os.mkfifo(folder / "pipe")
    (folder / "slow.py").write_text("from tools import tell_and_wait\ntell_and_wait('pipe')\n")
    process = start("map", "slow.py:f")
    with reading_end(folder / "pipe", process) as pipe:
        assert pipe.readline() == "started\n"
    os.killpg(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=100)
    assert (process.returncode, out, err) == (130, "", "Interrupted.\n")


@pytest.mark.parametrize("backend", ["auto", "serial", "threads", "processes"])
def test_with_a_window_of_one_each_result_is_written_before_more_input_is_awaited(start: Start, backend: str) -> None:
    """A conversation: the second line is typed only after the first answer was read."""
    process = start("map", "tools.py:shout", "--backend", backend, "--window", "1", "-q")
    assert process.stdin is not None
    assert process.stdout is not None
    for word in ("one", "two"):
        process.stdin.write(word + "\n")
        process.stdin.flush()
        assert json.loads(process.stdout.readline()) == word.upper()
    process.stdin.close()
    process.stdin = None
    _, err = process.communicate(timeout=100)
    assert (process.returncode, err) == (0, "")


@pytest.mark.parametrize("backend", ["auto", "processes"])
def test_a_reader_that_has_had_enough_ends_endless_work_quietly(start: Start, backend: str) -> None:
    with subprocess.Popen(["yes", "7"], stdout=subprocess.PIPE) as endless:
        process = start("map", "tools.py:square", "--backend", backend, "-q", stdin=endless.stdout)
        assert endless.stdout is not None
        endless.stdout.close()
        assert process.stdout is not None
        assert process.stdout.readline() == "49\n"
        process.stdout.close()
        process.stdout = None
        _, err = process.communicate(timeout=100)
    assert (process.returncode, err) == (0, "")


def test_help_into_a_closed_pipe_is_quiet(start: Start) -> None:
    process = start("map", "--help")
    assert process.stdout is not None
    process.stdout.close()
    process.stdout = None
    _, err = process.communicate(timeout=100)
    assert "Traceback" not in err
    assert "BrokenPipe" not in err


@pytest.mark.parametrize("backend", ["serial", "threads", "processes"])
def test_what_the_function_prints_does_not_get_between_the_results(outside: Call, folder: Path, backend: str) -> None:
    (folder / "chatty.py").write_text(
        "import os\ndef f(text):\n    print('a word', flush=True)\n    os.system('echo a shell')\n    return text\n"
    )
    done = outside("map", "chatty.py:f", "--backend", backend, "-w", "1", stdin="x\n")
    assert (done.code, done.out) == (0, '"x"\n'), done.err
    assert "a word" in done.err
    assert "a shell" in done.err


def test_half_a_surrogate_pair_is_written_as_its_escape(outside: Call) -> None:
    done = outside("map", "builtins:str", "--input-format", "jsonl", "--backend", "serial", stdin='"\\ud800 ä"\n')
    assert (done.code, done.out) == (0, '"\\ud800 ä"\n'), done.err


def test_progress_goes_to_standard_error_beside_the_failures(outside: Call) -> None:
    done = outside("map", "tools:square", "--backend", "serial", "--progress", stdin="1\nx\n")
    assert (done.code, done.out) == (1, "1\n")
    assert "Failed: task 1, 'x'" in done.err


def test_without_a_terminal_there_is_no_bar(outside: Call) -> None:
    done = outside("map", "tools:square", "--backend", "serial", "-q", stdin="1\n2\n")
    assert (done.out, done.err) == ("1\n4\n", "")


@pytest.mark.parametrize("command", ["doctor", "guide"])
def test_a_reader_that_has_gone_is_no_failure(start: Start, command: str) -> None:
    read, write = os.pipe()
    os.close(read)
    process = start(command, stdout=write)
    os.close(write)
    _, err = process.communicate(timeout=100)
    assert (process.returncode, err) == (0, "")
