"""Every script in examples/ does its work, is short, and says the truth; `examples/demo` has a command of its own."""

from __future__ import annotations

import ast
import gzip
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[1] / "examples"
SCRIPTS = sorted(EXAMPLES.glob("*.py"))
SAYS = {
    "frames_by_group": r"largest error of a drift: 0\.00\d\d\n24 groups in",
    "hyperparameters": r"error 0\.0\d+  width 1\.0 .*\n(.*\n)+24 settings in .*; 4 failed:\n.*FloatingPointError",
    "log_analysis": r"/pay +\d,\d{3} hits +\d+ ms +[45]\.\d\d% errors\n7 files in",
    "monte_carlo": r"30,000 projects: (\d+\.\d{6}) days .*\nlate .*%\nthe same numbers from two processes: True",
    "thumbnails": r"not a picture: picture-99\.jpg \(UnidentifiedImageError\)\n12 thumbnails, \d+ kB",
}
NEEDS = {"frames_by_group": "pandas", "hyperparameters": "numpy", "thumbnails": "PIL"}


def printed(script: Path, *arguments: str) -> str:
    command = [sys.executable, "-W", "error", str(script), *arguments]
    environ = {name: value for name, value in os.environ.items() if name != "PYTHONWARNINGS"}
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, env=environ)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


@pytest.mark.parametrize("name", sorted(SAYS))
def test_it_does_its_work(name: str) -> None:
    if name in NEEDS:
        pytest.importorskip(NEEDS[name], reason=f"{name} needs {NEEDS[name]}")
    assert re.search(SAYS[name], printed(EXAMPLES / f"{name}.py"))


def test_a_seed_gives_the_same_numbers_whoever_draws_them() -> None:
    one, many = (printed(EXAMPLES / "monte_carlo.py", workers) for workers in ("1", "20"))
    assert one == many


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_it_is_short_says_what_it_is_and_is_tried(script: Path) -> None:
    text = script.read_text(encoding="utf-8")
    assert text.count("\n") <= 60
    assert ast.get_docstring(ast.parse(text))
    assert "__main__" not in text
    tests = "".join(path.read_text(encoding="utf-8") for path in Path(__file__).parent.rglob("test_*.py"))
    assert f'"{script.stem}"' in tests or f"{script.name}" in tests, "no test runs it"


def test_logs_of_ones_own(tmp_path: Path) -> None:
    (tmp_path / "broken.log.gz").write_bytes(b"not gzip")
    with gzip.open(tmp_path / "good.log.gz", "wt") as log:
        log.write('x "GET /a HTTP/1.1" 200 10ms\nx "GET /a HTTP/1.1" 500 20ms\nnonsense\n')
    said = printed(EXAMPLES / "log_analysis.py", str(tmp_path))
    assert "left out: broken.log.gz" in said
    assert re.search(r"^/a +2 hits +15 ms +50\.00% errors$", said, re.MULTILINE)
