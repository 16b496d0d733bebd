"""The report is one small file in which no text of the user's becomes markup, and it says what happened."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

import alongside
from alongside.core.telling import MOST_TEXT, clean, text_of

pytest.importorskip("plotly", reason="the report is made with plotly, an extra")
pytest.importorskip("jinja2", reason="the report is made with jinja2, an extra")

EVIL = [
    "</script><script>window.hacked=1</script>",
    '"><img src=x onerror="window.hacked=1">',
    "<!--<script>",
    "]]>{{ 7*7 }}{% raw %}",
    "%{customdata}<a href='javascript:window.hacked=1'>x</a>",
    "\u2028\u2029\x00\x1b[31m\ud800",
    "'; window.hacked=1; //",
]


class Hostile(Exception):
    """Its name, its text and what it names are all meant to do harm."""


Hostile.__qualname__ = Hostile.__name__ = EVIL[0]


def hostile(item: object) -> None:
    raise Hostile(str(item))


hostile.__qualname__ = hostile.__name__ = EVIL[1]


class Broken:
    def __repr__(self) -> str:
        raise RuntimeError("no repr")


class Seen(HTMLParser):
    """The elements of a page, and what they would load."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[str] = []
        self.loads: list[str] = []
        self.handlers: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.loads += [value or "" for name, value in attrs if name in ("src", "href", "action")]
        self.handlers += [name for name, _ in attrs if name.startswith("on")]


def page_of(run: alongside.Run, folder: Path) -> str:
    run.report(folder / "run.html")
    return (folder / "run.html").read_text(encoding="utf-8")


def test_nothing_of_the_users_becomes_markup(tmp_path: Path) -> None:
    page = page_of(alongside.run(hostile, [*EVIL, Broken()], backend="serial"), tmp_path)
    seen = Seen()
    seen.feed(page)
    assert seen.tags.count("script") == 4  # two figures' data, plotly, the page's own
    assert not {"img", "iframe", "object", "link"} & set(seen.tags)
    assert seen.loads == ["#content"]
    assert seen.handlers == []
    assert "&lt;Broken whose repr raised" in page
    assert "{{ 7*7 }}" in page


def test_the_page_loads_nothing_and_says_so_to_the_browser(tmp_path: Path) -> None:
    page = page_of(alongside.run(abs, [1, 2], backend="serial"), tmp_path)
    policy = re.search(r'http-equiv="Content-Security-Policy" content="([^"]*)"', page)
    assert policy is not None
    assert "default-src &#39;none&#39;" in policy[1]
    assert "unsafe-inline" not in policy[1].partition("style-src")[0]


def test_a_million_tasks_make_a_page_below_ten_megabytes(tmp_path: Path) -> None:
    run = alongside.run(int, ["7"] * 999_000 + ["x"] * 1000, backend="threads", max_workers=4)
    page = page_of(run, tmp_path)
    assert len(page.encode()) < 10_000_000
    assert "1,000" in page


def test_the_page_tells_reasons_predictions_failures_and_their_items(tmp_path: Path) -> None:
    page = page_of(alongside.run(int, ["1", "drei"], backend="serial"), tmp_path)
    assert "it was asked for." in page
    assert "invalid literal" in page
    assert "&#39;drei&#39;" in page
    assert "Traceback" in page


@pytest.mark.parametrize(("first", "last", "few"), [(0.004, 0.05, 4), (1e-6, 3e-5, 3), (1e-6, 10.0, 6), (0.5, 0.5, 1)])
def test_durations_are_marked_with_some_round_figures(first: float, last: float, few: int) -> None:
    from alongside.observe.figures import _ticks

    ticks = _ticks(first, last)
    assert few <= len(ticks) <= 10
    assert all(first / 2 <= tick <= last * 2 for tick in ticks)


def test_an_empty_run_has_a_page_too(tmp_path: Path) -> None:
    assert "0 tasks" in page_of(alongside.run(abs, []), tmp_path)


@pytest.mark.parametrize("item", [Broken(), "x" * 10**6, list(range(10**6)), {"a": "b" * 10**6}, object(), *EVIL])
def test_items_become_short_text_that_every_file_can_hold(item: Any) -> None:
    text = text_of(item)
    assert len(text) <= 4 * MOST_TEXT
    text.encode("utf-8")
    assert "\x00" not in text
    assert "\x1b" not in text


def test_text_keeps_its_lines_and_letters() -> None:
    assert clean("żółw 漢字\n\tok") == "żółw 漢字\n\tok"
    assert clean("a\x1bb\ud800") == "a\\x1bb\\ud800"


@pytest.mark.parametrize("shown", [lambda run: run._repr_html_(), lambda run: run.failures[0]._repr_html_()])
def test_notebook_displays_escape_and_stay_small(shown: Any) -> None:
    run = alongside.run(hostile, [*EVIL, *range(10_000)], backend="serial")
    page = shown(run)
    seen = Seen()
    seen.feed(page)
    assert not {"script", "img", "a"} & set(seen.tags)
    assert len(page) < 100_000
