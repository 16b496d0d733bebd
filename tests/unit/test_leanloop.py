"""The lean event loop: what asyncio's own does, it does, in the same order."""

from __future__ import annotations

import asyncio
import gc
import threading
import time
import weakref
from collections.abc import Callable
from contextlib import closing
from contextvars import ContextVar
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import alongside
from alongside.workers import eventloop, leanloop
from alongside.workers.leanloop import LeanLoop, lean

DELAYS = [0.0, -1.0, 0.001, 0.002, 0.003, 0.0035, 0.004, 0.005, 0.006, 0.007, 0.008, 0.009, 0.010]


def made() -> LeanLoop:
    loop = lean(asyncio.SelectorEventLoop())
    assert isinstance(loop, LeanLoop)
    return loop


def run_in(loop: asyncio.AbstractEventLoop, main: Callable[[], Any]) -> Any:
    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        return runner.run(main())


class StoppedClock:
    """A loop's time, which goes on only when it is told to."""

    def __init__(self, loop: LeanLoop) -> None:
        self.now = 100.0
        loop.time = lambda: self.now  # type: ignore[method-assign]


def turn(loop: LeanLoop) -> None:
    """Have the loop do what is due."""
    loop.call_soon(loop.stop)
    loop.run_forever()


def test_runs_have_it_where_nobody_chose_another() -> None:
    loop = eventloop.new_loop()
    try:
        assert isinstance(loop, LeanLoop)
    finally:
        loop.close()


def test_a_loop_of_somebody_elses_class_stays_as_it_is() -> None:
    class Own(asyncio.SelectorEventLoop):
        pass

    loop = Own()
    try:
        assert type(lean(loop)) is Own
    finally:
        loop.close()


def test_a_loop_stays_as_it_is_where_asyncio_has_other_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    class Other(asyncio.Handle):
        __slots__ = ("_more",)

    monkeypatch.setattr(asyncio, "TimerHandle", Other)
    loop = asyncio.SelectorEventLoop()
    try:
        assert type(lean(loop)) is asyncio.SelectorEventLoop
    finally:
        loop.close()


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from(["later", "at"]), st.sampled_from(DELAYS), st.booleans()), max_size=40),
    st.sampled_from([0.0, 0.0015, 0.004, 0.02]),
)
def test_what_is_due_is_called_in_the_order_of_its_times(timers: list[tuple[str, float, bool]], passes: float) -> None:
    loop, called = made(), list[tuple[float, int]]()
    with closing(loop):
        clock = StoppedClock(loop)
        kept = []
        for number, (how, delay, cancelled) in enumerate(timers):
            when = clock.now + delay
            if how == "later":
                timer = loop.call_later(delay, called.append, (when, number))
            else:
                timer = loop.call_at(when, called.append, (when, number))
            assert timer.when() == when
            kept.append(timer)
            if cancelled:
                timer.cancel()
                assert timer.cancelled()
        clock.now += passes
        turn(loop)
        wanted = [
            (100.0 + delay, number)
            for number, (_, delay, cancelled) in enumerate(timers)
            if not cancelled and 100.0 + delay < clock.now + 1e-9
        ]
        assert [when for when, _ in called] == sorted(when for when, _ in wanted)
        assert sorted(called) == sorted(wanted)


def test_timers_of_one_delay_keep_their_order() -> None:
    loop = made()
    called: list[int] = []

    async def main() -> None:
        for number in range(500):
            loop.call_later(0.001, called.append, number)
            loop.call_later(0.5, called.append, -1)
        await asyncio.sleep(0.002)

    run_in(loop, main)
    assert called == list(range(500))


def test_a_timer_that_another_one_cancels_is_not_called() -> None:
    loop = made()
    called: list[str] = []

    async def main() -> None:
        timers: list[asyncio.TimerHandle] = []
        loop.call_later(0.001, lambda: timers[0].cancel())
        timers.append(loop.call_later(0.001, called.append, "second"))
        loop.call_later(0.001, called.append, "third")
        await asyncio.sleep(0.002)

    run_in(loop, main)
    assert called == ["third"]


@pytest.mark.parametrize("how", ["later", "at"])
def test_what_was_cancelled_does_not_wait_for_its_time(how: str) -> None:
    loop = made()

    class Held:
        pass

    def set_one(delay: float) -> asyncio.TimerHandle:
        held = Held()
        holding.append(weakref.ref(held))
        if how == "later":
            return loop.call_later(delay, print, held)
        return loop.call_at(loop.time() + delay, print, held)

    holding: list[weakref.ref[Held]] = []
    try:
        kept = [set_one(3600.0) for _ in range(20)]
        gone: list[weakref.ref[asyncio.TimerHandle]] = []

        def cancel_one() -> None:
            timer = set_one(3600.0)
            timer.cancel()
            gone.append(weakref.ref(timer))

        for _ in range(1000):
            cancel_one()
        turn(loop)
        gc.collect()
        assert sum(ref() is not None for ref in holding) == 20
        assert sum(ref() is not None for ref in gone) <= leanloop.MANY + 20
        assert not any(timer.cancelled() for timer in kept)
    finally:
        loop.close()


def test_many_delays_are_served_as_few_are() -> None:
    loop, called = made(), list[int]()
    with closing(loop):
        clock = StoppedClock(loop)
        for number in range(100):
            loop.call_later(0.0001 * (100 - number), called.append, number)
        clock.now += 1.0
        turn(loop)
    assert called == list(reversed(range(100)))


def test_delays_that_nobody_uses_any_more_make_room() -> None:
    loop = made()

    async def main() -> None:
        for number in range(50):
            await asyncio.sleep(0.00001 * (number + 1))
            assert len(loop._lines) <= leanloop.LINES
            assert not loop._heap

    run_in(loop, main)


def test_who_ends_the_loop_keeps_nobody_from_being_called() -> None:
    def end() -> None:
        raise KeyboardInterrupt

    loop = made()
    called: list[str] = []
    loop.call_later(0.001, end)
    loop.call_later(0.001, called.append, "after")
    try:
        with pytest.raises(KeyboardInterrupt):
            loop.run_forever()
        loop.call_later(0.002, loop.stop)
        loop.run_forever()
    finally:
        loop.close()
    assert called == ["after"]


def test_a_timer_comes_in_the_turn_in_which_it_would_in_asyncios_own() -> None:
    def order(loop: asyncio.AbstractEventLoop) -> list[str]:
        called: list[str] = []

        async def main() -> None:
            loop.call_later(0.001, called.append, "timer")
            loop.call_later(0.0015, called.append, "later timer")
            loop.call_later(0.002, loop.call_soon, called.append, "of a timer")
            time.sleep(0.005)
            loop.call_soon(called.append, "soon")
            loop.call_soon(loop.call_soon, called.append, "next turn")
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            await asyncio.sleep(0)

        run_in(loop, main)
        return called

    assert order(made()) == order(asyncio.SelectorEventLoop())


def test_what_becomes_due_during_a_turn_waits_for_the_next_as_in_asyncios_own() -> None:
    def order(loop: asyncio.AbstractEventLoop) -> list[str]:
        called: list[str] = []

        def slow() -> None:
            loop.call_soon(called.append, "of the slow one")
            time.sleep(0.01)
            called.append("slow")

        async def main() -> None:
            loop.call_later(0.001, called.append, "due before")
            loop.call_later(0.005, called.append, "due during")
            time.sleep(0.002)
            loop.call_soon(slow)
            await asyncio.sleep(0.03)

        run_in(loop, main)
        return called

    assert order(made()) == order(asyncio.SelectorEventLoop())


class Delay:
    """A number of seconds that cannot be the key of anything."""

    __hash__ = None  # type: ignore[assignment]

    def __radd__(self, other: float) -> float:
        return other + 0.001


def test_delays_that_are_no_common_numbers_are_asyncios_affair() -> None:
    loop = made()
    called: list[str] = []

    async def main() -> None:
        loop.call_later(0.002, called.append, "later")
        loop.call_later(float("nan"), called.append, "no number")
        loop.call_later(Delay(), called.append, "odd")  # type: ignore[arg-type]
        with pytest.raises(TypeError):
            loop.call_at(None, called.append, "never")  # type: ignore[arg-type]
        await asyncio.sleep(0.005)

    run_in(loop, main)
    assert sorted(called) == ["later", "no number", "odd"]


def test_timers_that_another_thread_cancels_harm_nobody() -> None:
    loop = made()
    called: list[int] = []

    async def main() -> None:
        for number in range(3000):
            timers = [loop.call_later(60.0, print), loop.call_at(loop.time() + 60.0, print)]
            waiting.extend(timers)
            loop.call_later(0.001, called.append, number)
            if not number % 100:
                await asyncio.sleep(0)
        waiting.append(None)
        await asyncio.sleep(0.01)
        await asyncio.to_thread(other.join)

    def cancel() -> None:
        while True:
            if waiting:
                timer = waiting.pop()
                if timer is None:
                    break
                timer.cancel()
        for timer in waiting:
            if timer is not None:
                timer.cancel()

    waiting: list[asyncio.TimerHandle | None] = []
    other = threading.Thread(target=cancel)
    other.start()
    run_in(loop, main)
    assert called == list(range(3000))


def test_in_debug_mode_a_handle_knows_where_it_was_made() -> None:
    loop = made()
    loop.set_debug(True)
    with closing(loop):
        for handle in (
            loop.call_soon(print),
            loop.call_later(0.1, print),
            loop.call_at(loop.time(), print),
            loop.call_later(float("nan"), print),
        ):
            trace: Any = handle._source_traceback  # type: ignore[attr-defined]
            assert trace[-1].filename == __file__


def test_a_closed_loop_is_not_kept_alive() -> None:
    loop = made()
    loop.call_later(3600.0, print)
    loop.close()
    left = weakref.ref(loop)
    gc.disable()
    try:
        del loop
        assert left() is None
    finally:
        gc.enable()


def test_what_sets_the_first_timer_leaves_nothing_of_its_context() -> None:
    class Kept:
        pass

    async def task() -> None:
        kept = Kept()
        held.append(weakref.ref(kept))
        variable.set(kept)
        loop.call_later(60.0, print).cancel()
        await asyncio.sleep(0)

    async def main() -> None:
        loop.call_later(120.0, print)
        await loop.create_task(task())
        for _ in range(200):
            loop.call_later(60.0, print).cancel()
        await asyncio.sleep(0.001)
        gc.collect()
        assert held[0]() is None

    variable: ContextVar[Kept] = ContextVar("variable")
    held: list[weakref.ref[Kept]] = []
    loop = made()
    run_in(loop, main)


def test_an_error_goes_to_the_handler_and_the_others_go_on() -> None:
    loop = made()
    told: list[str] = []
    loop.set_exception_handler(lambda loop, context: told.append(repr(context["exception"])))
    called: list[str] = []

    async def main() -> None:
        loop.call_later(0.001, lambda: 1 / 0)
        loop.call_later(0.001, called.append, "after")
        loop.call_soon(lambda: [][0])
        await asyncio.sleep(0.003)

    run_in(loop, main)
    assert told == ["IndexError('list index out of range')", "ZeroDivisionError('division by zero')"]
    assert called == ["after"]


def test_debug_mode_is_asyncios_own() -> None:
    loop = made()
    loop.call_later(1, print)
    loop.set_debug(True)
    try:
        assert type(loop.call_later(1, print)) is asyncio.TimerHandle
        assert type(loop.call_at(loop.time(), print)) is asyncio.TimerHandle
        assert type(loop.call_soon(int)) is asyncio.Handle
    finally:
        loop.close()


@pytest.mark.parametrize("method", ["call_later", "call_at", "call_soon"])
def test_a_closed_loop_takes_nothing(method: str) -> None:
    loop = made()
    loop.close()
    arguments = (print,) if method == "call_soon" else (0.1, print)
    with pytest.raises(RuntimeError, match="closed"):
        getattr(loop, method)(*arguments)


def test_a_delay_that_is_none_is_refused() -> None:
    loop = made()
    try:
        with pytest.raises(TypeError):
            loop.call_later(None, print)  # type: ignore[arg-type]
    finally:
        loop.close()


async def within(seconds: float) -> str:
    try:
        async with asyncio.timeout(0.005):
            await asyncio.sleep(seconds)
    except TimeoutError:
        return "late"
    return "in time"


def test_timeouts_and_sleeps_of_a_run() -> None:
    assert alongside.map(within, [0.0, 30.0, 0.001, 60.0], backend="asyncio") == ["in time", "late", "in time", "late"]
