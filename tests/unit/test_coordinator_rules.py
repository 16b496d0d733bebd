"""The coordinator's rules one by one: events in, commands out. (That they hold together: test_coordinator.py.)"""

from __future__ import annotations

from typing import Any, TypeVar

import pytest

from alongside.core import events as ev
from alongside.core.coordinator import Coordinator
from alongside.core.model import Block, Death, Failure, Fault, Part, Running
from alongside.core.policy import OVERTAKEN, Policy
from alongside.core.retry import Backoff, RetryPolicy
from alongside.exceptions import InternalError, TaskTimeout, WorkerLost

ONE = ev.Crew(1, name="w")
C = TypeVar("C")


class Run:
    """A coordinator and what it has said."""

    def __init__(self, crew: ev.Crew = ONE, **policy: Any) -> None:
        self.coordinator = Coordinator(Policy(**policy), crew)
        self.said: list[ev.Command] = []

    def tell(self, event: ev.Event, now: float = 0.0) -> Run:
        self.said += self.coordinator.handle(event, now)
        self.coordinator.validate()
        return self

    def items(self, *items: Any, end: bool = True) -> Run:
        self.tell(ev.InputArrived(list(items)))
        return self.tell(ev.InputEnded()) if end else self

    def done(self, worker: int, batch: int, *values: Any, seconds: float = 0.001, now: float = 0.0) -> Run:
        return self.tell(ev.Finished(worker, batch, [Part(0, list(values), seconds)], (), seconds * len(values)), now)

    def failed(self, worker: int, batch: int, error: BaseException, offset: int = 0, now: float = 0.0) -> Run:
        return self.tell(ev.Finished(worker, batch, (), [Fault(offset, error, 0.001)], 0.001), now)

    def of(self, kind: type[C]) -> list[C]:
        return [command for command in self.said if isinstance(command, kind)]

    @property
    def dispatched(self) -> list[tuple[int, int, list[Any], int]]:
        """Worker, batch, items, attempt."""
        return [(d.worker, d.batch.id, list(d.batch.items), d.batch.attempt) for d in self.of(ev.Dispatch)]

    @property
    def delivered(self) -> list[Any]:
        """Indices and values, or failures."""
        deliveries = [delivery for command in self.of(ev.Deliver) for delivery in command.deliveries]
        return [
            d if isinstance(d, Failure) else list(zip(range(d.start, d.start + len(d)), d.values, strict=True))
            for d in deliveries
        ]

    @property
    def finish(self) -> ev.Finish:
        (finish,) = self.of(ev.Finish)
        return finish


# ------------------------------------------------------------------------------------------------------ beginning


def test_it_begins_by_asking_for_input() -> None:
    run = Run().tell(ev.Tick())
    assert [type(command) for command in run.said] == [ev.Pull]


def test_an_empty_input_is_done_at_once() -> None:
    run = Run().tell(ev.Tick()).tell(ev.InputEnded())
    assert run.finish == ev.Finish(None, None)
    assert not run.of(ev.Hire)


def test_a_worker_is_hired_only_for_work_that_is_there() -> None:
    run = Run(ev.Crew(4, name="w"), batch_size=1).items("a", "b")
    assert len(run.of(ev.Hire)) == 2


def test_the_input_is_not_asked_again_before_it_has_answered() -> None:
    run = Run().tell(ev.Tick()).tell(ev.Tick()).tell(ev.Taken(0))
    assert len(run.of(ev.Pull)) == 1


def test_the_first_end_of_the_input_counts() -> None:
    error = OSError("gone")
    run = Run().tell(ev.Tick()).tell(ev.InputArrived(["a"])).tell(ev.InputEnded(error)).tell(ev.InputEnded(None))
    assert run.done(1, 1, "A").finish.error is error


# --------------------------------------------------------------------------------------------------- order, errors


def crew_of(count: int) -> ev.Crew:
    return ev.Crew(count, name="w")


def test_results_wait_for_earlier_ones() -> None:
    run = Run(crew_of(3), batch_size=1).items("a", "b", "c")
    run.done(3, 3, "C").done(2, 2, "B")
    assert run.delivered == []
    run.done(1, 1, "A")
    assert run.delivered == [[(0, "A")], [(1, "B")], [(2, "C")]]


def test_without_order_they_do_not() -> None:
    run = Run(crew_of(3), batch_size=1, ordered=False).items("a", "b", "c").done(3, 3, "C").done(1, 1, "A")
    assert run.delivered == [[(2, "C")], [(0, "A")]]


def test_the_failure_with_the_lowest_index_is_raised_though_a_later_one_came_first() -> None:
    run = Run(crew_of(4), batch_size=1).items("a", "b", "c", "d")
    late, early = KeyError("late"), ValueError("early")
    run.failed(3, 3, late)
    assert not run.of(ev.Finish), "an earlier one may fail yet"
    run.done(1, 1, "A").failed(2, 2, early)
    assert run.finish.error is early
    assert run.finish.failure == Failure(1, "b", None, early, 1, 0.001, "w-2")
    assert run.delivered == [[(0, "A")]]


def test_what_lies_behind_a_failure_is_neither_sent_nor_pulled() -> None:
    run = Run(crew_of(2), batch_size=1).items(*"abcdefgh", end=False)
    pulls = len(run.of(ev.Pull))
    run.failed(2, 2, KeyError("b"))
    assert len(run.dispatched) == 2
    assert len(run.of(ev.Pull)) == pulls
    assert run.done(1, 1, "A").finish.failure is not None


def test_items_that_arrive_after_a_failure_are_dropped() -> None:
    run = Run(crew_of(2), batch_size=1).tell(ev.Tick()).items("a", "b", end=False).failed(2, 2, KeyError("b"))
    run.tell(ev.InputArrived(["c", "d"])).done(1, 1, "A")
    assert [items for _, _, items, _ in run.dispatched] == [["a"], ["b"]]


def test_a_task_behind_the_horizon_is_not_tried_again() -> None:
    run = Run(crew_of(3), batch_size=1, retry=RetryPolicy(1, KeyError, Backoff(0.0))).items("a", "b", "c")
    run.failed(2, 2, ValueError("b")).failed(3, 3, KeyError("c"))
    assert not run.of(ev.Retry)
    assert run.done(1, 1, "A").finish.error.__class__ is ValueError


def test_without_order_the_first_failure_ends_the_run() -> None:
    run = Run(crew_of(2), batch_size=1, ordered=False).items("a", "b").failed(2, 2, KeyError("b"))
    assert isinstance(run.finish.error, KeyError)


def test_failures_are_results_where_that_was_asked_for() -> None:
    error = KeyError("a")
    run = Run(stop_at_failure=False, batch_size=1).items("a", "b").failed(1, 1, error).done(1, 2, "B")
    assert run.delivered == [Failure(0, "a", None, error, 1, 0.001, "w-1"), [(1, "B")]]
    assert run.finish.error is None


def test_an_unfit_worker_ends_the_run_with_its_error() -> None:
    error = LookupError("no database")
    assert Run().items("a").tell(ev.Unfit(1, error)).finish.error is error


def test_more_results_than_tasks_is_a_bug_of_ours() -> None:
    run = Run(batch_size=2).items("a", "b")
    with pytest.raises(InternalError, match="more tasks came back than were sent"):
        run.tell(ev.Finished(1, 1, [Part(0, ["A", "B", "C"], 0.1)]))


# --------------------------------------------------------------------------------------------------------- retries


def test_backoff_is_waited_for() -> None:
    run = Run(retry=RetryPolicy(2, Exception, Backoff(base=1.0, factor=2.0, jitter=0.0))).items("a")
    run.failed(1, 1, KeyError("1"))
    assert run.of(ev.Retry)[0].delay == 1.0
    assert run.coordinator.wakeup() == 1.0
    run.tell(ev.Tick(), now=0.9)
    assert len(run.dispatched) == 1
    run.tell(ev.Tick(), now=1.0)
    assert run.dispatched[1] == (1, 2, ["a"], 2)
    run.failed(1, 2, KeyError("2"), now=1.5)
    assert run.of(ev.Retry)[1].delay == 2.0
    assert run.coordinator.wakeup() == 3.5
    run.tell(ev.Tick(), now=3.5).failed(1, 3, KeyError("3"), now=4.0)
    assert run.finish.failure is not None
    assert run.finish.failure.attempts == 3


def test_others_go_on_during_a_backoff() -> None:
    run = Run(batch_size=1, retry=RetryPolicy(1, Exception, Backoff(60.0))).items("a", "b").failed(1, 1, KeyError())
    assert run.dispatched[-1] == (1, 2, ["b"], 1)


# ------------------------------------------------------------------------------------------------- lost workers


def test_the_task_in_hand_pays_and_the_others_are_sent_again_as_they_were() -> None:
    run = Run(crew_of(1), batch_size=4, stop_at_failure=False).items("a", "b", "c", "d")
    run.tell(ev.Finished(1, 1, [Part(0, ["A"], 0.1)], (), 0.1))
    run.tell(ev.Lost(1, Death(pid=77, signal=11), [Running(1, 1, 0.0)]))
    assert run.dispatched[1:] == [(2, 2, ["c", "d"], 1)]
    failure = run.delivered[1]
    assert (failure.index, failure.item, failure.attempts) == (1, "b", 1)
    assert isinstance(failure.exception, WorkerLost)
    assert (failure.exception.pid, failure.exception.signal, failure.exception.index) == (77, 11, 1)


def test_queued_batches_of_a_lost_worker_lose_no_attempt_and_keep_their_order() -> None:
    crew = ev.Crew(1, depth=2, prefetch_below=1.0, name="w")
    run = Run(crew, batch_size=1, retry=RetryPolicy(1, Exception, Backoff(0.0))).items("a", "b", "c", "d")
    run.done(1, 1, "A")
    assert [items for _, _, items, _ in run.dispatched] == [["a"], ["b"], ["c"]]
    run.tell(ev.Lost(1, Death(), [Running(2, 0, 0.0)]))
    run.done(2, 4, "B").done(2, 5, "C")
    again = [(items, attempt) for worker, _, items, attempt in run.dispatched if worker == 2]
    assert sorted(again) == [(["b"], 2), (["c"], 1), (["d"], 1)]


def test_a_blameless_loss_charges_nobody() -> None:
    run = Run(batch_size=2).items("a", "b").tell(ev.Lost(1, Death(), [Running(1, 0, 0.0)], blameless=True))
    assert run.dispatched[1] == (2, 2, ["a", "b"], 1)


def test_suspects_are_tried_one_by_one_until_the_culprit_is_found() -> None:
    run = Run(batch_size=3, stop_at_failure=False).items("a", "b", "c")
    run.tell(ev.Lost(1, Death(signal=9), suspects=(1,)))
    assert run.dispatched[1] == (2, 2, ["a"], 1)
    run.done(2, 2, "A")
    assert run.dispatched[2] == (2, 3, ["b"], 1)
    run.tell(ev.Lost(2, Death(signal=9), suspects=(3,)))
    assert isinstance(run.delivered[1].exception, WorkerLost)
    assert run.dispatched[3] == (3, 4, ["c"], 1)


def test_a_blameless_loss_has_no_suspects() -> None:
    run = Run(batch_size=1).items("a").tell(ev.Lost(1, Death(), suspects=(1,), blameless=True))
    assert run.dispatched[1] == (2, 2, ["a"], 1)


def test_what_a_lost_worker_says_afterwards_is_not_heard() -> None:
    run = Run(batch_size=1).items("a").tell(ev.Lost(1, Death(), [])).done(1, 1, "late")
    assert run.delivered == []
    assert run.done(2, 2, "A").delivered == [[(0, "A")]]


@pytest.mark.parametrize("blameless", [False, True])
def test_workers_that_are_lost_again_and_again_with_nothing_in_hand_end_the_run(blameless: bool) -> None:
    run = Run(crew_of(2), batch_size=1).items("a", "b")
    for worker in range(1, 60):
        if run.of(ev.Finish):
            break
        run.tell(ev.Lost(worker, Death(exit_code=1), blameless=blameless))
    assert isinstance(run.finish.error, WorkerLost)
    assert run.finish.error.index is None


def test_progress_in_between_keeps_the_run_alive() -> None:
    run = Run(crew_of(1), batch_size=1).items(*range(40))
    for n in range(40):
        worker, batch = run.dispatched[-1][:2]
        run.tell(ev.Lost(worker, Death()))
        run.done(worker + 1, batch + 1, n)
    assert run.finish.error is None


# --------------------------------------------------------------------------------------------------------- timeouts


def test_an_overdue_task_condemns_its_worker_and_pays_with_a_timeout() -> None:
    run = Run(batch_size=3, timeout=2.0, stop_at_failure=False).items("a", "b", "c")
    assert run.coordinator.wakeup() == 2.0
    assert not run.coordinator.deadline_due(1.9)
    run.tell(ev.Observed({1: [Running(1, 1, since=0.5)]}), now=2.0)
    assert not run.of(ev.Kill)
    assert run.coordinator.wakeup() == 2.5
    run.tell(ev.Observed({1: [Running(1, 1, since=0.5)]}), now=2.5)
    assert run.of(ev.Kill) == [ev.Kill(1)]
    run.tell(ev.Finished(1, 1, [Part(0, ["A"], 0.5)], (), 0.5), now=2.5)
    run.tell(ev.Lost(1, Death(signal=9), [Running(1, 1, since=0.5)]), now=2.6)
    failure = run.delivered[1]
    assert isinstance(failure.exception, TaskTimeout)
    assert (failure.index, failure.exception.seconds, failure.exception.index) == (1, 2.0, 1)
    assert failure.seconds == pytest.approx(2.1)
    assert run.dispatched[1] == (2, 2, ["c"], 1)


def test_who_finished_just_before_the_kill_is_not_charged() -> None:
    run = Run(batch_size=2, timeout=1.0).items("a", "b").tell(ev.Observed({1: [Running(1, 0, 0.0)]}), now=1.0)
    run.tell(ev.Finished(1, 1, [Part(0, ["A"], 1.0)], (), 1.0), now=1.0)
    run.tell(ev.Lost(1, Death(signal=9), [Running(1, 1, 1.0)]), now=1.1)
    assert run.dispatched[1] == (2, 2, ["b"], 1), "the one in hand when the kill arrived is innocent"


def test_a_condemned_worker_gets_nothing_more() -> None:
    run = Run(batch_size=1, timeout=1.0).items("a", "b").tell(ev.Observed({1: [Running(1, 0, 0.0)]}), now=1.0)
    run.done(1, 1, "A", now=1.0)
    assert len(run.dispatched) == 1
    assert run.tell(ev.Lost(1), now=1.1).dispatched[1][:3] == (2, 2, ["b"])


def test_a_backend_that_watches_by_itself_is_not_watched() -> None:
    run = Run(ev.Crew(1, watches_timeout=True, name="w"), timeout=1.0).items("a")
    assert run.coordinator.wakeup() is None
    run.tell(ev.Observed({1: [Running(1, 0, 0.0)]}), now=99.0)
    assert not run.of(ev.Kill)


# ------------------------------------------------------------------------------------------------ giving out work


def test_the_window_bounds_what_a_slow_consumer_lets_in() -> None:
    run = Run(ordered=False, eager=False, window=3, batch_size=1).tell(ev.Tick())
    assert run.of(ev.Pull)[-1] == ev.Pull(2)
    run.items("a", "b", end=False).done(1, 1, "A")
    assert run.of(ev.Pull)[-1] == ev.Pull(1)
    pulls = len(run.of(ev.Pull))
    run.items("c", end=False).done(1, 2, "B").done(1, 3, "C")
    assert len(run.of(ev.Pull)) == pulls, "three are held, none is taken"
    run.tell(ev.Taken(2))
    assert run.of(ev.Pull)[-1] == ev.Pull(2)


def test_prefetch_only_where_batches_are_brief() -> None:
    for below, expected in ((0.0, 1), (1.0, 2)):
        crew = ev.Crew(1, depth=2, prefetch_below=below, name="w")
        run = Run(crew, batch_size=1).items(*"abcd").done(1, 1, "A")
        assert len(run.dispatched) == 1 + expected


def long_tasks(count: int, nbytes: int = 0, seconds: float = 0.1, **crew: Any) -> Run:
    """Two workers; the first has done a task that took so long and weighed so much, and is sent the next one."""
    crew = {"depth": 2, "recalls": True, "name": "w", **crew}
    run = Run(ev.Crew(2, **crew), batch_size=1).items(*"abcdefghijkl"[:count])
    return run.tell(ev.Finished(1, 1, [Part(0, ["A"], seconds)], (), seconds, nbytes), seconds)


@pytest.mark.parametrize(("count", "ahead"), [(8, 2), (7, 2), (6, 1), (5, 0)])
def test_long_tasks_are_sent_ahead_while_more_are_left_than_there_are_workers(count: int, ahead: int) -> None:
    assert len(long_tasks(count).dispatched) == 3 + ahead


def test_long_tasks_are_sent_ahead_only_where_they_can_be_had_back_are_light_and_not_too_long() -> None:
    assert len(long_tasks(12).dispatched) == 5
    assert len(long_tasks(12, recalls=False).dispatched) == 3
    assert len(long_tasks(12, nbytes=100 << 20).dispatched) == 3
    assert len(long_tasks(12, seconds=0.3).dispatched) == 3


def test_the_empty_are_served_before_those_that_have_something() -> None:
    crew = ev.Crew(2, depth=2, prefetch_below=1.0, name="w")
    run = Run(crew, batch_size=1).tell(ev.Tick()).items("a", "b", end=False).done(1, 1, "A").done(2, 2, "B")
    run.items("c", "d", end=False)
    assert sorted(worker for worker, _, _, _ in run.dispatched[2:]) == [1, 2]


def test_many_slots_are_filled_with_a_reserve() -> None:
    run = Run(ev.Crew(1, slots=10, watches_timeout=True, name="w")).tell(ev.Tick())
    assert run.of(ev.Pull) == [ev.Pull(50)]
    run.items(*range(80), end=False)
    assert [len(items) for _, _, items, _ in run.dispatched] == [50]
    run.tell(ev.Finished(1, 1, [Part(offset, [offset], 0.1) for offset in range(21)], (), 0.1))
    assert [len(items) for _, _, items, _ in run.dispatched] == [50, 21], "below thirty in hand it is filled up again"


def test_parts_of_a_batch_may_come_in_any_order() -> None:
    run = Run(ev.Crew(1, slots=5, name="w")).items(*"abcde")
    run.tell(ev.Finished(1, 1, [Part(3, ["D"], 0.1)], [Fault(1, KeyError("b"), 0.1)], 0.2))
    assert run.delivered == []
    run.tell(ev.Finished(1, 1, [Part(0, ["A"], 0.1)], (), 0.1))
    assert run.delivered == [[(0, "A")]]
    assert isinstance(run.finish.error, KeyError)


def test_a_move_leaves_the_old_crew_what_it_has() -> None:
    run = Run(crew_of(1), batch_size=1).items("a", "b", "c").tell(ev.Moved(ev.Crew(2, name="x")))
    assert [(worker, items) for worker, _, items, _ in run.dispatched] == [(1, ["a"]), (2, ["b"]), (3, ["c"])]
    run.done(1, 1, "A").done(2, 2, "B").done(3, 3, "C")
    assert run.finish.error is None
    outcomes = [o for c in run.of(ev.Deliver) for d in c.deliveries if isinstance(d, Block) for o in d.outcomes()]
    assert [outcome.worker for outcome in outcomes] == ["w-1", "x-2", "x-3"]


def test_batches_shrink_towards_the_end() -> None:
    run = Run(ev.Crew(2, name="w"), total=1000).tell(ev.Tick())
    sizes = []
    done = sent = 0
    while not run.of(ev.Finish):
        pull = run.of(ev.Pull)[-1]
        if sent < 1000:
            count = min(pull.tasks, 1000 - sent)
            run.tell(ev.InputArrived([0] * count))
            sent += count
            if sent == 1000:
                run.tell(ev.InputEnded())
        worker, batch, items, _ = run.dispatched[done]
        sizes.append(len(items))
        done += 1
        run.done(worker, batch, *items, seconds=0.00001)
    assert sizes[0] == 1
    assert max(sizes) > 50
    assert sizes[-1] < max(sizes) / 4


# ---------------------------------------------------------------------------------- a task sent without being asked


def idle() -> Run:
    """Unordered, with one worker that has done one task."""
    return Run(ordered=False, batch_size=1, stop_at_failure=False).items("a", end=False).done(1, 1, "A")


def adopted(run: Run, item: str) -> ev.Adopted:
    place = run.coordinator.open_place(item)
    assert place is not None
    return ev.Adopted(*place, 0.0)


def test_what_was_sent_to_an_open_place_and_came_back_was_never_there() -> None:
    run = idle()
    first = adopted(run, "b")
    assert adopted(run, "c") == first._replace(batch=first.batch._replace(items=("c",)))
    assert run.items("d", end=False).dispatched[-1] == (1, 2, ["d"], 1)


def test_an_adopted_task_is_one_like_others() -> None:
    run = idle()
    sent = adopted(run, "b")
    run.tell(sent).items("c", end=False).done(sent.worker, sent.batch.id, "B")
    assert run.delivered == [[(0, "A")], [(1, "B")]]
    assert run.dispatched[-1] == (1, 3, ["c"], 1)


def test_an_adopted_task_is_charged_with_the_loss_of_its_worker() -> None:
    run = idle()
    sent = adopted(run, "b")
    run.tell(sent).tell(ev.Lost(sent.worker, Death(signal=9), [Running(sent.batch.id, 0, 0.0)]))
    (failure,) = [failure for failure in run.delivered if isinstance(failure, Failure)]
    assert isinstance(failure.exception, WorkerLost)
    assert (failure.index, failure.item) == (1, "b")


def test_there_is_no_open_place_while_something_goes_on_or_single_tasks_are_watched() -> None:
    assert Run(ordered=False).items("a", end=False).coordinator.open_place("b") is None
    wishes: list[dict[str, Any]] = [{"ordered": True}, {"timeout": 1.0}, {"memory_limit": 1}, {"tasks_per_worker": 5}]
    for watched in wishes:
        policy = {"ordered": False, "batch_size": 1, **watched}
        assert Run(**policy).items("a", end=False).done(1, 1, "A").coordinator.open_place("b") is None
    assert idle().tell(ev.InputEnded()).coordinator.open_place("b") is None


def test_only_what_was_sent_to_an_open_place_can_be_adopted() -> None:
    run = idle()
    sent = adopted(run, "b")
    run.items("c", end=False)
    with pytest.raises(InternalError, match="adopted"):
        run.coordinator.handle(sent, 0.0)


def test_a_crew_whose_slots_are_all_taken_is_not_hungry() -> None:
    coordinator = Coordinator(Policy(), ev.Crew(1, slots=2))
    coordinator.handle(ev.Tick(), 0.0)
    coordinator.handle(ev.InputArrived(["a"]), 0.0)
    assert coordinator.hungry
    coordinator.handle(ev.InputArrived(["b"]), 0.0)
    assert not coordinator.hungry, "what is pushed now may wait for company until a slot is free"
    coordinator.handle(ev.Finished(worker=1, batch=1, parts=[Part(0, ["A"], 0.1)], seconds=0.1), 0.1)
    assert coordinator.hungry


# ----------------------------------------------------------------------------------- work that waits behind a slow task


def with_one_slow(stop_at_failure: bool = True, **crew: Any) -> Run:
    """Two workers, of which the second is done with all it had; the first holds four tasks, sent at 0."""
    crew = {"max_workers": 2, "name": "w", "recalls": True, **crew}
    return Run(ev.Crew(**crew), batch_size=4, stop_at_failure=stop_at_failure).items(*"abcdefgh").done(2, 2, *"EFGH")


def test_what_waits_in_a_slow_worker_is_had_back_for_one_that_has_nothing_to_do() -> None:
    run = with_one_slow()
    due = run.coordinator.wakeup()
    assert due is not None
    assert run.tell(ev.Tick(), due).of(ev.Recall) == [ev.Recall(1)]
    run.tell(ev.Tick(), 2 * due)
    assert len(run.of(ev.Recall)) == 1, "it is asked once"
    run.tell(ev.Returned(1, [(1, 1, 4)]), due)
    assert run.dispatched[-1] == (2, 3, ["b", "c", "d"], 1)
    run.done(2, 3, "B", "C", "D").done(1, 1, "A")
    assert run.finish == ev.Finish(None, None)


def test_what_was_sent_ahead_is_not_overtaken_for_long() -> None:
    run = long_tasks(12)
    assert run.dispatched[-2:] == [(2, 4, ["d"], 1), (1, 5, ["e"], 1)]
    run.done(1, 3, "C", seconds=0.1, now=0.2).done(1, 5, "E", seconds=0.1, now=0.3)
    assert not run.tell(ev.Tick(), OVERTAKEN / 2).of(ev.Recall)
    assert run.tell(ev.Tick(), OVERTAKEN).of(ev.Recall) == [ev.Recall(2)]
    sent = len(run.dispatched)
    run.tell(ev.Returned(2, [(4, 0, 1)]), OVERTAKEN)
    assert len(run.dispatched) == sent, "nothing more is sent ahead to who is slow"
    run.done(1, 6, "F", seconds=0.1, now=OVERTAKEN)
    assert run.dispatched[sent][2] == ["d"], "it comes first now"
    run.done(2, 2, "B", seconds=0.6, now=0.6)
    assert run.dispatched[-1][0] == 2


def test_a_worker_alone_overtakes_nobody() -> None:
    run = Run(ev.Crew(1, depth=2, recalls=True, name="w"), batch_size=1).items(*"abcdef").done(1, 1, "A", seconds=0.1)
    assert len(run.dispatched) == 3
    assert not run.tell(ev.Tick(), 10 * OVERTAKEN).of(ev.Recall)


def test_what_is_lost_before_it_was_returned_is_sent_again_once() -> None:
    run = with_one_slow(stop_at_failure=False).tell(ev.Tick(), 1.0)
    run.tell(ev.Lost(1, Death(signal=9), [Running(1, 0, 0.0)])).tell(ev.Returned(1, [(1, 1, 4)]))
    assert [items for _, _, items, _ in run.dispatched].count(["b", "c", "d"]) == 1


def test_nothing_is_had_back_while_others_are_busy_or_from_who_cannot_give() -> None:
    busy = Run(ev.Crew(2, name="w", recalls=True), batch_size=4).items(*"abcdefgh").tell(ev.Tick(), 5.0)
    assert not busy.of(ev.Recall)
    assert not with_one_slow(recalls=False).tell(ev.Tick(), 5.0).of(ev.Recall)
    last = Run(ev.Crew(2, name="w", recalls=True), batch_size=1).items("a", "b").done(2, 2, "B").tell(ev.Tick(), 5.0)
    assert not last.of(ev.Recall), "a task that runs alone has nothing behind it"
