"""`compare` really runs each backend and shows what it measured: rows, words, tables, pages, JSON."""

from __future__ import annotations

import asyncio
import json
import re
import sys
import threading
import time
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

import alongside
from alongside import OptionError, backends
from alongside.backends.serial import SerialBackend
from alongside.compose.compare import _Items
from alongside.observe.comparison import Comparison, Row
from alongside.runtime.meter import Meter

EVIL = "<script>alert('x')</script>"
MEASURED = Comparison(
    EVIL,
    50,
    1000,
    (
        Row("serial", 1.0, (1.0, 0.9, 1.1), 1.0, 1.0, 1000, None, 1),
        Row("threads", 0.98, (0.98, 1.0, 0.97), 1.02, 1.0, 600_000, 0.001, 8, same=True),
        Row("processes", 0.25, (0.25, 0.26, 0.24), 4.0, 3.9, 60_000_000, 0.08, 4, same=True),
        Row("cluster", reason=f"BackendUnavailable: {EVIL}"),
        Row("auto", 0.3, (0.3, 0.31, 0.3), 3.3, 3.5, None, None, 4, chosen="processes", same=False),
    ),
)


def nap(x: int) -> int:
    time.sleep(0.01)
    return x


# ------------------------------------------------------------------------------------------------------- running


def test_every_backend_that_can_run_it_is_run_and_measured() -> None:
    compared = alongside.compare(nap, range(8), sample=8)
    rows = {row.backend: row for row in compared.rows}
    assert list(rows) == ["serial", "threads", "processes", "auto"]
    assert compared.tasks == compared.total == 8
    for row in rows.values():
        assert len(row.rounds) == 3
        assert row.seconds == sorted(row.rounds)[1]
        assert row.same is (None if row.backend == "serial" else True)
        assert not row.reason
    assert rows["serial"].seconds is not None
    assert rows["serial"].seconds >= 0.08
    assert rows["serial"].speedup == 1.0
    assert rows["serial"].start_seconds is None
    assert rows["threads"].seconds is not None
    assert rows["threads"].speedup == rows["serial"].seconds / rows["threads"].seconds
    assert rows["serial"].workers == 1
    assert 1 <= (rows["threads"].workers or 0) <= 8
    assert rows["processes"].start_seconds
    assert (rows["processes"].peak_memory or 0) > 1_000_000  # an interpreter of its own is larger than that
    assert rows["auto"].chosen in rows


def test_what_costs_cpu_in_worker_processes_is_counted() -> None:
    def computes(x: int) -> int:
        end = time.thread_time() + 0.08
        while time.thread_time() < end:
            pass
        return x

    rows = alongside.compare(computes, range(4), backends=["processes"], sample=4).rows
    for row in rows:
        assert row.cpus is not None
        assert row.seconds is not None
        assert row.cpus * row.rounds[-1] == pytest.approx(0.32, rel=0.6)


def test_a_backend_that_cannot_run_it_is_a_row_with_its_reason() -> None:
    lock = threading.Lock()
    compared = alongside.compare(lambda x: lock.locked(), range(4), sample=4)
    rows = {row.backend: row for row in compared.rows}
    assert rows["processes"].seconds is None
    assert "NotPicklable" in rows["processes"].reason
    assert "'lock'" in rows["processes"].reason
    assert rows["threads"].same is True
    assert "processes could not run it: NotPicklable" in str(compared)


def test_a_backend_that_breaks_is_a_row_with_its_reason() -> None:
    class BrokenBackend(SerialBackend):
        name = "broken"

        def open(self, job: Any) -> None:
            raise RuntimeError("out of order")

    with backends.registered("broken", BrokenBackend):
        compared = alongside.compare(abs, [1, 2], backends=["broken", "threads"], sample=2)
    assert [row.reason for row in compared.rows] == ["", "RuntimeError: out of order", ""]


def test_what_fails_in_the_loop_is_raised_as_it_is() -> None:
    for sample in (None, 3):
        with pytest.raises(ZeroDivisionError) as raised:
            alongside.compare(lambda x: 1 // x, [1, 2, 0], sample=sample)
        assert "its item is 0" in raised.value.__notes__[0]


def test_other_results_than_the_loops_are_told() -> None:
    class Forgetful:
        n = 0

        def __call__(self, x: int) -> int:
            self.n += 1
            return self.n

    with pytest.warns(alongside.AlongsideWarning, match="changes lost"):
        compared = alongside.compare(Forgetful(), range(4), backends=["processes"], sample=4)
    assert compared.rows[1].same is False
    assert "gave other results than the loop" in str(compared)


def test_async_functions_and_several_inputs() -> None:
    async def later(x: int, y: int) -> int:
        await asyncio.sleep(0.002)
        return x + y

    compared = alongside.compare(later, range(4), range(4), sample=4)
    assert [row.backend for row in compared.rows] == ["serial", "threads", "processes", "asyncio", "auto"]
    assert [row.reason for row in compared.rows] == [""] * 5
    assert all(row.same for row in compared.rows[1:])


def test_the_sample_is_large_enough_and_no_item_is_taken_in_vain() -> None:
    taken: list[int] = []

    def numbers() -> Any:
        for number in range(1_000_000):
            taken.append(number)
            yield number

    compared = alongside.compare(nap, numbers(), backends=[])
    assert len(compared.rows) == 1
    assert 64 <= compared.tasks == len(taken) < 400
    assert compared.total is None


@pytest.mark.parametrize(("total", "sample"), [(1, None), (2, None), (10, None), (97, None), (10, 4), (10, 40)])
def test_a_sample_of_a_sequence_comes_from_all_over_it(total: int, sample: int | None) -> None:
    items = _Items((range(total), range(total)), sample)
    items.more(0 if sample else total)
    places = [item[0] for item in items.taken]
    assert len(set(places)) == len(places) == min(sample or total, total)
    assert places[0] == 0
    if len(places) > 3:
        assert max(places[:4]) >= total // 2


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"sample": 0}, "sample=0"),
        ({"backend": "threads"}, "backends="),
        ({"backends": "threads"}, r"\['threads'\]"),
        ({"backends": ["thread"]}, "no backend 'thread'"),
        ({"max_worker": 3}, "max_workers"),
    ],
)
def test_wrong_wishes_are_refused_before_anything_runs(wrong: dict[str, Any], told: str) -> None:
    with pytest.raises(OptionError, match=told):
        alongside.compare(pytest.fail, ["it ran"], **wrong)


def test_nothing_to_compare() -> None:
    with pytest.raises(OptionError, match="has no items"):
        alongside.compare(abs, [])
    with pytest.raises(OptionError, match="at least one iterable"):
        alongside.compare(abs)


def test_the_meter_sees_memory_that_comes_and_goes() -> None:
    with Meter(memory=True) as meter:
        held = bytearray(80_000_000)
        held[:: 1 << 12] = b"x" * len(held[:: 1 << 12])
        deadline = time.monotonic() + 5
        while not meter.peak_memory and time.monotonic() < deadline:
            time.sleep(0.001)
        del held
    assert 60_000_000 < (meter.peak_memory or 0) < 200_000_000


# ------------------------------------------------------------------------------------------------------- showing


def test_it_says_what_was_found() -> None:
    text = str(MEASURED)
    assert "Fastest: processes, 4 times as fast as the plain loop." in text
    assert "auto took processes: 300 ms, 1.2 times the best." in text
    assert "all 1,000 items would take a plain loop about 20 s, processes about 5.1 s." in text
    assert re.search(r"processes +250 ms +4x +3.9 +60 MB +80 ms +#### +<- the fastest\n", text)
    assert re.search(r"cluster +failed", text)
    assert "median of 3 rounds" in text
    assert repr(MEASURED).startswith("<Comparison of")


def test_where_nothing_helps_it_says_so() -> None:
    same = Comparison("f", 5, 5, (Row("serial", 1.0, (1.0,), 1.0), Row("threads", 0.95, (0.95,), 1.05)))
    assert "Nothing is clearly faster than the plain loop (1 s)." in str(same)
    alone = Comparison("f", 5, None, (Row("serial", 1.0, (1.0,), 1.0), Row("threads", reason="no")))
    assert "Only the plain loop could run it." in str(alone)


def test_json_has_all_of_it() -> None:
    told = json.loads(MEASURED.to_json())
    assert told["fastest"] == "processes"
    assert told["rows"][2]["seconds"] == 0.25
    assert told["rows"][3]["reason"].startswith("BackendUnavailable")
    assert told["tasks"] == 50
    assert told["conclusions"] == list(MEASURED.conclusions)


class Tags(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.addresses: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.addresses += [value or "" for name, value in attrs if name in ("src", "href")]


def test_a_notebook_gets_a_table_in_which_nothing_of_the_users_is_markup() -> None:
    bundle = MEASURED._repr_mimebundle_()
    assert bundle["text/plain"] == str(MEASURED)
    assert EVIL not in bundle["text/html"]
    tags = Tags(bundle["text/html"]).tags
    assert "script" not in tags
    assert tags.count("tr") == 6


def test_a_page_without_plotly_needs_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "plotly", None)
    page = MEASURED.to_html(tmp_path / "page.html").read_text(encoding="utf-8")
    tags = Tags(page)
    assert tags.addresses == []
    assert "script" not in tags.tags
    assert EVIL not in page
    with pytest.raises(ImportError, match="pip install plotly"):
        MEASURED.figure()


def test_a_page_with_plotly_has_the_plot_inside(tmp_path: Path) -> None:
    figure = MEASURED.figure()
    bars, dots = figure.data
    assert list(bars.y) == ["auto", "processes", "threads", "serial"]
    assert list(bars.x) == [0.3, 0.25, 0.98, 1.0]
    assert len(dots.x) == 12
    assert "60 MB of memory" in bars.customdata[1]
    page = MEASURED.to_html(tmp_path / "page.html").read_text(encoding="utf-8")
    assert "plotly-graph-div" in page
    assert [address for address in Tags(page).addresses if address.startswith(("http", "//"))] == []
    assert EVIL not in page


def test_a_terminal_of_80_columns_is_wide_enough() -> None:
    from io import StringIO

    from rich.console import Console

    console = Console(file=StringIO(), width=80, force_terminal=True, color_system=None)
    console.print(MEASURED)
    text = console.file.getvalue()  # type: ignore[attr-defined]  # it is the StringIO from above
    assert "…" not in text
    assert "auto (processes)" in text
    assert "████" in text
