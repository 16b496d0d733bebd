"""The migration pages tell the truth: each block runs, prints what is shown, and prints the same before and after.

A block marked `needs: NAME` is run where that library is installed; the pages of docs/migration mark no others.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.test_documents import ROOT, Shown, blocks

PAGES = sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / "docs" / "migration").glob("*.md"))
TOOLS = [page for page in PAGES if not page.endswith("README.md")]


def programs(page: str) -> list[tuple[Shown, str]]:
    """The programs of a page, each with what it prints: what is shown after it, or after the next one."""
    pairs: list[tuple[Shown, str]] = []
    waiting: list[Shown] = []
    for block in blocks(page):
        if block.language == "python":
            waiting.append(block)
        elif block.mark == "output":
            pairs += [(one, block.text) for one in waiting]
            waiting = []
    assert not waiting, f"{waiting[0]}: what does it print?"
    return pairs


@pytest.mark.parametrize(("block", "output"), [pair for page in TOOLS for pair in programs(page)], ids=str)
def test_it_runs_and_prints_what_is_shown(block: Shown, output: str, tmp_path: Path) -> None:
    needed = block.mark.removeprefix("needs: ")
    if needed and find_spec(needed) is None:
        pytest.skip(f"{needed} is not installed")
    script = tmp_path / "program.py"
    script.write_text(block.text, encoding="utf-8")
    ended = subprocess.run(
        [sys.executable, script],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=100,
        env={**os.environ, "PYTHONWARNINGS": "ignore" if needed else "error"},
    )
    assert (ended.stdout, ended.returncode) == (output, 0), ended.stderr


def test_every_tool_has_its_page_and_every_page_its_parts() -> None:
    named = set(re.findall(r"\]\(([\w-]+\.md)\)", (ROOT / "docs/migration/README.md").read_text(encoding="utf-8")))
    assert named == {Path(page).name for page in TOOLS}
    for page in TOOLS:
        text = (ROOT / page).read_text(encoding="utf-8")
        for part in ("Before:", "After:", "## What changes", "## What to expect"):
            assert part in text, f"{page} has no {part!r}"


def test_blocks_are_marked_as_something_that_is_known() -> None:
    for page in TOOLS:
        for block in blocks(page):
            assert re.fullmatch(r"|output|needs: \w+", block.mark), f"{block} is marked {block.mark!r}"
