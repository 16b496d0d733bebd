"""`alongside guide`: what it shows is what it runs, and what it says follows from the numbers."""

from __future__ import annotations

import inspect
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest

from alongside.cli import chapters, contenders, examples
from alongside.cli.loopback import SlowServer
from alongside.cli.stage import Bar, Contender, Timing, against, in_words, verdict
from alongside.cli.terminal import Terminal
from alongside.cli.webpage import Page
from tests.cli.conftest import Call


def timing(label: str, *seconds: float, ours: bool = False) -> Timing:
    return Timing(Contender(label, list, ours), seconds, [])


# --- the sentences ---


def test_the_verdict_when_sharing_pays_and_the_choice_is_right() -> None:
    said = verdict([timing("loop", 2.0, 2.1), timing("pool", 1.05, 1.0), timing("ours", 1.02, ours=True)])
    assert "pool is 2.0 times as fast as the loop" in said
    assert "as good as the best by hand (pool)" in said


def test_the_verdict_when_the_loop_wins() -> None:
    said = verdict([timing("loop", 1e-6), timing("pool", 0.05), timing("ours", 2e-6, ours=True)])
    assert "does not pay here: the loop takes 1 µs, pool 50.0 ms" in said
    assert "as good as the best by hand (loop)" in said


def test_the_verdict_admits_a_lost_race() -> None:
    said = verdict([timing("loop", 2.0), timing("pool", 1.0), timing("ours", 1.5, ours=True)])
    assert "lost: 1.50 s against 1.00 s by hand (pool)" in said


def test_the_verdict_on_a_won_race() -> None:
    said = verdict([timing("loop", 2.0), timing("pool", 1.0), timing("ours", 0.5, ours=True)])
    assert "2.0 times as fast as the best by hand" in said


def test_the_verdict_judges_the_choice_not_the_forced_backend() -> None:
    said = verdict([timing("loop", 1.0), timing("forced", 9.0, ours=True), timing("chosen", 1.0, ours=True)])
    assert "as good as the best by hand" in said


def test_the_better_run_counts() -> None:
    loop = timing("loop", 1.0, 4.0)
    assert against(timing("pool", 9.0, 0.5), loop) == "2.0 times as fast"
    assert against(timing("pool", 1.05), loop) == "about the same"
    assert against(timing("pool", 3.0), loop) == "takes 2.00 s longer"
    assert against(loop, loop) == ""


@pytest.mark.parametrize(("seconds", "words"), [(3e-6, "3 µs"), (0.0123, "12.3 ms"), (1.5, "1.50 s")])
def test_durations_in_words(seconds: float, words: str) -> None:
    assert in_words(seconds) == words


# --- the examples ---


def test_count_primes_counts_primes() -> None:
    assert [examples.count_primes(limit) for limit in (2, 3, 30, 100)] == [0, 1, 10, 25]


def test_the_server_answers_every_page() -> None:
    with SlowServer(0.0) as server:
        assert contenders.pages_with_gather(server.urls(3)) == [f"This is /page/{n}." for n in (1, 2, 3)]


# --- the command ---


def test_a_chapter_shows_the_code_it_ran_and_the_plan_of_the_run(outside: Call) -> None:
    done = outside("guide", "--chapter", "2", "--plain")
    assert done.code == 0, done.err
    for shown in (contenders.squares_with_a_pool, contenders.squares_chosen, examples.square):
        for line in inspect.getsource(shown).splitlines():
            assert line in done.out
    rows = [line for line in done.out.splitlines() if re.search(r"(µs|ms| s) .*(yes|no)\s*$", line)]
    assert len(rows) == 4
    assert all(row.rstrip().endswith("yes") for row in rows)
    assert 'alongside, backend="processes" → processes' in done.out
    assert "alongside → serial" in done.out
    assert "Sharing the work does not pay here" in done.out


def test_pages_are_fetched_side_by_side(outside: Call) -> None:
    done = outside("guide", "--chapter", "5", "--plain")
    assert done.code == 0, done.err
    assert "alongside → asyncio" in done.out
    assert re.search(r"asyncio\.gather +\S+ \S+ +\S+ \S+ +[\d.]+ times as fast +yes", done.out)


def test_the_table_of_tools_holds_the_advice_of_this_machine(outside: Call) -> None:
    done = outside("guide", "--chapter", "7", "--plain")
    assert done.code == 0, done.err
    assert re.search(r"^square +serial", done.out, re.MULTILINE)
    assert re.search(r"^fetch +asyncio", done.out, re.MULTILINE)


def test_the_pitfalls_really_happen(outside: Call) -> None:
    done = outside("guide", "--chapter", "8", "--plain")
    assert done.code == 0, done.err
    assert re.search(r"multiprocessing\.Pool +\w*Error: .*lambda", done.out)
    assert re.search(r"^alongside +\[1, 4, 9, 16, 25\]", done.out, re.MULTILINE)
    assert re.search(r"multiprocessing\.Pool +\[\]", done.out)
    assert re.search(r"alongside, threads +\[1, 2, 3, 4, 5\]", done.out)
    assert re.search(r"multiprocessing\.Pool +ZeroDivisionError", done.out)
    assert re.search(r"^alongside +\[1\.0, Failure\(index=1, item=0, .*, 0\.5\]", done.out, re.MULTILINE)


def test_a_chapter_that_does_not_exist(inside: Call) -> None:
    assert inside("guide", "--chapter", str(len(chapters.CHAPTERS) + 1)).code == 2
    assert inside("guide", "--chapter", "0").code == 2


# --- bars, scripts, the page ---


def test_bars_are_as_long_as_their_values(capsys: pytest.CaptureFixture[str]) -> None:
    Terminal(plain=True).bars("times", [Bar("a", 2.0, "2 s"), Bar("b", 1.0, "1 s", ours=True), Bar("c", 0.0, "0 s")])
    long, short, none = (line.count("#") for line in capsys.readouterr().out.splitlines()[1:4])
    assert (long, short, none) == (40, 20, 1)


def test_waiting_gains_from_a_crowd(outside: Call) -> None:
    done = outside("guide", "--chapter", "6", "--plain")
    assert done.code == 0, done.err
    waiting = done.out.partition("Fetching 20 pages")[2]
    one, _, _, crowd = (line.count("#") for line in waiting.splitlines()[1:5])
    assert one == 40
    assert crowd < 20


def test_every_saved_chapter_runs_as_it_is(inside: Call, folder: Path) -> None:
    done = inside("guide", "--save", "lessons")
    assert done.code == 0
    scripts = [folder / line.removeprefix("python ") for line in done.out.splitlines()]
    assert len(scripts) == sum(bool(chapter.tries) for chapter in chapters.CHAPTERS)
    for number in (2, 8):
        script = next(path for path in scripts if path.name.startswith(f"{number}-"))
        ran = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=100)
        assert ran.returncode == 0, ran.stderr
        assert len(ran.stdout.splitlines()) == len(chapters.CHAPTERS[number - 1].tries)
        for line in inspect.getsource(chapters.CHAPTERS[number - 1].tries[0]).splitlines():
            assert line in script.read_text()
    for script in scripts:
        compile(script.read_text(), script.name, "exec")


def test_a_chapter_that_the_reader_has_changed_is_not_written_again(inside: Call, folder: Path) -> None:
    inside("guide", "--save", "lessons", "--chapter", "2")
    (script,) = (folder / "lessons").iterdir()
    script.write_text("changed")
    assert inside("guide", "--save", "lessons").code == 0
    assert script.read_text() == "changed"


def test_a_folder_that_cannot_be_written(inside: Call, folder: Path) -> None:
    (folder / "taken").write_text("a file")
    done = inside("guide", "--save", "taken")
    assert (done.code, "Error" in done.err) == (2, True)


class Reader(HTMLParser):
    """What a page is made of."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.addresses: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.addresses += [value or "" for name, value in attrs if name in ("src", "href")]

    def handle_data(self, data: str) -> None:
        self.text += data


def test_the_page_is_whole_and_loads_nothing(outside: Call, folder: Path) -> None:
    done = outside("guide", "--html", "guide.html", "--chapter", "2")
    assert done.code == 0, done.err
    page = Reader()
    page.feed((folder / "guide.html").read_text())
    assert "Squares: multiprocessing" in page.text
    assert "def squares_with_a_pool" in page.text
    assert not {"script", "img", "link", "iframe"} & set(page.tags)
    assert all(address.startswith("#") for address in page.addresses)
    assert page.tags.count("i") == 4


def test_what_is_shown_on_the_page_cannot_become_markup() -> None:
    stage, evil = Page(), "<script>alert(1)</script>"
    stage.title(f"1. {evil}")
    stage.say(evil)
    stage.source(f"print('{evil}')")
    stage.table([evil], [[evil]])
    stage.bars(evil, [Bar(evil, 1.0, evil)])
    page = Reader()
    page.feed(stage.html(evil))
    assert "script" not in page.tags
    assert page.text.count("alert") >= 8
