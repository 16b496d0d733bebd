"""`alongside report`, and the page and trace that `alongside map` writes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("plotly", reason="the report is made with plotly, an extra")


def test_map_writes_a_page_and_a_trace_and_report_makes_the_page_again(inside: Any, folder: Path) -> None:
    done = inside(
        "map", "math:sqrt", "--input-format", "jsonl", "--report", "run.html", "--trace", "run.json", stdin="4\n-1\n9\n"
    )
    assert done.code == 1
    page = (folder / "run.html").read_text()
    assert "sqrt" in page
    assert "math domain error" in page
    assert json.loads((folder / "run.json").read_text())["alongside"]["tasks"] == 3
    again = inside("report", "run.json", "--output", "again.html")
    assert (again.code, again.out) == (0, "again.html\n")
    assert "math domain error" in (folder / "again.html").read_text()


def test_the_page_is_named_after_the_trace(inside: Any, folder: Path) -> None:
    inside("map", "builtins:len", "--trace", "run.json", stdin="a\nbc\n")
    assert inside("report", "run.json").out == "run.html\n"
    assert (folder / "run.html").stat().st_size > 10_000


@pytest.mark.parametrize(("name", "text"), [("nothing.json", None), ("other.json", "[1, 2]"), ("broken.json", "{")])
def test_what_cannot_be_read_is_said_in_a_line(inside: Any, folder: Path, name: str, text: str | None) -> None:
    if text is not None:
        (folder / name).write_text(text)
    done = inside("report", name)
    assert done.code == 2
    assert name in done.err
    assert "alongside map --trace run.json has written" in " ".join(done.err.replace("│", "").split())
    assert "Errno" not in done.err
    assert "Traceback" not in done.err


def test_a_page_may_not_replace_the_input(inside: Any, folder: Path) -> None:
    (folder / "in.txt").write_text("a\n")
    done = inside("map", "builtins:len", "in.txt", "--report", "in.txt")
    assert done.code == 2
    assert (folder / "in.txt").read_text() == "a\n"
