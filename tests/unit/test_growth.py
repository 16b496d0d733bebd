"""How many tasks run side by side is found: on imaginary servers, whose best number is known."""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable
from itertools import count
from random import Random

import pytest

from alongside.core import events as ev
from alongside.core.coordinator import Coordinator
from alongside.core.growth import LEAST, Growth
from alongside.core.model import Fault, Part
from alongside.core.policy import Policy

Answer = Callable[[int, float], tuple[float, bool]]
"""Seconds and success of a task that is begun while so many run, at that time."""


class Server:
    """Serves a run that finds its number by itself; time passes as its answers come."""

    def __init__(self, answer: Answer, begin: int = 32, most: int = 1000, tasks: int = 1 << 40) -> None:
        self.answer = answer
        self.coordinator = Coordinator(
            Policy(ordered=False, stop_at_failure=False), ev.Crew(1, slots=most, begin=begin, name="w")
        )
        self.tasks = tasks
        self.limit = begin
        self.now = 0.0
        self.waiting: deque[tuple[int, int]] = deque()
        self.running: list[tuple[float, int, int, int, float, bool]] = []
        self.looped = self.told = 0.0
        """Seconds that its event loop has computed, and how many of them were told of."""
        self.order = count()
        self.done = self.sent = self.failed = 0
        self.numbers = [begin]
        self.tell(ev.Tick())

    def tell(self, event: ev.Event) -> None:
        for command in self.coordinator.handle(event, self.now):
            match command:
                case ev.Pull(wanted):
                    more = min(wanted, self.tasks - self.sent)
                    self.sent += more
                    self.tell(ev.InputArrived([None] * more) if more else ev.InputEnded())
                case ev.Dispatch(_, batch):
                    self.waiting += [(batch.id, offset) for offset in range(len(batch.items))]
                case ev.Resize(_, slots):
                    self.limit = slots
                    self.numbers.append(slots)
        while self.waiting and len(self.running) < self.limit:
            place, offset = self.waiting.popleft()
            seconds, ok = self.answer(len(self.running) + 1, self.now)
            heapq.heappush(self.running, (self.now + seconds, next(self.order), place, offset, seconds, ok))

    def open(self, each: float) -> None:
        """Tell, as a backend does, each time that all that may be have been begun, which takes so long for each."""
        told = 0
        while told < self.limit:
            new, told = self.limit - told, self.limit
            self.tell(ev.Begun(1, len(self.running), new * each))

    def serve(self, until: float) -> None:
        while self.running and self.now < until:
            self.now, _, place, offset, seconds, ok = heapq.heappop(self.running)
            self.done += 1
            busy, self.told = self.looped - self.told, self.looped
            self.failed += not ok
            good = [Part(offset, [None], [seconds])] if ok else []
            bad = [] if ok else [Fault(offset, OSError(), seconds)]
            self.tell(ev.Finished(1, place, good, bad, seconds, busy=busy))

    def sent_out(self) -> int:
        """How many tasks have been begun."""
        return self.done + len(self.running)

    @property
    def at_once(self) -> int:
        return self.coordinator.concurrency


def with_room_for(room: int, latency: float = 0.02) -> Answer:
    """A server that works on so many at once; the others wait in its queue."""

    def answer(at_once: int, now: float) -> tuple[float, bool]:
        return latency * max(1.0, at_once / room), True

    return answer


@pytest.mark.parametrize("room", [40, 100, 300])
def test_it_grows_to_what_the_server_bears_and_not_far_beyond(room: int) -> None:
    server = Server(with_room_for(room))
    server.serve(until=3.0)
    assert 0.8 * room <= server.at_once <= 2.2 * room
    assert server.done / server.now > 0.85 * room / 0.02


def test_it_gets_there_within_a_few_answers() -> None:
    server = Server(with_room_for(10_000))
    server.serve(until=0.3)
    assert server.at_once > 500, "five doublings, each of two or three answers' time"


def test_it_stops_at_the_cap_and_says_so() -> None:
    server = Server(with_room_for(10_000), most=200)
    server.serve(until=0.4)
    assert server.at_once == 200
    assert max(server.numbers) == 200
    assert server.coordinator.growth is not None
    assert "it is the most there may be" in server.coordinator.growth.story


def test_where_nothing_is_gained_it_stays_small() -> None:
    """As threads that compute and hold the GIL: twice as many take twice as long."""
    server = Server(with_room_for(1, latency=0.002))
    server.serve(until=3.0)
    assert server.at_once <= 2 * 32
    assert server.coordinator.growth is not None
    assert "tasks per second" in server.coordinator.growth.story


def test_it_shrinks_when_answers_take_longer_and_comes_back() -> None:
    room = {"now": 200}

    def answer(at_once: int, now: float) -> tuple[float, bool]:
        return 0.02 * max(1.0, (at_once / room["now"]) ** 2), True  # overloaded it does worse, not only no better

    server = Server(answer)
    server.serve(until=2.0)
    before = server.at_once
    room["now"] = 60
    server.serve(until=30.0)
    assert server.at_once < before / 2
    room["now"] = 200
    small = server.at_once
    server.serve(until=45.0)
    assert server.at_once > small


@pytest.mark.parametrize(("each", "number"), [(5e-6, 1000), (50e-6, 800), (150e-6, 200), (250e-6, 100), (0.01, 100)])
def test_before_any_answer_as_many_are_begun_as_take_next_to_nothing(each: float, number: int) -> None:
    server = Server(with_room_for(10_000), begin=100)
    server.open(each)
    assert server.numbers[-1] == number
    assert len(server.running) == number
    assert server.now == 0.0


def test_tasks_that_do_not_wait_open_nothing() -> None:
    server = Server(with_room_for(10_000), begin=100)
    server.tell(ev.Begun(1, under_way=3, seconds=0.0001))
    assert server.numbers == [100]


def test_once_there_are_answers_only_they_count() -> None:
    server = Server(with_room_for(10_000), begin=100)
    server.serve(until=0.001)
    server.tell(ev.Begun(1, under_way=100, seconds=0.0001))
    assert server.numbers == [100]


def test_a_number_above_the_cap_is_never_begun() -> None:
    server = Server(with_room_for(10_000), begin=100, most=300)
    server.open(1e-6)
    assert server.numbers == [100, 200, 300]


def test_each_round_of_answers_doubles_it() -> None:
    server = Server(with_room_for(10_000), begin=100)
    server.serve(until=0.0201)
    assert server.numbers == [100, 200]
    server.serve(until=0.0401)
    assert server.numbers == [100, 200, 400]


def test_it_does_not_grow_where_the_event_loop_has_no_rest() -> None:
    """What computes 50 µs in its loop: 400 of them keep it at work all the time."""
    server = Server(with_room_for(10_000), begin=100)

    def computing(at_once: int, now: float) -> tuple[float, bool]:
        server.looped = 5e-5 * server.sent_out()
        return 0.02, True

    server.answer = computing
    server.serve(until=0.3)
    assert max(server.numbers) <= 800
    assert server.coordinator.growth is not None
    assert "the event loop had no rest" in server.coordinator.growth.story


@pytest.mark.parametrize("begin", [100, 1000])
def test_a_server_that_refuses_from_the_start_soon_has_fewer(begin: int) -> None:
    def answer(at_once: int, now: float) -> tuple[float, bool]:
        return (0.02, True) if at_once <= 60 else (0.001, False)

    server = Server(answer, begin=begin)
    server.serve(until=0.5)
    assert server.at_once <= 75
    failed_from_then_on = server.failed
    server.serve(until=3.0)
    assert server.failed - failed_from_then_on < 0.1 * server.done


def test_it_is_halved_when_tasks_begin_to_fail() -> None:
    rng = Random(1)

    def answer(at_once: int, now: float) -> tuple[float, bool]:
        return 0.02, at_once <= 100 or rng.random() < 0.3  # a server that refuses what is too much for it

    server = Server(answer)
    server.serve(until=3.0)
    assert server.at_once <= 110


def test_failures_that_have_nothing_to_do_with_it_do_not_strangle_it() -> None:
    rng = Random(1)

    def answer(at_once: int, now: float) -> tuple[float, bool]:
        return 0.02, rng.random() < 0.6

    server = Server(answer)
    server.serve(until=3.0)
    assert server.at_once >= 300


def test_a_run_that_does_not_fill_its_slots_learns_nothing() -> None:
    growth = Growth(32, 1000)
    for step in range(1000):
        assert not growth.learn(10, 0, 0.2, step * 0.02, load=10)
    assert growth.at_once == 32


def test_it_never_goes_below_the_least() -> None:
    growth = Growth(8, 100)
    now = 0.0
    for step in range(3000):
        now += 0.05
        growth.learn(20, min(20, step // 30), 20 * (0.02 + step * 0.001), now, load=100)
        assert LEAST <= growth.at_once <= 100


def test_that_connections_were_opened_is_not_held_against_a_number() -> None:
    """Beginning 100 tasks kept the loop at work for 100 ms; their pages leave it more than half of its time."""
    server = Server(with_room_for(10_000, latency=0.02), begin=100)

    def opening(at_once: int, now: float) -> tuple[float, bool]:
        nth = server.sent_out()
        server.looped = 1e-3 * min(nth, 100) + 5e-5 * max(0, nth - 100)
        return 0.02 if nth > 100 else 0.1 + 1e-4 * nth, True

    server.answer = opening
    server.running.clear()
    server.waiting.extendleft((1, offset) for offset in reversed(range(100)))
    server.tell(ev.Tick())
    server.serve(until=0.15)
    assert server.numbers[:2] == [100, 200]


def test_a_number_held_for_want_of_rest_is_doubled_once_the_loop_rests() -> None:
    growth = Growth(100, 1000)
    now = 0.0

    def watch(answers: int, busy: float) -> None:
        nonlocal now
        for _ in range(answers):
            now += 0.00025
            growth.learn(1, 0, 0.02, now, load=growth.at_once, busy=0.00025 * busy)

    watch(101, busy=0.95)
    assert growth.at_once == 100
    assert "no rest" in growth.story
    watch(100, busy=0.95)
    assert growth.at_once == 100
    watch(400, busy=0.88)
    assert growth.at_once == 100, "hardly less"
    watch(400, busy=0.8)
    assert growth.at_once == 200


def test_how_long_beginning_may_take_is_the_crews() -> None:
    growth = Growth(32, 256, opening=0.010)
    assert growth.begun(32, 0.004)
    assert growth.begun(64, 0.005)
    assert not growth.begun(128, 0.008)
    assert growth.at_once == 128
    assert Growth(32, 256).begun(32, 0.018)
