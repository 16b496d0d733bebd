"""A newcomer's programs, without `if __name__ == "__main__"`: as a script, `-c`, standard input, a session, a notebook.

Functions and classes are those of `__main__`, lambdas and closures among them.
"""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from alongside import backends
from tests.conformance import programs

EVERY = [*backends.names(), "auto"]

SQUARES = """
import alongside

def square(n):
    return n * n

print(alongside.map(square, [1, 2, 3, 4, 5], backend={backend!r}))
"""

CUBES = """
from alongside import map

numbers = [1, 2, 3, 4, 5]
print(map(lambda n: n ** 3, numbers, backend={backend!r}))
"""

FETCH = """
import asyncio
import alongside

async def fetch_data(url):
    await asyncio.sleep(0.01)
    return f"data from {{url}}"

print(alongside.map(fetch_data, ["a", "b", "c"], backend={backend!r}))
"""

CLASSES = """
import alongside
from dataclasses import dataclass
from enum import Enum

class Colour(Enum):
    RED = 1
    BLUE = 2

@dataclass
class Point:
    x: int
    y: int

class Shape:
    def __init__(self, *points, colour=Colour.RED):
        self.points = points
        self.colour = colour

    def moved(self, by):
        return Shape(*(Point(p.x + by, p.y + by) for p in self.points), colour=Colour.BLUE)

class TooFar(Exception):
    def __init__(self, shape, by):
        super().__init__(f"{{by}} is too far")
        self.shape, self.by = shape, by

def move(shape, by=1):
    if by > 9:
        raise TooFar(shape, by)
    return shape.moved(by)

shapes = [Shape(Point(n, -n)) for n in range(3)]
found = alongside.map(move, shapes, backend={backend!r})
print([type(shape) is Shape for shape in found], found[2].points == (Point(3, -1),), found[0].colour is Colour.BLUE)
print([p.x for p in alongside.map(Point, [1, 2], [3, 4], backend={backend!r})])
print(alongside.map(shapes[1].moved, [1, 2], backend={backend!r})[1].points)
try:
    alongside.map(move, shapes, [1, 2, 10], backend={backend!r})
except TooFar as error:
    print("caught", error, type(error.shape) is Shape, error.by)
"""

STATE = """
import alongside, math
from functools import partial

base = 10

def power(exponent):
    return lambda n: base + int(math.pow(n, exponent))

class Adder:
    def __init__(self, by):
        self.by = by
    def __call__(self, n):
        return n + self.by

print(alongside.map(power(2), range(4), backend={backend!r}))
print(alongside.map(Adder(5), range(4), backend={backend!r}))
print(alongside.map(partial(max, 2), range(4), backend={backend!r}))
print(list(alongside.imap(power(3), iter(range(4)), backend={backend!r})))
base = 20
print(alongside.map(power(2), range(4), backend={backend!r}))
"""

PROGRAMS = {
    "squares": (SQUARES, "[1, 4, 9, 16, 25]\n"),
    "cubes": (CUBES, "[1, 8, 27, 64, 125]\n"),
    "fetch": (FETCH, "['data from a', 'data from b', 'data from c']\n"),
    "classes": (
        CLASSES,
        "[True, True, True] True True\n[1, 2]\n(Point(x=3, y=1),)\ncaught 10 is too far True 10\n",
    ),
    "state": (
        STATE,
        "[10, 11, 14, 19]\n[5, 6, 7, 8]\n[2, 2, 2, 3]\n[10, 11, 18, 37]\n[20, 21, 24, 29]\n",
    ),
}


@pytest.mark.parametrize("name", PROGRAMS)
@pytest.mark.parametrize("backend", EVERY)
def test_a_script(name: str, backend: str, tmp_path: Path) -> None:
    program, expected = PROGRAMS[name]
    script = tmp_path / "script.py"
    script.write_text(program.format(backend=backend))
    done = programs.run("script.py", folder=tmp_path)
    assert (done.stdout, done.stderr) == (expected, "")


def every_program() -> tuple[str, str]:
    """All programs with all backends, one after another in one interpreter."""
    parts = [(text.format(backend=backend), out) for text, out in PROGRAMS.values() for backend in EVERY]
    return "".join(text for text, _ in parts), "".join(out for _, out in parts)


def test_on_the_command_line() -> None:
    program, expected = every_program()
    done = programs.run("-c", program)
    assert (done.stdout, done.stderr) == (expected, "")


def test_on_standard_input() -> None:
    program, expected = every_program()
    done = programs.run("-", stdin=program)
    assert (done.stdout, done.stderr) == (expected, "")


@pytest.mark.parametrize("flags", [["-I"], ["-O"], ["-X", "utf8"], ["-B"]])
def test_with_interpreter_flags(flags: list[str]) -> None:
    done = programs.run(*flags, "-c", SQUARES.format(backend="processes"))
    assert (done.stdout, done.stderr) == ("[1, 4, 9, 16, 25]\n", "")


def test_a_module_run_with_m(tmp_path: Path) -> None:
    package = tmp_path / "tool"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "helper.py").write_text("def double(n):\n    return 2 * n\n")
    (package / "__main__.py").write_text(
        "import alongside\nfrom tool.helper import double\n"
        "print(alongside.map(double, [1, 2], backend='processes'))\n"
        "print(alongside.map(lambda n: double(n), [1, 2], backend='processes'))\n"
    )
    done = programs.run("-m", "tool", folder=tmp_path)
    assert (done.stdout, done.stderr) == ("[2, 4]\n[2, 4]\n", "")


def test_a_session_fed_by_a_pipe() -> None:
    lines = "import alongside\ndef square(n):\n    return n * n\n\n"
    lines += "".join(f"alongside.map(square, [1, 2, 3], backend={backend!r})\n" for backend in EVERY)
    lines += "class Odd(Exception): pass\n\ndef odd(n):\n    raise Odd(n)\n\n"
    lines += "type(alongside.run(odd, [1], backend='processes').failures[0].exception) is Odd\n"
    done = programs.run("-i", "-q", stdin=lines)
    assert done.stdout == "[1, 4, 9]\n" * len(EVERY) + "True\n"


def test_a_session_on_a_terminal() -> None:
    ours, theirs = pty.openpty()
    session = subprocess.Popen(
        [sys.executable, "-q"],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env={**programs.environment(), "TERM": "dumb", "PYTHON_BASIC_REPL": "1"},
        start_new_session=True,
    )
    os.close(theirs)
    try:
        for line in (
            "import alongside",
            "square = lambda n: n * n + 1000",
            "alongside.map(square, [1, 2], backend='processes')",
            "alongside.map(square, [3], backend='threads')",
            "exit()",
        ):
            os.write(ours, f"{line}\n".encode())
        said = _until_closed(ours)
        assert session.wait(programs.LIMIT) == 0
    finally:
        session.kill()
        session.wait()
        os.close(ours)
    assert "[1001, 1004]" in said
    assert "[1009]" in said


def _until_closed(fd: int) -> str:
    said = b""
    while True:
        try:
            more = os.read(fd, 4096)
        except OSError:  # how a terminal says that its other end is closed
            more = b""
        if not more:
            return said.decode(errors="replace")
        said += more


NOTEBOOK = """
from IPython.core.interactiveshell import InteractiveShell
import asyncio

shell = InteractiveShell.instance()

def cell(text):
    result = asyncio.run(shell.run_cell_async(text, transformed_cell=shell.transform_cell(text)))
    result.raise_error()

cell("import alongside, asyncio")
cell("def square(n):\\n    return n * n")
cell("async def later(n):\\n    await asyncio.sleep(0)\\n    return n * n")
cell("class Point:\\n    def __init__(self, x):\\n        self.x = x")
for backend in {backends!r}:
    cell(f"print(alongside.map(square, [1, 2, 3], backend={{backend!r}}))")
    cell(f"print(alongside.map(later, [1, 2, 3], backend={{backend!r}}))")
    cell(f"print(await alongside.amap(later, [1, 2, 3], backend={{backend!r}}))")
    cell(f"print([p.x for p in alongside.map(Point, [1, 2], backend={{backend!r}})])")
"""


def test_a_notebook_cell(tmp_path: Path) -> None:
    """A cell's code runs inside a running event loop, in a `__main__` that is no file."""
    done = subprocess.run(
        [sys.executable, "-c", NOTEBOOK.format(backends=EVERY)],
        capture_output=True,
        text=True,
        timeout=programs.LIMIT,
        env={**os.environ, "IPYTHONDIR": str(tmp_path)},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == "[1, 4, 9]\n[1, 4, 9]\n[1, 4, 9]\n[1, 2]\n" * len(EVERY)


def test_leaving_an_iterator_open_at_the_end_of_the_program() -> None:
    for backend in EVERY:
        program = "import alongside, itertools\nresults = alongside.imap(abs, itertools.count(), backend={!r})\n"
        done = programs.run("-c", program.format(backend) + "print(next(results), next(results))")
        assert (done.stdout, done.stderr) == ("0 1\n", "")


TOP = """
import asyncio, sys
import alongside
print("begins")

class Point:
    def __init__(self, x):
        self.x = x

class Refused(Exception):
    pass

def own(x):
    if x == 99:
        raise Refused(Point(x))
    return Point(2 * x)

"""

CALLS = {
    "map": "alongside.map(own, range(20), backend='processes')",
    "items": "alongside.map(lambda point: own(point.x), map(Point, range(20)), backend='processes')",
    "imap": "list(alongside.imap(own, range(20), backend='processes'))",
    "amap": "asyncio.run(alongside.amap(own, range(20), backend='processes'))",
    "Executor": "list(alongside.Executor('processes').map(own, range(20)))",
    "submit": "[f.result() for f in [alongside.Executor().submit(own, x) for x in range(20)]]",
    "Pool": "(pool := alongside.Pool(2)).map(own, range(20))",
    "errors": "[f.exception.args[0] for f in alongside.run(own, [99] * 20, backend='processes').failures]",
}


@pytest.mark.parametrize("package", [False, True], ids=["module", "package"])
@pytest.mark.parametrize("call", CALLS)
def test_a_module_that_uses_processes_while_it_is_imported(call: str, package: bool, tmp_path: Path) -> None:
    """A worker that imported it would begin all over again."""
    source = f"{TOP}rows = {CALLS[call]}\n"
    if package:
        (tmp_path / "table").mkdir()
        (tmp_path / "table/__init__.py").write_text("from .rows import own, rows, Point\n")
        (tmp_path / "table/rows.py").write_text(f"from .other import other\n{source}")
        (tmp_path / "table/other.py").write_text("def other(x):\n    return x\n")
    else:
        (tmp_path / "table.py").write_text(source)
    program = "import table; print(len(table.rows), {type(row) is table.Point for row in table.rows})"
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (0, "begins\n20 {True}\n", "")


@pytest.mark.parametrize(("call", "refused"), [("map", False), ("imap", False), ("amap", False), ("Executor", True)])
def test_workers_that_import_such_a_module(call: str, refused: bool, tmp_path: Path) -> None:
    """They do its work in a plain loop; an executor of theirs is refused, with the reason."""
    (tmp_path / "table.py").write_text(f"{TOP}rows = {CALLS[call]}\n")
    program = (
        "import alongside, table\n"
        "try:\n"
        "    print([point.x for point in alongside.map(table.own, [1, 2], backend='processes')])\n"
        "except Exception as error:\n"
        "    print(type(error).__name__, error)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    last = done.stdout.splitlines()[-1]
    assert done.returncode == 0, done.stderr
    assert ("while it imports a module" in last) if refused else (last == "[2, 4]"), done.stdout + done.stderr


@pytest.mark.parametrize("options", ["", ", max_workers=2", ", backend='threads'"])
def test_a_module_that_maps_while_it_is_imported(options: str, tmp_path: Path) -> None:
    """The import holds its module's lock; nothing that the run waits for may want it."""
    (tmp_path / "table.py").write_text(
        "import alongside\n"
        "def work(n):\n"
        "    return sum(i * i for i in range(n)) % 7\n"
        f"rows = alongside.map(work, [1_500_000] * 8{options})\n"
    )
    program = "import table; print(len(table.rows))"
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (0, "8\n", "")
