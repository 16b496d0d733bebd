"""`alongside guide`: what it shows is what it runs, and what it says follows from the numbers."""

from __future__ import annotations

import inspect
import re

import pytest

from alongside.cli import chapters, contenders, examples
from alongside.cli.loopback import SlowServer
from alongside.cli.stage import Contender, Timing, against, in_words, verdict
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
    done = outside("guide", "--chapter", "6", "--plain")
    assert done.code == 0, done.err
    assert re.search(r"^square +serial", done.out, re.MULTILINE)
    assert re.search(r"^fetch +asyncio", done.out, re.MULTILINE)


def test_the_pitfalls_really_happen(outside: Call) -> None:
    done = outside("guide", "--chapter", "7", "--plain")
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
