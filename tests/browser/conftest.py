"""A headless Chromium for the tests of pages; where there is none they are skipped, with that reason."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from typing import Any

import pytest

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")

ARGUMENTS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """The browser, for the tests of one file."""
    if CHROMIUM is None:
        pytest.skip("no Chromium here: apt-get install chromium")
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with playwright.sync_playwright() as started:
        running = started.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield running
        running.close()


class Watched:
    """A page, with everything it said and asked for."""

    def __init__(self, page: Any) -> None:
        self.page = page
        self.said: list[str] = []
        self.asked: list[str] = []
        page.on("console", lambda message: self.said.append(message.text))
        page.on("pageerror", lambda error: self.said.append(str(error)))
        page.on("request", lambda request: self.asked.append(request.url))


@pytest.fixture
def watched(browser: Any) -> Iterator[Any]:
    """Opens pages; each must end without an error, and without a request to a network."""
    opened: list[Watched] = []

    def open_page(path: Any, **options: Any) -> Any:
        seen = Watched(browser.new_page(**({"viewport": {"width": 1280, "height": 900}} | options)))
        opened.append(seen)
        seen.page.goto(f"file://{path}")
        seen.page.wait_for_selector("html[data-drawn]")
        return seen.page

    yield open_page
    for seen in opened:
        seen.page.close()
        assert seen.said == []
        assert [url for url in seen.asked if not url.startswith(("file:", "data:", "blob:"))] == []
