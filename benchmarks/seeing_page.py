"""The page of a run of a million tasks: its size, what it takes to write, and what a browser takes to open it.

Owns its rows. A browser is Chromium, without a window, through playwright; where either is missing there are no rows,
and that is said. Opened: from asking for the file until the figures are drawn and on the screen (two frames later).
"""

from __future__ import annotations

import asyncio
import shutil
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import alongside

TASKS = 1_000_000
SWITCHES = ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]
PAINTED = "() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))"


def tiny(n: int) -> int:
    if n % 10_007 == 7:
        raise ValueError(n)
    return n


async def awaiting(n: int) -> int:
    await asyncio.sleep(0)
    return tiny(n)


RUNS: dict[str, tuple[Any, dict[str, Any]]] = {
    "2 processes": (tiny, {"backend": "processes", "max_workers": 2}),
    "200 threads": (tiny, {"backend": "threads", "max_workers": 200}),
    "500 coroutines at once": (awaiting, {"backend": "asyncio", "max_workers": 500}),
}


@contextmanager
def browser() -> Iterator[Any]:
    """Chromium, or None where it is not to be had."""
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if found is None or find_spec("playwright") is None:
        yield None
        return
    from playwright.sync_api import sync_playwright

    with sync_playwright() as started:
        running = started.chromium.launch(executable_path=found, args=SWITCHES)
        yield running
        running.close()


def opened(running: Any, path: Path) -> float:
    """Seconds until the page is drawn, in a tab of its own."""
    page = running.new_page(viewport={"width": 1280, "height": 900})
    began = time.perf_counter()
    page.goto(path.as_uri())
    page.wait_for_selector("html[data-drawn]")
    page.evaluate(PAINTED)
    took = time.perf_counter() - began
    page.close()
    return took


def rows(rounds: int) -> list[str]:
    """One for each kind of run."""
    with browser() as running, tempfile.TemporaryDirectory() as folder:
        if running is None:
            return ["Not measured: this needs Chromium and playwright."]
        found = ["| a million tasks in | MB | written in, s | opened in, s | slowest |", "|---|---|---|---|---|"]
        for name, (fn, options) in RUNS.items():
            run = alongside.run(fn, range(TASKS), **options)
            path = Path(folder) / "run.html"
            began = time.perf_counter()
            run.report(path)
            wrote = time.perf_counter() - began
            took = [opened(running, path) for _ in range(rounds)]
            size = path.stat().st_size / 1e6
            found.append(f"| {name} | {size:.1f} | {wrote:.2f} | {statistics.median(took):.2f} | {max(took):.2f} |")
        return found
