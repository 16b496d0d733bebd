"""Programs as people write them, run in an interpreter of their own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

LIMIT = 60
"""Seconds after which a program that hangs is ended."""


def environment() -> dict[str, str]:
    """As this one's, but with nothing of the test run in it that a user would not have."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST", "COV"))}
    return {**kept, "PYTHONPATH": os.environ.get("PYTHONPATH", ""), "PYTHONWARNINGS": "error"}


def run(*arguments: str, stdin: str = "", folder: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run the interpreter with these arguments; nothing may be on standard error."""
    done = subprocess.run(
        [sys.executable, *arguments],
        input=stdin,
        capture_output=True,
        text=True,
        timeout=LIMIT,
        cwd=folder,
        env=environment(),
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done
