"""`alongside compare` shows what `alongside.compare` measured: as text, as JSON, as a page."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from pathlib import Path

from tests.cli.conftest import Call


def test_a_table_in_a_pipe_is_plain_text(outside: Call) -> None:
    done = outside("compare", "tools.py:square", "--sample", "2", stdin="1\n2\n3\n")
    assert (done.code, done.err) == (0, "")
    assert "square on 2 of 3 items" in done.out
    for backend in ("serial", "threads", "processes", "auto"):
        assert f"\n  {backend}" in done.out
    assert "\x1b" not in done.out


def test_json_and_a_page(inside: Call, folder: Path) -> None:
    arguments = ("--backends", "threads", "--workers", "2", "--json", "--html", "page.html")
    done = inside("compare", "tools:square", *arguments, stdin="1\n2\n3\n")
    assert done.code == 0
    told = json.loads(done.out)
    assert [row["backend"] for row in told["rows"]] == ["serial", "threads"]
    assert told["total"] == 3
    assert "<table>" in (folder / "page.html").read_text()


def test_what_goes_wrong_is_said_in_a_line(inside: Call) -> None:
    done = inside("compare", "tools:square", stdin="x\n")
    assert done.code == 1
    assert "ValueError: invalid literal" in done.err
    done = inside("compare", "tools:square", "--backends", "thread", stdin="1\n")
    assert done.code == 2
    assert "no backend 'thread'" in done.err
    done = inside("compare", "tools:square", stdin="")
    assert done.code == 2
    assert "no items" in done.err


def test_a_terminal_gets_a_table_with_bars(folder: Path) -> None:
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "alongside", "compare", "tools.py:square", "--backends", "threads"]
    environ = {**os.environ, "COLUMNS": "80", "TERM": "xterm"}
    items = subprocess.Popen(["printf", "1\\n2\\n"], stdout=subprocess.PIPE)
    with subprocess.Popen(command, stdin=items.stdout, stdout=theirs, stderr=theirs, env=environ) as process:
        os.close(theirs)
        told = b""
        try:
            while piece := os.read(ours, 65536):
                told += piece
        except OSError:  # Linux says so when the other end is closed
            pass
    os.close(ours)
    items.communicate()
    assert process.returncode == 0
    assert "█" in told.decode()
    assert "Fastest" in told.decode() or "Nothing is clearly faster" in told.decode()
