"""In a real kernel: what workers say comes into the cell, runs show themselves, a cell can be interrupted."""

from __future__ import annotations

from typing import Any

import pytest

SETUP = """
import logging, os, sys, time, warnings
import alongside

def talk(n):
    print("said", n)
    print("complained", n, file=sys.stderr)
    warnings.warn("careful")
    return n
"""


@pytest.mark.parametrize("call", ["alongside.map(talk, range(3), {})", "list(alongside.imap(talk, range(3), {}))"])
def test_what_workers_say_comes_into_the_cell(kernel: Any, call: str) -> None:
    kernel.text(SETUP)
    options = "backend='processes', max_workers=1"
    said = kernel.run("_ = " + call.format(options))
    streams = {name: "".join(one["text"] for one in said if one.get("name") == name) for name in ("stdout", "stderr")}
    assert streams["stdout"].splitlines() == [f"[task {n}] said {n}" for n in range(3)]
    for n in range(3):
        assert f"[task {n}] complained {n}" in streams["stderr"]
    assert "UserWarning: [task 0] careful" in streams["stderr"]


def test_log_records_of_workers_come_by_the_cells_own_logging(kernel: Any) -> None:
    kernel.text(
        SETUP + "logging.basicConfig(stream=sys.stdout, level=logging.INFO, format='%(levelname)s %(message)s')"
    )
    text = kernel.text(
        "def log(n):\n    logging.getLogger('mine').info('number %s', n)\n"
        "_ = alongside.map(log, range(3), backend='processes', max_workers=1)"
    )
    assert text.splitlines() == [f"INFO [task {n}] number {n}" for n in range(3)]


@pytest.mark.parametrize("backend", ["serial", "threads", "processes", "asyncio", "auto"])
def test_interrupting_a_cell_ends_the_run_and_the_next_cell_works(kernel: Any, backend: str) -> None:
    kernel.text(SETUP)
    kind, pause = ("async def", "await asyncio.sleep(60)") if backend == "asyncio" else ("def", "time.sleep(60)")
    kernel.text(f"import asyncio\n{kind} wait(n):\n    print('begun', flush=True)\n    {pause}\n")
    said = kernel.run(f"alongside.map(wait, range(4), backend={backend!r})", until="begun")
    assert [one["ename"] for one in said if one["kind"] == "error"] == ["KeyboardInterrupt"]
    assert kernel.text(f"print(alongside.map(abs, [-1, -2], backend={backend!r}))") == "[1, 2]\n"
    alive = "import threading\nprint([t.name for t in threading.enumerate() if t.name.startswith('alongside-driver')])"
    assert kernel.text(alive) == "[]\n"


def test_runs_and_failures_show_themselves(kernel: Any) -> None:
    kernel.text(SETUP)
    said = kernel.run("run = alongside.run(int, ['1', '<b>x</b>', '3'])\nrun")
    (shown,) = [one["data"] for one in said if one["kind"] == "execute_result"]
    assert "<svg" in shown["text/html"]
    assert "&lt;b&gt;x&lt;/b&gt;" in shown["text/html"]
    assert shown["text/plain"].startswith("<Run of 3 tasks: 2 succeeded, 1 failed")
    said = kernel.run("run.failures[0]")
    (shown,) = [one["data"] for one in said if one["kind"] == "execute_result"]
    assert "ValueError" in shown["text/html"]
    assert "Traceback" in shown["text/html"]


def test_progress_is_a_widget(kernel: Any) -> None:
    said = kernel.run(SETUP + "_ = alongside.map(abs, range(1000), progress=True, backend='threads')")
    shown = [one["data"] for one in said if one["kind"] == "display_data"]
    assert any("application/vnd.jupyter.widget-view+json" in data for data in shown)


def test_awaiting_and_coroutines_work_where_a_loop_runs(kernel: Any) -> None:
    kernel.text(SETUP + "import asyncio\nasync def later(n):\n    await asyncio.sleep(0)\n    return n\n")
    assert kernel.text("print(await alongside.amap(later, range(3)), alongside.map(later, range(3)))") == (
        "[0, 1, 2] [0, 1, 2]\n"
    )
