"""Rows about starting: the first result of a fresh script, and what the next call costs on warm workers.

Owns: the scripts that are run whole. Must never: subtract more than a bare interpreter's own start.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from textwrap import dedent, indent
from typing import Any

from benchmarks import peers, tasks
from benchmarks.harness import SUBJECT, CannotDo, Contender, Row, Target, Work, reported
from benchmarks.scale import Scale

BARE = "bare interpreter"
ANSWER = b"[1, 2]\n"
CALLS = 50
LIBRARIES = ("loky", "loky, reusable", "mpire", SUBJECT)

MODULES = {
    "plain": "def work(item):\n    return item + 1\n",
    "numpy": "import numpy\n\ndef work(item):\n    return int(numpy.add(item, 1))\n",
}
SCRIPTS = {
    "loky": """
        import loky
        with loky.ProcessPoolExecutor(2) as executor:
            print(list(executor.map(work, [0, 1])), flush=True)
        """,
    "loky, reusable": """
        import loky
        print(list(loky.get_reusable_executor(2).map(work, [0, 1])), flush=True)
        """,
    "ProcessPoolExecutor": """
        from concurrent.futures import ProcessPoolExecutor
        with ProcessPoolExecutor(2) as executor:
            print(list(executor.map(work, [0, 1])), flush=True)
        """,
    "multiprocessing.Pool": """
        from multiprocessing import Pool
        with Pool(2) as pool:
            print(pool.map(work, [0, 1]), flush=True)
        """,
    "Pool, forkserver": """
        from multiprocessing import get_context
        with get_context("forkserver").Pool(2) as pool:
            print(pool.map(work, [0, 1]), flush=True)
        """,
    "mpire": """
        import mpire
        with mpire.WorkerPool(2) as pool:
            print(pool.map(work, [0, 1]), flush=True)
        """,
    SUBJECT: """
        import alongside
        print(alongside.map(work, [0, 1], backend="processes", max_workers=2), flush=True)
        """,
}


def fresh_script(scale: Scale) -> Row:
    """Bound by process starts: the script's interpreter (subtracted), the clean helper interpreter that workers are
    forked from, two forks and two wake-ups. Figures are whole seconds of the process, from its start to its end; all
    modules have their bytecode cached, as after an installation."""
    return _scripts("plain", scale, until_exit=True)


def fresh_script_numpy(scale: Scale) -> Row:
    """Bound by importing numpy: once in the script itself, and once more wherever workers are not forked from it
    (the two can overlap). Only the bare interpreter is subtracted, so the import counts for everybody."""
    return _scripts("numpy", scale, until_exit=True)


def first_line(scale: Scale) -> Row:
    """As fresh-script, but only until the first result is printed: leaving is not counted."""
    return _scripts("plain", scale, until_exit=False)


def first_line_numpy(scale: Scale) -> Row:
    """As fresh-script-numpy, but only until the first result is printed: leaving is not counted."""
    return _scripts("numpy", scale, until_exit=False)


def _scripts(module: str, scale: Scale, until_exit: bool) -> Row:
    with_numpy = ", numpy in the function's module" if module == "numpy" else ""
    end = "to its end" if until_exit else "to the line printed"
    contenders = [Contender(label, _script(SCRIPTS[label], label, module, until_exit)) for label in SCRIPTS]
    contenders.append(Contender(BARE, _script("", "", "", until_exit), limit=True))
    if module == "numpy":
        contenders.append(Contender("only importing it", _script("", "", module, until_exit), limit=True))
    return Row(
        f"two tasks of a fresh script on 2 workers{with_numpy}, {end}, over the interpreter's own start",
        tuple(contenders),
        lambda answer: "" if answer == ANSWER else f"the script printed {answer!r}",
        (Target("at most a third of loky's time", 1 / 3, "loky"),),
        measure=reported,
        subtract=BARE,
        rounds=scale.rounds(15),
        warmups=2,
    )


def _script(body: str, label: str, module: str, until_exit: bool) -> Callable[[], AbstractContextManager[Work]]:
    @contextmanager
    def opened() -> Iterator[Work]:
        if label in LIBRARIES:
            peers.library(label.split(",")[0])
        with tempfile.TemporaryDirectory() as folder:
            if module:
                Path(folder, "work_module.py").write_text(MODULES[module])
            script = Path(folder, "script.py")
            script.write_text(_source(body, module))
            yield lambda: _timed([sys.executable, str(script)], _with_bytecode(folder), until_exit)

    return opened


def _source(body: str, module: str) -> str:
    head = "from work_module import work\n" if module else ""
    return f'{head}\nif __name__ == "__main__":\n' + indent(dedent(body or "print([1, 2])").strip("\n"), "    ")


def _with_bytecode(folder: str) -> dict[str, str]:
    """The environment in which every module's bytecode is kept in `folder`, whatever the caller's says."""
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return kept | {"PYTHONPYCACHEPREFIX": f"{folder}/bytecode"}


def _timed(command: list[str], environment: dict[str, str], until_exit: bool) -> tuple[float, bytes]:
    """Seconds of one whole process, or of its start up to its first line."""
    start = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        first = time.perf_counter() - start
        process.wait()
    whole = time.perf_counter() - start
    if process.returncode:
        raise CannotDo(f"the script ended with exit code {process.returncode}")
    return (whole if until_exit else first), line


def next_call(scale: Scale) -> Row:
    """Bound by wake-ups: the parent wakes two sleeping workers and each wakes it, about four context switches, plus
    whatever a library sets up for each call."""
    return Row(
        f"a map of 2 no-op tasks on warm workers, per call ({CALLS} calls in a run)",
        (
            _calls("ProcessPoolExecutor", _executor),
            _calls("multiprocessing.Pool", _pool),
            _calls("joblib", _joblib),
            _calls("mpire", _mpire),
            _calls("pebble", _pebble),
            _calls("loky", _loky),
            _calls(SUBJECT, _alongside),
            Contender("raw pipe round trip", _round_trips, per=CALLS, limit=True),
        ),
        lambda answer: "" if answer == [[0, 1]] * CALLS else f"got {str(answer)[:80]}",
        (Target("at most 2 ms", 0.002),),
        rounds=scale.rounds(9),
    )


Call = Callable[[], list[Any]]


def _calls(label: str, opened: Callable[[], AbstractContextManager[Call]]) -> Contender:
    @contextmanager
    def many() -> Iterator[Work]:
        with opened() as call:
            yield lambda: [call() for _ in range(CALLS)]

    return Contender(label, many, per=CALLS)


@contextmanager
def _round_trips() -> Iterator[Work]:
    from benchmarks.limits import echo

    with echo() as trip:
        yield lambda: [trip(b"x" * 40) for _ in range(CALLS)]


@contextmanager
def _executor() -> Iterator[Call]:
    with peers.stdlib_executor() as executor:
        yield lambda: list(executor.map(tasks.same, range(2)))


@contextmanager
def _loky() -> Iterator[Call]:
    with peers.loky_executor() as executor:
        yield lambda: list(executor.map(tasks.same, range(2)))


@contextmanager
def _pool() -> Iterator[Call]:
    with peers.stdlib_pool() as pool:
        yield lambda: pool.map(tasks.same, range(2))


@contextmanager
def _joblib() -> Iterator[Call]:
    delayed = peers.library("joblib").delayed
    with peers.joblib_parallel() as parallel:
        yield lambda: list(parallel(delayed(tasks.same)(item) for item in range(2)))


@contextmanager
def _mpire() -> Iterator[Call]:
    with peers.mpire_pool() as pool:
        yield lambda: list(pool.map(tasks.same, range(2)))


@contextmanager
def _pebble() -> Iterator[Call]:
    with peers.pebble_pool() as pool:
        yield lambda: list(pool.map(tasks.same, range(2)).result())


@contextmanager
def _alongside() -> Iterator[Call]:
    peers.alongside_map(tasks.same, range(2))
    yield lambda: peers.alongside_map(tasks.same, range(2))
