"""`alongside.Pool`: what it does beyond the interpreter's own tests of a pool, which run in tests/stdlib."""

from __future__ import annotations

import itertools
import logging
import multiprocessing
import os
import pickle
import signal
import threading
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import CancelledError
from functools import partial
from multiprocessing.pool import MaybeEncodingError  # type: ignore[attr-defined]  # typeshed leaves it out
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import alongside
from alongside import NotPicklable, WorkerLost
from alongside.faces import outcomes
from tests.conftest import wait_until
from tests.faces.support import die_once, square, square_or_die


def lock_of(x: int) -> Any:
    return threading.Lock() if x == 1 else x


# --- nothing is lost --------------------------------------------------------------------------------------------------


def test_a_killed_worker_costs_its_task_and_no_other() -> None:
    with alongside.Pool(2) as pool:
        results = [pool.apply_async(square_or_die, (x,)) for x in range(20)]
        with pytest.raises(WorkerLost):
            results[7].get()
        assert [result.get() for x, result in enumerate(results) if x != 7] == [x * x for x in range(20) if x != 7]
        assert pool.map(square, range(5)) == [0, 1, 4, 9, 16]


def test_map_raises_what_was_lost_and_the_next_call_works() -> None:
    with alongside.Pool(2) as pool:
        with pytest.raises(WorkerLost) as lost:
            pool.map(square_or_die, range(20), chunksize=10)
        assert lost.value.signal == signal.SIGKILL
        assert pool.map(square, range(100), chunksize=10) == [x * x for x in range(100)]


def test_imap_raises_in_the_place_of_the_lost_task_and_goes_on() -> None:
    with alongside.Pool(2) as pool:
        results = pool.imap(square_or_die, range(12), chunksize=4)
        assert [next(results) for _ in range(7)] == [x * x for x in range(7)]
        with pytest.raises(WorkerLost):
            next(results)
        assert list(results) == [x * x for x in range(8, 12)]


def test_a_reader_waits_one_timeout_though_others_take_what_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    results, now = outcomes.IMapIterator(), [100.0]
    waits: list[float] = []

    def another_takes_it(timeout: float) -> None:
        waits.append(timeout)
        now[0] += 2
        if len(waits) == 4:
            raise multiprocessing.TimeoutError

    monkeypatch.setattr(outcomes, "time", SimpleNamespace(monotonic=lambda: now[0]))
    monkeypatch.setattr(results, "wait_for_some", another_takes_it)
    with pytest.raises(multiprocessing.TimeoutError):
        results.next(timeout=5)
    assert waits == [5, 3, 1, 0]


def test_options_of_alongside_are_taken(tmp_path: Path) -> None:
    with alongside.Pool(2, retries=1, backoff=0.001) as pool:
        fn = partial(die_once, str(tmp_path / "died"))
        assert pool.map(fn, range(10)) == [x * x for x in range(10)]
    with alongside.Pool(1, timeout=0.1) as pool, pytest.raises(alongside.TaskTimeout):
        pool.apply(time.sleep, (30,))


def test_a_killed_worker_in_imap_unordered_costs_one_result() -> None:
    with alongside.Pool(2) as pool:
        results = pool.imap_unordered(square_or_die, range(20))
        came, lost = [], 0
        while True:
            try:
                came.append(next(results))
            except WorkerLost:
                lost += 1
            except StopIteration:
                break
        assert lost == 1
        assert sorted(came) == [x * x for x in range(20) if x != 7]


# --- nothing hangs ----------------------------------------------------------------------------------------------------


def test_terminate_ends_what_runs_and_says_so_where_it_is_awaited() -> None:
    pool = alongside.Pool(1)
    running, waiting = pool.apply_async(time.sleep, (600,)), pool.map_async(square, range(10))
    lazy = pool.imap(time.sleep, itertools.repeat(600))
    pool.terminate()
    pool.join()
    for result in (running, waiting):
        with pytest.raises(CancelledError, match="terminated"):
            result.get()
    with pytest.raises(CancelledError):
        next(lazy)


def test_an_initializer_that_raises_fails_the_calls() -> None:
    with alongside.Pool(1, initializer=square, initargs=("no number",)) as pool:
        with pytest.raises(TypeError):
            pool.map(square, [1, 2])
        with pytest.raises(TypeError):
            pool.apply(square, (1,))


def test_a_callback_that_raises_is_logged_and_harms_nobody(caplog: pytest.LogCaptureFixture) -> None:
    with alongside.Pool(1) as pool, caplog.at_level(logging.ERROR, "alongside"):
        assert pool.apply_async(square, (2,), callback=lambda value: 1 / 0).get() == 4
        assert pool.apply(square, (3,)) == 9
    assert "callback" in caplog.text


def test_a_callback_may_use_the_pool() -> None:
    second: list[Any] = []
    with alongside.Pool(1) as pool:
        pool.apply_async(square, (2,), callback=lambda four: second.append(pool.apply_async(square, (four,)))).wait()
        assert second[0].get() == 16


def test_close_lets_a_lazy_input_be_finished() -> None:
    allowed = threading.Event()

    def slow_input() -> Any:
        yield 1
        allowed.wait()
        yield 2

    pool = alongside.Pool(1)
    results = pool.imap(square, slow_input())
    assert next(results) == 1
    pool.close()
    with pytest.raises(ValueError, match="not running"):
        pool.apply_async(square, (1,))
    allowed.set()
    pool.join()
    assert list(results) == [4]


def noted(numbers: Iterable[int], taken: list[int]) -> Iterator[int]:
    for number in numbers:
        taken.append(number)
        yield number


def test_a_lazy_input_is_taken_only_a_window_ahead(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("alongside.faces.pool.AHEAD", 10)
    running = threading.Event()
    taken: list[int] = []
    with alongside.ThreadPool(1) as pool:
        results = pool.imap(lambda x: x if running.wait() else None, noted(itertools.count(), taken))
        assert wait_until(lambda: len(taken) >= 10)
        assert len(taken) == 10
        running.set()
        assert [next(results) for _ in range(50)] == list(range(50))


def test_results_nobody_takes_hold_nothing_up() -> None:
    with alongside.Pool(1) as pool:
        pool.imap(square, iter(range(1000)))
        pool.imap_unordered(square, iter(range(1000)), chunksize=10)
        pool.close()
        pool.join()


def test_join_needs_close_first() -> None:
    with alongside.Pool(1) as pool, pytest.raises(ValueError, match="still running"):
        pool.join()


def test_many_threads_may_use_one_pool() -> None:
    with alongside.Pool(2) as pool:
        answers: dict[int, list[int]] = {}

        def ask(number: int) -> None:
            answers[number] = pool.map(partial(pow, number), range(50))

        threads = [threading.Thread(target=ask, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert answers == {number: [number**power for power in range(50)] for number in range(8)}


# --- as multiprocessing's ---------------------------------------------------------------------------------------------


def test_wrong_arguments_are_refused_as_multiprocessing_does() -> None:
    for processes in (0, -1):
        with pytest.raises(ValueError, match="at least 1"):
            alongside.Pool(processes)
    with pytest.raises(TypeError, match="initializer must be a callable"):
        alongside.Pool(1, initializer=3)  # type: ignore[arg-type]
    with pytest.raises(alongside.OptionError, match="did you mean 'retries'"):
        alongside.Pool(1, retrys=3)
    with alongside.Pool(1) as pool:
        for call in (pool.map, pool.imap, pool.imap_unordered, pool.map_async):
            with pytest.raises(ValueError, match="Chunksize must be"):
                call(square, [1], 0)


def test_it_cannot_be_pickled() -> None:
    with alongside.Pool(1) as pool, pytest.raises(NotImplementedError, match="cannot be passed between processes"):
        pickle.dumps(pool)


def test_a_result_asked_too_early() -> None:
    with alongside.Pool(1) as pool:
        result = pool.apply_async(time.sleep, (600,))
        assert not result.ready()
        with pytest.raises(ValueError, match="not ready"):
            result.successful()
        with pytest.raises(multiprocessing.TimeoutError):
            result.get(timeout=0.01)
        results = pool.imap(square, [1])
        with pytest.raises(multiprocessing.TimeoutError):
            results.next(timeout=0.01)


def test_successful_tells_whether_it_raised() -> None:
    with alongside.Pool(1) as pool:
        fine, broken = pool.apply_async(square, (2,)), pool.apply_async(square, ("x",))
        fine.wait()
        broken.wait()
        assert (fine.successful(), broken.successful()) == (True, False)


def test_a_result_that_cannot_be_sent_is_both_kinds_of_error() -> None:
    with alongside.Pool(1) as pool:
        with pytest.raises(MaybeEncodingError) as raised:
            pool.apply(lock_of, (1,))
        assert "lock" in raised.value.exc
        assert isinstance(raised.value, NotPicklable)
        assert list(pool.map(lock_of, [0, 2])) == [0, 2]


def test_map_raises_the_earliest_failure_when_all_are_done(tmp_path: Path) -> None:
    def touch(number: int) -> None:
        (tmp_path / str(number)).touch()
        if number in (3, 5):
            raise LookupError(number)

    with alongside.Pool(2) as pool, pytest.raises(LookupError, match="3"):
        pool.map(touch, range(10))
    assert len(list(tmp_path.iterdir())) == 10


def test_callbacks_get_the_list_or_the_failure() -> None:
    told: list[Any] = []
    with alongside.Pool(2) as pool:
        pool.map_async(square, range(4), callback=told.append).wait()
        pool.starmap_async(pow, [(2, 3)], callback=told.append).wait()
        pool.map_async(square, [1, "x"], error_callback=told.append).wait()
    assert told[:2] == [[0, 1, 4, 9], [8]]
    assert isinstance(told[2], TypeError)


STATE: list[int] = []


def remember(value: int) -> None:
    STATE.append(value)


def recall(_: object) -> list[int]:
    return STATE


def test_the_initializer_runs_once_in_each_worker_for_all_calls() -> None:
    with alongside.Pool(1, remember, (5,)) as pool:
        assert pool.map(recall, range(3)) == [[5]] * 3
        assert pool.apply(recall, (0,)) == [5]
    STATE.clear()


def pid_of(_: object) -> int:
    return os.getpid()


def test_workers_are_replaced_after_so_many_tasks() -> None:
    with alongside.Pool(1, maxtasksperchild=2) as pool:
        assert len(set(pool.map(pid_of, range(6)))) == 3


def test_no_more_than_so_many_work_at_once() -> None:
    with alongside.Pool(2) as pool:
        several = [pool.map_async(pid_of, range(200)) for _ in range(3)]
        assert len({pid for result in several for pid in result.get()}) <= 2


def put_square(queue: Any, x: int) -> None:
    queue.put(x * x)


def test_queues_of_a_manager_can_be_arguments() -> None:
    with multiprocessing.Manager() as manager:
        queue = manager.Queue()
        with alongside.Pool(2) as pool:
            pool.starmap(put_square, [(queue, 3), (queue, 4)])
        assert {queue.get(timeout=10), queue.get(timeout=10)} == {9, 16}


def test_functions_without_a_name_and_keyword_arguments() -> None:
    with alongside.Pool(2) as pool:
        assert pool.map(lambda x: x + 1, {1: "a", 2: "b"}) == [2, 3]
        assert pool.apply(int, ("ff",), {"base": 16}) == 255


def test_threads_share_memory() -> None:
    seen: list[int] = []
    with alongside.ThreadPool(2) as pool:
        pool.map(seen.append, range(100))
        assert pool.imap(lambda x: threading.current_thread().name, [1]).next().startswith("alongside-")
    assert sorted(seen) == list(range(100))


def test_one_call_may_follow_another_without_end() -> None:
    with alongside.Pool(2) as pool:
        for number in range(200):
            assert pool.map(square, range(number)) == [x * x for x in range(number)]


def test_results_of_mixed_calls_find_their_owners() -> None:
    with alongside.Pool(2) as pool:
        maps = [pool.map_async(partial(pow, base), range(40)) for base in range(20)]
        singles = [pool.apply_async(square, (x,)) for x in range(200)]
        lazy = [pool.imap(partial(pow, base), iter(range(30)), chunksize=7) for base in range(5)]
        assert [result.get() for result in singles] == [x * x for x in range(200)]
        assert [list(results) for results in lazy] == [[base**e for e in range(30)] for base in range(5)]
        assert [result.get() for result in maps] == [[base**e for e in range(40)] for base in range(20)]


def test_an_unclosed_pool_warns_and_ends() -> None:
    pool = alongside.Pool(1)
    assert pool.apply(square, (3,)) == 9
    with pytest.warns(ResourceWarning, match="unclosed running multiprocessing pool"):
        del pool


def test_it_tells_its_state() -> None:
    with alongside.Pool(3) as pool:
        assert repr(pool) == "<alongside.Pool state=RUN pool_size=3>"
    assert repr(pool) == "<alongside.Pool state=TERMINATE pool_size=3>"
