"""The coordinator, by properties: whatever happens in whatever order, its promises hold.

`World` plays the shell: it carries commands out on imaginary workers, keeps its own books of what must be true, and
compares. The rules one by one are in test_coordinator_rules.py.
"""

from __future__ import annotations

from random import Random
from typing import Any

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from alongside.core import events as ev
from alongside.core.coordinator import Coordinator
from alongside.core.model import Batch, Block, Death, Failure, Fault, Part, Running
from alongside.core.policy import EAGER_WINDOW, LAZY_WINDOW, Policy
from alongside.core.retry import Backoff, RetryPolicy
from alongside.core.roster import NOBODY
from alongside.exceptions import TaskTimeout, WorkerLost


class World:
    """An imaginary shell around a coordinator, which keeps its own books."""

    def __init__(self, policy: Policy, crew: ev.Crew, tasks: int, rng: Random, seed: int) -> None:
        self.policy = policy
        self.crews = {crew.name: crew}
        self.coordinator = Coordinator(policy, crew, Random(seed))
        self.rng = rng
        self.tasks = tasks
        self.input_error: Exception | None = rng.choice([None, None, ValueError("the input broke")])
        self.now = 0.0
        self.history: list[tuple[ev.Event, float]] = []
        self.answers: list[list[ev.Command]] = []
        self.flights: dict[int, dict[int, tuple[Batch, set[int]]]] = {}
        self.in_hand: dict[int, list[Running]] = {}
        self.condemned: dict[int, Running] = {}
        self.alone: set[int] = set()
        self.recalled: set[int] = set()
        self.apart: set[int] = set()
        self.oversize: set[int] = set()
        self.given: dict[int, int] = {}
        self.short_of_memory = False
        self.gone: list[tuple[int, int]] = []
        self.wanted = 0
        self.ended = False
        self.pulled = self.taken = 0
        self.attempt: dict[int, int] = {}
        self.settled: dict[int, object] = {}
        self.delivered: list[int] = []
        self.finish: ev.Finish | None = None
        self.send(ev.Tick())

    # ------------------------------------------------------------------------------------------- both directions

    def send(self, event: ev.Event) -> None:
        """Tell the coordinator, then do what it says and check that it may say so."""
        commands = self.coordinator.handle(event, self.now)
        self.history.append((event, self.now))
        self.answers.append(commands)
        for command in commands:
            self.obey(command)
        self.coordinator.validate()
        self.check_window()

    def obey(self, command: ev.Command) -> None:
        assert self.finish is None, "nothing comes after the end"
        match command:
            case ev.Pull(count):
                assert count > 0
                assert not self.wanted, "one request at a time"
                self.wanted = count
            case ev.Hire(worker):
                assert worker not in self.flights
                self.flights[worker] = {}
            case ev.Dispatch(worker, batch):
                self.accept(worker, batch)
            case ev.Kill(worker):
                self.expect_kill(worker)
            case ev.Recall(worker):
                self.expect_recall(worker)
            case ev.Retire(worker):
                assert self.flights.pop(worker) == {}, "who is let go has nothing in hand"
                self.recalled.discard(worker)
                assert worker not in self.condemned
                assert self.given[worker] >= (self.policy.tasks_per_worker or 0)
            case ev.Retry(failure, delay):
                assert delay >= 0
                self.apart.discard(failure.index)
                self.attempt[failure.index] += 1
            case ev.Deliver(deliveries):
                list(map(self.receive, deliveries))
            case ev.Finish():
                self.finish = command

    def accept(self, worker: int, batch: Batch) -> None:
        assert worker not in self.condemned
        indices = range(batch.start, batch.start + len(batch.items))
        assert list(batch.items) == [f"item {index}" for index in indices]
        for index in indices:
            assert index not in self.settled, "what is settled is not run again"
            assert not self.holders(index), "one attempt at a time"
            assert batch.attempt == self.attempt[index], "an attempt is neither lost nor given away"
            assert batch.attempt <= self.policy.retry.retries + 1
            assert len(indices) == 1 or index not in self.alone, "a suspect is tried by itself"
        self.alone -= set(indices)
        together = {b.start + offset for b, left in self.flights[worker].values() for offset in left} | set(indices)
        if self.crew_of(worker).slots > 1:
            assert together <= self.apart or not together & self.apart, "suspects are tried apart from the others"
        limit = self.policy.tasks_per_worker
        assert limit is None or self.given.get(worker, 0) < limit, "who has had enough gets nothing more"
        self.given[worker] = self.given.get(worker, 0) + len(batch.items)
        self.flights[worker][batch.id] = batch, set(range(len(batch.items)))

    def expect_recall(self, worker: int) -> None:
        assert self.crew_of(worker).recalls
        assert sum(len(left) for _, left in self.flights[worker].values()) > 1, "something waits in it"
        assert worker not in self.recalled, "it is asked once"
        self.recalled.add(worker)

    def expect_kill(self, worker: int) -> None:
        if worker not in self.condemned:
            assert self.short_of_memory, "nobody is killed without a reason"
            assert sum(map(bool, self.flights.values())) > 1, "the last one may finish"
            self.condemned[worker] = NOBODY

    def receive(self, delivery: Block | Failure) -> None:
        if isinstance(delivery, Failure):
            assert not self.policy.stop_at_failure
            assert delivery.item == f"item {delivery.index}"
            assert delivery.attempts == self.attempt[delivery.index]
            self.delivered.append(delivery.index)
            return
        for outcome in delivery.outcomes():
            assert outcome.item == f"item {outcome.index}"
            assert outcome.value == f"value {outcome.index}"
            assert outcome.attempts == self.attempt[outcome.index]
            self.delivered.append(outcome.index)

    def holders(self, index: int) -> list[int]:
        return [
            worker
            for worker, batches in self.flights.items()
            for batch, left in batches.values()
            if index - batch.start in left
        ]

    def check_window(self) -> None:
        if self.policy.eager:
            assert self.pulled - len(self.settled) <= (self.policy.window or EAGER_WINDOW)
        else:
            assert self.pulled - self.taken <= (self.policy.window or LAZY_WINDOW)

    # --------------------------------------------------------------------------------------------- what can happen

    def step(self) -> None:
        """Something happens."""
        able = [self.tick, self.stale]
        able += [self.pull] * 3 if self.wanted else []
        able += [self.work] * 6 + [self.lose] if any(self.flights.values()) else []
        able += [self.lose_idle] if self.flights else []
        able += [self.give_back] * 2 if self.recalled else []
        able += [self.observe] * 2 if self.policy.timeout or self.policy.memory_limit else []
        able += [self.remember] if self.rng.random() < 0.3 else []
        able += [self.take] * 2 if self.taken < len(self.delivered) else []
        able += [self.reserve] if self.rng.random() < 0.1 else []
        able += [self.move] if len(self.crews) < 3 else []
        able += [self.begin_all] if self.flights else []
        self.rng.choice(able)()

    def pull(self) -> None:
        count = min(self.rng.randint(1, self.wanted), self.tasks - self.pulled)
        self.wanted = 0
        indices = range(self.pulled, self.pulled + count)
        self.pulled += count
        self.attempt.update(dict.fromkeys(indices, 1))
        if count:
            self.send(ev.InputArrived([f"item {index}" for index in indices]))
        if self.finish is None and self.pulled == self.tasks:
            self.send(ev.InputEnded(None if self.ended else self.input_error))
            self.ended = True  # asked again, an iterator that raised has merely ended

    def work(self) -> None:
        """Some tasks of a batch come back, in some order, well or badly."""
        worker = self.rng.choice([worker for worker, batches in self.flights.items() if batches])
        batch, left = self.flights[worker][self.rng.choice(list(self.flights[worker]))]
        some = sorted(self.rng.sample(sorted(left), self.rng.randint(1, len(left))))
        bad = {offset for offset in some if self.rng.random() < 0.2}
        self.report(worker, batch, [o for o in some if o not in bad], sorted(bad))

    def report(self, worker: int, batch: Batch, good: list[int], bad: list[int]) -> None:
        left = self.flights[worker][batch.id][1]
        left -= {*good, *bad}
        if not left:
            del self.flights[worker][batch.id]
        self.in_hand[worker] = [task for task in self.in_hand.get(worker, ()) if task.offset in left]
        self.apart -= {batch.start + offset for offset in good}
        last = {batch.start + offset for offset in bad if batch.attempt > self.policy.retry.retries}
        self.settled |= dict.fromkeys([*(batch.start + offset for offset in good), *last])
        parts = [Part(o, [f"value {batch.start + o}"], 0.001) for o in good]
        if len(good) == len(batch.items):
            parts = [Part(0, [f"value {batch.start + o}" for o in good], 0.001)]
        faults = [Fault(offset, KeyError(batch.start + offset), 0.001) for offset in bad]
        self.send(ev.Finished(worker, batch.id, parts, faults, 0.001 * (len(good) + len(bad))))

    def give_back(self) -> None:
        """A worker parts with what it has not begun, or with some of it: the rest was begun meanwhile."""
        worker = self.rng.choice(sorted(self.recalled))
        self.recalled.discard(worker)
        stretches = []
        for number, (batch, left) in list(self.flights[worker].items()):
            begun = {task.offset for task in self.in_hand.get(worker, ()) if task.batch == number}
            first = end = len(batch.items)
            while first - 1 in left and first - 1 not in begun:
                first -= 1
            first = self.rng.randint(first, end)
            if first < end:
                stretches.append((number, first, end))
                left -= set(range(first, end))
                if not left:
                    del self.flights[worker][number]
                self.given[worker] -= end - first
        self.send(ev.Returned(worker, stretches))

    def stale(self) -> None:
        """A worker that was given up speaks after all."""
        if self.gone:
            worker, batch = self.rng.choice(self.gone)
            self.send(ev.Finished(worker, batch, [Part(0, ["too late"], 0.1)], (), 0.1))

    def lose(self) -> None:
        worker = self.rng.choice([worker for worker, batches in self.flights.items() if batches])
        batch, left = self.flights[worker][next(iter(self.flights[worker]))]
        blameless = self.rng.random() < 0.3
        if self.rng.random() < 0.3 and worker not in self.condemned:
            self.bury(worker, [], blameless, suspects=batch.id)
        else:
            in_hand = self.rng.sample(sorted(left), min(len(left), self.rng.randint(0, 2)))
            self.bury(worker, [Running(batch.id, offset, self.now) for offset in in_hand], blameless)

    def lose_idle(self) -> None:
        idle = [worker for worker, batches in self.flights.items() if not batches]
        if idle:
            self.bury(self.rng.choice(idle), [], blameless=True)

    def bury(self, worker: int, running: list[Running], blameless: bool, suspects: int = 0) -> None:
        many, flights = self.crew_of(worker).slots > 1, self.flights.pop(worker)
        self.recalled.discard(worker)
        self.gone += [(worker, batch) for batch in flights]
        condemned = self.condemned.pop(worker, None)
        charged = [] if blameless else running if condemned is None else [condemned]
        known = condemned is NOBODY or (condemned is not None and condemned.offset >= 0)
        doubtful = {suspects} - {0} if not known else set()
        if many and worker in self.oversize:
            doubtful, charged = set(flights), []
        if doubtful and not blameless:
            held = [(flights[number][0], offset) for number in doubtful for offset in flights[number][1]]
            places = {batch.start + offset for batch, offset in held}
            charged = [Running(batch.id, offset, self.now) for batch, offset in held] if len(held) == 1 else charged
            if many:
                self.apart |= places
            elif len(held) > 1:
                self.alone |= places
        for task in charged:
            if task.batch in flights:
                batch, left = flights[task.batch]
                if task.offset in left and batch.attempt > self.policy.retry.retries:
                    self.settled[batch.start + task.offset] = None
        death = Death(pid=worker, signal=9)
        self.send(ev.Lost(worker, death, running, suspects=(suspects,) if suspects else (), blameless=blameless))

    def observe(self) -> None:
        """Time passes, and the driver looks at what each worker has in hand."""
        self.now += self.rng.choice([0.0, 0.4, 1.5])
        for worker, batches in self.flights.items():
            if batches and not self.in_hand.get(worker):
                batch, left = batches[next(iter(batches))]
                self.in_hand[worker] = [Running(batch.id, min(left), self.now)]
        seen = {worker: tuple(self.in_hand.get(worker, ())) for worker, batches in self.flights.items() if batches}
        timeout = self.policy.timeout or 0.0
        for worker, running in seen.items():
            late = [task for task in running if task.since + timeout <= self.now]
            if timeout and late and worker not in self.condemned and not self.crew_of(worker).watches_timeout:
                self.condemned[worker] = late[0]
        memory = {worker: self.rng.choice([50, 50, 50, 200]) for worker in seen}
        for worker, used in memory.items():
            if self.policy.memory_limit and used > self.policy.memory_limit and worker not in self.condemned:
                self.condemned[worker] = seen[worker][0] if seen[worker] else NOBODY
                self.oversize.add(worker)
        self.send(ev.Observed(seen, memory))

    def remember(self) -> None:
        """The driver looks at how much memory is free."""
        free = self.rng.choice([0.5, 0.07, 0.01])
        self.short_of_memory = free < 0.05
        self.send(ev.Memory(free))
        self.short_of_memory = False

    def crew_of(self, worker: int) -> ev.Crew:
        known = self.coordinator._roster.get(worker)
        assert known is not None
        return known.crew

    def tick(self) -> None:
        self.now += self.rng.choice([0.0, 0.01, 0.5])
        self.send(ev.Tick())

    def take(self) -> None:
        count = self.rng.randint(1, len(self.delivered) - self.taken)
        self.taken += count
        self.send(ev.Taken(count))

    def begin_all(self) -> None:
        worker = self.rng.choice(list(self.flights))
        self.send(ev.Begun(worker, self.rng.choice([0, 2, 100]), self.rng.choice([0.0, 0.005])))

    def move(self) -> None:
        crew = random_crew(self.rng, f"crew {len(self.crews)}")
        self.crews[crew.name] = crew
        self.send(ev.Moved(crew))

    def reserve(self) -> None:
        self.send(ev.Reserved(self.rng.randint(0, 3)))

    # ---------------------------------------------------------------------------------------------------- the end

    def drain(self) -> None:
        """From here on everything goes well: the run must come to its end."""
        for _ in range(50 * (self.tasks + 10)):
            if self.finish is not None:
                return
            self.now = max(self.now, self.coordinator.wakeup() or 0.0)
            if self.taken < len(self.delivered):
                self.taken, count = len(self.delivered), len(self.delivered) - self.taken
                self.send(ev.Taken(count))
            elif self.condemned:
                self.bury(next(iter(self.condemned)), [], blameless=False)
            elif any(self.flights.values()):
                worker = next(worker for worker, batches in self.flights.items() if batches)
                batch, left = next(iter(self.flights[worker].values()))
                self.report(worker, batch, sorted(left), [])
            elif self.wanted:
                self.pull()
            else:
                self.send(ev.Tick())
        raise AssertionError("the run does not end")

    def check_end(self) -> None:
        finish = self.finish
        assert finish is not None
        assert len(self.delivered) == len(set(self.delivered)), "each outcome once"
        if self.policy.ordered:
            assert self.delivered == list(range(len(self.delivered))), "in order, without a gap"
        if finish.failure is not None:
            assert self.policy.stop_at_failure
            assert finish.error is finish.failure.exception
            assert finish.failure.index not in self.delivered
            assert not self.policy.ordered or finish.failure.index == len(self.delivered), "the earliest failure"
        elif not (isinstance(finish.error, WorkerLost) and finish.error.index is None):
            assert sorted(self.delivered) == list(range(self.tasks)), "every task has its outcome"
            assert finish.error is self.input_error

    def replayed(self, policy: Policy, crew: ev.Crew, seed: int) -> list[list[ev.Command]]:
        """What a fresh coordinator answers to the same events."""
        again = Coordinator(policy, crew, Random(seed))
        return [again.handle(event, now) for event, now in self.history]


def random_crew(rng: Random, name: str) -> ev.Crew:
    if rng.random() < 0.4:
        slots, watches = rng.randint(2, 6), rng.random() < 0.5
        workers = rng.randint(1, 3)
        begin = rng.choice([0, 2]) if workers == 1 else 0
        return ev.Crew(workers, slots=slots, watches_timeout=watches, begin=begin, name=name)
    depth, recalls = rng.randint(1, 3), rng.random() < 0.6
    prefetch_below = rng.choice([0.0, 1.0])
    return ev.Crew(rng.randint(1, 4), depth=depth, prefetch_below=prefetch_below, recalls=recalls, name=name)


def random_policy(rng: Random, tasks: int) -> Policy:
    return Policy(
        ordered=rng.random() < 0.7,
        eager=rng.random() < 0.5,
        stop_at_failure=rng.random() < 0.4,
        timeout=rng.choice([None, 1.0]),
        retry=RetryPolicy(rng.randint(0, 2), Exception, Backoff(base=0.1)),
        batch_size=rng.choice([None, 1, 3, 10]),
        window=rng.choice([None, 1, 2, 7, 30]),
        total=rng.choice([None, tasks]),
        tasks_per_worker=rng.choice([None, None, 1, 5]),
        memory_limit=rng.choice([None, None, 100]),
    )


@settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.large_base_example])
@given(seed=st.integers(0, 2**32), steps=st.integers(0, 150), tasks=st.integers(0, 60))
@example(seed=188, steps=12, tasks=8)  # a worker on trial is lost for no fault of its tasks: they stay suspect
def test_whatever_happens_the_promises_hold(seed: int, steps: int, tasks: int) -> None:
    rng = Random(seed)
    crew, policy = random_crew(rng, "crew 0"), random_policy(rng, tasks)
    world = World(policy, crew, tasks, rng, seed)
    for _ in range(steps):
        if world.finish is None:
            world.step()
    world.drain()
    world.check_end()
    assert repr(world.replayed(policy, crew, seed)) == repr(world.answers), "the same events give the same commands"


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32), tasks=st.integers(1, 40))
def test_after_the_end_nothing_is_said(seed: int, tasks: int) -> None:
    rng = Random(seed)
    world = World(random_policy(rng, tasks), random_crew(rng, "crew 0"), tasks, rng, seed)
    world.drain()
    late: list[Any] = [ev.Tick(), ev.Taken(1), ev.InputArrived(["more"]), ev.Lost(1), ev.Unfit(1, OSError())]
    assert [world.coordinator.handle(event, world.now) for event in late] == [[]] * len(late)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32), retries=st.integers(0, 3))
def test_a_task_that_always_kills_or_hangs_is_tried_retries_plus_one_times(seed: int, retries: int) -> None:
    policy = Policy(timeout=1.0, stop_at_failure=False, retry=RetryPolicy(retries, Exception, Backoff(0.0)), total=1)
    world = World(policy, ev.Crew(2, name="crew 0"), 1, Random(seed), seed)
    while world.finish is None:
        if any(world.flights.values()):
            if world.rng.random() < 0.5:
                worker = next(worker for worker, batches in world.flights.items() if batches)
                batch = next(iter(world.flights[worker]))
                world.bury(worker, [Running(batch, 0, world.now)], blameless=False)
            else:
                world.observe()
                for worker in list(world.condemned):
                    world.bury(worker, [], blameless=False)
        elif world.wanted:
            world.pull()
        else:
            world.tick()
    (failure,) = [d for answer in world.answers for c in answer if isinstance(c, ev.Deliver) for d in c.deliveries]
    assert isinstance(failure, Failure)
    assert isinstance(failure.exception, (TaskTimeout, WorkerLost))
    assert failure.attempts == retries + 1
