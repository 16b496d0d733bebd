"""The report in a real browser: it draws, zooms, filters, goes dark, fits a phone, and nothing hostile runs."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

import alongside
from tests.unit.test_report import EVIL, hostile


def half(x: int) -> float:
    time.sleep(0.002)
    return 10 / (x % 10)


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("report") / "run.html"
    alongside.run(half, range(60), backend="threads", max_workers=3).report(path)
    return path


@pytest.fixture(scope="module")
def hostile_report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("report") / "run.html"
    alongside.run(hostile, EVIL, backend="serial").report(path)
    return path


def bars(page: Any) -> int:
    return int(page.evaluate("document.querySelectorAll('#lanes .bars .point path').length"))


def range_of(page: Any) -> list[float]:
    return [float(edge) for edge in page.evaluate("document.getElementById('lanes').layout.xaxis.range")]


def lanes_box(page: Any) -> dict[str, float]:
    """Where the lanes are drawn."""
    return dict(page.locator("#lanes .subplot.x2y2 rect, #lanes .nsewdrag[data-subplot='x2y2']").last.bounding_box())


def test_every_attempt_is_drawn(watched: Any, report: Path) -> None:
    page = watched(report)
    assert bars(page) == 60
    assert page.locator("h1").inner_text() == "half"
    assert page.locator(".failure").count() == 6


def test_dragging_zooms_into_all_pictures_and_the_button_shows_the_whole_run_again(watched: Any, report: Path) -> None:
    page = watched(report)
    before, box = range_of(page), lanes_box(page)
    page.mouse.move(box["x"] + box["width"] * 0.3, box["y"] + box["height"] / 2)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.6, box["y"] + box["height"] / 2, steps=5)
    page.mouse.up()
    page.wait_for_function("before => document.getElementById('lanes').layout.xaxis.range[0] > before", arg=before[0])
    after = range_of(page)
    assert before[0] < after[0] < after[1] < before[1]
    page.click("#whole")
    page.wait_for_function("edge => document.getElementById('lanes').layout.xaxis.range[1] == edge", arg=before[1])


def test_hovering_names_the_task(watched: Any, report: Path) -> None:
    page = watched(report)
    bar = page.locator("#lanes .bars .point path").nth(30).bounding_box()
    page.mouse.move(bar["x"] + bar["width"] / 2, bar["y"] + bar["height"] / 2)
    page.wait_for_selector("#lanes .hoverlayer .hovertext")
    said = page.locator("#lanes .hoverlayer .hovertext").first.text_content()
    assert "task" in said
    assert "threads-" in said


def test_failed_ones_only(watched: Any, report: Path) -> None:
    page = watched(report)
    page.check("input[value=failed]")
    assert bars(page) == 6
    rows = page.locator(".slowest tbody tr").all()
    assert all("failed" in row.inner_text() for row in rows if row.is_visible())
    page.check("input[value=all]")
    assert bars(page) == 60


def test_failures_are_found_by_what_they_say(watched: Any, report: Path) -> None:
    page = watched(report)
    page.fill("#find", "TASK 40")
    assert page.locator(".failure:visible .index").all_inner_texts() == ["task 40"]
    assert page.locator("#found").inner_text() == "1 of 6"
    page.locator(".failure:visible summary").click()
    assert "ZeroDivisionError" in page.locator(".failure:visible pre").inner_text()


@pytest.mark.parametrize("preferred", ["light", "dark"])
def test_light_and_dark_follow_the_reader_and_the_button(watched: Any, report: Path, preferred: Any) -> None:
    page = watched(report, color_scheme=preferred)
    first, ink = brightness(page), ink_of_pictures(page)
    assert (first > 128) is (preferred == "light")
    page.click("#theme")
    assert (brightness(page) > 128) is not (preferred == "light")
    assert ink_of_pictures(page) != ink


def brightness(page: Any) -> float:
    colour = page.evaluate("getComputedStyle(document.body).backgroundColor")
    return sum(int(part) for part in colour[4:-1].split(",")) / 3


def ink_of_pictures(page: Any) -> str:
    return str(page.evaluate("getComputedStyle(document.querySelector('#lanes .ytick text')).fill"))


def test_a_phone_need_not_scroll_sideways(watched: Any, report: Path) -> None:
    page = watched(report, viewport={"width": 390, "height": 844}, is_mobile=True)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_nothing_hostile_runs_and_everything_is_shown_as_it_is(watched: Any, hostile_report: Path) -> None:
    page = watched(hostile_report)
    bar = page.locator("#lanes .bars .point path").first.bounding_box()
    page.mouse.move(bar["x"] + bar["width"] / 2, bar["y"] + bar["height"] / 2)
    page.wait_for_timeout(100)
    for summary in page.locator(".failure summary").all():
        summary.click()
    assert page.evaluate("window.hacked") is None
    assert page.locator("h1").inner_text() == EVIL[1]
    assert EVIL[0] in page.locator(".failure").first.inner_text()
    assert page.locator("#lanes a").count() == 0


def test_everything_can_be_reached_and_read_without_a_mouse(watched: Any, report: Path) -> None:
    page = watched(report)
    nameless = page.evaluate(
        """[...document.querySelectorAll('button, input, [role=img], [role=region], section')].filter(one =>
        !(one.ariaLabel || one.textContent.trim() || one.closest('label') || one.getAttribute('aria-labelledby')))
        .length"""
    )
    assert nameless == 0
    assert page.evaluate("document.querySelectorAll('th:not([scope])').length") == 0
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.id") == "theme"
    page.keyboard.press("Enter")
    assert page.locator("#theme").get_attribute("aria-pressed") == "true"


def test_text_stands_out_from_what_is_behind_it(watched: Any, report: Path) -> None:
    for scheme in ("light", "dark"):
        page = watched(report, color_scheme=scheme)
        for name in ("text", "soft", "ok", "no"):
            assert contrast(page, name) >= 4.5, (scheme, name)


def contrast(page: Any, name: str) -> float:
    """The contrast of a colour of the page with its cards, as the WCAG 2.1 defines it."""
    ratio = page.evaluate(
        """name => {
        const value = (which) => getComputedStyle(document.documentElement).getPropertyValue('--' + which).trim();
        const light = (hex) => {
            const full = hex.length === 4 ? '#' + [...hex.slice(1)].map((c) => c + c).join('') : hex;
            const [r, g, b] = [1, 3, 5].map((at) => parseInt(full.slice(at, at + 2), 16) / 255)
                .map((c) => c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
            return 0.2126 * r + 0.7152 * g + 0.0722 * b;
        };
        const [a, b] = [light(value(name)), light(value('card'))].sort((x, y) => y - x);
        return (a + 0.05) / (b + 0.05);
    }""",
        name,
    )
    return float(ratio)
