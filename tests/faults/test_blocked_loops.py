"""A coroutine that blocks its loop is named with file and line; one that computes is given more loops."""

from __future__ import annotations

import asyncio
import itertools
import sys
import threading
import time
from _thread import allocate_lock, start_new_thread
from collections.abc import AsyncIterator, Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

import alongside
from alongside.compose import composition
from alongside.core import events as ev
from alongside.observe import watchers
from alongside.runtime.calibration import Calibration
from alongside.runtime.driver import Driver
from alongside.workers import loopwatch
from tests.conftest import own_threads
from tests.faults.support import count

pytestmark = pytest.mark.filterwarnings("ignore:blocked loop")  # the warning has tests of its own


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[ev.Blocked]:
    """What observers are told of blocked loops."""
    heard: list[ev.Blocked] = []

    class Listener:
        def on_event(self, event: ev.Event, now: float) -> None:
            if isinstance(event, ev.Blocked):
                heard.append(event)

        def on_command(self, command: ev.Command, now: float) -> None: ...

        def close(self) -> None: ...

    before = watchers.watchers
    monkeypatch.setattr(composition, "watchers", lambda *given: [*before(*given), Listener()])
    return heard


def slow_helper() -> None:
    time.sleep(0.15)  # the fault that is looked for


async def blocks(x: int) -> int:
    await asyncio.sleep(0)
    if x % 3 == 0:
        slow_helper()
    return x


async def only_waits(x: int) -> int:
    await asyncio.sleep(0.3 if x < 3 else 0)
    return x


async def many_short_ones(x: int) -> int:
    await asyncio.sleep(0.01)
    time.sleep(0.005)
    return x


HERE = blocks.__code__.co_firstlineno


@pytest.mark.parametrize("backend", ["asyncio", "processes"])
def test_one_that_blocks_its_loop_is_named(backend: str, told: list[ev.Blocked]) -> None:
    alongside.map(blocks, range(30), backend=backend, max_workers=4)
    assert {(event.name, event.file, event.line - HERE) for event in told} == {("blocks", __file__, 3)}
    assert all(0.1 < event.seconds < 20 for event in told)


@pytest.mark.parametrize("backend", ["asyncio", "processes"])
@pytest.mark.parametrize("fn", [only_waits, many_short_ones])
def test_others_are_not_named(backend: str, fn: Any, told: list[ev.Blocked]) -> None:
    alongside.map(fn, range(100), backend=backend, max_workers=100)
    assert not told


def test_time_without_a_cpu_is_not_blamed_on_a_coroutine(
    told: list[ev.Blocked], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loopwatch, "run_delay", lambda thread: time.monotonic())  # as if it never had one
    alongside.map(blocks, range(30), backend="asyncio", max_workers=4)
    assert not told


def test_a_loop_that_is_not_blocked_is_watched_by_no_thread() -> None:
    seen: set[str] = set()

    async def looks(x: int) -> None:
        await asyncio.sleep(0.001)
        seen.update(own_threads())

    alongside.map(looks, range(300), max_workers=10)
    assert not seen


# ------------------------------------------------------------------------------------------------ to several loops


async def computes(x: int) -> int:
    await asyncio.sleep(0.005)
    end = time.thread_time() + 0.0005
    while time.thread_time() < end:
        pass
    return x


async def numbers(count: int) -> AsyncIterator[int]:
    for number in range(count):
        yield number


async def awaited(n: int) -> list[int]:
    return await alongside.amap(computes, range(n))


async def streamed(count: int) -> list[int]:
    return [value async for value in alongside.aimap(computes, numbers(count), window=500)]


def lazily(count: int) -> list[int]:
    return list(alongside.imap(computes, range(count)))


def all_at_once(count: int) -> list[int]:
    return alongside.map(computes, range(count))


WAYS = [all_at_once, lazily, lambda n: asyncio.run(awaited(n)), lambda n: asyncio.run(streamed(n))]


@pytest.fixture
def moves(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The backends that runs have moved to."""
    found: list[str] = []
    before = Driver.move

    def move(self: Any, backend: Any, *given: Any, **more: Any) -> None:
        found.append(backend.name)
        before(self, backend, *given, **more)

    monkeypatch.setattr(Driver, "move", move)
    monkeypatch.setattr("alongside.runtime.machine.cpu_count", lambda: 2)
    monkeypatch.setattr("alongside.runtime.known._facts", {})  # what is known begins where it belongs
    monkeypatch.setattr(
        "alongside.runtime.calibration._found", Calibration(None)
    )  # nor do busy hours make a start dear
    return found


@pytest.mark.parametrize("way", WAYS, ids=["map", "imap", "amap", "aimap"])
def test_coroutines_that_compute_are_moved_to_loops_in_several_processes(
    way: Callable[[int], list[int]], moves: list[str]
) -> None:
    count = 4_000  # many more than may be begun at once: what is begun stays where it is
    assert way(count) == list(range(count))
    assert moves == ["processes"]


def test_what_is_left_of_a_moved_run_ends_with_it(moves: list[str]) -> None:
    async def main() -> int:
        taken = 0
        async for _ in (results := alongside.aimap(computes, numbers(1 << 40))):
            taken += 1
            if moves and taken > 300:
                break
        await results.aclose()  # type: ignore[attr-defined]  # an async generator
        return len(asyncio.all_tasks())

    assert asyncio.run(main()) == 1
    assert moves == ["processes"]


def test_coroutines_that_wait_stay_in_one_loop(moves: list[str]) -> None:
    run = alongside.run(only_waits, range(2000))
    assert run.plan.backend == "asyncio"
    assert not moves


async def computes_and_counts(tally: str, x: int) -> int:
    count(tally, 1)
    await computes(x)
    count(tally, -1)
    return x


def on_until(moves: list[str], more: int) -> Iterator[int]:
    """Items until the run has moved, and some more: how long workers take to be there is not known."""
    numbers = itertools.count()
    while not moves:
        yield next(numbers)
    yield from itertools.islice(numbers, more)


def test_a_given_number_is_kept_while_the_run_moves(moves: list[str], tmp_path: Path) -> None:
    """What is under way here ends before anything begins elsewhere."""
    tally = tmp_path / "tally"
    items = on_until(moves, 200)
    run = alongside.imap(partial(computes_and_counts, str(tally)), items, max_workers=8, window=50)
    results = list(run)
    assert results == list(range(len(results)))
    assert moves == ["processes"]
    assert (run.plan.max_workers, run.plan.slots) == (2, 4)
    under_way = list(itertools.accumulate(map(int, tally.read_text().split())))
    assert max(under_way) <= 8
    assert under_way[-1] == 0


def test_nobody_is_named_for_a_loop_that_is_merely_late() -> None:
    """The code that has the loop run is on its thread's stack all the while: it keeps nobody."""

    async def others() -> loopwatch.Place | None:
        found: list[loopwatch.Place | None] = []
        looked = asyncio.Event()
        loop, number = asyncio.get_running_loop(), threading.get_ident()

        def look() -> None:
            while (seen := loopwatch.at_work(number))[0] is asking:
                pass  # until the coroutine waits
            found.append(seen[1])
            loop.call_soon_threadsafe(looked.set)

        asking = sys._getframe()
        looker = threading.Thread(target=look)
        looker.start()
        await looked.wait()
        looker.join()
        return found[0]

    assert asyncio.run(others()) is None


def made_slowly() -> int:
    time.sleep(0.3)
    return 1


class Slow:
    """An item that takes long to unpickle."""

    def __reduce__(self) -> Any:
        return made_slowly, ()


async def same(x: int) -> int:
    return x


def test_what_unpickles_before_the_first_coroutine_does_not_keep_the_loop_since_the_machine_was_started(
    told: list[ev.Blocked],
) -> None:
    alongside.map(same, [1], backend="processes", max_workers=1)  # the next two batches then wait for it together
    items = [1, Slow(), 1, Slow()]
    assert alongside.map(same, items, backend="processes", max_workers=1, batch_size=1) == [1] * 4
    assert all(blocked.seconds < 60 for blocked in told)


def test_what_a_thread_began_with_is_no_coroutine() -> None:
    found: list[Any] = []

    def began() -> None:
        found.append(loopwatch.at_work(threading.get_ident()))
        within()

    def within() -> None:
        found.append(loopwatch.at_work(threading.get_ident())[1])
        over.release()

    over = allocate_lock()
    over.acquire()
    start_new_thread(began, ())
    over.acquire()
    assert found[0] == (None, None)
    assert found[1] is not None
    assert found[1].name.endswith("within")
