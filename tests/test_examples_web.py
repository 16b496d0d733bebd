"""The examples do what they say, against a site that misbehaves."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

WEB = Path(__file__).parent.parent / "examples" / "web"


def load(name: str) -> Any:
    """An example as a module."""
    spec = importlib.util.spec_from_file_location(name, WEB / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


website = load("website")


@pytest.fixture
def site() -> Iterator[tuple[Any, str]]:
    """A site, and its address."""
    site = website.Site(latency=0.005)
    with website.serving(site) as where:
        yield site, where


def run(script: str, *arguments: object) -> str:
    """Run an example as a person does; what it prints."""
    command = [sys.executable, str(WEB / f"{script}.py"), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=100, check=True).stdout


@pytest.mark.parametrize("script", ["crawl", "crawl_sync"])
def test_the_crawlers_find_every_page_of_a_site_that_misbehaves(script: str, site: Any, tmp_path: Path) -> None:
    served, where = site
    told = run(script, f"{where}/", tmp_path / "pages.jsonl")
    pages = [json.loads(line) for line in (tmp_path / "pages.jsonl").read_text().splitlines()]
    found = {page["url"].removeprefix(where) for page in pages}
    wanted = {"/", *(f"/list/{n}" for n in range(website.LISTS))}
    wanted |= {f"/page/{n}" for n in range(website.LISTS * website.PAGES) if n != 13}
    assert found == wanted
    assert len(pages) == len(wanted), "each page once"
    assert told.splitlines() == [line for line in told.splitlines() if "/page/13: " in line and "1 times" in line]
    assert len(told.splitlines()) == 1, "the page that is missing is named, and was not tried again"
    assert set(served.troubles) == {"busy", "cut off", "no answer"}
    assert served.most_at_once <= 20 + served.troubles["no answer"], "those stay open at the server"


@pytest.mark.parametrize("script", ["download", "download_async"])
def test_the_downloaders_fetch_a_file_in_pieces(script: str, site: Any, tmp_path: Path) -> None:
    served, where = site
    run(script, f"{where}/file/large", tmp_path / "large")
    assert (tmp_path / "large").read_bytes() == website.FILE
    assert served.troubles, "some piece went wrong at first"
    assert served.most_at_once <= 8 + served.troubles["no answer"]
