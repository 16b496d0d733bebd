"""What notebooks show, the page of a comparison and the guide as a page, in a real browser: light, dark, on a phone."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

import alongside

EVIL = "</td><script>window.hacked=1</script><img src=x onerror='window.hacked=1'>"

CELL = """<!doctype html><html data-drawn><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<style>body {{ color: {ink}; background: {paper}; font: 14px sans-serif; margin: 0 }}
.output {{ overflow-x: auto; padding: 8px }}</style>{outputs}</html>"""
"""As a notebook has it: the page's own colours, and what is too wide is scrolled in its cell."""

THEMES = {"light": ("#000", "#fff"), "dark": ("#e8e8e8", "#111")}


def half(x: int) -> float:
    time.sleep(0.002)
    return 10 / (x % 10)


def refuse(text: str) -> None:
    raise ValueError(text)


@pytest.fixture(scope="module")
def comparison() -> alongside.Comparison:
    return alongside.compare(half, range(1, 9), backends=["threads"], sample=8)


@pytest.fixture(scope="module")
def outputs(comparison: alongside.Comparison) -> dict[str, str]:
    run = alongside.run(half, range(60), backend="threads", max_workers=3)
    shown: dict[str, Any] = {
        "run": run,
        "failure": run.failures[0],
        "advice": alongside.advise(half, range(1, 9)),
        "comparison": comparison,
        "hostile": alongside.run(refuse, [EVIL]),
    }
    return {name: one._repr_html_() for name, one in shown.items()}


@pytest.fixture(params=sorted(THEMES))
def notebook(request: Any, outputs: dict[str, str], tmp_path: Path) -> Path:
    ink, paper = THEMES[request.param]
    cells = "".join(f'<div class="output" id="{name}">{html}</div>' for name, html in outputs.items())
    page = tmp_path / "notebook.html"
    page.write_text(CELL.format(ink=ink, paper=paper, outputs=cells), encoding="utf-8")
    return page


def test_what_a_notebook_shows(watched: Any, notebook: Path) -> None:
    page = watched(notebook)
    assert page.locator("#run svg rect").count() == 60
    assert "6 failed" in page.locator("#run").inner_text()
    assert "ZeroDivisionError" in page.locator("#failure").inner_text()
    assert "half" in page.locator("#advice").inner_text()
    assert {"serial", "threads"} <= set(page.locator("#comparison tbody tr td:first-child").all_inner_texts())


def test_why_is_unfolded_without_a_script(watched: Any, notebook: Path) -> None:
    page = watched(notebook)
    assert not page.locator("#run li").first.is_visible()
    page.locator("#run summary").first.click()
    assert page.locator("#run li").first.is_visible()


def test_nothing_hostile_runs_in_a_notebook(watched: Any, notebook: Path) -> None:
    page = watched(notebook)
    assert page.evaluate("window.hacked") is None
    assert "<script>" in page.locator("#hostile").inner_text()
    assert page.locator("#hostile img").count() == 0


def test_text_in_a_notebook_can_be_read_on_either_ground(watched: Any, notebook: Path) -> None:
    assert watched(notebook).evaluate(FAINTEST) >= 4.0


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_the_page_of_a_comparison(
    watched: Any, comparison: alongside.Comparison, tmp_path: Path, scheme: str, width: int
) -> None:
    comparison.to_html(tmp_path / "compared.html")
    page = watched(drawn(tmp_path / "compared.html"), color_scheme=scheme, viewport={"width": width, "height": 800})
    assert "half" in page.inner_text("body")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.evaluate(FAINTEST) >= 4.0


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_the_guide_as_a_page(watched: Any, guide: Path, scheme: str, width: int) -> None:
    page = watched(drawn(guide), color_scheme=scheme, viewport={"width": width, "height": 800})
    assert page.locator("h2").count() == 1
    assert page.locator("pre").count() > 1
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.evaluate(FAINTEST) >= 4.0


@pytest.fixture(scope="module")
def guide(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from typer.testing import CliRunner

    from alongside.cli.app import app

    path = tmp_path_factory.mktemp("guide") / "guide.html"
    done = CliRunner().invoke(app, ["guide", "--chapter", "8", "--html", str(path)])
    assert done.exit_code == 0, done.output
    return path


def drawn(page: Path) -> Path:
    """A page that needs no script to be drawn, as the fixture expects it."""
    page.write_text(page.read_text(encoding="utf-8").replace("<html", "<html data-drawn", 1), encoding="utf-8")
    return page


FAINTEST = """() => {
    const part = (c) => { c /= 255; return c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4; };
    const rgb = (text) => text.match(/[\\d.]+/g).map(Number);
    const light = ([r, g, b]) => 0.2126 * part(r) + 0.7152 * part(g) + 0.0722 * part(b);
    const ground = (one) => {
        for (; one; one = one.parentElement) {
            const colour = rgb(getComputedStyle(one).backgroundColor);
            if (colour.length === 3 || colour[3] > 0.5) return colour;
        }
        return matchMedia('(prefers-color-scheme: dark)').matches ? [18, 18, 18] : [255, 255, 255];
    };
    const says = (one) => [...one.childNodes].some((child) => child.nodeType === 3 && child.data.trim());
    const seen = [...document.querySelectorAll('body *')].filter(
        (one) => one.checkVisibility() && one.closest('svg') === null && says(one));
    return Math.min(...seen.map((one) => {
        const [a, b] = [light(rgb(getComputedStyle(one).color)), light(ground(one))].sort((x, y) => y - x);
        return (a + 0.05) / (b + 0.05);
    }));
}"""
"""The least contrast of any text with what is behind it, as the WCAG 2.1 defines it."""
