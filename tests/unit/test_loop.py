"""The plain loop that every automatic run begins as, and the input it takes from."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import pytest

from alongside.exceptions import OptionError, short
from alongside.runtime.loop import Spent, Stopwatch, name_task
from alongside.runtime.source import Source, count


def stopwatch(fn: Any, *iterables: Any) -> Stopwatch:
    return Stopwatch(fn, Source(iterables))


def test_a_loop_in_stretches_runs_each_item_once() -> None:
    calls: list[int] = []
    watch = stopwatch(calls.append, range(1000))
    results: list[None] = []
    while not watch.ended:
        watch.stretch(results)
    assert calls == list(range(1000))
    assert (len(results), watch.done) == (1000, 1000)
    assert 0 < watch.cpu <= watch.wall * 1.5 + 0.01


def test_the_first_stretch_is_one_item() -> None:
    source = iter(range(100))
    stopwatch(abs, source).stretch([])
    assert next(source) == 1


def test_a_failure_is_named_after_its_task_and_the_results_before_it_are_kept() -> None:
    watch = stopwatch(lambda n: 10 // (3 - n), range(10))
    results: list[int] = []
    with pytest.raises(ZeroDivisionError) as caught:
        while True:
            watch.stretch(results)
    assert results == [3, 5, 10]
    assert caught.value.__notes__ == ["alongside: task 3 failed; its item is 3"]


def test_it_says_when_it_is_slow() -> None:
    watch = stopwatch(abs, range(10))
    watch.stretch([])
    assert not watch.slow()
    watch.wall = 1.0
    assert watch.slow()


def test_nothing_but_a_loop_is_worth_the_tiniest_tasks() -> None:
    watch = stopwatch(abs, range(10_000_000))
    watch.stretch([])
    watch.done, watch.wall = 1_000_000, 0.2
    assert not watch.slow()
    watch.wall = 2.0
    assert watch.slow()


def test_it_is_not_slow_at_the_end() -> None:
    watch = stopwatch(abs, [1])
    watch.stretch([])
    watch.wall = 1.0
    assert not watch.slow()


def test_a_task_is_named_once_however_often_it_is_raised() -> None:
    error = KeyError()
    for _ in range(3):
        name_task(error, 3, "x" * 200, attempts=2)
    (note,) = error.__notes__
    assert note.startswith("alongside: task 3 failed; its item is 'xxx")
    assert note.endswith("xxx'; attempt 2")
    assert len(note) < 150


def test_an_item_is_named_without_a_look_at_all_of_it() -> None:
    shown = []

    class Part:
        def __repr__(self) -> str:
            shown.append(self)
            return "part"

    assert short([Part() for _ in range(1000)]).startswith("[part, part,")
    assert len(shown) < 20
    assert short({"name": "x" * 10**6}).startswith("{'name': 'xxx")
    assert len(short({"name": "x" * 10**6})) <= 80


def test_an_item_that_cannot_be_shown_is_named_all_the_same() -> None:
    class Broken:
        def __repr__(self) -> str:
            raise ValueError

    assert short(Broken()) == "<Broken whose repr raised ValueError>"
    assert short([Broken()]) == "<list whose repr raised ValueError>"


# ------------------------------------------------------------------------------------------------------- the input


def test_no_more_is_taken_than_was_asked_for() -> None:
    source = itertools.count()
    assert Source((source,)).take(7) == (list(range(7)), False, None)
    assert next(source) == 7


def test_the_end_is_told_with_the_last_items() -> None:
    source = Source((iter(range(5)),))
    assert source.take(100) == ([0, 1, 2, 3, 4], True, None)


@pytest.mark.parametrize("whole", [range(10, 60, 10), [10, 20, 30, 40, 50]])
def test_of_what_can_be_sliced_slices_are_taken(whole: Any) -> None:
    source = Source((whole,))
    assert source.total == 5
    assert source.take(2) == (whole[:2], False, None)
    assert source.peek() == whole[2:3]
    items, ended, error = source.take(2)
    source.put_back(items, ended, error)
    assert source.take(100) == (whole[2:], True, None)
    assert source.take(100) == (whole[5:], True, None)


def test_a_list_that_grows_while_it_is_walked_is_walked_to_its_end() -> None:
    growing = [1, 2]
    source = Source((growing,))
    assert source.take(2) == ([1, 2], False, None)
    growing.append(3)
    assert source.take(2) == ([3], True, None)


def test_what_came_before_an_error_is_kept() -> None:
    error = OSError("gone")

    def broken() -> Iterator[int]:
        yield from range(23)
        raise error

    source = Source((broken(),))
    items: list[int] = []
    ended, raised = False, None
    while not ended:
        more, ended, raised = source.take(1000)
        items += more
    assert items == list(range(23))
    assert raised is error


def test_a_slow_input_gives_what_it_has() -> None:
    ticks = itertools.count()

    def slow() -> Iterator[int]:
        for n in ticks:
            spin_until_a_millisecond_has_passed()
            yield n

    items, ended, _ = Source((slow(),)).take(1_000_000)
    assert 1 <= len(items) < 1000
    assert not ended


def spin_until_a_millisecond_has_passed() -> None:
    from time import monotonic

    enough = monotonic() + 0.001
    while monotonic() < enough:
        pass


def test_several_inputs_are_walked_together() -> None:
    assert Source((range(3), itertools.count(5))).take(9) == ([(0, 5), (1, 6), (2, 7)], True, None)
    assert count((range(3), "ab")) == 2
    assert count((range(3), itertools.count())) is None


def test_the_old_protocol_of_iterating_is_known() -> None:
    class Old:  # no `__iter__`: as iterables were before there were iterators
        def __getitem__(self, place: int) -> int:
            if place == 3:
                raise IndexError
            return place

    old: Any = Old()
    assert Source((old,)).take(9) == ([0, 1, 2], True, None)


@pytest.mark.parametrize("nothing", [(), (5,), ([1], None)])
def test_what_cannot_be_walked_is_refused(nothing: tuple[Any, ...]) -> None:
    with pytest.raises(OptionError):
        Source(nothing)


def test_what_was_looked_at_comes_all_the_same() -> None:
    source = Source(([1, 2, 3],))
    assert source.peek() == [1]
    assert source.take(9) == ([1, 2, 3], True, None)
    assert source.peek() == []
    assert source.take(9) == ([], True, None)


def test_items_taken_ahead_say_how_many_there_are_at_the_least_and_come_again() -> None:
    source = Source(((n for n in range(100)),))
    source.take(10)
    source.look_ahead(20)
    assert (source.total, source.ahead) == (None, 20)
    assert source.take(5) == (list(range(10, 15)), False, None)
    assert source.ahead == 15
    rest, ended, error = source.take(200)
    assert (rest, ended, error, source.ahead) == (list(range(15, 100)), True, None, 0)


def test_an_input_that_ends_within_what_is_taken_ahead_is_known_whole() -> None:
    source = Source(((n for n in range(30)),))
    source.take(10)
    source.look_ahead(100)
    assert source.total == 30
    assert source.take(100) == (list(range(10, 30)), True, None)


def test_what_is_put_back_is_counted_once() -> None:
    source = Source(((n for n in range(30)),))
    items, ended, error = source.take(10)
    source.put_back(items[5:], ended, error)
    source.look_ahead(100)
    assert source.total == 30
    assert source.take(100) == (list(range(5, 30)), True, None)


def test_items_may_be_put_back_any_number_of_times() -> None:
    """As often as a stretch is cut: more often than iterators may be within one another."""
    source = Source(((n for n in range(20_002)),))
    seen = []
    for _ in range(20_000):
        items, ended, error = source.take(2)
        seen.append(items[0])
        source.put_back(items[1:], ended, error)
    rest, ended, error = source.take(9)
    assert (seen + list(rest), ended, error) == (list(range(20_002)), True, None)


def test_an_error_of_the_input_comes_after_what_was_taken_ahead() -> None:
    def broken() -> Iterator[int]:
        yield from range(3)
        raise OSError("gone")

    source = Source((broken(),))
    source.look_ahead(100)
    assert source.total is None
    items, ended, error = source.take(100)
    assert (items, ended, str(error)) == ([0, 1, 2], True, "gone")


@pytest.mark.parametrize(("first", "usual"), [(0.060, (20, 0.0002)), (0.00005, (21, 0.00025))])
def test_a_first_call_that_is_unlike_the_others_does_not_speak_for_them(first: float, usual: tuple[int, float]) -> None:
    watch = Stopwatch(abs, Source((range(1000),)))
    watch.first = Spent(1, first, first, first)
    watch.done, watch.wall = 21, first + 20 * 1e-5
    tasks, wall = watch.usual()
    assert tasks == usual[0]
    assert wall == pytest.approx(usual[1])
    assert watch.left() == pytest.approx((1000 - 21) * usual[1] / usual[0])
