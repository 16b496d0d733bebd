"""What becomes of the functions given to executors and pools on their way to worker processes."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

import alongside
from alongside.backends.processes import ProcessesBackend
from alongside.futures import ProcessPoolExecutor, wait
from alongside.workers import functions
from alongside.workers.channel import Frame
from tests.conftest import wait_until
from tests.faults.support import until

HEAVY = 100_000
"""Bytes that a function takes along, of which those of a call are easily told apart."""


@pytest.fixture
def frames(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The sizes of what is sent to workers."""
    sizes: list[int] = []
    send = ProcessesBackend._send

    def noted(self: Any, worker: int, frame: Frame, lease: int = 0) -> None:
        sizes.append(len(frame.body))
        send(self, worker, frame, lease)

    monkeypatch.setattr(ProcessesBackend, "_send", noted)
    return sizes


class Pickled:
    """Counts how often it is pickled."""

    def __init__(self) -> None:
        self.count = 0
        self.load = os.urandom(HEAVY)

    def __getstate__(self) -> dict[str, Any]:
        self.count += 1
        return self.__dict__


def heavy(ballast: Pickled) -> Callable[[int], int]:
    return lambda x: x + len(ballast.load)


def test_a_function_is_pickled_once_and_sent_once_to_each_worker(frames: list[int]) -> None:
    ballast = Pickled()
    function = heavy(ballast)
    with ProcessPoolExecutor(2) as executor:
        assert [executor.submit(function, x).result() for x in range(50)] == [x + HEAVY for x in range(50)]
        futures = [executor.submit(function, x) for x in range(500)]
        assert [future.result() for future in futures] == [x + HEAVY for x in range(500)]
        assert list(executor.map(function, range(100))) == [x + HEAVY for x in range(100)]
        assert list(executor.map(function, range(100), chunksize=5)) == [x + HEAVY for x in range(100)]
    assert ballast.count == 1
    assert 1 <= sum(size > HEAVY for size in frames) <= 2


def test_what_a_map_calls_is_sent_once_to_each_worker_whatever_it_is(frames: list[int]) -> None:
    ballast = Pickled()
    function = partial(plus_length, ballast)
    expected = [x + HEAVY for x in range(3000)]
    with alongside.Pool(2) as pool:
        assert pool.map(function, range(3000), chunksize=1) == expected
        assert ballast.count == 1
        assert list(pool.imap(function, iter(range(3000)), chunksize=10)) == expected
    assert ballast.count == 2
    assert sum(size > HEAVY for size in frames) <= 4


def plus_length(ballast: Pickled, x: int) -> int:
    return x + len(ballast.load)


def test_a_worker_that_is_replaced_is_sent_the_function_too() -> None:
    die = heavy(Pickled())

    def function(x: int) -> int:
        if x == 7:
            os.kill(os.getpid(), signal.SIGKILL)
        return die(x)

    with ProcessPoolExecutor(1) as executor:
        futures = [executor.submit(function, x) for x in range(30)]
        wait(futures)
        lost = futures[7].exception()
        assert isinstance(lost, alongside.WorkerLost)
        assert "while running task 7 (7)." in str(lost)  # not what stands for its function
        assert lost.item == 7
        assert [f.result() for x, f in enumerate(futures) if x != 7] == [x + HEAVY for x in range(30) if x != 7]


def times(factor: int) -> Callable[[int], int]:
    return lambda x: x * factor


def test_more_functions_than_a_worker_keeps() -> None:
    many = [times(factor) for factor in range(3 * functions.MOST)]
    with ProcessPoolExecutor(1) as executor:
        for _ in range(2):
            futures = [executor.submit(function, 3) for function in many]
            assert [future.result() for future in futures] == [3 * factor for factor in range(len(many))]


def test_a_function_that_nobody_has_any_more_is_not_kept_by_its_worker(tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    with ProcessPoolExecutor(1, batch_size=1) as executor:
        executor.submit(held, str(gate))
        futures = [executor.submit(times(x), 1) for x in range(functions.MOST)]  # most wait, and their lambda is gone
        gate.touch()
        assert [future.result() for future in futures] == list(range(functions.MOST))
        assert executor.submit(shelved).result() < 8


def held(gate: str) -> None:
    """Until the file is there."""
    until(lambda: os.path.exists(gate), "the gate is open")


def shelved() -> int:
    return len(functions._shelf.things)


def test_nothing_is_kept_of_a_run_that_is_over() -> None:
    function = heavy(Pickled())
    with ProcessPoolExecutor(1) as executor:
        assert executor.submit(function, 1).result() == 1 + HEAVY
        assert executor.submit(shelved).result() == 1
    with ProcessPoolExecutor(1) as executor:
        assert executor.submit(shelved).result() == 0


# --- what it is when it is sent again -------------------------------------------------------------------------------


def counting(by: int) -> tuple[Callable[[], int], Callable[[int], None]]:
    def told() -> int:
        return by

    def change(to: int) -> None:
        nonlocal by
        by = to

    return told, change


def test_a_variable_around_it_that_was_bound_anew_is_seen() -> None:
    told, change = counting(1)
    with ProcessPoolExecutor(1) as executor:
        for value in (1, 1, 2, 2, 3):
            change(value)
            assert executor.submit(told).result() == value


def test_a_variable_of_its_module_that_was_bound_anew_is_seen() -> None:
    scope: dict[str, Any] = {"__name__": "__main__"}
    code = "def outer(x):\n    return [inner(x) for _ in '1'][0]\ndef inner(x):\n    return x * FACTOR[0]"
    exec(code, scope)
    with ProcessPoolExecutor(1) as executor:
        for factor in (2, 2, 3):
            scope["FACTOR"] = [factor]
            assert executor.submit(scope["outer"], 10).result() == 10 * factor
        exec("def inner(x):\n    return -x", scope)
        assert executor.submit(scope["outer"], 10).result() == -10


class Counter:
    def __init__(self) -> None:
        self.count = 0

    def up(self) -> int:
        self.count += 1
        return self.count


def test_each_call_has_an_object_of_its_own_as_with_the_standard_executors() -> None:
    counter = Counter()
    with ProcessPoolExecutor(1) as executor:
        assert [executor.submit(counter.up).result() for _ in range(3)] == [1, 1, 1]


class Locked:
    def __init__(self) -> None:
        self.lock = threading.Lock()

    def __call__(self, *_: object) -> None: ...


def closed_over(lock: threading.Lock) -> Callable[[object], None]:
    return lambda _: lock.release()


@pytest.mark.parametrize("function", [Locked(), closed_over(threading.Lock()), partial(print, threading.Lock())])
def test_what_cannot_be_sent_fails_its_calls_and_not_the_submitting(function: Any) -> None:
    with ProcessPoolExecutor(1) as executor:
        futures = [executor.submit(function, 1) for _ in range(3)]
        for future in futures:
            assert isinstance(future.exception(), alongside.NotPicklable)
            assert "function" in str(future.exception())
        for chunksize in (1, 2):
            results = executor.map(function, [1, 2], chunksize=chunksize)
            with pytest.raises(alongside.NotPicklable, match="function"):
                next(results)
    with alongside.Pool(1) as pool:
        told: list[BaseException] = []
        result = pool.apply_async(function, (1,), error_callback=told.append)
        with pytest.raises(Exception, match="lock"):
            result.get()
        assert wait_until(lambda: len(told) == 1)


@pytest.mark.parametrize("backend", ["processes", "threads"])
def test_what_cannot_be_called_fails_its_call(backend: str) -> None:
    with alongside.Executor(backend, 1) as executor:
        for wrong in (5, b"text", None):
            with pytest.raises(TypeError, match="not callable"):
                executor.submit(wrong, 1).result()  # type: ignore[arg-type]


# --- functions that give coroutines ---------------------------------------------------------------------------------


async def doubled(x: int) -> int:
    return 2 * x


@pytest.fixture(params=["serial", "threads", "processes", "asyncio"])
def backend(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_a_coroutine_that_an_ordinary_function_gives_is_run_to_its_end(backend: str) -> None:
    given = lambda x: doubled(x)  # noqa: E731
    expected = [0, 2, 4, 6, 8]
    assert alongside.map(given, range(5)) == expected
    assert alongside.map(given, range(5), backend=backend) == expected
    assert list(alongside.imap(given, range(5), backend=backend)) == expected
    assert alongside.run(given, range(5), backend=backend).results == expected
    with alongside.Executor(backend, 2) as executor:
        assert executor.submit(given, 3).result() == 6
        assert list(executor.map(given, range(5))) == expected
        assert list(executor.map(given, range(5), chunksize=2)) == expected
        assert list(executor.map(doubled, range(5), chunksize=2)) == expected


def test_so_it_is_where_the_first_call_raises(backend: str) -> None:
    def given(x: int) -> Any:
        return doubled(4 // x)

    run = alongside.run(given, range(5), backend=backend, max_workers=1)
    assert [failure.index for failure in run.failures] == [0]
    assert [run.outcomes[x].value for x in range(1, 5)] == [8, 4, 2, 2]
