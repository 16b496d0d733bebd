"""The timeline tells what happened: who ran what, when, how long it took, and never more than its bound of it."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable
from typing import Any

import pytest

import alongside
from alongside.core import events as ev
from alongside.core.model import Batch, Death, Fault, Part, Running
from alongside.observe import trace
from alongside.observe.lanes import MOST_LANES, Lanes, Span, coarsened
from alongside.observe.timeline import SLOWEST, Timeline
from alongside.testing import Kills, Raises, rehearse

CREW = ev.Crew(2, name="processes")


def told(*story: tuple[float, Any], crew: ev.Crew = CREW) -> Timeline:
    """A timeline that was told this: events and commands, each with its moment. The run begins at 100."""
    timeline = Timeline(crew)
    timeline.on_event(ev.Tick(), 100.0)
    for at, what in story:
        if isinstance(what, (ev.Hire, ev.Dispatch, ev.Retry)):
            timeline.on_command(what, 100.0 + at)
        else:
            timeline.on_event(what, 100.0 + at)
    return timeline


def batch(worker: int, number: int, start: int, tasks: int, attempt: int = 1) -> ev.Dispatch:
    return ev.Dispatch(worker, Batch(number, start, list(range(tasks)), attempt))


def test_attempts_are_laid_end_to_end_before_the_moment_their_results_arrived() -> None:
    timeline = told(
        (0.0, ev.Hire(1)),
        (0.0, batch(1, 1, 10, 3)),
        (1.0, ev.Finished(1, 1, [Part(0, list("ab"), [0.2, 0.3])], [Fault(2, ValueError(), 0.4)], 0.9)),
    )
    (lane,) = timeline.lanes
    assert lane.name == "processes-1"
    assert [(round(s.start, 6), round(s.end, 6), s.first, s.failed) for s in lane.spans] == [
        (0.1, 0.3, 10, 0),
        (0.3, 0.6, 11, 0),
        (0.6, 1.0, 12, 1),
    ]


def test_what_arrives_in_several_messages_of_one_handing_over_is_put_in_the_order_of_the_tasks() -> None:
    timeline = told(
        (0.0, ev.Hire(1)),
        (0.0, batch(1, 1, 0, 3)),
        (1.0, ev.Finished(1, 1, [Part(0, list("a"), [0.1]), Part(2, list("c"), [0.3])], seconds=0.6)),
        (1.0, ev.Finished(1, 1, (), [Fault(1, ValueError(), 0.2)])),
    )
    (lane,) = timeline.lanes
    assert [(round(s.start, 6), s.first) for s in lane.spans] == [(0.4, 0), (0.5, 1), (0.7, 2)]


def test_brief_tasks_are_one_span_for_each_batch() -> None:
    timeline = told(
        (0.0, ev.Hire(1)), (0.0, batch(1, 1, 0, 1000)), (0.5, ev.Finished(1, 1, [Part(0, [0] * 1000, 2e-6)], (), 0.002))
    )
    (span,) = [span for _, span in timeline.spans]
    assert (span.tasks, round(span.busy, 9)) == (1000, 0.002)
    assert sum(timeline.durations.values()) == 1000


def test_the_task_a_lost_worker_had_in_hand_is_a_failed_span_of_its_own() -> None:
    timeline = told(
        (0.0, ev.Hire(1)),
        (0.0, batch(1, 7, 20, 5)),
        (1.0, ev.Lost(1, Death(1, 9), [Running(7, 2, 100.4)])),
    )
    ((name, span),) = timeline.spans
    assert (name, span.first, round(span.start, 6), round(span.end, 6), span.failed) == ("processes-1", 22, 0.4, 1.0, 1)


def test_coroutines_that_overlap_stand_in_lanes_beside_each_other() -> None:
    timeline = told(
        (0.0, ev.Hire(1)),
        (0.0, batch(1, 1, 0, 3)),
        (1.0, ev.Finished(1, 1, [Part(0, list("ab"), [1.0, 0.9])], (), 1.9)),
        (1.5, ev.Finished(1, 1, [Part(2, list("c"), [0.4])], (), 0.4)),
        crew=ev.Crew(1, slots=3, name="asyncio"),
    )
    assert {lane.name: len(lane.spans) for lane in timeline.lanes} == {"asyncio-1/1": 2, "asyncio-1/2": 1}


def test_workers_after_a_move_are_named_by_the_crew_they_belong_to() -> None:
    timeline = told(
        (0.0, ev.Hire(1)),
        (0.0, batch(1, 1, 0, 1)),
        (0.2, ev.Finished(1, 1, [Part(0, list("a"), [0.2])], (), 0.2)),
        (0.2, ev.Moved(ev.Crew(2, name="threads"))),
        (0.2, ev.Moved(ev.Crew(4, name="threads"))),
        (0.2, ev.Hire(2)),
        (0.2, batch(2, 2, 1, 1)),
        (0.5, ev.Finished(2, 2, [Part(0, list("b"), [0.3])], (), 0.3)),
    )
    assert timeline.workers == ["processes-1", "threads-2"]
    assert timeline.moves == [(0.0, "processes"), (pytest.approx(0.2), "threads")]


def test_utilisation_is_how_many_were_busy() -> None:
    timeline = told(
        (0.0, ev.Hire(1)),
        (0.0, ev.Hire(2)),
        (0.0, batch(1, 1, 0, 1)),
        (0.0, batch(2, 2, 1, 1)),
        (1.0, ev.Finished(1, 1, [Part(0, list("a"), [1.0])], (), 1.0)),
        (2.0, ev.Finished(2, 2, [Part(0, list("b"), [2.0])], (), 2.0)),
    )
    assert [round(busy, 6) for _, busy in timeline.utilisation(4)] == [2.0, 2.0, 1.0, 1.0]


def test_the_slowest_are_kept_and_no_more_of_them() -> None:
    took = [n / 1000 for n in range(1, 101)]
    random.Random(1).shuffle(took)
    timeline = told(
        (0.0, ev.Hire(1)), (0.0, batch(1, 1, 0, 100)), (9.0, ev.Finished(1, 1, [Part(0, [0] * 100, took)], (), 5.0))
    )
    assert [slow.seconds for slow in timeline.slowest] == [n / 1000 for n in range(100, 100 - SLOWEST, -1)]
    assert all(took[slow.task] == slow.seconds for slow in timeline.slowest)


# --- the bound ----------------------------------------------------------------------------------------------------


def test_a_million_spans_are_put_together_and_nothing_is_dropped_from_the_sums() -> None:
    lanes = Lanes(most=1000)
    chance = random.Random(2)
    at, busy, failed = 0.0, 0.0, 0
    for start in range(0, 200_000, 100):
        spans = [
            Span(0.0, chance.random() * 1e-3, start + n, 1, 5e-4, 1, int(chance.random() < 0.01)) for n in range(100)
        ]
        at += sum(span.end for span in spans) + 0.001
        busy += sum(span.busy for span in spans)
        failed += sum(span.failed for span in spans)
        lanes.one_after_another("w", spans, at)
    (lane,) = lanes
    assert len(lane.spans) <= 1000
    assert sum(span.tasks for span in lane.spans) == 200_000
    assert sum(span.failed for span in lane.spans) == failed
    assert sum(span.busy for span in lane.spans) == pytest.approx(busy)
    assert all(one.end <= two.start + 1e-9 for one, two in zip(lane.spans, lane.spans[1:], strict=False))


def test_the_bound_holds_where_everything_fails_and_where_there_are_many_workers() -> None:
    lanes = Lanes(most=100)
    for n in range(5000):
        lanes.one_after_another("w", [Span(0, 1.0, n, failed=1)], 2.0 * n + 1)
    assert sum(len(lane.spans) for lane in lanes) <= 100
    many = Lanes(most=3000)
    for n in range(2 * MOST_LANES):
        many.one_after_another(f"w-{n}", [Span(0, 1.0, n)], 2.0 * n + 1)
    assert len(many) == MOST_LANES + 1
    assert sum(span.tasks for lane in many for span in lane.spans) == 2 * MOST_LANES


def test_failures_stay_visible_when_the_rest_is_put_together() -> None:
    lanes = Lanes(1 << 20)
    for n in range(10_000):
        lanes.one_after_another("w", [Span(0, 0.001, n, failed=int(n % 1000 == 500))], 0.001 * (n + 1))
    fewer = coarsened([(lane.name, lane.spans) for lane in lanes], lanes.grain, 200)
    assert [span.first for lane in fewer for span in lane.spans if span.failed] == list(range(500, 10_000, 1000))


def test_a_run_of_a_million_tasks_is_noted_by_the_batch() -> None:
    run = alongside.run(abs, range(1_000_000), backend="serial")
    assert sum(run.timeline.durations.values()) == 1_000_000
    assert len(run.timeline.spans) < 5000


# --- on real runs -------------------------------------------------------------------------------------------------


def pause(seconds: float) -> float:
    time.sleep(seconds)
    return seconds


async def pause_async(seconds: float) -> float:
    import asyncio

    await asyncio.sleep(seconds)
    return seconds


@pytest.mark.parametrize(
    ("fn", "backend"),
    [(pause, "serial"), (pause, "threads"), (pause, "processes"), (pause_async, "asyncio"), (pause_async, "auto")],
)
def test_every_attempt_is_there_with_the_time_it_took(fn: Callable[[float], float], backend: str) -> None:
    items = [0.02, 0.04] * 4
    run = alongside.run(fn, items, backend=backend, max_workers=4)
    spans = {span.first: span for _, span in run.timeline.spans}
    assert sorted(spans) == list(range(8))
    for outcome in run.outcomes:
        assert spans[outcome.index].busy == pytest.approx(outcome.seconds)
        assert spans[outcome.index].busy >= outcome.item * 0.9
    assert all(0 <= span.start <= span.end <= run.timeline.seconds + 1e-6 for span in spans.values())


def test_each_lane_does_one_thing_at_a_time() -> None:
    run = alongside.run(pause, [0.003] * 60, backend="processes", max_workers=3)
    for lane in run.timeline.lanes:
        assert all(one.end <= two.start + 1e-6 for one, two in zip(lane.spans, lane.spans[1:], strict=False))


def test_every_attempt_of_a_task_is_seen() -> None:
    run = rehearse(abs, range(4), faults={1: [Raises(OSError()), Kills()]}, retries=2)
    attempts = sorted((span.first, span.attempt, span.failed) for _, span in run.timeline.spans)
    assert [seen for seen in attempts if seen[0] == 1] == [(1, 1, 1), (1, 2, 1), (1, 3, 0)]
    assert run.timeline.retried == 2


def test_memory_of_workers_is_seen() -> None:
    run = alongside.run(pause, [0.15] * 6, backend="processes", max_workers=2)
    assert max(sample.workers for sample in run.timeline.memory) > 1 << 20
    assert all(sample.own > 1 << 20 for sample in run.timeline.memory)


def test_the_trace_has_each_span_once_and_its_record_inside(tmp_path: Any) -> None:
    run = alongside.run(int, ["1", "x", "3"], backend="threads", max_workers=2)
    run.trace(tmp_path / "run.json")
    events = json.loads((tmp_path / "run.json").read_text())["traceEvents"]
    complete = [event for event in events if event["ph"] == "X"]
    assert sum(event["args"]["tasks"] for event in complete) == 3
    assert all(event["dur"] >= 0 and event["ts"] >= 0 for event in complete)
    names = {event["args"]["name"] for event in events if event["name"] == "thread_name"}
    assert names == set(run.timeline.workers)
    record = trace.read(tmp_path / "run.json")
    assert (record.tasks, record.failed, record.failures[0].item) == (3, 1, "'x'")


@pytest.mark.parametrize("text", ["", "[]", "{}", "7", '{"alongside": 3}', '{"alongside": {"version": 99}}'])
def test_what_is_no_trace_of_ours_is_refused_in_words(tmp_path: Any, text: str) -> None:
    (tmp_path / "other.json").write_text(text)
    with pytest.raises(ValueError, match=r"other\.json"):
        trace.read(tmp_path / "other.json")
