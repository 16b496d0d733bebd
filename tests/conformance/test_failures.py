"""What fails, fails the same way on every backend: type, arguments, notes, which tasks, how often they were tried."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import alongside
from alongside import backends

KILLABLE = [name for name in backends.names() if backends.find(name).capabilities.killable]


class TwoArguments(Exception):
    """An exception that its `args` alone cannot rebuild."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(f"{code}: {text}")
        self.code = code
        self.text = text


class Leaving(BaseException):
    """No `Exception`: neither retried nor a thing to swallow."""


def fail(n: int) -> int:
    if n == 3:
        raise TwoArguments(n, "three")
    if n == 7:
        raise ValueError("seven", n)
    return n


async def fail_later(n: int) -> int:
    await asyncio.sleep(0)
    return fail(n)


def notes_about_tasks(error: BaseException) -> list[str]:
    return [note for note in getattr(error, "__notes__", []) if note.startswith("alongside: task")]


@pytest.mark.parametrize("fn", [fail, fail_later])
def test_map_raises_the_earliest_failure_as_itself(backend: str, fn: Any) -> None:
    with pytest.raises(TwoArguments) as caught:
        alongside.map(fn, range(40), backend=backend)
    assert (caught.value.code, caught.value.text, str(caught.value)) == (3, "three", "3: three")
    assert notes_about_tasks(caught.value) == ["alongside: task 3 failed; its item is 3"]


@pytest.mark.parametrize("fn", [fail, fail_later])
def test_imap_gives_the_results_before_the_failure(backend: str, fn: Any) -> None:
    found = []
    with pytest.raises(TwoArguments) as caught:
        for value in alongside.imap(fn, range(40), backend=backend):
            found.append(value)  # noqa: PERF402  (what came before the failure must be kept)
    assert found == [0, 1, 2]
    assert notes_about_tasks(caught.value) == ["alongside: task 3 failed; its item is 3"]


@pytest.mark.parametrize("fn", [fail, fail_later])
def test_failures_in_place_of_results(backend: str, fn: Any) -> None:
    found = alongside.map(fn, range(10), backend=backend, on_error="return")
    assert [value for value in found if not isinstance(value, alongside.Failure)] == [0, 1, 2, 4, 5, 6, 8, 9]
    three, seven = found[3], found[7]
    assert (three.index, three.item, three.value, three.attempts, three.ok) == (3, 3, None, 1, False)
    assert (type(three.exception), three.exception.code) == (TwoArguments, 3)
    assert (type(seven.exception), seven.exception.args) == (ValueError, ("seven", 7))
    streamed = list(alongside.imap(fn, range(10), backend=backend, on_error="return"))
    assert [repr(value) for value in streamed] == [repr(value) for value in found]


def test_failures_skipped(backend: str) -> None:
    expected = [0, 1, 2, 4, 5, 6, 8, 9]
    assert alongside.map(fail, range(10), backend=backend, on_error="skip") == expected
    assert list(alongside.imap(fail, range(10), backend=backend, on_error="skip")) == expected


def test_run_keeps_failures_with_their_items(backend: str) -> None:
    run = alongside.run(fail, range(10), backend=backend)
    assert [(failure.index, failure.item) for failure in run.failures] == [(3, 3), (7, 7)]
    assert (run.stats.succeeded, run.stats.failed) == (8, 2)
    assert [outcome.ok for outcome in run.outcomes] == [n not in (3, 7) for n in range(10)]
    with pytest.raises(TwoArguments):
        run.replay(3)
    with pytest.raises(IndexError, match="no task 10"):
        run.replay(10)


def raise_it(name: str) -> None:
    raise {
        "stop": StopIteration("stop"),
        "group": ExceptionGroup("two", [ValueError(1), TwoArguments(2, "b")]),
        "key": KeyError("k"),
        "unicode": UnicodeDecodeError("utf-8", b"\xff", 0, 1, "why"),
        "os": FileNotFoundError(2, "gone", "/x"),
        "lookup": LookupError(),
        "generator": GeneratorExit("closed"),
        "exit": SystemExit(3),
        "leaving": Leaving("now"),
        "cancelled": asyncio.CancelledError("inside"),
        "timeout": TimeoutError("own"),
        "assert": AssertionError([1, 2]),
    }[name]


@pytest.mark.parametrize(
    "name",
    [
        "stop",
        "group",
        "key",
        "unicode",
        "os",
        "lookup",
        "generator",
        "exit",
        "leaving",
        "cancelled",
        "timeout",
        "assert",
    ],
)
def test_every_exception_arrives_as_itself(backend: str, name: str) -> None:
    expected = caught_from_a_loop(name)
    failure = alongside.run(raise_it, [name], backend=backend).failures[0]
    assert type(failure.exception) is type(expected)
    assert repr(failure.exception.args) == repr(expected.args)
    assert str(failure.exception) == str(expected)
    with pytest.raises(type(expected)):
        alongside.map(raise_it, [name], backend=backend)


def caught_from_a_loop(name: str) -> BaseException:
    try:
        raise_it(name)
    except BaseException as error:
        return error
    raise AssertionError


async def raise_later(name: str) -> None:
    await asyncio.sleep(0)
    raise_it(name)


@pytest.mark.parametrize("name", ["group", "key", "exit", "leaving", "cancelled", "timeout"])
def test_every_exception_of_a_coroutine_arrives_as_itself(backend: str, name: str) -> None:
    expected = caught_from_a_loop(name)
    failure = alongside.run(raise_later, [name, name], backend=backend).failures[1]
    assert type(failure.exception) is type(expected)
    assert str(failure.exception) == str(expected)


def test_a_cause_and_notes_come_along(backend: str) -> None:
    error = alongside.run(fail_with_cause, [1], backend=backend).failures[0].exception
    assert isinstance(error.__cause__, KeyError)
    assert "seen before" in error.__notes__


def fail_with_cause(n: int) -> None:
    error = ValueError(n)
    error.add_note("seen before")
    raise error from KeyError("cause")


# ---------------------------------------------------------------------------------------------------- retries


def twice_unlucky(path: str) -> str:
    """Fails twice, then works; what it remembers is in a file, so that every backend can count."""
    with open(path, "a") as file:
        file.write("x")
    if os.path.getsize(path) < 3:
        raise ConnectionError(path)
    return "at last"


async def twice_unlucky_later(path: str) -> str:
    await asyncio.sleep(0)
    return twice_unlucky(path)


@pytest.mark.parametrize("fn", [twice_unlucky, twice_unlucky_later])
def test_a_task_that_fails_twice_then_works(backend: str, fn: Any, tmp_path: Path) -> None:
    paths = [str(tmp_path / str(n)) for n in range(4)]
    run = alongside.run(fn, paths, backend=backend, retries=2, backoff=0)
    assert run.results == ["at last"] * 4
    assert [outcome.attempts for outcome in run.outcomes] == [3] * 4
    assert run.stats.retried == 8


@pytest.mark.parametrize("fn", [twice_unlucky, twice_unlucky_later])
def test_too_few_retries(backend: str, fn: Any, tmp_path: Path) -> None:
    path = str(tmp_path / "x")
    with pytest.raises(ConnectionError) as caught:
        alongside.map(fn, [path], backend=backend, retries=1, backoff=lambda attempt: 0.001 * attempt)
    assert os.path.getsize(path) == 2
    assert "attempt 2" in notes_about_tasks(caught.value)[0]


@pytest.mark.parametrize(
    ("retry_on", "tries"),
    [
        (ConnectionError, 3),
        (KeyError, 1),
        ((KeyError, OSError), 3),
        ((), 1),
        (lambda error: "x" in str(error), 3),
        (lambda error: False, 1),
    ],
)
def test_only_what_retry_on_names_is_tried_again(backend: str, retry_on: Any, tries: int, tmp_path: Path) -> None:
    path = str(tmp_path / "x")
    outcome = alongside.run(twice_unlucky, [path], backend=backend, retries=5, retry_on=retry_on, backoff=0).outcomes[0]
    assert outcome.attempts == tries
    assert os.path.getsize(path) == tries


def test_a_base_exception_is_not_tried_again(backend: str) -> None:
    run = alongside.run(raise_it, ["leaving", "key"], backend=backend, retries=3, backoff=0)
    assert [failure.attempts for failure in run.failures] == [1, 4]


def test_a_predicate_that_raises_ends_the_run_with_its_error(backend: str) -> None:
    def broken(error: BaseException) -> bool:
        raise RuntimeError("the predicate is broken")

    with pytest.raises(RuntimeError, match="the predicate is broken"):
        alongside.map(fail, range(40), backend=backend, retries=1, retry_on=broken)
    with pytest.raises(RuntimeError, match="the predicate is broken"):
        list(alongside.imap(fail, range(40), backend=backend, retries=1, retry_on=broken))


# ---------------------------------------------------------------------------------------------------- timeout


def doze(seconds: float) -> float:
    time.sleep(seconds)
    return seconds


async def doze_later(seconds: float) -> float:
    await asyncio.sleep(seconds)
    return seconds


@pytest.mark.parametrize("fn", [doze, doze_later])
def test_only_the_overdue_task_fails(backend: str, fn: Any) -> None:
    run = alongside.run(fn, [0, 0.7, 0, 0], backend=backend, timeout=0.3, max_workers=2)
    assert [outcome.value for outcome in run.outcomes] == [0, None, 0, 0]
    (failure,) = run.failures
    assert isinstance(failure.exception, alongside.TaskTimeout)
    assert isinstance(failure.exception, TimeoutError)
    assert (failure.index, failure.exception.seconds) == (1, 0.3)


def late_once(path: str) -> str:
    first = not os.path.exists(path)
    Path(path).touch()
    time.sleep(0.7 if first else 0)
    return "in time"


async def late_once_later(path: str) -> str:
    first = not os.path.exists(path)
    Path(path).touch()
    await asyncio.sleep(0.7 if first else 0)
    return "in time"


@pytest.mark.parametrize("fn", [late_once, late_once_later])
def test_a_timeout_is_a_failure_like_others_and_can_be_tried_again(backend: str, fn: Any, tmp_path: Path) -> None:
    run = alongside.run(fn, [str(tmp_path / "x")], backend=backend, timeout=0.3, retries=1, backoff=0)
    assert [(outcome.value, outcome.attempts) for outcome in run.outcomes] == [("in time", 2)]


def test_imap_keeps_the_timeout_while_the_consumer_waits(backend: str) -> None:
    with pytest.raises(alongside.TaskTimeout):
        list(alongside.imap(doze, [0, 0.7], backend=backend, timeout=0.3))


@pytest.mark.parametrize("named", KILLABLE)
def test_where_it_can_be_killed_an_overdue_task_is(named: str) -> None:
    began = time.monotonic()
    with pytest.raises(alongside.TaskTimeout):
        alongside.map(doze, [60, 60], backend=named, timeout=0.2)
    assert time.monotonic() - began < 30


# -------------------------------------------------------------------------------------------- a broken input


def broken_after(count: int) -> Iterator[int]:
    yield from range(count)
    raise OSError("the disk is gone")


@pytest.mark.parametrize("fn", [fail, fail_later])
def test_an_input_that_raises_midway(backend: str, fn: Any) -> None:
    found = []
    with pytest.raises(OSError, match="the disk is gone"):
        for value in alongside.imap(fn, broken_after(3), backend=backend):
            found.append(value)  # noqa: PERF402  (what came before the failure must be kept)
    assert found == [0, 1, 2]
    with pytest.raises(OSError, match="the disk is gone"):
        alongside.map(fn, broken_after(3), backend=backend)
    with pytest.raises(OSError, match="the disk is gone"):
        alongside.map(fn, broken_after(0), backend=backend)


def test_a_failed_task_before_the_broken_input_comes_first(backend: str) -> None:
    with pytest.raises(TwoArguments):
        alongside.map(fail, broken_after(6), backend=backend)


# ----------------------------------------------------------------------------------- what a failure costs others


def test_what_comes_after_a_failure_is_not_begun(backend: str) -> None:
    taken: list[int] = []

    def items() -> Iterator[int]:
        for n in range(1_000_000):
            taken.append(n)
            yield n

    with pytest.raises(TwoArguments):
        alongside.map(fail, items(), backend=backend, window=50)
    assert len(taken) <= 60


def test_a_failure_ends_the_run_though_others_still_wait() -> None:
    gate = threading.Event()

    def wait_or_fail(n: int) -> int:
        if n == 0:
            raise KeyError(n)
        gate.wait(60)
        return n

    began = time.monotonic()
    with pytest.raises(KeyError):
        alongside.map(wait_or_fail, range(4), backend="threads", max_workers=4)
    gate.set()
    assert time.monotonic() - began < 30
