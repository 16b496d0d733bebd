"""Advice answers three questions by its text alone: which tool, why, what if there were ten times more items?"""

from __future__ import annotations

import asyncio
import itertools
import json
import time
from collections.abc import Iterator
from io import StringIO
from typing import Any

import pytest
from rich.console import Console

import alongside
from alongside.compose import candidates
from alongside.core.choose import Facts, Plan, Wishes, choose, span
from alongside.core.whatif import not_for_this, prospects
from alongside.observe.advice import Advice
from tests.unit.test_compare import EVIL, Tags

HERE = candidates()
COMPUTING = Facts(
    tasks_seen=5,
    tasks_left=1000,
    wall=0.01,
    cpu=0.01,
    process_cpu=0.01,
    gil_held=True,
    item_bytes=5,
    result_bytes=5,
    cpus=4,
)
WAITING = COMPUTING._replace(cpu=1e-4, process_cpu=1e-4, gil_held=False)
SHORT = COMPUTING._replace(tasks_left=3, wall=0.002, cpu=0.002, process_cpu=0.002)
TINY = COMPUTING._replace(tasks_left=5_000_000, wall=1e-7, cpu=1e-7, process_cpu=1e-7, pickle_seconds=3e-6)
HEAVY = COMPUTING._replace(pickle_seconds=0.02, item_bytes=8_000_000)
UNPICKLABLE = COMPUTING._replace(unpicklable="item.lock is a lock.")
ALL = (COMPUTING, WAITING, SHORT, TINY, HEAVY, UNPICKLABLE)


def told(facts: Facts, wishes: Wishes = Wishes()) -> str:
    return "\n".join(prospects(facts, choose(facts, HERE, wishes), HERE, wishes))


def advice(facts: Facts, function: str = "work") -> Advice:
    plan = choose(facts, HERE)
    return Advice(function, facts, plan, prospects(facts, plan, HERE), not_for_this(facts, HERE, Wishes()))


# ------------------------------------------------------------------------------------------- what would change it


@pytest.mark.parametrize("facts", ALL)
def test_ten_times_as_many_items_is_always_answered(facts: Facts) -> None:
    items = 10 * (facts.left + facts.tasks_seen)  # those tried are of the input too
    then = choose(facts._replace(tasks_left=items), HERE)
    first = prospects(facts, choose(facts, HERE), HERE)[0]
    assert first.startswith(f"With ten times as many items ({items:,}) ")
    same = then.backend == choose(facts, HERE).backend
    assert ("would be the same" if same else f"would be {then.backend}") in first


def test_the_turning_point_is_where_the_choice_turns() -> None:
    text = next(line for line in prospects(SHORT, choose(SHORT, HERE), HERE) if line.startswith("From about"))
    items = int(text.removeprefix("From about ").partition(" ")[0].replace(",", ""))
    assert choose(SHORT._replace(tasks_left=2 * items), HERE).backend != "serial"
    assert choose(SHORT._replace(tasks_left=items // 4), HERE).backend == "serial"


@pytest.mark.parametrize(
    ("facts", "text"),
    [
        (TINY, "A call takes 100 ns; handing one item to a worker process costs"),
        (TINY, "a list or an array of 1,000 items at a time"),
        (HEAVY, "Sending an item and its result (8 MB) to a process costs 20 ms"),
        (HEAVY, "a path, a key or a range"),
        (UNPICKLABLE, "If that could be sent to a process it would be processes"),
        (COMPUTING, "With 16 CPUs it would take about"),
        (COMPUTING._replace(cpus=1), "With 4 CPUs it would be processes"),
        (WAITING._replace(wall=1.0), "Written as an async function, more calls could wait at once: asyncio"),
    ],
)
def test_what_would_change_it_is_said(facts: Facts, text: str) -> None:
    assert text in told(facts)


def test_what_would_change_nothing_is_not_said() -> None:
    assert "CPUs" not in told(WAITING)
    assert "async" not in told(COMPUTING)
    assert "array" not in told(COMPUTING)
    assert "Sending" not in told(COMPUTING)
    assert prospects(Facts(coroutine=True), Plan("asyncio"), HERE) == ()


def test_the_users_wishes_hold_there_too() -> None:
    two = choose(COMPUTING._replace(tasks_left=10_000), HERE, Wishes(max_workers=2))
    assert f"about {two.predictions[two.backend]:.2g} s" in told(COMPUTING, Wishes(max_workers=2))


# ------------------------------------------------------------------------------------------------------- shapes


@pytest.mark.parametrize("facts", ALL)
def test_every_shape_answers_which_why_and_what_if(facts: Facts) -> None:
    made = advice(facts)
    console = Console(file=StringIO(), width=200, color_system=None)
    console.print(made)
    shapes = (str(made), console.file.getvalue(), made._repr_html_())  # type: ignore[attr-defined]  # the StringIO
    for shape in shapes:
        assert "For work:" in shape
        assert "ten times as many" in shape
        assert "What would change it" in shape
        for backend in made.predictions:
            assert backend in shape
    for reason in made.reasons:
        assert all(reason in shape for shape in shapes[:2])
    assert made._repr_mimebundle_()["text/plain"] == str(made)


def test_the_choice_is_marked_once_in_plain_characters() -> None:
    lines = [line for line in str(advice(COMPUTING)).splitlines() if "<- the choice" in line]
    assert len(lines) == 1
    assert lines[0].split()[0] == "processes"
    assert str(advice(COMPUTING)).isascii()


def test_nothing_of_the_users_is_markup() -> None:
    facts = UNPICKLABLE._replace(unpicklable=EVIL)
    page = advice(facts, EVIL)._repr_html_()
    assert EVIL not in page
    assert "script" not in Tags(page).tags
    assert "&lt;script&gt;" in page


def test_json_has_all_of_it() -> None:
    made = json.loads(advice(UNPICKLABLE).to_json())
    assert made["plan"]["backend"] == choose(UNPICKLABLE, HERE).backend
    assert set(made["plan"]["predictions"]) == {"serial", "threads"}
    assert made["facts"]["wall"] == 0.01
    assert made["facts"]["left"] == 1000
    assert made["excluded"]["processes"] == "item.lock is a lock."
    assert made["prospects"]


def test_its_repr_is_a_line() -> None:
    assert repr(advice(COMPUTING)).startswith("<Advice for work: processes, about ")


# ------------------------------------------------------------------------------------------------------ measuring


def test_it_takes_no_more_of_the_input_than_it_needs() -> None:
    taken: list[int] = []

    def numbers() -> Iterator[int]:
        for number in range(1000):
            taken.append(number)
            yield number

    def nap(x: int) -> None:
        time.sleep(0.02)

    made = alongside.advise(nap, numbers())
    assert made.facts.tasks_seen == len(taken) < 100
    assert made.facts.tasks_left is None
    assert made.plan.backend == "threads"
    assert made.facts.wall >= 0.02


def test_a_tiny_call_is_not_charged_with_the_looking() -> None:
    made = alongside.advise(abs, range(2_000_000))
    assert made.facts.wall < 1e-6
    assert made.plan.backend == "serial"


def test_coroutines_that_are_woken_late_do_not_keep_their_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beside many other programs the loop has a CPU a while after it is ready for one; computing it is not."""
    delays = itertools.count(0.0, 0.2)  # seconds more whenever it is asked
    monkeypatch.setattr("alongside.runtime.pilot_async.run_delay", lambda: next(delays))

    async def fetch(x: int) -> None:
        await asyncio.sleep(0.02)

    made = alongside.advise(fetch, range(200))
    assert made.facts.kept < 0.5 * made.facts.wall


def test_an_async_function_is_tried_too() -> None:
    async def fetch(x: int) -> None:
        await asyncio.sleep(0.05)

    async def compute(x: int) -> None:
        end = time.thread_time() + 0.01
        while time.thread_time() < end:
            pass

    waits = alongside.advise(fetch, range(120))
    assert waits.plan.backend == "asyncio"
    assert waits.facts.waiting > 0.8 * waits.facts.wall
    assert waits.facts.tasks_seen + (waits.facts.tasks_left or 0) == 120
    assert "ten times" in str(waits)
    assert waits.facts.kept < 0.5 * waits.facts.wall
    computes = alongside.advise(compute, range(1000))
    assert computes.facts.waiting < 0.5 * computes.facts.wall
    assert computes.facts.kept > 0.5 * computes.facts.wall


def test_an_async_function_that_sleeps_without_awaiting_keeps_its_loop() -> None:
    async def blocks(x: int) -> None:
        time.sleep(0.03)

    made = alongside.advise(blocks, range(1000))
    assert made.facts.kept > 0.5 * made.facts.wall
    assert made.facts.cpu < 0.5 * made.facts.wall


def test_an_async_function_is_tried_where_a_loop_runs_already() -> None:
    async def later(x: int) -> int:
        await asyncio.sleep(0.001)
        return x

    async def main() -> Any:
        return alongside.advise(later, [1, 2, 3])

    made = asyncio.run(main())
    assert made.facts.tasks_seen == 3
    assert made.facts.left == 3


def test_facts_and_reasons_speak_of_the_same_measurement() -> None:
    made = alongside.advise(len, [list(range(100_000))] * 20)
    assert span(made.facts.wall) in made.reasons[0]


def test_no_item_and_a_failing_item() -> None:
    for nothing in ("", iter("")):
        with pytest.raises(alongside.OptionError, match="nothing to advise on: the input has no items"):
            alongside.advise(abs, nothing)
    with pytest.raises(ZeroDivisionError):
        alongside.advise(lambda x: 1 / x, [1, 0])


def test_why_a_backend_cannot_be_used_is_a_sentence() -> None:
    text = str(advice(UNPICKLABLE))
    assert "  - processes cannot be used: item.lock is a lock.\n" in text


# --------------------------------------------------------------------------------------------- what would be lost


def computes_and_appends(row: list[int]) -> None:
    row.append(1)
    until = time.thread_time() + 0.01
    while time.thread_time() < until:
        pass


async def computes_and_appends_async(row: list[int]) -> None:
    computes_and_appends(row)
    row.append(1)


@pytest.mark.parametrize("fn", [computes_and_appends, computes_and_appends_async])
def test_what_would_be_lost_in_processes_is_said_with_the_advice(fn: Any) -> None:
    told = alongside.advise(fn, [[] for _ in range(2000)], max_workers=4)
    lost = told.plan.backend == "processes"
    assert ("changes its item and returns nothing" in str(told)) is lost
    assert [text.partition(":")[0] for text in told.warnings] == ["changes lost"] * lost
    assert told.to_dict()["warnings"] == list(told.warnings)
    assert ("Mind this first" in told._repr_html_()) is lost


def test_where_nothing_would_be_lost_nothing_is_said() -> None:
    assert alongside.advise(time.sleep, [0.005] * 200).warnings == ()
    assert "Mind" not in str(alongside.advise(abs, [1, 2]))
