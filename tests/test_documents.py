"""The documents tell the truth: what README.md, ARCHITECTURE.md and docs/ show is run, and what they name is there.

How a block is marked, in a comment right before it:
  nothing                      Python is run by itself, on standard input; a shell block is run with bash
  needs: NAME ...              the same, where these modules are installed
  file: NAME                   it is written to that file, for the document's other blocks
  extract: PATH                it is not run; it stands in that file, word for word
  output                       it is what the last block that was run has printed
  output; figures differ       the same, but for the numbers, and for why a command took its backend
  sample                       output that depends on the machine; not compared
"""

from __future__ import annotations

import dataclasses
import os
import re
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import alongside
from alongside import exceptions
from alongside.core.options import Options

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "alongside"
NOT_RUN = {"pip install .": "what made this environment", "pip install '.[report]'": "the same"}
PAGES = sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / "docs").rglob("*.md"))
ELSEWHERE = ("docs/generated/", "docs/migration/")  # drawn from the code; run by test_migration.py
DOCUMENTS = ["README.md", "ARCHITECTURE.md", *(page for page in PAGES if not page.startswith(ELSEWHERE))]

FENCED = re.compile(r"^(?:<!-- (?P<mark>.*?) -->\n)?```(?P<language>\w+)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
FIGURE = re.compile(r"\d[\d,.]*\d|\d")
UNIT = re.compile(r"# (ns|µs|ms|s)\b")
REASON = re.compile(r"(tasks.* in # with \w+, # at once): .*")


@dataclass(frozen=True)
class Shown:
    """A fenced block of a document."""

    document: str
    line: int
    mark: str
    language: str
    text: str

    def __str__(self) -> str:
        return f"{self.document}:{self.line}"


def blocks(document: str) -> list[Shown]:
    """The fenced blocks of a document, in order."""
    text = (ROOT / document).read_text(encoding="utf-8")
    found = FENCED.finditer(text)
    return [
        Shown(document, text.count("\n", 0, one.start()) + 1, one["mark"] or "", one["language"], one["text"])
        for one in found
    ]


def with_outputs(document: str) -> list[tuple[Shown, Shown | None]]:
    """The blocks that are run, each with the output shown after it, if there is one."""
    pairs: list[tuple[Shown, Shown | None]] = []
    for block in blocks(document):
        if block.language == "sh" or (block.language == "python" and not block.mark.partition("needs: ")[0]):
            pairs.append((block, None))
        elif block.mark.startswith("output"):
            pairs[-1] = (pairs[-1][0], block)
    return pairs


RUN = [pair for document in DOCUMENTS for pair in with_outputs(document)]
PYTHON = [pair for pair in RUN if pair[0].language == "python"]
SHELL = [pair for pair in RUN if pair[0].language == "sh" and pair[0].text.strip() not in NOT_RUN]


def figures_aside(text: str) -> str:
    """The text without its numbers, their units, the reason (what was measured), and the width of columns."""
    told = REASON.sub(r"\1", UNIT.sub("#", FIGURE.sub("#", text)))
    return "\n".join(" ".join(line.split()) for line in told.splitlines())


def compare(printed: str, shown: Shown | None) -> None:
    if shown is None:
        return
    if shown.mark == "output":
        assert printed == shown.text
    else:
        assert figures_aside(printed) == figures_aside(shown.text)


def run_python(script: str, folder: Path) -> str:
    """What a script on standard input prints; it must succeed, and have nothing to complain of."""
    command = [sys.executable, "-W", "error", "-"]
    ended = subprocess.run(command, input=script, cwd=folder, capture_output=True, text=True, timeout=60)
    assert (ended.returncode, ended.stderr) == (0, "")
    return ended.stdout


def with_files(document: str, folder: Path) -> Path:
    """The folder, with the files that the document shows."""
    for block in blocks(document):
        if block.mark.startswith("file: "):
            (folder / block.mark.removeprefix("file: ")).write_text(block.text, encoding="utf-8")
    return folder


@pytest.fixture
def programs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which `python` and `alongside` are found."""
    folder = tmp_path_factory.mktemp("programs")
    for name, arguments in (("python", ""), ("alongside", "-m alongside")):
        (folder / name).write_text(f'#!/bin/sh\nexec {sys.executable} {arguments} "$@"\n')
        (folder / name).chmod(0o755)
    return folder


@pytest.mark.parametrize(("block", "output"), PYTHON, ids=str)
def test_python_blocks_run_and_print_what_is_shown(block: Shown, output: Shown | None, tmp_path: Path) -> None:
    for needed in block.mark.removeprefix("needs: ").split():
        pytest.importorskip(needed, reason=f"the block needs {needed}")
    compare(run_python(block.text, with_files(block.document, tmp_path)), output)


@pytest.mark.parametrize(("block", "output"), SHELL, ids=str)
def test_shell_blocks_run_and_print_what_is_shown(
    block: Shown, output: Shown | None, tmp_path: Path, programs: Path
) -> None:
    environ = {**os.environ, "PATH": f"{programs}:{os.environ['PATH']}", "COLUMNS": "100"}
    ended = subprocess.run(
        ["bash"],
        input=block.text,
        cwd=with_files(block.document, tmp_path),
        env=environ,
        text=True,
        timeout=60,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    assert "Traceback" not in ended.stdout
    assert output is not None or ended.returncode == 0, ended.stdout
    compare(ended.stdout, output)


def test_blocks_are_marked_as_something_that_is_known() -> None:
    known = re.compile(r"|needs: [\w ]+|file: \S+|extract: \S+|output|output; figures differ|sample")
    for document in DOCUMENTS:
        for block in blocks(document):
            assert known.fullmatch(block.mark), f"{block} is marked {block.mark!r}"
            assert block.language != "text" or block.mark, f"{block}: whose output is it?"


def test_extracts_stand_in_their_files() -> None:
    for block in (block for document in DOCUMENTS for block in blocks(document)):
        if block.mark.startswith("extract: "):
            assert block.text in (ROOT / block.mark.removeprefix("extract: ")).read_text(encoding="utf-8"), str(block)


# --- what is named is there, and what is there is named -------------------------------------------------------------


def source_files() -> set[str]:
    return {path.relative_to(SOURCE).as_posix() for path in SOURCE.rglob("*.py")}


def named_files(document: str) -> set[str]:
    """Whatever stands in backticks and looks like a file."""
    text = FENCED.sub("", (ROOT / document).read_text(encoding="utf-8"))
    return set(re.findall(r"`([\w./-]+\.(?:py|toml|md))`", text))


def test_the_architecture_names_every_source_file() -> None:
    missing = source_files() - named_files("ARCHITECTURE.md")
    assert not missing, f"ARCHITECTURE.md does not say what these are: {sorted(missing)}"


@pytest.mark.parametrize("document", ["ARCHITECTURE.md", "CONTRIBUTING.md"])
def test_every_file_named_exists(document: str) -> None:
    homes = (SOURCE, ROOT)
    gone = {name for name in named_files(document) if not any((home / name).exists() for home in homes)}
    gone -= {"serial.py", "forked.py", "spawned.py"} & {Path(name).name for name in source_files()}
    assert not gone, f"{document} names files that are not there: {sorted(gone)}"


@pytest.mark.parametrize("document", [*DOCUMENTS, "CONTRIBUTING.md", "CHANGELOG.md"])
def test_every_link_and_script_exists(document: str) -> None:
    text = FENCED.sub("", (ROOT / document).read_text(encoding="utf-8"))
    for target in re.findall(r"\]\((?!https?:)([^)#]+)(?:#[^)]*)?\)", text):
        assert (ROOT / document).parent.joinpath(target).exists(), f"{document} links to {target}"
    for script in re.findall(r"\./(scripts/\w+)", text):
        assert os.access(ROOT / script, os.X_OK), f"{document} names ./{script}"


def readme() -> str:
    return (ROOT / "README.md").read_text(encoding="utf-8")


def test_every_option_has_its_row_with_its_default() -> None:
    for field in dataclasses.fields(Options):
        assert f"| `{field.name}` | `{in_code(field.default)}` |" in readme()


def in_code(default: object) -> str:
    """A default as one would write it."""
    if isinstance(default, str):
        return f'"{default}"'
    return getattr(default, "__name__", "Backoff()" if isinstance(default, alongside.Backoff) else repr(default))


def test_every_command_and_each_of_its_options_is_named() -> None:
    import typer.main

    from alongside.cli.app import app

    group: Any = typer.main.get_command(app)
    for name, command in group.commands.items():
        assert f"| `alongside {name}" in readme()
        options = {opt for param in command.params for opt in param.opts if opt.startswith("--")}
        assert not {opt for opt in options - {"--input-format"} if f"`{opt}" not in readme()}


def test_every_error_and_every_public_name_is_told() -> None:
    for name in exceptions.__all__:
        assert f"`{name}`" in readme() or f"`alongside.{name}`" in readme(), name
    everything = readme() + (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    untold = [name for name in alongside.__all__ if not re.search(rf"\b{name}\b", everything)]
    assert not untold


def test_what_is_not_built_is_not_promised() -> None:
    told = readme().partition("## Not yet")[0].lower()
    assert "journal=" not in told


# --- what goes wrong elsewhere --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Row:
    """A row of the table: the same thing with the standard library and with alongside, and what each prints."""

    row: str
    by_hand: str
    prints: str
    ours: str
    ours_prints: str


ROWS = [
    Row(
        "send a lambda",
        """
        square = lambda x: x * x
        with multiprocessing.Pool(1) as pool:
            told(lambda: pool.map(square, [1, 2]))
        """,
        "PicklingError\n",
        "print(alongside.map(lambda x: x * x, [1, 2], backend='processes'))",
        "[1, 4]\n",
    ),
    Row(
        "__main__",
        """
        def square(x):
            return x * x
        with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
            print(list(pool.map(square, [1, 2])))
        """,
        "",
        """
        def square(x):
            return x * x
        print(alongside.map(square, [1, 2], backend="processes"))
        """,
        "[1, 4]\n",
    ),
    Row(
        "one task of many raises",
        """
        def invert(x):
            return 1 / x
        if __name__ == "__main__":
            with multiprocessing.Pool(1) as pool:
                told(lambda: pool.map(invert, [1, 0, 2]))
        """,
        "ZeroDivisionError\n",
        """
        def invert(x):
            return 1 / x
        print([outcome.value for outcome in alongside.run(invert, [1, 0, 2], backend="processes").outcomes])
        """,
        "[1.0, None, 0.5]\n",
    ),
    Row(
        "ends its process",
        """
        def leave(x):
            return os._exit(1) if x == 0 else x
        if __name__ == "__main__":
            with ProcessPoolExecutor(1) as pool:
                for x in range(3):  # once the pool is broken, submit raises the same
                    told(lambda: pool.submit(leave, x).result())
        """,
        "BrokenProcessPool\n" * 3,
        """
        def leave(x):
            return os._exit(1) if x == 0 else x
        run = alongside.run(leave, range(3), backend="processes", max_workers=1)
        print([type(outcome.exception).__name__ for outcome in run.outcomes])
        """,
        "['WorkerLost', 'NoneType', 'NoneType']\n",
    ),
    Row(
        "takes two arguments",
        """
        class Mine(Exception):
            def __init__(self, place, reason):
                super().__init__(f"{place}: {reason}")
        def fail(x):
            raise Mine(x, "no")
        if __name__ == "__main__":
            with ProcessPoolExecutor(1) as pool:
                told(lambda: list(pool.map(fail, [1])))
        """,
        "BrokenProcessPool\n",
        """
        class Mine(Exception):
            def __init__(self, place, reason):
                super().__init__(f"{place}: {reason}")
        def fail(x):
            raise Mine(x, "no")
        told(lambda: alongside.map(fail, [1], backend="processes"))
        """,
        "Mine\n",
    ),
    Row(
        "a long or endless input",
        """
        taken = []
        with ThreadPoolExecutor(1) as pool:
            next(pool.map(abs, (taken.append(x) or x for x in range(1000))))
        print(len(taken))
        """,
        "1000\n",
        """
        taken = []
        results = alongside.imap(abs, (taken.append(x) or x for x in range(1000)), backend="threads", window=10)
        next(results)
        results.close()
        print(len(taken) <= 11)
        """,
        "True\n",
    ),
]

PREAMBLE = """
import multiprocessing
import os
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor

import alongside


def told(call):
    try:
        print(call())
    except Exception as error:
        print(type(error).__name__)
"""


def run_file(text: str, path: Path) -> str:
    """What a script prints. Standard error is not looked at: the left side of the table complains at length."""
    path.write_text(PREAMBLE + textwrap.dedent(text))
    return subprocess.run([sys.executable, path], capture_output=True, text=True, timeout=60).stdout


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.row)
def test_what_goes_wrong_elsewhere_does_and_here_does_not(row: Row, tmp_path: Path) -> None:
    assert run_file(row.by_hand, tmp_path / "by_hand.py") == row.prints
    assert run_file(row.ours, tmp_path / "ours.py") == row.ours_prints


def table_rows() -> Iterator[str]:
    part = readme().partition("## What goes wrong elsewhere")[2].partition("\n## ")[0]
    yield from (line for line in part.splitlines() if line.startswith("| ") and not line.startswith("| what you do"))


def test_each_row_of_the_table_is_tried() -> None:
    rows = list(table_rows())
    assert len(rows) == len(ROWS)
    for tried in ROWS:
        assert any(tried.row in row for row in rows), tried.row
