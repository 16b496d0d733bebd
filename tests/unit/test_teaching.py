"""Warnings that teach: each says what and what to do; to the caller, once; on nothing that takes milliseconds."""

from __future__ import annotations

import asyncio
import random
import re
import subprocess
import sys
import threading
import time
import warnings
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import alongside
from alongside import AlongsideWarning
from alongside.core import teaching
from alongside.core.choose import Facts
from alongside.core.events import Blocked, Dispatch, Finished
from alongside.core.model import Batch, Part
from alongside.core.ports import Capabilities
from alongside.runtime import teaching as saying
from alongside.runtime.teaching import LONG, Site, Teacher, call_site, say

LONG_RUN = Facts(tasks_seen=1000, tasks_left=1000, wall=0.01, cpu=0.01, process_cpu=0.01, gil_held=True, cpus=4)
PROCESSES = Capabilities(shares_memory=False, escapes_gil=True, needs_pickling=True)
THREADS = Capabilities(overlaps_waiting=True)
LESSON = teaching.Lesson("small items", "give each call more to do.")

found: list[int] = []
shared = np.random.default_rng(1)


def collect(x: int) -> None:
    found.append(x)


def draw(x: int) -> float:
    return random.random() + x


def draw_numpy(x: int) -> float:
    return float(np.random.rand()) + x


def seeds_and_runs() -> None:
    random.seed(1)
    Teacher(draw).begins(PROCESSES, 2)


@pytest.fixture(autouse=True)
def nothing_said_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(saying, "_said", set())


@pytest.fixture
def said() -> Iterator[Callable[[], list[str]]]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield lambda: [str(one.message) for one in caught if one.category is AlongsideWarning]


Said = Callable[[], list[str]]

# ------------------------------------------------------------------------------------------- where and how often


def test_it_is_said_at_the_callers_line() -> None:
    line = sys._getframe().f_lineno + 2
    with pytest.warns(AlongsideWarning, match="changes lost: collect appends to the list found") as caught:
        alongside.map(collect, [1, 2], backend="processes", max_workers=1)
    assert [(one.filename, one.lineno) for one in caught] == [(__file__, line)]


def test_each_place_is_told_once_and_another_place_again(said: Said) -> None:
    for _ in range(3):
        alongside.map(collect, [1, 2], backend="processes", max_workers=1)
    assert len(said()) == 1
    alongside.run(collect, [1, 2], backend="processes", max_workers=1)
    assert len(said()) == 2


def test_each_function_and_each_topic_is_told_of_by_itself(said: Said) -> None:
    site = Site("a.py", 1, "a")
    for topic in ("small items", "heavy items"):
        for function in ("f", "g"):
            for _ in range(2):
                say(teaching.Lesson(topic, "text"), function, site)
    assert len(said()) == 4


def test_what_is_remembered_is_bounded(said: Said, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(saying, "MOST_SAID", 3)
    for line in range(10):
        say(LESSON, "f", Site("a.py", line, "a"))
    assert len(said()) == 10
    assert len(saying._said) <= 3


def test_users_filter_it_by_category_and_by_topic(said: Said) -> None:
    warnings.filterwarnings("ignore", "small items", AlongsideWarning)
    say(LESSON, "f", call_site())
    say(teaching.Lesson("heavy items", "send less."), "f", call_site())
    assert said() == ["heavy items: send less."]


def test_as_an_error_it_ends_the_run_each_time_and_leaves_nothing() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error", AlongsideWarning)
        for _ in range(2):
            with pytest.raises(AlongsideWarning, match="changes lost"):
                alongside.map(collect, [1, 2], backend="processes", max_workers=1)


def test_inside_a_worker_nothing_is_said(said: Said, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALONGSIDE_WORKER", "1")
    teacher = Teacher(collect)
    teacher.begins(PROCESSES, 4)
    teacher.stays(LONG_RUN._replace(process_cpu=0.04))
    assert said() == []


# ------------------------------------------------------------------------------------------------- wrong results


@pytest.mark.parametrize("backend", ["serial", "threads", "asyncio"])
def test_where_memory_is_shared_nothing_is_lost_and_nothing_said(said: Said, backend: str) -> None:
    alongside.map(collect, [1, 2], backend=backend, max_workers=2)
    assert said() == []


def test_a_generator_that_every_worker_copies(said: Said) -> None:
    Teacher(lambda x: shared.normal()).begins(PROCESSES, 2)
    assert "draws from shared (test_teaching.py:" in said()[0]
    assert "the same copy" in said()[0]
    assert "numpy.random.default_rng(alongside.task_seed())" in said()[0]


def test_what_it_says_of_a_copied_generator_is_true() -> None:
    generator = np.random.default_rng(1)
    with pytest.warns(AlongsideWarning, match="shared seed"):
        drawn = alongside.map(lambda x: generator.random(), range(2), backend="processes", max_workers=2, batch_size=1)
    first = np.random.default_rng(1).random(2)
    assert drawn in ([first[0], first[0]], list(first))  # two workers drew the same, or one worker drew both


def test_a_seed_of_random_is_noticed_in_the_code_that_calls(said: Said) -> None:
    Teacher(draw).begins(PROCESSES, 2)
    assert said() == []
    state = random.getstate()
    seeds_and_runs()
    random.setstate(state)
    assert said()[0].startswith("shared seed: random.seed was called (test_teaching.py:")
    assert "do not get that seed" in said()[0]


def test_a_seed_set_in_an_earlier_cell_is_noticed(said: Said, monkeypatch: pytest.MonkeyPatch) -> None:
    main = sys.modules["__main__"]
    monkeypatch.setattr(main, "In", ["", "%matplotlib inline # random.seed(", "random.seed(4)"], raising=False)
    Teacher(draw).begins(PROCESSES, 2)
    assert "random.seed was called (an earlier cell:1)" in said()[0]


def test_a_seed_of_numpy_is_remembered_by_numpy(said: Said) -> None:
    before = np.random.get_state()
    try:
        np.random.seed(1)
        Teacher(draw_numpy).begins(THREADS, 2)
        assert "All threads draw from that one generator" in said()[0]
    finally:
        np.random.set_state(before)


def test_an_automatic_run_that_leaves_its_loop_says_what_is_lost(said: Said) -> None:
    end = time.monotonic() + 60

    def keeps(x: int) -> None:
        found.append(x)
        until = time.thread_time() + 0.02
        while time.thread_time() < until:
            pass

    while not said() and time.monotonic() < end:
        alongside.map(keeps, range(60))
    assert said()[0].startswith(f"changes lost: {keeps.__qualname__} appends to the list found")


def test_what_begins_beside_the_caller_is_said_at_the_callers_line_once_it_arrives(said: Said) -> None:
    def beside() -> None:
        teacher.begins(PROCESSES, 2)
        teacher.begins(THREADS, 2)

    teacher = Teacher(collect, beside=True)
    thread = threading.Thread(target=beside)
    thread.start()
    thread.join()
    assert said() == []
    line = sys._getframe().f_lineno + 2
    with pytest.warns(AlongsideWarning, match="changes lost: collect appends to the list found") as caught:
        teacher.arrive()
    assert [(one.filename, one.lineno) for one in caught] == [(__file__, line)]


def mark(row: list[int]) -> None:
    row.append(1)


def mark_and_give(row: list[int]) -> list[int]:
    row.append(1)
    return row


def mark_or_tell(row: list[int]) -> str | None:
    if len(row) > 2:
        return "too long"
    row.append(1)
    return None


async def mark_async(row: list[int]) -> None:
    row.append(1)


MARKED = re.escape("changes its item and returns nothing: it appends to the list row (test_teaching.py:")


@pytest.mark.parametrize("fn", [mark, mark_or_tell, mark_async])
def test_an_item_changed_in_a_process_is_lost(said: Said, fn: Any) -> None:
    rows: list[list[int]] = [[], []]
    alongside.map(fn, rows, backend="processes", max_workers=1)
    assert rows == [[], []]
    (text,) = said()
    assert re.match(f"changes lost: {fn.__name__} {MARKED}", text)
    assert "Return the item" in text


@pytest.mark.parametrize(
    ("fn", "item"), [(mark_and_give, []), (mark_or_tell, [1, 2, 3]), (mark, SimpleNamespace(append=print)), (len, [])]
)
def test_what_is_given_back_is_not_lost(said: Said, fn: Any, item: Any) -> None:
    alongside.map(fn, [item, item], backend="processes", max_workers=1)
    assert said() == []


@pytest.mark.parametrize("backend", ["serial", "threads"])
def test_an_item_is_changed_where_memory_is_shared(said: Said, backend: str) -> None:
    rows: list[list[int]] = [[], []]
    alongside.map(mark, rows, backend=backend, max_workers=2)
    assert rows == [[1], [1]]
    assert said() == []


def test_imap_and_several_inputs_are_told_of_changed_items_too(said: Said) -> None:
    list(alongside.imap(mark, [[], []], backend="processes", max_workers=1))
    alongside.map(lambda n, row: row.append(n), [1, 2], [[], []], backend="processes", max_workers=1)
    assert [text.partition(":")[0] for text in said()] == ["changes lost"] * 2


def test_an_automatic_run_that_begins_in_processes_is_told_what_is_lost(said: Said) -> None:
    alongside.map(mark, [[], []], memory_limit=10**10, max_workers=1)
    alongside.map(collect, [1, 2], memory_limit=10**10, max_workers=1)
    assert [text[:25] for text in said()] == ["changes lost: mark change", "changes lost: collect app"]


def test_an_automatic_run_that_leaves_its_loop_says_that_items_are_left_as_they_were(said: Said) -> None:
    end = time.monotonic() + 60

    def marks(row: list[int]) -> None:
        until = time.thread_time() + 0.02
        while time.thread_time() < until:
            pass
        row.append(1)

    while not said() and time.monotonic() < end:
        alongside.map(marks, [[] for _ in range(60)])
    assert re.match(f"changes lost: .*marks {MARKED}", said()[0])


class Evasive:
    def __getattribute__(self, name: str) -> Any:
        if name in ("__dict__", "append"):
            raise RuntimeError("not for you")
        return super().__getattribute__(name)


def test_an_item_that_answers_with_errors_ends_nothing(said: Said) -> None:
    alongside.map(lambda row: row.append, [Evasive()], backend="processes", max_workers=1, on_error="skip")
    teacher = Teacher(mark)
    teacher.begins(PROCESSES, 2)
    teacher.on_command(Dispatch(1, Batch(1, 0, [Evasive()])), 0.0)
    teacher.speak()
    assert said() == []


def test_nothing_is_kept_of_the_item_that_was_looked_at(said: Said) -> None:
    class Row(list[int]):
        pass

    row = Row()
    gone = weakref.ref(row)
    teacher = Teacher(mark)
    teacher.begins(PROCESSES, 2)
    teacher.on_command(Dispatch(1, Batch(1, 0, [row])), 0.0)
    teacher.speak()
    assert "changes its item" in said()[0]
    del row
    assert gone() is None


def test_one_thread_draws_in_order(said: Said) -> None:
    before = np.random.get_state()
    try:
        np.random.seed(1)
        Teacher(draw_numpy).begins(THREADS, 1)
        assert said() == []
    finally:
        np.random.set_state(before)


# --------------------------------------------------------------------------------------------------------- speed


@pytest.mark.parametrize(
    ("facts", "told"),
    [
        ({"process_cpu": 0.039}, "already parallel: collect keeps 3.9 CPUs busy by itself"),
        ({"wall": 3e-7, "cpu": 3e-7, "process_cpu": 3e-7, "tasks_seen": 9_000_000}, "small items: a call of collect"),
        ({"item_bytes": 8_000_000, "pickle_seconds": 0.02}, "heavy items: an item of collect and its result are 8 MB"),
    ],
)
def test_a_long_run_that_stays_in_the_loop_is_told_why(said: Said, facts: dict[str, Any], told: str) -> None:
    Teacher(collect).stays(LONG_RUN._replace(**facts))
    assert said()[0].startswith(told)


@pytest.mark.parametrize(
    "facts",
    [
        {},
        {"wall": 0.02, "delayed": 0.01, "process_cpu": 0.02},  # a library that looks for its threads on a busy machine
        {"cpus": 1, "item_bytes": 8_000_000, "pickle_seconds": 0.02},
        {"gil_held": False, "item_bytes": 8_000_000, "pickle_seconds": 0.02},
        {"process_cpu": 0.039, "tasks_seen": int(0.9 * LONG / 0.01)},
    ],
)
def test_nothing_is_said_where_nothing_can_be_gained_or_it_was_short(said: Said, facts: dict[str, Any]) -> None:
    Teacher(collect).stays(LONG_RUN._replace(**facts))
    assert said() == []


def test_a_coroutine_that_blocks_its_loop_is_named_with_its_line(said: Said) -> None:
    async def sleeps(x: int) -> None:
        await asyncio.sleep(0)
        time.sleep(0.15)

    alongside.map(sleeps, range(8), backend="asyncio", max_workers=2)
    (text,) = said()
    name = sleeps.__qualname__
    assert re.match(rf"blocked loop: {re.escape(name)} held the event loop for \d+ ms at test_teaching.py:", text), text
    assert f"test_teaching.py:{sleeps.__code__.co_firstlineno + 2};" in text


def test_a_coroutine_that_waits_is_not_blamed(said: Said) -> None:
    async def waits(x: int) -> None:
        await asyncio.sleep(0.15)

    alongside.map(waits, range(8), backend="asyncio", max_workers=2)
    assert said() == []


def test_a_blocked_loop_is_said_by_the_caller_not_by_the_observer(said: Said) -> None:
    teacher = Teacher(collect)
    teacher.on_event(Blocked(1, "collect", "/home/me/a.py", 3, 0.4), 0.0)
    assert said() == []
    teacher.speak()
    teacher.ended()
    assert [text[:60] for text in said()] == ["blocked loop: collect held the event loop for 400 ms at a.py"]


def finished(teacher: Teacher, tasks: int, seconds: float, nbytes: int) -> None:
    teacher.begins(PROCESSES, 2)
    teacher.on_event(Finished(1, 1, [Part(0, [None] * tasks, seconds / tasks)], (), seconds, nbytes), 0.0)
    teacher.ended()


def test_processes_that_were_asked_for_and_not_worth_it(said: Said) -> None:
    finished(Teacher(abs), 100, 0.5, 5_000_000_000)
    finished(Teacher(len), 4_000_000, 1.0, 40_000_000)
    finished(Teacher(sum), 100, 5.0, 100_000)
    finished(Teacher(max), 100, 0.01, 100_000_000)
    assert [text.partition(":")[0] for text in said()] == ["heavy items", "small items"]
    assert "50 MB" in said()[0]
    assert "250 ns" in said()[1]


def test_a_run_of_milliseconds_says_nothing_and_reads_nothing() -> None:
    program = (
        "import alongside, sys; n = []; alongside.map(n.append, range(99)); alongside.map(lambda x: n.append(x), [1])"
    )
    tell = "print('alongside.runtime.reading' in sys.modules)"
    done = subprocess.run([sys.executable, "-W", "error", "-c", f"{program}; {tell}"], capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("False\n", "")


# --------------------------------------------------------------------------------------------------------- words


def every_lesson() -> list[teaching.Lesson]:
    change = teaching.Change("append", "found", "list", "/home/me/work.py", 3)
    own = teaching.Draw("rng", False, "numpy.random", "work.py", 4)
    common = teaching.Draw("random", True, "random", "work.py", 4)
    return [
        teaching.changes_lost("f", [change]),
        teaching.changes_lost("f", [change] * 5),
        teaching.item_changed("f", change),
        teaching.shared_seed("f", own, "", True),
        teaching.shared_seed("f", common, "random.seed was called", True),
        teaching.shared_seed("f", common, "random.seed was called", False),
        teaching.already_parallel("f", LONG_RUN._replace(process_cpu=0.03)),
        teaching.left_behind("f", "it reads m.n, which is 2 here and is 1 in a worker. Hand it over as an argument"),
        teaching.cannot_be_sent("f", LONG_RUN._replace(unpicklable="item.lock is a lock. Make it in the function.")),
        teaching.small_items("f", 2e-7),
        teaching.heavy_items("f", 1e-3, 8e6, 4e-3),
        teaching.blocked_loop("f", "/home/me/crawl.py", 31, 0.8),
    ]


def test_every_topic_has_a_lesson_that_says_what_to_do() -> None:
    lessons = every_lesson()
    assert {lesson.topic for lesson in lessons} == set(teaching.TOPICS)
    advice = ("Return", "Make", "Hand", "Nothing needs", "Give", "Send less", "Await")
    for lesson in lessons:
        assert str(lesson).startswith(f"{lesson.topic}: f ") or " f " in lesson.text
        assert any(word in lesson.text for word in advice)
        assert "/home/me" not in lesson.text


def test_many_changes_are_counted_not_listed() -> None:
    assert "and 2 more" in every_lesson()[1].text


def test_the_readme_lists_every_topic() -> None:
    readme = Path(__file__).parents[2].joinpath("README.md").read_text()
    for topic in teaching.TOPICS:
        assert f"| `{topic}` |" in readme
