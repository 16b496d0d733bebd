"""An item, a result or an exception that cannot cross to another process costs its own task, and no other."""

from __future__ import annotations

import threading
from collections.abc import Callable
from email.message import Message
from functools import partial
from pathlib import Path
from typing import Any
from urllib.error import HTTPError

import pytest

import alongside
from tests.faults.support import count, executions

MANY = 2_000
ODD_ONE = 777


class RaisesWhenUnpickled:
    def __init__(self, error: type[BaseException] = ValueError) -> None:
        self.error = error

    def __reduce__(self) -> tuple[object, ...]:
        return raise_it, (self.error,)


def raise_it(error: type[BaseException]) -> None:
    raise error("rebuilt into this")


class RaisesWhenPickled:
    def __init__(self, error: type[BaseException] = ZeroDivisionError) -> None:
        self.error = error

    def __reduce__(self) -> tuple[object, ...]:
        raise self.error("while it was pickled")


class CannotTravel(Exception):
    def __init__(self, lock: object) -> None:
        super().__init__(lock)
        self.lock = threading.Lock()


class NeedsTwo(Exception):
    def __init__(self, a: int, b: int) -> None:
        super().__init__(f"{a} and {b}")
        self.a, self.b = a, b


def deep() -> list[Any]:
    nested: list[Any] = []
    for _ in range(100_000):
        nested = [nested]
    return nested


RESULTS: dict[str, Callable[[], object]] = {
    "a lock": threading.Lock,
    "a generator": lambda: (letter for letter in "abc"),
    "raises when pickled": RaisesWhenPickled,
    "raises SystemExit when pickled": partial(RaisesWhenPickled, SystemExit),
    "raises when rebuilt": RaisesWhenUnpickled,
    "raises SystemExit when rebuilt": partial(RaisesWhenUnpickled, SystemExit),
    "too deep": deep,
}


def odd_result(tally: str, kind: str, x: int) -> object:
    count(tally, x)
    return RESULTS[kind]() if x == ODD_ONE else [x]


@pytest.mark.parametrize("kind", RESULTS)
def test_a_result(kind: str, tmp_path: Path) -> None:
    tally = str(tmp_path / "tally")
    run = alongside.run(partial(odd_result, tally, kind), range(MANY), backend="processes", max_workers=2)
    assert [failure.index for failure in run.failures] == [ODD_ONE]
    assert [r for i, r in enumerate(run.results) if i != ODD_ONE] == [[x] for x in range(MANY) if x != ODD_ONE]
    assert set(executions(tally).values()) == {1}, "nothing is executed again because a value did not travel"


ITEMS = {name: make for name, make in RESULTS.items() if name != "too deep"}


@pytest.mark.parametrize("kind", ITEMS)
def test_an_item(kind: str, tmp_path: Path) -> None:
    tally = str(tmp_path / "tally")
    items: list[object] = list(range(MANY))
    items[ODD_ONE] = ITEMS[kind]()
    run = alongside.run(partial(seen, tally), items, backend="processes", max_workers=2)
    assert [failure.index for failure in run.failures] == [ODD_ONE]
    assert [r for i, r in enumerate(run.results) if i != ODD_ONE] == [x for x in range(MANY) if x != ODD_ONE]
    assert set(executions(tally).values()) == {1}


def seen(tally: str, x: object) -> object:
    count(tally, x)
    return x


EXCEPTIONS: dict[str, Callable[[], BaseException]] = {
    "with a lock": lambda: CannotTravel(threading.Lock()),
    "with another constructor": lambda: NeedsTwo(1, 2),
    "SystemExit": lambda: SystemExit(3),
    "KeyboardInterrupt": lambda: KeyboardInterrupt("from the task"),
    "GeneratorExit": lambda: GeneratorExit(),
    "BaseException": lambda: BaseException("plain"),
    "RecursionError": lambda: RecursionError("deep"),
    "MemoryError": lambda: MemoryError("full"),
    "StopIteration": lambda: StopIteration(5),
    "a group": lambda: ExceptionGroup("several", [ValueError(1), NeedsTwo(1, 2)]),
}


def odd_exception(tally: str, kind: str, x: int) -> int:
    count(tally, x)
    if x == ODD_ONE:
        error = EXCEPTIONS[kind]()
        raise error
    return x


@pytest.mark.parametrize("kind", EXCEPTIONS)
def test_an_exception(kind: str, tmp_path: Path) -> None:
    tally = str(tmp_path / "tally")
    run = alongside.run(partial(odd_exception, tally, kind), range(MANY), backend="processes", max_workers=2)
    (failure,) = run.failures
    assert failure.index == ODD_ONE
    assert type(failure.exception) is type(EXCEPTIONS[kind]())
    assert [r for i, r in enumerate(run.results) if i != ODD_ONE] == [x for x in range(MANY) if x != ODD_ONE]
    assert set(executions(tally).values()) == {1}


def too_many_requests_at_first(tally: str, x: int) -> int:
    count(tally, x)
    if executions(tally)[str(x)] == 1:
        headers = Message()
        headers["Retry-After"] = "0"
        connection: Any = open(tally)  # noqa: SIM115  (the exception keeps it)
        raise HTTPError("http://localhost", 429, "Too Many Requests", headers, connection)
    return x


def test_an_error_of_a_connection_is_known_by_its_type(tmp_path: Path) -> None:
    """Such an exception holds its connection, which cannot be sent."""
    task = partial(too_many_requests_at_first, str(tmp_path / "tally"))
    run = alongside.run(task, range(4), backend="processes", max_workers=2, retries=1, retry_on=HTTPError, backoff=0)
    assert run.results == [0, 1, 2, 3]
    assert [[type(attempt.exception) for attempt in outcome.earlier] for outcome in run.outcomes] == [[HTTPError]] * 4


def test_a_function_that_cannot_travel_ends_the_run_and_says_why() -> None:
    lock = threading.Lock()
    with pytest.raises(alongside.NotPicklable, match="lock"):
        alongside.map(lambda x: (lock, x), range(10), backend="processes")


class Holds:
    def __init__(self) -> None:
        self.pool = threading.Lock()

    def __call__(self, x: object) -> object:
        return x


def identity(x: object) -> object:
    return x


def holder(x: object) -> Holds:
    return Holds()


def submitted(how: dict[str, Any], *args: Any, **kwargs: Any) -> object:
    with alongside.Executor(**how) as executor:
        return executor.submit(identity, *args, **kwargs).result()


NAMED: dict[str, Callable[..., object]] = {
    "result.pool": lambda **how: alongside.map(holder, range(4), **how),
    "item.pool": lambda **how: alongside.map(identity, [1, Holds()], **how),
    "item[1].pool": lambda **how: alongside.map(max, [1, 2], [1, Holds()], **how),
    "function.pool": lambda **how: alongside.map(Holds(), range(4), **how),
    "initializer.pool": lambda **how: alongside.map(identity, range(4), initializer=Holds(), initargs=(1,), **how),
    "initargs[0].pool": lambda **how: alongside.map(
        identity, range(4), initializer=identity, initargs=(Holds(),), **how
    ),
    "args[0].pool": lambda **how: submitted(how, Holds()),
    "kwargs['x'].pool": lambda **how: submitted(how, x=Holds()),
}


@pytest.mark.parametrize("path", NAMED)
def test_the_way_to_the_culprit_begins_at_what_the_user_knows(path: str) -> None:
    with pytest.raises(alongside.NotPicklable) as caught:
        NAMED[path](backend="processes", max_workers=1)
    assert caught.value.path == path
    assert f": {path} is a _thread.lock" in str(caught.value)


def test_many_results_that_cannot_be_rebuilt(tmp_path: Path) -> None:
    tally = str(tmp_path / "tally")
    run = alongside.run(partial(every_third, tally), range(300), backend="processes", max_workers=2)
    assert [failure.index for failure in run.failures] == list(range(0, 300, 3))
    assert set(executions(tally).values()) == {1}


def every_third(tally: str, x: int) -> object:
    count(tally, x)
    return RaisesWhenUnpickled() if x % 3 == 0 else (x,)


@pytest.mark.filterwarnings("ignore:small items")  # such small items are not worth sending, and it says so
def test_a_gigantic_batch() -> None:
    assert alongside.map(abs, range(-1_000_000, 0), backend="processes", max_workers=2, batch_size=1_000_000) == list(
        range(1_000_000, 0, -1)
    )


def twice(text: bytes) -> bytes:
    return text + text


def test_messages_larger_than_the_sockets_take_both_ways_at_once() -> None:
    """Bodies below the size from which they travel beside the socket, with several in flight in both directions."""
    items = [bytes([n % 256]) * 120_000 for n in range(400)]
    results = alongside.map(twice, items, backend="processes", max_workers=2, batch_size=1)
    assert results == [item + item for item in items]
    results = alongside.map(twice, items, backend="processes", max_workers=2, batch_size=7)
    assert results == [item + item for item in items]


def test_the_same_under_an_iterator() -> None:
    """Two threads then send and receive: the consumer's, and the one that waits for events."""
    items = [bytes([n % 256]) * 120_000 for n in range(600)]
    results = alongside.imap(twice, iter(items), backend="processes", max_workers=2, window=50)
    assert all(result == item + item for result, item in zip(results, items, strict=True))


def recurse(x: int) -> int:
    return recurse(x + 1) if x >= 0 else x


def test_a_recursion_error_is_the_tasks_own() -> None:
    run = alongside.run(recurse, [-1, 0, -2], backend="processes", max_workers=2)
    assert [type(outcome.exception) for outcome in run.outcomes] == [type(None), RecursionError, type(None)]
