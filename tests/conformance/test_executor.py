"""The executor on every backend: its futures behave as the standard library's do."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import CancelledError, Future, as_completed, wait
from pathlib import Path
from typing import Any

import pytest

import alongside
from alongside import backends
from alongside.runtime.pushed import Pushed
from alongside.runtime.service import Service
from tests.conftest import wait_until

NAMES = sorted(set(backends.names()) - {"serial"})


@pytest.fixture(params=NAMES)
def executor(request: pytest.FixtureRequest) -> Iterator[alongside.Executor]:
    with alongside.Executor(request.param, 2) as made:
        yield made


def same(value: object) -> object:
    return value


def boom(value: int) -> int:
    raise ValueError(f"no {value}")


def held(gate: str) -> str:
    """Until the file is there."""
    while not os.path.exists(gate):
        pass
    return gate


def test_one_at_a_time_gives_what_a_call_gives(executor: alongside.Executor) -> None:
    assert [executor.submit(same, value).result() for value in range(200)] == list(range(200))
    assert [executor.submit(pow, 2, value, mod=7).result() for value in range(50)] == [2**v % 7 for v in range(50)]


def test_exceptions_between_results(executor: alongside.Executor) -> None:
    for value in range(60):
        if value % 3:
            assert executor.submit(same, value).result() == value
        else:
            with pytest.raises(ValueError, match=f"no {value}"):
                executor.submit(boom, value).result()
            assert isinstance(executor.submit(boom, value).exception(), ValueError)


def test_wait_and_as_completed_after_results(executor: alongside.Executor) -> None:
    for _ in range(20):  # by now the caller drives
        executor.submit(same, 1).result()
    futures = [executor.submit(same, value) for value in range(100)]
    assert wait(futures).not_done == set()
    futures = [executor.submit(same, value) for value in range(100)]
    assert sorted(future.result() for future in as_completed(futures)) == list(range(100))
    future = executor.submit(same, 5)
    assert wait([future]).done == {future}


def test_a_callback_alone_is_called(executor: alongside.Executor) -> None:
    for _ in range(20):
        executor.submit(same, 1).result()
    called = threading.Event()
    told: list[object] = []
    future = executor.submit(same, 7)

    def tell(done: Future[object]) -> None:
        told.append(done.result())
        called.set()

    future.add_done_callback(tell)
    assert called.wait(30)
    assert told == [7]


def test_a_callback_may_submit_and_one_that_raises_harms_nobody(executor: alongside.Executor) -> None:
    chain: Future[object] = Future()

    def again(done: Future[int]) -> None:
        if done.result() < 10:
            executor.submit(same, done.result() + 1).add_done_callback(again)
        else:
            chain.set_result(done.result())
        raise RuntimeError("told to the log")

    executor.submit(same, 0).add_done_callback(again)
    assert chain.result(30) == 10


def test_many_threads_submit_and_wait(executor: alongside.Executor) -> None:
    wrong: list[object] = []

    def one(number: int) -> None:
        sent = [(number, value) for value in range(50)]
        wrong.extend(task for task in sent if executor.submit(same, task).result() != task)

    threads = [threading.Thread(target=one, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not wrong
    assert not any(thread.is_alive() for thread in threads)


def test_the_event_loop_takes_it(executor: alongside.Executor) -> None:
    async def main() -> list[object]:
        loop = asyncio.get_running_loop()
        return await asyncio.gather(*(loop.run_in_executor(executor, same, value) for value in range(50)))

    assert asyncio.run(main()) == list(range(50))


@pytest.mark.parametrize("name", ["processes", "threads"])
def test_what_runs_cannot_be_cancelled_and_what_waits_can(name: str, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    with alongside.Executor(name, 1, batch_size=1) as executor:
        assert executor.submit(same, 1).result() == 1
        running = executor.submit(held, str(gate))
        waiting = [executor.submit(same, value) for value in range(20)]
        assert wait_until(running.running)
        assert not running.cancel()
        assert waiting[-1].cancel()
        assert waiting[-1].cancelled()
        gate.touch()
        assert [future.result() for future in waiting[:-1]] == list(range(19))
        with pytest.raises(CancelledError):
            waiting[-1].result()
        assert running.result() == str(gate)


def test_a_timeout_of_the_caller_leaves_the_call(tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    with alongside.Executor("processes", 2) as executor:
        for _ in range(20):
            executor.submit(same, 1).result()
        future = executor.submit(held, str(gate))
        with pytest.raises(TimeoutError):
            future.result(timeout=0.01)
        with pytest.raises(TimeoutError):
            future.exception(timeout=0)
        other = executor.submit(same, 3)
        assert other.result() == 3
        gate.touch()
        assert future.result() == str(gate)


async def later(x: int, more: int = 0) -> int:
    await asyncio.sleep(0.001)
    if x == 99:
        raise LookupError(x)
    return x + more


@pytest.mark.parametrize("backend", [*backends.names(), "auto"])
def test_an_async_function_is_run_to_its_end(backend: str) -> None:
    with alongside.Executor(backend, 2) as executor:
        assert executor.submit(later, 3, more=1).result() == 4
        assert executor.submit(lambda: later(5)).result() == 5
        assert list(executor.map(later, range(4), range(4))) == [0, 2, 4, 6]
        assert list(executor.map(later, range(9), chunksize=3)) == list(range(9))
        assert list(executor.map(later, range(9), range(9), chunksize=3)) == list(range(0, 18, 2))
        with pytest.raises(LookupError):
            executor.submit(later, 99).result()


def die(_: int) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def test_a_worker_lost_alone_costs_one_call_and_the_next_works() -> None:
    with alongside.Executor("processes", 2) as executor:
        for value in range(20):
            assert executor.submit(same, value).result() == value
            with pytest.raises(alongside.WorkerLost):
                executor.submit(die, value).result()
        assert executor.submit(same, "still here").result() == "still here"


def test_a_call_sent_alone_is_tried_again_where_that_was_asked_for(tmp_path: Path) -> None:
    with alongside.Executor("processes", 1, retries=1) as executor:
        assert executor.submit(same, 1).result() == 1
        assert executor.submit(first_time_dies, str(tmp_path / "been here")).result() == "second"


def first_time_dies(mark: str) -> str:
    if os.path.exists(mark):
        return "second"
    Path(mark).touch()
    os.kill(os.getpid(), signal.SIGKILL)
    return "never"


def test_what_cannot_be_pickled_alone_fails_alone() -> None:
    with alongside.Executor("processes", 1) as executor:
        for value in range(10):
            with pytest.raises(alongside.NotPicklable):
                executor.submit(same, threading.Lock()).result()
            assert executor.submit(same, value).result() == value


def test_shutdown_cancels_what_waits(tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    executor = alongside.Executor("processes", 1, batch_size=1)
    assert executor.submit(same, 1).result() == 1
    running = executor.submit(held, str(gate))
    waiting = [executor.submit(same, value) for value in range(200)]
    executor.shutdown(wait=False, cancel_futures=True)
    gate.touch()
    assert running.result() == str(gate)
    assert wait(waiting, timeout=30).not_done == set()
    assert waiting[-1].cancelled()
    executor.shutdown()
    with pytest.raises(RuntimeError, match="after shutdown"):
        executor.submit(same, 1)


def test_an_interrupt_while_a_caller_drives_leaves_the_executor_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lead, gate = Service._lead, tmp_path / "gate"

    def interrupted(self: Service, *told: Any) -> None:
        threading.Thread(target=os.kill, args=(os.getpid(), signal.SIGINT)).start()
        lead(self, *told)

    def until_called(self: Service) -> None:  # else it drives again once it sees that nobody does
        self._back = True
        self._call.acquire()
        self._back = False

    monkeypatch.setattr(Service, "_stand_back", until_called)
    with alongside.Executor("processes", 1) as executor:
        executor.submit(same, 1).result()
        while not executor._service._back:  # type: ignore[union-attr]  # it has one by now
            executor.submit(same, 1).result()
        future = executor.submit(held, str(gate))
        monkeypatch.setattr(Service, "_lead", interrupted)
        with pytest.raises(KeyboardInterrupt):
            future.result()
        monkeypatch.setattr(Service, "_lead", lead)
        gate.touch()
        assert future.result() == str(gate)
        assert executor.submit(same, 2).result() == 2


def test_a_caller_drives_once_it_is_seen_that_it_only_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    led: list[object] = []
    lead = Service._lead

    def noted(self: Service, *told: Any) -> None:
        led.append(self)
        lead(self, *told)

    monkeypatch.setattr(Service, "_lead", noted)
    with alongside.Executor("processes", 1) as executor:
        for value in range(300):
            assert executor.submit(same, value).result() == value
    assert led


def test_a_call_that_was_cancelled_is_not_taken() -> None:
    class Told:
        def __init__(self, cancelled: bool) -> None:
            self.task, self._cancelled = cancelled, cancelled

        def begin(self) -> bool:
            return not self._cancelled

    source = Pushed()
    source.waiting.extend(Told(cancelled) for cancelled in (True, False, True, False))  # type: ignore[misc]
    assert source.take(5) == ([False, False], False, None)
    assert sorted(source.begun) == [0, 1]


@pytest.mark.parametrize("name", ["serial", "threads", "asyncio"])
def test_what_was_not_begun_can_be_cancelled_though_it_is_in_the_hands_of_threads(name: str) -> None:
    workers = 2 if name == "threads" else 1
    gate, begun = threading.Event(), threading.Barrier(workers + 1)
    ran: list[int] = []

    def blocks() -> None:
        begun.wait(30)
        gate.wait(60)

    with alongside.Executor(name, workers) as executor:
        for value in range(2000):  # brief calls: from now on many are handed over at a time
            executor.submit(same, value).result()
        running = [executor.submit(blocks) for _ in range(workers)]
        waiting = [executor.submit(ran.append, value) for value in range(400)]
        begun.wait(30)
        cancelled = [future.cancel() for future in waiting[:200]]
        assert all(cancelled)
        called: list[object] = []
        waiting[200].add_done_callback(called.append)
        executor.shutdown(wait=False, cancel_futures=True)
        assert all(future.cancelled() for future in waiting)
        assert called == [waiting[200]]
        gate.set()
        assert [future.result() for future in running] == [None] * len(running)
        assert wait(waiting, 30).not_done == set()
    assert ran == []


def test_a_call_in_a_thread_that_is_tried_again_runs_again(tmp_path: Path) -> None:
    tries: list[int] = []

    def fails_twice() -> int:
        tries.append(1)
        if len(tries) < 3:
            raise OSError
        return len(tries)

    with alongside.Executor("threads", 1, retries=2, backoff=0.001) as executor:
        future = executor.submit(fails_twice)
        assert wait([future]).done == {future}
        assert future.result() == 3
