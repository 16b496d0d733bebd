"""Results as they come: lazy, bounded, in order or not, and nothing left when the iterator is left early."""

from __future__ import annotations

import asyncio
import itertools
import threading
from collections.abc import Iterator
from typing import Any

import pytest

import alongside
from alongside.compose.composition import Composition, Manner
from alongside.core.options import Options
from alongside.core.policy import LAZY_WINDOW
from alongside.runtime.results import Values
from alongside.runtime.source import Source


def square(n: int) -> int:
    return n * n


async def square_later(n: int) -> int:
    await asyncio.sleep(0)
    return n * n


def square_slowly(n: int) -> int:
    threading.Event().wait(0.002)
    return n * n


class Counted:
    """An endless input that knows how many of its items were taken, and by which threads."""

    def __init__(self) -> None:
        self.taken = 0
        self.threads: set[int] = set()

    def __iter__(self) -> Iterator[int]:
        while True:
            self.threads.add(threading.get_ident())
            self.taken += 1
            yield self.taken - 1


@pytest.mark.parametrize("fn", [square, square_later])
def test_an_endless_input(backend: str, fn: Any) -> None:
    assert next(iter(alongside.imap(fn, itertools.count(), backend=backend))) == 0
    assert list(itertools.islice(alongside.imap(fn, itertools.count(), backend=backend), 500)) == [
        n * n for n in range(500)
    ]


def test_who_takes_a_run_over_may_wake_it_before_it_has_begun(backend: str) -> None:
    """The loop's task may be done just as another thread is about to open what was put together beside it."""
    collected = Values("raise")
    made = Composition(square, Source((range(3),)), Options(backend=backend), collected, Manner())
    made.driver.wake()
    made.drive()
    assert collected.taken() == [0, 1, 4]


class Unmeasurable:
    """An input that seems to know its length, and raises when it is asked."""

    def __len__(self) -> int:
        raise NotImplementedError

    def __iter__(self) -> Iterator[int]:
        return iter(range(5))


def test_an_input_that_cannot_tell_its_length(backend: str) -> None:
    assert alongside.map(square, Unmeasurable(), backend=backend) == [0, 1, 4, 9, 16]
    assert next(alongside.imap(square, range(10**30), backend=backend)) == 0
    assert next(alongside.imap(square, Unmeasurable())) == 0


@pytest.mark.parametrize("fn", [square, square_later, square_slowly])
@pytest.mark.parametrize("window", [1, 7, 40])
def test_the_input_is_never_taken_further_ahead_than_the_window(backend: str, fn: Any, window: int) -> None:
    source = Counted()
    results = alongside.imap(fn, source, backend=backend, window=window, max_workers=2)
    assert source.taken == 0, "nothing is taken before a result is asked for"
    for n, value in enumerate(itertools.islice(results, 80)):
        assert value == n * n
        assert source.taken <= n + window, "only what was taken before makes room"
    results.close()
    assert source.threads == {threading.get_ident()}, "the input is only touched in the consumer's thread"


def test_without_a_window_the_input_is_bounded_too(backend: str) -> None:
    source = Counted()
    results = alongside.imap(square, source, backend=backend)
    assert list(itertools.islice(results, 3)) == [0, 1, 4]
    assert source.taken <= 2 * LAZY_WINDOW


@pytest.mark.parametrize("fn", [square, square_later])
def test_as_completed(backend: str, fn: Any) -> None:
    found = list(alongside.imap(fn, range(200), backend=backend, ordered=False))
    assert sorted(found) == [n * n for n in range(200)]


def test_the_quick_do_not_wait_for_the_slow_when_order_does_not_matter() -> None:
    gate = threading.Event()

    def first_waits(n: int) -> int:
        if n == 0:
            gate.wait(60)
        return n

    results = alongside.imap(first_waits, range(20), backend="threads", max_workers=2, ordered=False, batch_size=1)
    early = list(itertools.islice(results, 18))  # one may have been sent ahead to the worker that waits
    gate.set()
    assert 0 not in early
    assert sorted([*early, *results]) == list(range(20))


@pytest.mark.parametrize("fn", [square, square_later, square_slowly])
def test_leaving_early_ends_the_run(backend: str, fn: Any) -> None:
    results = alongside.imap(fn, itertools.count(), backend=backend)
    assert next(results) == 0
    results.close()
    with pytest.raises(StopIteration):
        next(results)


def test_forgetting_the_iterator_ends_the_run(backend: str) -> None:
    results = alongside.imap(square_slowly, itertools.count(), backend=backend)
    assert next(results) == 0
    del results


def test_an_iterator_that_is_never_asked_does_nothing(backend: str) -> None:
    source = Counted()
    alongside.imap(square, source, backend=backend)
    assert source.taken == 0


def test_an_exhausted_iterator_stays_so(backend: str) -> None:
    results = alongside.imap(square, range(3), backend=backend)
    assert list(results) == [0, 1, 4]
    assert list(results) == []


def test_two_streams_side_by_side(backend: str) -> None:
    first = alongside.imap(square, range(100), backend=backend)
    second = alongside.imap(square, range(100, 200), backend=backend)
    assert [a + b for a, b in zip(first, second, strict=True)] == [n * n + (n + 100) * (n + 100) for n in range(100)]


def test_a_consumer_that_raises_ends_the_run(backend: str) -> None:
    with pytest.raises(LookupError):
        for value in alongside.imap(square_slowly, itertools.count(), backend=backend):
            if value > 20:
                raise LookupError(value)


def test_a_stream_may_be_closed_in_another_thread(backend: str) -> None:
    results = alongside.imap(square_slowly, itertools.count(), backend=backend)
    next(results)
    closer = threading.Thread(target=results.close)
    closer.start()
    closer.join()
    assert list(results) == []


def test_the_input_may_call_alongside_itself(backend: str) -> None:
    nested = alongside.imap(square, alongside.imap(square, range(20), backend=backend), backend=backend)
    assert list(nested) == [n**4 for n in range(20)]


def test_an_input_that_ends_or_raises_is_not_asked_again(backend: str) -> None:
    class Once:
        """Breaks the rules of iterators: after its error it would go on."""

        def __init__(self) -> None:
            self.left = [0, 1, OSError("the disk is gone"), 2, 3]

        def __iter__(self) -> Once:
            return self

        def __next__(self) -> int:
            item = self.left.pop(0)
            if isinstance(item, OSError):
                raise item
            assert isinstance(item, int)
            return item

    source = Once()
    with pytest.raises(OSError, match="the disk is gone"):
        alongside.map(square, source, backend=backend)
    assert source.left == [2, 3]
