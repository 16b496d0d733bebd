"""The pool of threads by itself: who takes what, what is let go, what is handed over when."""

from __future__ import annotations

import contextvars
import threading
from _queue import SimpleQueue
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from alongside.backends import threads
from alongside.backends.threads import GATHER, ThreadsBackend
from alongside.core.events import Begun, Finished, Lost, Returned
from alongside.core.model import Batch, Job
from alongside.exceptions import TaskTimeout
from alongside.workers.convoy import Convoy
from alongside.workers.gathering import Gathering
from alongside.workers.puller import Puller
from alongside.workers.spans import Span, Unbegun
from alongside.workers.threadpool import ThreadPool

PATIENCE = 30.0


class World:
    """A pool, and what has come out of it."""

    def __init__(self, fn: Callable[[Any], Any], limit: int, **job: Any) -> None:
        self.bell: SimpleQueue[None] = SimpleQueue()
        self.errors: list[BaseException] = []
        self.pool = ThreadPool(Job(fn, **job), limit, lambda: self.bell.put(None), self.errors.append)
        self.values: dict[int, Any] = {}
        self.slots: dict[int, int] = {}
        self.faults: dict[int, BaseException] = {}

    def look(self, timeout: float = 0.01) -> None:
        """As the backend does it: staff, wait, fetch."""
        self.pool.staff()
        try:
            self.bell.get(timeout=timeout)
        except Exception:
            self.pool.expire()
        for event in self.pool.finished(1):
            for part in event.parts:
                assert not isinstance(part.slots, int) or part.slots
                for place, value in enumerate(part.values):
                    assert part.offset + place not in self.values, "an outcome comes once"
                    self.values[part.offset + place] = value
                    self.slots[part.offset + place] = part.slots if isinstance(part.slots, int) else part.slots[place]
            self.faults.update({fault.offset: fault.exception for fault in event.faults})

    def until(self, condition: Callable[[], bool]) -> None:
        for _ in range(int(PATIENCE / 0.01)):
            if condition():
                return
            self.look()
        raise AssertionError("it never came")


@pytest.fixture
def world() -> Iterator[Callable[..., World]]:
    made: list[World] = []

    def make(*args: Any, **job: Any) -> World:
        made.append(World(*args, **job))
        return made[-1]

    yield make
    for one in made:
        one.pool.close()


def test_everything_is_run_once_and_in_its_place(world: Callable[..., World]) -> None:
    w = world(lambda n: 2 * n, 3)
    w.pool.add(Batch(1, 0, range(5000)))
    w.until(lambda: len(w.values) == 5000)
    assert w.values == {n: 2 * n for n in range(5000)}
    assert set(w.slots.values()) <= {1, 2, 3}


def test_what_waits_behind_a_task_that_takes_its_time_goes_to_others(world: Callable[..., World]) -> None:
    gate = threading.Event()

    def wait_at(n: int) -> int:
        if n == 500:
            gate.wait(PATIENCE)
        return n

    w = world(wait_at, 2)
    w.pool.add(Batch(1, 0, range(1000)))
    w.until(lambda: len(w.values) == 999)
    assert 500 not in w.values
    gate.set()
    w.until(lambda: len(w.values) == 1000)


def test_a_thread_that_finds_nothing_takes_over_without_anybody_looking(world: Callable[..., World]) -> None:
    others: list[int] = []
    all_others, both = threading.Event(), threading.Barrier(2)

    def first_ends_last(n: int) -> int:
        if n < 2:
            both.wait(PATIENCE)
        elif n == 1000:
            assert all_others.wait(PATIENCE)
        elif n > 1000:
            others.append(n)
            if len(others) == 999:
                all_others.set()
        return n

    w = world(first_ends_last, 2, tasks_per_worker=3000)
    w.pool.add(Batch(1, 0, range(1000)))
    w.until(lambda: len(w.values) == 1000)
    w.values.clear()
    w.pool.add(Batch(2, 1000, range(1000, 2000)))
    assert all_others.wait(PATIENCE), "half of what waits behind the first is taken over, and half of that, and so on"
    w.until(lambda: w.values == {n: n + 1000 for n in range(1000)})


def test_a_thread_may_be_started_while_another_looks_whom_to_take_over_from(world: Callable[..., World]) -> None:
    pool = world(abs, 4).pool
    threads = [Puller(number, pool, contextvars.copy_context()) for number in range(1, 4)]

    class Starts(Span):
        @property
        def waiting(self) -> int:
            pool._threads.setdefault(3, threads[2])
            return 0

    for thread in threads[:2]:
        thread.span = Starts(1, 0, ())
    pool._threads = dict(enumerate(threads[:2], 1))
    assert pool.take(threads[0]) is None
    assert 3 in pool._threads
    pool._threads.clear()


def test_shares_do_not_become_ever_smaller_near_the_end(world: Callable[..., World]) -> None:
    pool = world(abs, 4).pool
    threads = [Puller(number, pool, contextvars.copy_context()) for number in range(1, 5)]
    pool._threads = {thread.number: thread for thread in threads}
    pool.done(10, 0.010)
    pool._add(Unbegun(1, 0, range(100)), pool._todo.append)
    assert [len(pool.take(thread) or ()) for thread in threads] == [25, 18, 14, 10]
    assert [len(pool.take(thread) or ()) for thread in threads] == [8, 8, 8, 8]
    taken = [len(pool.take(threads[0]) or ()) for _ in range(2)]
    assert taken == [1, 4], "what is left, and half of what waits at another"
    pool._threads.clear()


def test_what_has_come_is_fetched_before_still_more_threads_are_started(world: Callable[..., World]) -> None:
    gate = threading.Event()
    w = world(lambda n: n if n == 0 else gate.wait(PATIENCE), 8)
    w.pool.add(Batch(1, 0, range(20)))
    w.bell.get(timeout=PATIENCE)
    assert w.pool.understaffed
    w.pool.staff()
    assert len(w.pool._threads) == 1
    assert len(w.pool.finished(1)) == 1
    w.pool.staff()
    assert len(w.pool._threads) == 8
    gate.set()


class Crowded(Convoy):
    """As it is told to be: whoever has done something has computed, and would only take turns."""

    def __init__(self) -> None:
        super().__init__()
        self.full = True

    def look(self, threads: Collection[Puller]) -> None:
        self._let_in = self._since  # no time passes

    def joined_by(self, thread: Puller, active: int) -> bool:
        return thread.since_last()[0] > 0 and self.holds_back(active - 1)


def test_threads_that_take_turns_are_held_back_but_for_two(world: Callable[..., World]) -> None:
    """Of 32 that computed each, and the thread that drives the run, had a turn every 160 ms."""
    gates = [threading.Semaphore(0) for _ in range(3)]
    begun: list[int] = []

    def task(n: int) -> int:
        begun.append(n)
        assert gates[n // 6].acquire(timeout=PATIENCE)
        return n

    w = world(task, 6)
    w.pool.add(Batch(1, 0, range(18)))
    w.until(lambda: len(begun) == 6)
    w.pool._convoy = crowd = Crowded()
    gates[0].release(6)
    w.until(lambda: len(w.values) == 6 and w.pool._idle == 4)
    assert len(begun) == 8, "two go on"
    gates[1].release(1)
    w.until(lambda: len(w.values) == 7 and len(begun) == 9)
    assert w.pool._idle == 4
    assert not w.pool.understaffed
    crowd.full = False
    w.until(lambda: len(begun) == 13)
    for gate in gates:
        gate.release(6)
    w.until(lambda: len(w.values) == 18)


def test_a_paused_pool_begins_nothing_and_then_goes_on(world: Callable[..., World]) -> None:
    gate, begun = threading.Semaphore(0), list[int]()

    def task(n: int) -> int:
        begun.append(n)
        assert gate.acquire(timeout=PATIENCE)
        return n

    w = world(task, 3)
    w.pool.add(Batch(1, 0, range(9)))
    w.until(lambda: len(begun) == 3)
    w.pool.pause(True)
    gate.release(9)
    w.until(lambda: len(w.values) == 3 and w.pool._idle == 3)
    assert len(begun) == 3
    assert not w.pool.understaffed
    w.pool.pause(False)
    w.until(lambda: len(w.values) == 9)


def test_an_overdue_task_fails_and_another_thread_goes_on(world: Callable[..., World]) -> None:
    gate, late = threading.Event(), threading.Event()

    def hang_at(n: int) -> int:
        if n == 7:
            gate.wait(PATIENCE)
            late.set()
        return n

    w = world(hang_at, 1, timeout=0.05)
    w.pool.add(Batch(1, 0, range(20)))
    w.until(lambda: len(w.values) + len(w.faults) == 20)
    assert isinstance(w.faults[7], TaskTimeout)
    assert w.faults[7].seconds == 0.05
    assert {w.slots[n] for n in range(7)} == {1}
    assert {w.slots[n] for n in range(8, 20)} == {2}
    gate.set()
    assert late.wait(PATIENCE)
    w.look()
    assert 7 not in w.values, "what was given up comes too late"


def test_a_thread_is_replaced_after_its_share_of_tasks(world: Callable[..., World]) -> None:
    w = world(abs, 1, tasks_per_worker=3)
    w.pool.add(Batch(1, 0, range(8)))
    w.until(lambda: len(w.values) == 8)
    assert [w.slots[n] for n in range(8)] == [1, 1, 1, 2, 2, 2, 3, 3]


def test_threads_above_a_new_limit_end(world: Callable[..., World]) -> None:
    gate = threading.Barrier(5)

    def meet(n: int) -> None:
        gate.wait(PATIENCE)

    w = world(meet, 4)
    before = threading.active_count()
    w.pool.add(Batch(1, 0, range(4)))
    w.pool.staff()
    gate.wait(PATIENCE)
    w.until(lambda: len(w.values) == 4)
    w.pool.resize(1)
    w.until(lambda: threading.active_count() == before + 1)
    w.pool.add(Batch(2, 0, [0]))
    gate.abort()
    w.until(lambda: 0 in w.faults)


def test_no_more_threads_than_tasks(world: Callable[..., World]) -> None:
    gate = threading.Event()
    w = world(lambda n: gate.wait(PATIENCE), 50)
    before = threading.active_count()
    w.pool.add(Batch(1, 0, range(3)))
    w.pool.staff()
    w.look()
    assert threading.active_count() <= before + 3
    gate.set()
    w.until(lambda: len(w.values) == 3)


@pytest.mark.parametrize("closed", [False, True])
def test_threads_are_started_without_waiting_for_each(
    world: Callable[..., World], monkeypatch: pytest.MonkeyPatch, closed: bool
) -> None:
    run, gate = threading.Thread._bootstrap, threading.Event()  # type: ignore[attr-defined]
    before = threading.active_count()
    w = world(lambda n: gate.wait(PATIENCE), 4)
    w.pool.add(Batch(1, 0, range(10)))
    monkeypatch.setattr(threading.Thread, "_bootstrap", lambda thread: gate.wait(PATIENCE) and run(thread))
    w.pool.staff()
    assert len(w.pool._threads) == 4, "though none of them says that it runs"
    assert w.pool.all_begun() == 0.0
    assert w.pool.under_way >= 3
    assert not w.pool.understaffed
    gate.set()
    if closed:
        w.pool.close()  # while they are only about to run
        assert threading.active_count() <= before
    else:
        told: list[float] = []

        def is_told() -> bool:
            told.append(w.pool.all_begun())
            return told[-1] > 0.0

        w.until(is_told)
        assert w.pool.all_begun() == 0.0, "once"


def test_an_initializer_that_raises_is_told(world: Callable[..., World]) -> None:
    error = LookupError("no database")

    def fail() -> None:
        raise error

    w = world(abs, 1, initializer=fail)
    w.pool.add(Batch(1, 0, [1]))
    w.until(lambda: bool(w.errors))
    assert w.errors == [error]


def test_a_span_is_shared_without_loss_or_doubling() -> None:
    span = Span(1, 10, range(10, 20))
    own = iter(span)
    assert [next(own), next(own)] == [10, 11]
    rest = span.shed()
    assert (rest.first, rest.end) == (12, 20)
    assert list(own) == []
    assert list(rest.cut(3)) == [12, 13, 14]
    assert list(rest.cut(5)) == [15, 16, 17, 18, 19]


def test_neighbours_are_told_together_and_long_stretches_as_they_are() -> None:
    gathering = Gathering()
    long = list(range(100))
    gathering.add([(1, 2, ["c"], [0.3], 7), (1, 0, ["a", "b"], 0.1, 5)])
    gathering.add([(1, 3, long, 0.0, 5), (2, 0, ["x"], 0.5, 1)])
    first, second = gathering.events(9)
    assert (first.worker, first.batch, second.batch) == (9, 1, 2)
    assert first.parts[0] == (0, ["a", "b", "c"], [0.1, 0.1, 0.3], [5, 5, 7])
    assert first.parts[1] == (3, long, 0.0, 5)
    assert first.seconds == pytest.approx(0.5)
    assert gathering.events(9) == []


def test_where_no_more_threads_can_be_started_the_others_do_the_work(
    world: Callable[..., World], monkeypatch: pytest.MonkeyPatch
) -> None:
    start, together = threading.Thread.start, threading.Barrier(2)

    def none_left(thread: threading.Thread) -> None:
        if thread.name != "alongside-1":
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", none_left)
    made = world(lambda x: together.wait(PATIENCE) if x == 0 else x, 3)
    made.pool.add(Batch(1, 0, [0, 1, 2, 3]))
    made.look()  # more are wanted, while the first is busy
    together.wait(PATIENCE)
    made.until(lambda: len(made.values) == 4)
    assert (made.values[3], made.faults) == (3, {})


def test_a_worker_that_is_killed_is_replaced() -> None:
    """No run asks for that of threads, but `Backend` promises it."""
    gate, begun = threading.Event(), threading.Event()

    def task(item: str) -> str:
        if item == "stuck":
            begun.set()
            gate.wait(PATIENCE)
        return item

    with _hired(1, task, gate) as backend:
        backend.dispatch(1, Batch(1, 0, ["stuck", "behind it"]))
        assert begun.wait(PATIENCE)
        backend.kill(1)
        (lost,) = backend.wait(PATIENCE)
        assert type(lost) is Lost
        backend.hire(2)
        backend.dispatch(2, Batch(2, 2, ["the next"]))
        (finished,) = _first(backend)
        assert type(finished) is Finished
        assert (finished.worker, finished.batch) == (2, 2)


def test_it_is_told_when_all_threads_have_begun_and_what_waits_can_be_had_back() -> None:
    gate, has_begun = threading.Event(), threading.Semaphore(0)

    def wait(item: int) -> int:
        has_begun.release()
        gate.wait(PATIENCE)
        return item

    with _hired(3, wait, gate) as backend:
        backend.dispatch(1, Batch(1, 0, list(range(10))))
        (begun,) = _first(backend)
        assert type(begun) is Begun
        assert 0 < begun.under_way <= 3
        assert begun.seconds > 0.0
        assert all(has_begun.acquire(timeout=PATIENCE) for _ in range(3))
        backend.recall(1)
        (returned,) = _first(backend)
        assert returned == Returned(1, [(1, 3, 10)])
        gate.set()
        found: list[int] = []
        while len(found) < 3:
            found += [value for event in _first(backend) for part in event.parts for value in part.values]
        assert sorted(found) == [0, 1, 2]


def test_that_all_have_begun_is_told_without_waiting_for_company(monkeypatch: pytest.MonkeyPatch) -> None:
    """More threads are started when it is heard, while all there are wait: 10 ms were lost of each such run."""
    gate, order = threading.Event(), list[str]()
    with _hired(3, lambda item: gate.wait(PATIENCE), gate) as backend:
        begun, told = backend._begun, backend._told

        def noted_begun() -> list[Any]:
            events = begun()
            order.extend("begun" for _ in events)
            return list(events)

        def noted_told(timeout: float | None) -> list[Any]:
            order.append("gathers" if timeout == GATHER else "waits")
            return list(told(timeout))

        monkeypatch.setattr(backend, "_begun", noted_begun)
        monkeypatch.setattr(backend, "_told", noted_told)
        backend.dispatch(1, Batch(1, 0, list(range(10))))
        assert type(_first(backend)[0]) is Begun
        assert "gathers" not in order[order.index("begun") :]


@contextmanager
def _hired(limit: int, fn: Callable[[Any], Any], gate: threading.Event) -> Iterator[ThreadsBackend]:
    """A backend with worker 1. At the end what waits at the gate is let through."""
    backend = ThreadsBackend(limit)
    backend.open(Job(fn))
    try:
        backend.hire(1)
        yield backend
    finally:
        gate.set()
        backend.close()


def _first(backend: ThreadsBackend) -> list[Any]:
    while not (events := list(backend.wait(PATIENCE))):
        pass
    return events


def test_a_threads_clock_is_asked_from_any_other_until_it_has_ended(world: Callable[..., World]) -> None:
    w = world(lambda n: sum(range(20_000)) and n, 2)
    w.pool.add(Batch(1, 0, range(50)))
    w.until(lambda: len(w.values) == 50)
    thread = next(iter(w.pool._threads.values()))
    assert thread.computed() > 0.0
    w.pool.close()
    w.until(lambda: thread.computed() == 0.0)  # joined is not yet gone


def test_where_the_system_has_no_such_clock_nobody_is_held_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr("time.pthread_getcpuclockid", raising=False)
    pool = ThreadPool(Job(lambda n: sum(range(300_000)) and n), 8, lambda: None, lambda error: None)
    pool.add(Batch(1, 0, range(64)))
    done = 0
    while done < 64:
        pool.staff()
        done += sum(len(part.values) for event in pool.finished(1) for part in event.parts)
        assert not pool.crowded
    pool.close()


def test_what_threads_had_no_cpu_for_is_not_asked_where_they_take_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    """To look takes a turn of the GIL for each file of each thread: a second and more beside 32 of them."""
    looks: list[float] = [1.0, 1.5, 9.0, 9.25]
    monkeypatch.setattr(threads, "own_delay", lambda: looks.pop(0))
    backend = ThreadsBackend(4)
    backend.open(Job(str))
    backend.hire(1)
    crowd = backend._pool._convoy
    told = []
    for crowd.full in (False, False, True, False, False):
        told.append(backend.spent()[1][1])
    backend.close()
    assert told == pytest.approx([0.0, 0.5, 0.5, 0.5, 0.75]), "what came meanwhile is not known"
    assert not looks
