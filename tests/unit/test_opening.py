"""The plain loop of an automatic run, the watcher beside it, and what takes over from it."""

from __future__ import annotations

import functools
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

import alongside
from alongside.core.choose import SWITCH
from alongside.runtime.callables import REMEMBERED, identity_of, may_take_long
from alongside.runtime.loop import Stopwatch
from alongside.runtime.opening import BRIEF, CONTENDED, PAID_FOR, Opening
from alongside.runtime.source import Source
from alongside.runtime.unsendable import cannot_be_sent
from alongside.runtime.watcher import Watcher, brisk, cpu_clock, heard, remember
from tests.conftest import wait_until


class Told:
    """A pilot that says what it was told to say."""

    def __init__(self, plan: object = "go") -> None:
        self.plan = plan
        self.weighed = None
        self.awaited: list[str] = []
        self.awaiting = False
        self.looked = threading.Event()

    def look(self, watcher: object, waits: bool) -> object:
        self.looked.set()
        return self.plan


class Taker:
    """Stands for the engine: runs what the loop has left, in the watcher's thread, until it is handed over."""

    def __init__(self, opening: Opening) -> None:
        self.opening = opening
        self.values: list[Any] = []
        self.beside = threading.Event()
        self.handed_over = threading.Event()
        self.closed = False

    def drive_beside(self) -> None:
        self.rest()
        self.beside.set()
        self.handed_over.wait()

    def rest(self) -> list[Any]:
        items, _, _ = self.opening.source.take(1 << 20)
        self.values += map(self.opening.fn, items)
        return self.values

    def hand_over(self) -> None:
        self.handed_over.set()

    def abandon(self) -> None:
        self.handed_over.set()

    def close(self) -> None:
        self.closed = True


class Heard:
    """A watcher that has heard what it was told."""

    ended, error = True, None

    def __init__(self, held: bool | None) -> None:
        self.held = held

    def computed(self) -> float:
        return time.thread_time()

    def stop(self) -> None:
        """There is no thread."""


class Beyond:
    """What is beyond the loop, as a test has it; notes what it was asked for."""

    def __init__(self, pilot: Any = None, engage: Any = None) -> None:
        self._pilot, self._engage = pilot, engage
        self.asked: list[Any] = []
        self.to_import = 0.0

    def pilot(self, opening: Opening) -> Any:
        return self._pilot

    def at_once(self, opening: Opening) -> Any:
        return None

    def engage(self, opening: Opening, plan: Any) -> Any:
        return self._engage(opening)

    def learn(self, opening: Opening) -> None:
        """Nothing is kept."""

    def imports(self, fn: Any, values: Any) -> float:
        return self.to_import

    def __getattr__(self, name: str) -> Any:
        return lambda *given: self.asked.append((name, *given))


def opened(fn: Any, items: Any, pilot: Any) -> tuple[Opening, list[Taker]]:
    takers: list[Taker] = []

    def engage(opening: Opening) -> Taker:
        takers.append(Taker(opening))
        return takers[-1]

    return Opening(fn, (items,), Beyond(pilot, engage)), takers


class Long:
    """A function whose first call lasts until the others have been run by somebody else."""

    def __init__(self, takers: list[Taker], error: BaseException | None = None) -> None:
        self.takers = takers
        self.error = error
        self.calls: list[int] = []
        self.others = threading.Event()

    def __call__(self, item: int) -> int:
        self.calls.append(item)
        if item == 0:
            assert self.others.wait(60), "nobody has taken over"
            if self.error is not None:
                raise self.error
        elif item == 9:
            self.others.set()
        return item * item


def test_while_the_first_item_lasts_the_others_are_run_and_none_twice() -> None:
    opening, takers = opened(None, range(10), Told())
    opening.fn = long = Long(takers)
    opening.watch = Stopwatch(long, opening.source)
    results: list[int] = []
    taken_over = opening.stretch(results)
    opening.close()
    assert taken_over is takers[0]
    assert results == [0]
    assert takers[0].values == [n * n for n in range(1, 10)]
    assert sorted(long.calls) == list(range(10))


def test_a_first_item_that_fails_ends_what_was_begun_beside_it() -> None:
    opening, takers = opened(None, range(10), Told())
    opening.fn = long = Long(takers, ValueError("first"))
    opening.watch = Stopwatch(long, opening.source)
    with pytest.raises(ValueError, match="first"):
        opening.stretch([])
    opening.close()
    assert takers[0].handed_over.is_set()
    assert takers[0].closed


def test_a_loop_that_is_better_left_alone_goes_on() -> None:
    pilot = Told(plan=None)
    opening, takers = opened(None, [60, *[0] * 5], pilot)
    opening.watch = Stopwatch(pilot.looked.wait, opening.source)
    results: list[bool] = []
    while not opening.watch.ended:
        assert opening.stretch(results) is None
    opening.close()
    assert results == [True] * 6
    assert not takers


def test_the_loop_goes_on_until_the_workers_it_is_to_go_to_are_there() -> None:
    class Awaiting(Told):
        def look(self, watcher: object, waits: bool) -> object:
            if not self.looked.is_set():
                self.awaited, self.awaiting = ["processes"], True
                super().look(watcher, waits)
                return None
            self.awaited = []
            return super().look(watcher, waits)

    def work(n: int) -> int:
        pilot.looked.wait(0.005 if n < 10 else 0)
        if n == 30:
            pilot.awaiting = False  # they are there
        return n

    pilot = Awaiting()
    opening, takers = opened(None, range(1000), pilot)
    opening.watch = Stopwatch(work, opening.source)
    opening.fn = work
    results: list[int] = []
    taken_over = None
    while taken_over is None:
        opening.watch.wall = max(opening.watch.wall, 1.0)  # slow, whatever it takes
        taken_over = opening.stretch(results)
    taken_over.rest()
    opening.close()
    assert 30 < len(results) < 1000
    assert results + takers[0].values == list(range(1000))


def test_a_task_that_waits_after_it_has_imported_much_is_seen_to_wait() -> None:
    class Waits(Told):
        def look(self, watcher: object, waits: bool) -> object:
            return super().look(watcher, waits) if waits else None

    def work(n: int) -> int:
        if n == 0:
            began = time.thread_time()
            while time.thread_time() - began < 0.02:
                pass
            assert others.wait(60), "nobody has taken over"
        elif n == 9:
            others.set()
        return n

    others = threading.Event()
    opening, takers = opened(None, range(10), Waits())
    opening.fn = work
    opening.watch = Stopwatch(work, opening.source)
    assert opening.stretch([]) is takers[0]
    opening.close()


def test_an_input_that_may_be_bound_to_its_thread_is_left_to_the_loop() -> None:
    def generate() -> Iterator[float]:
        for _ in range(3):
            yield 0.03

    opening, takers = opened(None, generate(), Told())
    waited = threading.Event()
    opening.watch = Stopwatch(lambda seconds: waited.wait(seconds), opening.source)
    results: list[bool] = []
    while not opening.watch.ended:
        if opening.stretch(results) is not None:  # between two items the loop may be left, by its own thread
            break
    opening.close()
    assert not any(taker.beside.is_set() for taker in takers)


def test_no_thread_for_what_cannot_last_or_has_no_other_item() -> None:
    for fn, items in ((lambda x: x * x, [1, 2, 3]), (sum, [[1]]), (len, [])):
        opening, _ = opened(fn, items, Told())
        opening.stretch([])
        assert opening.watcher is None
        opening.close()


# ---------------------------------------------------------------------------------------------- what is given up


def test_what_is_given_up_is_in_the_source_again_and_the_loop_begins_no_other() -> None:
    source = Source(([0, 1, 2, 3, 4],))

    def work(n: int) -> int:
        if n == 2:
            given.append(watch.relieve())
        return n

    watch = Stopwatch(work, source)
    given: list[bool] = []
    watch.done, watch.wall = 1000, 1e-9  # so that a stretch takes them all
    results: list[int] = []
    watch.stretch(results)
    assert given == [True]
    assert results == [0, 1, 2]
    assert watch.kept() == 1003
    watch.stretch(results)
    assert results == [0, 1, 2]
    assert source.take(10) == ([3, 4], True, None)


def test_the_inputs_own_error_comes_after_what_was_given_up() -> None:
    error = OSError("gone")

    def broken() -> Iterator[int]:
        yield from range(3)
        raise error

    source = Source((broken(),))
    watch = Stopwatch(lambda n: (watch.relieve(), n)[1], source)
    watch.done, watch.wall = 1000, 1e-9
    results: list[int] = []
    watch.stretch(results)
    rest, ended, raised = source.take(10)
    assert (results, rest, ended, raised) == ([0], [1, 2], True, error)


def test_a_loop_that_was_only_paused_goes_on_where_it_was() -> None:
    source = Source((range(4),))

    def work(n: int) -> int:
        if watch.relieve():
            watch.resume()
        return n

    watch = Stopwatch(work, source)
    results: list[int] = []
    while not watch.ended:
        watch.stretch(results)
    assert results == [0, 1, 2, 3]


def test_a_loop_that_was_only_paused_does_what_is_left_before_the_inputs_own_error() -> None:
    class Broken:
        """It says how many items it has, and has fewer."""

        def __len__(self) -> int:
            return 9

        def __iter__(self) -> Iterator[int]:
            yield from range(3)
            raise OSError("gone")

    def work(n: int) -> int:
        if watch.relieve():
            watch.resume()
        return n

    watch = Stopwatch(work, Source((Broken(),)))
    watch.done, watch.wall = 1000, 1e-9  # so that a stretch takes them all
    results: list[int] = []

    def run() -> None:
        while not watch.ended:
            watch.stretch(results)

    with pytest.raises(OSError, match="gone"):
        run()
    assert results == [0, 1, 2]


def test_a_stretch_that_is_cut_ends_after_the_task_in_hand_and_the_rest_comes_in_the_next() -> None:
    def items() -> Iterator[int]:
        yield from range(5)
        raise OSError("gone")

    def work(n: int) -> int:
        if n == 2:
            watch.cut()
        return n

    watch = Stopwatch(work, Source((items(),)))
    watch.done, watch.wall = 1000, 1e-9  # so that a stretch takes them all
    results: list[int] = []
    watch.stretch(results)
    assert (results, watch.last.tasks, watch.done, watch.kept(), watch.ended) == ([0, 1, 2], 3, 1003, 1003, False)
    with pytest.raises(OSError, match="gone"):
        watch.stretch(results)
    assert (results, watch.done) == ([0, 1, 2, 3, 4], 1005)


def test_to_cut_what_is_at_its_last_task_or_has_none_in_hand_does_nothing() -> None:
    watch = Stopwatch(lambda n: watch.cut(), Source(([1],)))
    watch.cut()
    while not watch.ended:
        watch.stretch([])
    watch.cut()
    assert (watch.done, watch.kept(), watch.ended) == (1, 1, True)


def test_the_results_of_brief_tasks_come_before_the_slow_ones_that_were_taken_with_them_have_run() -> None:
    """A stretch is measured out by the tasks before it: what turns up in it of another kind ends it."""
    begun: list[int] = []
    slow, go_on = 1000, threading.Event()

    def work(n: int) -> int:
        begun.append(n)
        if n >= slow:
            assert go_on.wait(60), "the stretch was not cut"
        return n

    opening, _ = opened(work, (n for n in range(100_000)), None)
    opening._watch_over()
    cut = opening.watch.cut

    def tell() -> None:
        cut()
        if begun[-1] >= slow:
            go_on.set()

    opening.watch.cut = tell  # type: ignore[method-assign]
    results: list[int] = []
    while len(results) <= slow:
        opening.watch.stretch(results)
    assert begun == results == list(range(slow + 1))
    opening.close()


def test_there_is_nothing_to_give_up_at_the_end() -> None:
    watch = Stopwatch(abs, Source(([1],)))
    while not watch.ended:
        watch.stretch([])
    assert not watch.relieve()


@pytest.mark.parametrize(
    ("held", "guesses", "begun"), [(True, True, 1), (None, True, 1), (False, True, 0), (True, False, 0)]
)
def test_workers_are_begun_unless_the_gil_was_heard_to_be_let_go(held: bool | None, guesses: bool, begun: int) -> None:
    beyond = Beyond(Told(plan=None))
    opening = Opening(abs, (range(100),), beyond)
    opening.watch.done, opening.watch.wall, opening.watch.cpu = 10, 1.0, 1.0
    opening.watcher, opening.guesses = Heard(held), guesses  # type: ignore[assignment]
    assert opening._move() is None
    opening.close()
    assert beyond.asked == [("begin", abs, ())] * begun


@pytest.mark.parametrize(("imports", "begun"), [(0.0, 1), (1.0, 1), (30.0, 0)])
def test_workers_are_not_begun_on_a_guess_where_they_would_import_for_too_long(imports: float, begun: int) -> None:
    beyond = Beyond(Told(plan=None))
    beyond.to_import = imports
    opening = Opening(abs, (range(100),), beyond)
    opening.watch.done, opening.watch.wall, opening.watch.cpu = 10, 1.0, 1.0
    opening.watcher = Heard(True)  # type: ignore[assignment]
    assert opening._move() is None
    opening.close()
    assert beyond.asked == [("begin", abs, ())] * begun


# ------------------------------------------------------------------------------------------------------- the GIL


@pytest.mark.parametrize("item", [threading.Lock(), 1], ids=["cannot be sent", "can"])
def test_what_was_begun_on_a_guess_ends_where_the_items_cannot_be_sent(item: object) -> None:
    beyond = Beyond()
    opening = Opening(time.sleep, ([0],), beyond)
    opening.watch.sample = item, 2
    opening._guess(1.0)
    opening._guess(1.0)
    assert beyond.asked == [("begin", time.sleep, (item, 2)), ("let_go",)][: 1 + (item != 1)]


def test_while_workers_come_to_be_what_drives_them_is_loaded() -> None:
    pilot = Told(plan=None)
    beyond = Beyond(pilot)
    opening = Opening(abs, (range(100),), beyond)
    opening.watch.wall, opening.watch.cpu, opening.watcher = 1.0, 1.0, Heard(True)  # type: ignore[assignment]
    opening.guesses = False
    assert opening._move() is None
    assert not beyond.asked
    pilot.awaiting = True
    opening._next_look = 0.0
    assert opening._move() is None
    assert beyond.asked == [("load",)]
    opening.close()


def test_a_glance_tells_what_is_no_value() -> None:
    local = type("Local", (), {})
    sent: list[Any] = [1, "a" * 1_000_000, bytearray(10), lambda: None, local(), {1: [2]}]
    assert not any(map(cannot_be_sent, sent))
    assert cannot_be_sent(1, threading.Lock())
    assert cannot_be_sent([{"a": (n for n in [1])}])


def test_a_glance_ends_early() -> None:
    read: list[int] = []

    class Read:
        def __reduce__(self) -> Any:
            read.append(1)
            return str, ("a" * 1000 + str(len(read)),)

    assert not cannot_be_sent([Read() for _ in range(100_000)])
    assert len(read) < 1000


@pytest.mark.parametrize(
    ("each", "computes", "held", "left", "loaded", "slow"),
    [
        (20e-6, True, False, 0.06, 0, False),  # nothing but processes would help
        (20e-6, True, False, 0.2, 0, True),
        (20e-6, True, False, 0.06, 1, True),
        (20e-6, True, False, 0.06, 2, True),
        (1e-3, True, True, 0.06, 0, False),
        (1e-3, True, False, 0.06, 0, True),  # threads would
        (1e-3, False, None, 0.06, 0, True),
        (1e-3, False, None, 0.02, 0, False),
    ],
)
def test_the_engine_is_loaded_for_what_it_may_gain(
    monkeypatch: pytest.MonkeyPatch,
    each: float,
    computes: bool,
    held: bool | None,
    left: float,
    loaded: int,
    slow: bool,
) -> None:
    for name in PAID_FOR:
        monkeypatch.delitem(sys.modules, name, raising=False)
    if loaded:
        monkeypatch.setitem(sys.modules, PAID_FOR[loaded - 1], object())
    done = int(0.005 / each)
    opening, _ = opened(abs, range(done + round(left / each)), Told())
    watch = opening.watch
    watch.done, watch.wall, watch.cpu = done, done * each, done * each * computes
    opening.watcher = Heard(held)  # type: ignore[assignment]
    assert opening._is_slow() is slow


def test_one_task_that_lasts_is_a_special_one_where_they_were_seen_to_be_brief() -> None:
    opening, takers = opened(abs, range(3001), Told())
    opening.watcher = Heard(True)  # type: ignore[assignment]
    opening.watch.since = time.perf_counter()
    opening.usual = 20e-6
    assert opening._take_over(0.05) is False
    assert opening.watch.noted[0] is None
    opening._take_over(0.07)
    assert opening.watch.noted[0] is not None
    assert not takers


def test_a_stretch_that_lasts_as_long_as_those_before_it_is_not_looked_at_again() -> None:
    pilot = Told(plan=None)
    opening, _ = opened(abs, range(100), pilot)
    opening.watcher = Heard(False)  # type: ignore[assignment]
    watch = opening.watch
    watch.done, watch.wall, watch._taken, watch._first = 10, 0.1, 1, 10
    watch.since = time.perf_counter()
    for stuck, looked in ((0.014, False), (0.016, True)):
        opening.pilot = pilot
        opening._take_over(stuck)  # the first time it takes a note
        opening._take_over(stuck)
        assert pilot.looked.is_set() is looked
    pilot.looked.clear()
    pilot.awaited = ["processes"]  # and they are there
    opening._take_over(0.005)
    assert pilot.looked.is_set()


@pytest.mark.parametrize(
    ("held", "loaded", "looks"),
    [(True, False, False), (None, False, False), (True, True, True), (False, False, True)],
    ids=str,
)
def test_the_engine_is_loaded_beside_a_task_that_holds_the_gil_only_if_that_lasts(
    monkeypatch: pytest.MonkeyPatch, held: bool | None, loaded: bool, looks: bool
) -> None:
    """Where it ends sooner the engine is loaded after it, in a quarter of the time."""
    monkeypatch.delitem(sys.modules, PAID_FOR[0], raising=False)
    if loaded:
        monkeypatch.setitem(sys.modules, PAID_FOR[0], object())
    pilot = Told(plan=None)
    opening, _ = opened(abs, range(100), pilot)
    opening.watcher, opening.pilot = Heard(held), None  # type: ignore[assignment]
    opening._waits = lambda stuck: False  # type: ignore[method-assign]
    opening.watch.since, opening.watch._taken = time.perf_counter(), 1
    for stuck, looked in ((0.05, looks), (CONTENDED, True)):
        opening._take_over(stuck)  # the first time it takes a note
        opening._take_over(stuck)
        assert pilot.looked.is_set() is looked


@pytest.mark.parametrize("each", [0.05, 0.0001])
def test_workers_that_have_come_while_the_engine_was_loaded_are_handed_over_to_at_once(each: float) -> None:
    """However brief the tasks were: the next one may be a long one."""
    pilot = Told(plan=None)
    opening, takers = opened(abs, range(1000), pilot)
    opening.watcher = Heard(True)  # type: ignore[assignment]
    opening.watch.done, opening.watch.wall, opening.watch.cpu = 100, 100 * each, 100 * each
    pilot.awaited, pilot.awaiting = ["processes"], True

    def load() -> None:
        pilot.plan, pilot.awaiting = "processes", False

    opening._beyond.load = load  # type: ignore[method-assign]
    opening._is_time = lambda: True  # type: ignore[method-assign]
    assert opening._move() is not None
    assert len(takers) == 1
    opening.close()


@pytest.mark.parametrize(("each", "goes"), [(0.05, True), (0.001, False)])
def test_between_two_long_tasks_workers_that_are_about_to_be_there_are_waited_for(each: float, goes: bool) -> None:
    class Coming(Told):
        """Its workers are there when they have been asked for a few times."""

        asked = 0

        @property
        def awaiting(self) -> bool:
            self.asked += 1
            return self.asked < 5

        @awaiting.setter
        def awaiting(self, value: bool) -> None:
            """Told at the beginning."""

        def look(self, watcher: object, waits: bool) -> object:
            self.awaited = ["processes"]
            return super().look(watcher, waits) if self.asked >= 5 else None

    opening, takers = opened(abs, range(100), Coming())
    opening.watcher = Heard(True)  # type: ignore[assignment]
    opening.watch.done, opening.watch.wall, opening.watch.cpu = 10, 10 * each, 10 * each
    assert (opening._move() is not None) is goes
    assert len(takers) == goes
    opening.close()


def test_what_is_brief_is_what_threads_do_not_overlap() -> None:
    assert BRIEF == SWITCH


@pytest.mark.parametrize(
    ("samples", "verdict"),
    [
        ([], None),
        ([0.005], None),
        ([0.005, 0.005], True),  # nothing but the GIL makes a thread late by just a switch interval, twice
        ([0.0001, 0.0001, 0.005, 0.0001], None),
        ([0.0001] * 4, False),
        ([0.001] * 4, True),
        ([0.0001] * 8 + [0.001] * 4, False),
        ([0.0001] * 7 + [0.001] * 5, True),
    ],
)
def test_the_verdict_on_the_gil(samples: list[float], verdict: bool | None) -> None:
    assert heard(samples, 0.005) is verdict


def test_a_loop_that_is_stuck_is_looked_at_before_the_gil_was_heard_and_that_does_not_hinder_the_hearing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A helper process begins that much sooner; what its start keeps the CPUs from the watcher is not the samples'."""
    delay, asked, over = [0.0], list[int](), threading.Event()

    def stuck() -> bool:
        asked.append(len(watcher.samples))
        delay[0] += 1.0  # for so long the thread has no CPU, amid the first question
        return over.is_set()

    monkeypatch.setattr("alongside.runtime.watcher.run_delay", lambda: delay[0] if len(asked) < 2 else 1.0)
    began = time.perf_counter() - 1.0
    watcher = Watcher(lambda: began, stuck, computed=time.perf_counter)
    assert wait_until(lambda: len(asked) > 1, 30)
    assert asked[0] <= 1  # its own start may have been one
    watcher._add(0.006)
    watcher._add(0.006)
    assert watcher.held is True
    over.set()
    watcher.stop()


@pytest.mark.parametrize(("amid", "counts"), [([None, 1.0], 1), ([1.0, None], 1), ([None, None], 0)], ids=str)
def test_a_sample_counts_where_a_task_was_in_hand_at_either_end_of_it(amid: list[Any], counts: int) -> None:
    """A task that reads a file wakes the watcher just as it ends: each sample then began between two."""
    watcher: Any = Watcher.__new__(Watcher)
    watcher.samples, watcher._stopped, watcher._trusted = [], False, True
    watcher.computed = time.perf_counter  # it computes all the time
    watcher._since = iter(amid).__next__
    watcher._stopping = threading.Lock()
    watcher._stopping.acquire()
    watcher._sample()
    assert len(watcher.samples) == counts


def test_what_it_had_no_cpu_for_once_is_not_held_against_later_samples(monkeypatch: pytest.MonkeyPatch) -> None:
    """A helper that starts keeps the CPUs for some 10 ms: after that no verdict was trusted, and the loop went on."""
    monkeypatch.setattr("alongside.runtime.watcher.run_delay", lambda: 0.015)
    watcher = Watcher(lambda: None)
    for _ in range(2):
        watcher._add(0.006)
    assert not watcher.samples
    for _ in range(2):
        watcher._add(0.006)
    assert watcher.held is True
    watcher.stop()


def test_a_verdict_is_remembered_with_the_function_and_few_are() -> None:
    def work(item: int) -> int:
        return item

    remember(identity_of(work), True)
    watcher = Watcher(fn=functools.partial(work, 1))
    assert watcher.held is True
    watcher.stop()
    for number in range(REMEMBERED):
        remember(number, False)
    watcher = Watcher(fn=work)
    assert watcher._before is None
    watcher.stop()


def test_the_switch_interval_is_put_back_unless_it_is_no_longer_ours() -> None:
    before = sys.getswitchinterval()
    with brisk():
        assert sys.getswitchinterval() < before
    assert sys.getswitchinterval() == before
    with brisk():
        sys.setswitchinterval(0.02)
    assert sys.getswitchinterval() == 0.02
    sys.setswitchinterval(before)


def test_of_several_that_are_brisk_the_last_puts_the_interval_back() -> None:
    before = sys.getswitchinterval()
    sys.setswitchinterval(0.003)
    found = sys.getswitchinterval()
    try:
        for _ in range(20):
            one, other, third = brisk(), brisk(), brisk()
            one.__enter__()
            other.__enter__()
            one.__exit__()
            assert sys.getswitchinterval() < found
            third.__enter__()
            other.__exit__()
            third.__exit__()
            assert sys.getswitchinterval() == found
    finally:
        sys.setswitchinterval(before)


def test_a_child_that_is_forked_amid_a_brisk_block_is_not_brisk() -> None:
    program = """
import os, sys
from alongside.runtime.watcher import brisk
before = sys.getswitchinterval()
with brisk():
    if os.fork() == 0:
        with brisk():
            pass
        os._exit(sys.getswitchinterval() != before)
    sys.exit(os.waitstatus_to_exitcode(os.wait()[1]))
"""
    subprocess.run([sys.executable, "-W", "ignore", "-c", program], timeout=60, check=True)


def test_what_may_take_long() -> None:
    assert not may_take_long(lambda x: x * x + 1)
    assert may_take_long(lambda x: sorted(x))
    assert may_take_long(len)
    assert may_take_long(functools.partial(pow, 2))


# ---------------------------------------------------------------------------------------------------- altogether


def test_a_long_first_item_and_the_others_beside_it(tmp_path: Any) -> None:
    """Through the front door: the first call waits for the last one, which a plain loop would never come to."""
    done = tmp_path / "done"

    def work(number: int) -> int:
        import time

        if number == 19:
            done.touch()
        enough = time.monotonic() + 60
        while number == 0 and not done.exists() and time.monotonic() < enough:
            pass
        return number if done.exists() or number else -1

    assert alongside.map(work, range(20)) == list(range(20))
    done.unlink()
    assert list(alongside.imap(work, range(20))) == list(range(20))


@pytest.mark.parametrize("options", ["", ", backend='auto'"])
def test_a_program_may_end_with_an_iterator_open(options: str) -> None:
    """Whatever the watcher is doing then: it is waited for while it can still end, and not when it is frozen."""
    program = f"""
import alongside, itertools, sys
results = alongside.imap(lambda n: sum(range(1000)) + n, itertools.count(){options})
print([next(results) for _ in range(5)], sys.argv)
"""
    for _ in range(10):
        subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, timeout=60)


def test_what_is_loaded_beside_a_long_first_item_is_not_taken_for_the_main_thread() -> None:
    """A program that has not imported `threading`: up to Python 3.12 its first importer counts as the main thread."""
    program = """
import sys
assert "threading" not in sys.modules
import time
import alongside

def nap(number):
    time.sleep(0.3 if number == 0 else 0.01)
    return number

assert alongside.map(nap, range(40)) == list(range(40))
assert "alongside.compose" in sys.modules

import threading
print(threading.main_thread() is threading.current_thread())
"""
    done = subprocess.run([sys.executable, "-W", "error", "-c", program], capture_output=True, text=True, timeout=60)
    assert (done.stdout, done.stderr) == ("True\n", "")


def test_a_thread_that_only_python_believes_to_be_the_main_one() -> None:
    """Where a thread of somebody else's was the first to import `threading`, as in an embedding program."""
    program = """
import _thread, sys
assert "threading" not in sys.modules

def elsewhere():
    try:
        import alongside
        print(alongside.map(abs, [-1, -2], backend="processes", max_workers=1))
    finally:
        over.release()

over = _thread.allocate_lock()
over.acquire()
_thread.start_new_thread(elsewhere, ())
over.acquire()
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert (done.stdout, done.stderr) == ("[1, 2]\n", "")


def test_items_that_cannot_be_sent_stay_though_the_first_of_them_is_long() -> None:
    class Item:
        def __init__(self, seconds: float) -> None:
            self.lock = threading.Lock()
            self.seconds = seconds

    def work(item: Item) -> float:
        import time

        enough = time.monotonic() + item.seconds
        while time.monotonic() < enough:
            pass
        return item.seconds

    items = [Item(0.15), *(Item(0.01) for _ in range(20))]
    assert alongside.map(work, items) == [item.seconds for item in items]


def test_without_a_clock_for_each_thread_the_process_tells(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(time, "pthread_getcpuclockid")
    clock = cpu_clock()
    before = time.thread_time()
    assert clock() == pytest.approx(before, abs=0.05)
    opening, _ = opened(sorted, [[3, 1, 2]] * 2000, Told(None))
    results: list[list[int]] = []
    while not opening.watch.ended:
        opening.stretch(results)
    opening.close()
    assert results == [[1, 2, 3]] * 2000
