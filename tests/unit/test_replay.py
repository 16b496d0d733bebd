"""`run.replay` runs a task again, here; with `debug`, under the debugger."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import alongside

PROGRAM = """
import alongside

def invert(x):
    y = x - 3
    return 1 / y

run = alongside.run(invert, [1, 3], backend="processes")
try:
    run.replay(1, debug=True)
except ZeroDivisionError:
    print("raised")
print(run.replay(0, debug=True))
"""


def test_under_the_debugger_it_stops_at_the_first_line_and_where_it_raises(tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text(PROGRAM)
    commands = "p x\nc\np y\nq\np x\nc\n"
    command = [sys.executable, "program.py"]
    done = subprocess.run(command, cwd=tmp_path, input=commands, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    said = [line.removeprefix("(Pdb) ") for line in done.stdout.splitlines()]
    assert "-> y = x - 3" in said
    assert "-> return 1 / y" in said
    assert [line for line in said if line.replace("(Pdb) ", "").lstrip("-").isdigit()][:2] == ["3", "0"]
    assert "raised" in said
    assert said[-1].endswith("-0.5")


async def later(x: int) -> int:
    return 1 // x


def test_a_coroutine_is_awaited() -> None:
    run = alongside.run(later, [1, 0])
    assert run.replay(0) == 1
    with pytest.raises(ZeroDivisionError):
        run.replay(1)


def test_an_index_that_is_none_is_refused() -> None:
    with pytest.raises(IndexError, match="no task 5"):
        alongside.run(abs, [1]).replay(5)
    with pytest.raises(alongside.OptionError, match="by its index, a whole number"):
        alongside.run(abs, [1]).replay("x")  # type: ignore[arg-type]
