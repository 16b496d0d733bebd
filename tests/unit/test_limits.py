"""Limits: never exceeded, used to the full, shared fairly, and given back whatever happens."""

from __future__ import annotations

import pickle
from collections import Counter, defaultdict
from math import ceil, inf
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import alongside
from alongside import Limit, OptionError
from alongside.core import events as ev
from alongside.core.coordinator import Coordinator
from alongside.core.limits import COURTESY, KEPT, SLACK, SPARE, Ledger
from alongside.core.model import Batch, Fault, Part, first_index, size
from alongside.core.policy import Policy
from alongside.core.retry import Backoff, RetryPolicy
from alongside.exceptions import NotPicklable
from alongside.testing import FakeClock, Kills, Raises, Script, rehearse

# ------------------------------------------------------------------------------------------------------ the ledger


def test_no_more_at_once_than_allowed_and_each_key_by_itself() -> None:
    ledger = Ledger(concurrency=2)
    assert [ledger.take("a", 0.0), ledger.take("a", 0.0), ledger.take("a", 0.0)] == [0.0, 0.0, inf]
    assert ledger.take("b", 0.0) == 0.0
    ledger.give_back("a", 0.0, 0.0)
    assert ledger.take("a", 0.0) == 0.0


@given(st.floats(0.1, 500), st.lists(st.floats(0, 2), min_size=1, max_size=200))
def test_no_second_sees_more_starts_than_allowed(per_second: float, pauses: list[float]) -> None:
    """However late somebody comes to ask: in any second there are no more starts."""
    ledger, now, starts = Ledger(per_second=per_second), 0.0, []
    for pause in pauses:
        now += pause
        while (wait := ledger.take("k", now)) > 0:
            now += wait
        starts.append(now)
    for place, start in enumerate(starts):
        seen = sum(start <= other < start + 1.0 for other in starts[place:])
        assert seen <= ceil(per_second)


def test_the_rate_is_used() -> None:
    ledger, now = Ledger(per_second=20), 0.0
    for _ in range(200):
        while (wait := ledger.take("k", now)) > 0:
            now += wait + 0.003  # always a little late
        ledger.give_back("k", now + 0.02, now)
    assert 200 / now > 0.95 * 20


def test_a_start_that_came_late_is_caught_up_within_bounds() -> None:
    ledger = Ledger(per_second=10)
    assert ledger.take("k", 0.0) == 0.0
    assert ledger.take("k", 0.0) == pytest.approx(0.1 * (1 + SPARE) - SLACK)
    assert ledger.take("k", 5.0) == 0.0, "what was not used long ago is not saved up"
    assert ledger.take("k", 5.0) == pytest.approx(0.1 * (1 + SPARE) - SLACK)


@given(st.lists(st.floats(0, 0.04), min_size=30, max_size=90), st.floats(0, 0.24))
def test_no_second_sees_too_many_at_the_other_end_either(ways: list[float], first: float) -> None:
    """However long each is on its way before it is counted, as long as that is less than it takes altogether."""
    ledger, now, arrived = Ledger(per_second=20), 0.0, []
    under_way: list[tuple[float, float]] = []
    for way in [first, *ways]:
        while (wait := ledger.take("k", now)) > 0:
            now += wait
            for end, since in [one for one in under_way if one[0] <= now]:
                ledger.give_back("k", end, since)
                under_way.remove((end, since))
        arrived.append(now + way)
        under_way.append((now + way, now))
    arrived.sort()
    assert all(b - a >= 1.0 - 1e-9 for a, b in zip(arrived, arrived[20:], strict=False))


def test_accounts_are_forgotten() -> None:
    ledger = Ledger(per_second=100)
    for key in range(20 * KEPT):
        ledger.take(key, float(key))
        ledger.give_back(key, float(key), float(key))
    assert len(ledger) <= 2 * KEPT
    plain = Ledger(concurrency=1)
    plain.take("k", 0.0)
    plain.give_back("k", 0.0, 0.0)
    assert len(plain) == 0


# ------------------------------------------------------------------------------------------------- one run, imagined


class Site:
    """Imaginary hosts that count what they see, for one or several runs that share limits."""

    def __init__(self, rng: Random) -> None:
        self.rng = rng
        self.now = 0.0
        self.at_once: Counter[Any] = Counter()
        self.most: Counter[Any] = Counter()
        self.starts: defaultdict[Any, list[float]] = defaultdict(list)

    def begin(self, key: Any) -> None:
        self.at_once[key] += 1
        self.most[key] = max(self.most[key], self.at_once[key])
        self.starts[key].append(self.now)


class Side:
    """One run against the site."""

    def __init__(
        self, site: Site, items: list[Any], crew: ev.Crew, key: Any = lambda item: item, **policy: Any
    ) -> None:
        self.site, self.items, self.key = site, items, key
        self.policy = Policy(total=len(items), stop_at_failure=False, **policy)
        self.coordinator = Coordinator(self.policy, crew)
        self.woken = self.ended = False
        self.coordinator.listen(self.rouse)
        self.flights: list[tuple[int, Batch, int]] = []
        self.settled: Counter[int] = Counter()
        self.sent = 0
        self.finish: ev.Finish | None = None
        self.tell(ev.Tick())

    def rouse(self) -> None:
        self.woken = True

    def tell(self, event: ev.Event) -> None:
        wanted = 0
        for command in self.coordinator.handle(event, self.site.now):
            match command:
                case ev.Pull(count):
                    wanted = count
                case ev.Dispatch(worker, batch):
                    self.flights += [(worker, batch, offset) for offset in range(len(batch.items))]
                    for item in batch.items:
                        self.site.begin(self.key(item))
                case ev.Deliver(deliveries):
                    for delivery in deliveries:
                        self.settled.update(range(first_index(delivery), first_index(delivery) + size(delivery)))
                case ev.Finish():
                    self.finish = command
                    self.coordinator.let_go(self.site.now)
        self.coordinator.validate()
        if wanted and self.finish is None:
            self.feed(wanted)

    def feed(self, wanted: int) -> None:
        more = self.items[self.sent : self.sent + wanted]
        self.sent += len(more)
        if more:
            self.tell(ev.InputArrived(more))
        if self.sent == len(self.items) and not self.ended:
            self.ended = True
            self.tell(ev.InputEnded())

    def step(self) -> None:
        """Something of its own happens."""
        rng = self.site.rng
        if self.flights and rng.random() < 0.7:
            worker, batch, offset = self.flights.pop(rng.randrange(len(self.flights)))
            self.site.at_once[self.key(batch.items[offset])] -= 1
            if rng.random() < 0.2:
                self.tell(ev.Finished(worker, batch.id, (), [Fault(offset, OSError(), 0.1)], 0.1))
            else:
                self.tell(ev.Finished(worker, batch.id, [Part(offset, ["ok"], 0.1)], (), 0.1))
        elif self.woken or ((due := self.coordinator.wakeup()) is not None and due <= self.site.now):
            self.woken = False
            self.tell(ev.Tick())

    @property
    def busy(self) -> bool:
        return self.finish is None


CREWS = [
    ev.Crew(4, depth=2, prefetch_below=9.0, name="w"),
    ev.Crew(1, slots=6, name="s"),
    ev.Crew(2, slots=3, name="p"),
]


@settings(max_examples=120, deadline=None)
@given(seed=st.integers(0, 2**32), runs=st.integers(1, 3), tasks=st.integers(0, 60), hosts=st.integers(1, 5))
def test_whatever_happens_limits_hold_and_nothing_is_kept(seed: int, runs: int, tasks: int, hosts: int) -> None:
    rng = Random(seed)
    site = Site(rng)
    at_once, rate = rng.randint(1, 3), rng.choice([None, 5.0, 50.0])
    per_host = Limit(concurrency=at_once, per_second=rate, per=lambda host: host)
    in_all = Limit(concurrency=rng.randint(1, 5))
    limits = rng.choice([(per_host,), (per_host, in_all), (in_all, per_host)])
    sides = [
        Side(
            site,
            [rng.randrange(hosts) for _ in range(tasks)],
            rng.choice(CREWS),
            limits=limits,
            ordered=rng.random() < 0.5,
            window=rng.choice([None, 3, 20]),
            retry=RetryPolicy(rng.randint(0, 2), Exception, Backoff(0.2)),
        )
        for _ in range(runs)
    ]
    for _ in range(5000 * (tasks + 1)):
        if not any(side.busy for side in sides):
            break
        rng.choice(sides).step()
        site.now += rng.choice([0.0, 0.001, 0.03])
    assert not any(side.busy for side in sides), "every run comes to its end"
    for side in sides:
        assert side.settled == Counter(range(tasks))
    for host in range(hosts):
        assert site.most[host] <= at_once
        starts = site.starts[host]
        if rate:
            assert all(b - a >= 1.0 for a, b in zip(starts, starts[int(rate) :], strict=False))
    assert not per_host._waiting and not in_all._waiting
    assert all(limit._ledger.running(key) == 0 for limit in limits for key in (*range(hosts), None))


def test_a_task_that_waits_for_its_key_leaves_its_slot_to_others() -> None:
    site = Site(Random(1))
    side = Side(site, ["slow"] * 50 + ["b", "c"], ev.Crew(3, name="w"), limits=[Limit(concurrency=1, per=str)])
    assert [batch.items for _, batch, _ in side.flights] == [("slow",), ("b",), ("c",)]


def test_no_worker_is_hired_for_tasks_that_have_to_wait() -> None:
    hired: list[Any] = []
    coordinator = Coordinator(Policy(limits=[Limit(concurrency=2)]), ev.Crew(32, name="w"))
    for event in (ev.Tick(), ev.InputArrived(range(100)), ev.Tick(), ev.Tick()):
        hired += [c for c in coordinator.handle(event, 0.0) if isinstance(c, ev.Hire)]
    assert len(hired) == 2


def test_who_gives_back_lets_another_run_go_first() -> None:
    site = Site(Random(1))
    shared = Limit(concurrency=1)
    first, second = (Side(site, ["x"] * 9, ev.Crew(2, name="w"), limits=[shared]) for _ in range(2))
    order = []
    for _ in range(8):
        side = first if first.flights else second
        order.append(side)
        worker, batch, _ = side.flights.pop()
        side.tell(ev.Finished(worker, batch.id, [Part(0, ["ok"], 0.1)], (), 0.1))
        for other in (first, second):
            if other.woken:
                other.woken = False
                other.tell(ev.Tick())
        site.now += 2 * COURTESY
        for other in (first, second):
            other.tell(ev.Tick())
    assert order.count(first) == order.count(second) == 4, "they take turns"


def test_a_run_that_ends_early_gives_everything_back() -> None:
    shared = Limit(concurrency=2)
    coordinator = Coordinator(Policy(limits=[shared]), ev.Crew(4, name="w"))
    coordinator.handle(ev.InputArrived(["a", "b", "c"]), 0.0)
    commands = coordinator.handle(ev.Finished(1, 1, (), [Fault(0, KeyError())]), 0.0)
    assert any(isinstance(command, ev.Finish) for command in commands)
    assert shared._ledger.running(None) == 1, "one still runs"
    coordinator.let_go(0.0)
    assert shared._ledger.running(None) == 0


# ------------------------------------------------------------------------------------------------------- rehearsals


def test_a_rehearsal_keeps_to_the_rate() -> None:
    clock = FakeClock()
    run = rehearse(str, range(41), clock=clock, limit=Limit(per_second=10))
    assert run.results == [str(n) for n in range(41)]
    assert 4.0 <= clock.now <= 4.0 * 1.06


def test_losses_and_retries_take_a_turn_each_and_give_it_back() -> None:
    limit = Limit(concurrency=1, per=lambda n: n % 2)
    faults: Script = {1: [Kills(), Raises(OSError())], 4: [Raises(OSError())]}
    run = rehearse(str, range(9), faults=faults, retries=2, limit=[limit, Limit(concurrency=3)])
    assert run.results == [str(n) for n in range(9)]
    assert [limit._ledger.running(key) for key in (0, 1)] == [0, 0]


def test_a_key_that_cannot_be_found_fails_its_task() -> None:
    def key(n: int) -> Any:
        return [n] if n == 3 else 1 / (n - 5)

    limit = Limit(concurrency=1, per=key)
    run = rehearse(str, range(8), limit=limit)
    assert [(f.index, type(f.exception), f.attempts) for f in run.failures] == [
        (3, TypeError, 0),
        (5, ZeroDivisionError, 0),
    ]
    with pytest.raises(TypeError, match="unhashable"):
        rehearse(str, range(8), limit=limit, on_error="raise")


# ---------------------------------------------------------------------------------------------------------- options


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({}, "limits nothing"),
        ({"concurrency": 0}, "whole number"),
        ({"concurrency": 1.5}, "whole number"),
        ({"concurrency": True}, "whole number"),
        ({"per_second": 0}, "above 0"),
        ({"per_second": float("inf")}, "above 0"),
        ({"per_second": "20"}, "above 0"),
        ({"concurrency": 1, "per": "host"}, "not a function"),
    ],
)
def test_a_limit_that_makes_no_sense(wrong: dict[str, Any], told: str) -> None:
    with pytest.raises(OptionError, match=told):
        Limit(**wrong)


@pytest.mark.parametrize("wrong", [4, "4", [4], [Limit(concurrency=1), None]])
def test_what_is_no_limit_is_refused(wrong: Any) -> None:
    with pytest.raises(OptionError, match="not an alongside.Limit"):
        alongside.map(abs, [1], limit=wrong)


def test_a_limit_says_what_it_is_and_stays_here() -> None:
    limit = Limit(concurrency=4, per=len)
    assert repr(limit) == "Limit(concurrency=4, per=<built-in function len>)"
    with pytest.raises(TypeError, match="cannot be sent to another process"):
        pickle.dumps(limit)
    with pytest.raises(NotPicklable):
        alongside.map(lambda n: limit.concurrency, [1], backend="processes")
