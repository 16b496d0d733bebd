"""Facts in, a plan with its reasons out."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alongside.compose import candidates
from alongside.core.choose import Facts, Wishes, choose, predict, span

HERE = candidates()
COMPUTING = Facts(tasks_seen=5, tasks_left=1000, wall=0.010, cpu=0.010, process_cpu=0.010, gil_held=True, cpus=4)
WAITING = COMPUTING._replace(cpu=0.0001, process_cpu=0.0001, gil_held=False)
RELEASING = COMPUTING._replace(gil_held=False)
SMALL = COMPUTING._replace(wall=1e-6, cpu=1e-6, process_cpu=1e-6, tasks_left=100)


@pytest.mark.parametrize(
    ("facts", "backend", "reason"),
    [
        (COMPUTING, "processes", "computing that holds the GIL, so threads would take turns"),
        (WAITING, "threads", "waiting can overlap"),
        (RELEASING, "threads", "releases the GIL, so threads can compute side by side"),
        (SMALL, "serial", "not worth it"),
        (WAITING._replace(tasks_left=3000, wall=2e-5, cpu=1e-5, gil_held=None), "serial", "not worth it"),
        (RELEASING._replace(tasks_left=3000, wall=2e-5, cpu=2e-5, process_cpu=2e-5), "serial", "not worth it"),
        (
            RELEASING._replace(tasks_left=30_000, wall=5e-5, cpu=5e-5, process_cpu=5e-5),
            "processes",
            "releases the GIL, too brief for threads to gain by it",
        ),
        (COMPUTING._replace(tasks_left=0), "serial", "not worth it"),
        (COMPUTING._replace(cpus=1), "serial", "there is one CPU to compute on"),
        (COMPUTING._replace(process_cpu=0.039), "serial", "keeps 3.9 CPUs busy: it is already parallel inside"),
        (COMPUTING._replace(process_cpu=0.014), "processes", "better than the threads inside each: processes should"),
        (
            COMPUTING._replace(unpicklable="item.lock is a lock"),
            "serial",
            "processes cannot be used: item.lock is a lock",
        ),
        (COMPUTING._replace(coroutine=True, wall=0.0, cpu=0.0), "asyncio", "the function is async"),
        (COMPUTING._replace(pickle_seconds=0.1), "serial", "not worth it"),
    ],
)
def test_each_kind_of_work_gets_its_tool_and_its_reason(facts: Facts, backend: str, reason: str) -> None:
    plan = choose(facts, HERE)
    assert plan.backend == backend, str(plan)
    assert reason in " ".join(plan.reasons)
    assert plan.predictions
    assert str(plan).startswith(backend)


def test_what_is_parallel_inside_does_not_share_the_computing_too() -> None:
    busier = COMPUTING._replace(wall=2 * COMPUTING.wall, delayed=COMPUTING.wall, process_cpu=0.03)
    told = " ".join(choose(busier, HERE).reasons)
    assert "keeps 3.0 CPUs busy" in told  # by its threads, whoever else has the CPUs
    told = " ".join(choose(COMPUTING._replace(process_cpu=0.014), HERE).reasons)
    assert "already parallel inside" in told
    assert "share the computing" not in told


def test_on_a_busy_machine_what_waits_still_waits_and_what_computes_still_computes() -> None:
    """Measured beside five other programs: each sleep of 20 ms ended 5 ms late, since all the CPUs were taken."""
    woken_late = WAITING._replace(tasks_left=489, wall=0.0249, cpu=0.00014, delayed=0.0047, cpus=2, gil_held=None)
    assert choose(woken_late, HERE).backend == "threads"
    brief = WAITING._replace(tasks_left=497, wall=0.0011, cpu=2.6e-5, delayed=0.0003, cpus=2, gil_held=None)
    assert choose(brief, HERE).backend == "threads"
    hindered = COMPUTING._replace(wall=0.030, delayed=0.020)
    assert choose(hindered, HERE).backend == "processes"
    assert hindered.waiting == pytest.approx(0.0)


def test_a_timeout_excludes_what_cannot_keep_it() -> None:
    plan = choose(SMALL, HERE, Wishes(timeout=True))
    assert plan.backend in {name for name, caps in HERE.items() if caps.killable or caps.overlaps_waiting}


def test_the_number_of_workers_asked_for_is_kept() -> None:
    assert choose(COMPUTING, HERE, Wishes(max_workers=3)).max_workers == 3
    assert choose(WAITING, HERE, Wishes(max_workers=7)).max_workers == 7
    assert choose(COMPUTING, HERE).max_workers == 4


def test_names_play_no_part() -> None:
    renamed = {f"my {name}": caps for name, caps in HERE.items()}
    for facts in (COMPUTING, WAITING, RELEASING, SMALL):
        assert choose(facts, renamed).backend == f"my {choose(facts, HERE).backend}"


SECONDS = st.floats(0, 100)


@given(
    wall=SECONDS,
    share=st.floats(0, 1),
    inside=st.floats(1, 8),
    left=st.one_of(st.none(), st.integers(0, 10**9)),
    held=st.sampled_from([None, True, False]),
    cpus=st.integers(1, 256),
    coroutine=st.booleans(),
    workers=st.one_of(st.none(), st.integers(1, 500)),
)
def test_whatever_the_facts_there_is_a_plan_that_is_no_worse_than_the_loop(
    wall: float,
    share: float,
    inside: float,
    left: int | None,
    held: bool | None,
    cpus: int,
    coroutine: bool,
    workers: int | None,
) -> None:
    cpu = wall * share
    facts = Facts(3, left, wall, cpu, cpu * inside, gil_held=held, cpus=cpus, coroutine=coroutine)
    plan = choose(facts, HERE, Wishes(workers))
    assert plan.backend in HERE
    assert plan.reasons
    assert (plan.max_workers or 1) >= 1
    loop = plan.predictions.get("serial")
    assert loop is None or plan.predictions[plan.backend] <= loop


def test_more_workers_never_make_waiting_slower_by_the_model() -> None:
    times = [predict(WAITING, HERE["threads"], workers) for workers in (1, 2, 8, 32)]
    assert times == sorted(times, reverse=True)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.0, "0 ns"), (2e-9, "2 ns"), (0.0021, "2.1 ms"), (0.0998, "100 ms"), (150.0, "150 s"), (12_000.0, "12,000 s")],
)
def test_seconds_in_words(seconds: float, text: str) -> None:
    assert span(seconds) == text


COROUTINES = Facts(100, 1000, wall=0.02, cpu=0.0001, kept=0.0001, coroutine=True, cpus=2)


@pytest.mark.parametrize(
    ("facts", "backend", "said"),
    [
        (COROUTINES, "asyncio", "the others go on"),
        (COROUTINES._replace(cpu=0.003, kept=0.003), "processes", "for 3 ms, computing"),
        (COROUTINES._replace(kept=0.01), "processes", "for 10 ms, blocking"),
        (COROUTINES._replace(cpu=0.003, kept=0.003, cpus=1), "asyncio", "for 3 ms, computing"),
        (COROUTINES._replace(cpu=0.003, kept=0.003, unpicklable="it holds a lock"), "asyncio", "it holds a lock"),
        (COROUTINES._replace(cpu=0.003, kept=0.003, tasks_left=5), "asyncio", "the others go on"),
    ],
)
def test_coroutines_go_to_several_loops_when_they_keep_one_busy(facts: Facts, backend: str, said: str) -> None:
    plan = choose(facts, candidates())
    assert plan.backend == backend
    assert said in " ".join(plan.reasons)
    assert (plan.max_workers, plan.slots) == ((2, 100) if backend == "processes" else (100, 1))


@pytest.mark.parametrize("start", [0.0002, 0.1])
def test_many_coroutines_wait_in_one_loop_as_well_as_in_several(start: float) -> None:
    here = {name: caps._replace(start_seconds=start) if caps.needs_pickling else caps for name, caps in HERE.items()}
    plan = choose(COROUTINES, here)
    assert plan.backend == "asyncio"
    assert plan.predictions["asyncio"] == pytest.approx(COROUTINES.left * COROUTINES.kept)
    brief = COROUTINES._replace(kept=0.00001, cpu=0.00001)
    assert choose(brief, here).predictions["asyncio"] == pytest.approx(COROUTINES.wall)


def test_coroutines_take_a_round_of_waiting_for_each_time_all_slots_are_taken() -> None:
    page = COROUTINES._replace(wall=0.03, kept=0.0003, tasks_left=200)
    assert choose(page, HERE).predictions["asyncio"] == pytest.approx(2 * 0.03)
    assert choose(page, HERE, Wishes(max_workers=20)).predictions["asyncio"] == pytest.approx(10 * 0.03)


@pytest.mark.parametrize(("tasks", "rounds"), [(60, 2), (480, 4), (480 + 256 * 3, 7)])
def test_threads_that_wait_become_twice_as_many_with_each_round(tasks: int, rounds: int) -> None:
    """32 of them were reckoned with to the end: 1,440 waits were to take three times as long as they did."""
    waits = Facts(tasks_seen=1, tasks_left=tasks, wall=0.2, cpu=1e-5, process_cpu=1e-5, gil_held=False, cpus=2)
    threads = candidates()["threads"]
    assert predict(waits, threads, 32, most=256) == pytest.approx(rounds * 0.2, rel=0.1)
    assert predict(waits, threads, 32) == pytest.approx(-(-tasks // 32) * 0.2, rel=0.1), "where the number is given"


def test_what_the_process_computes_beside_a_task_that_waits_is_not_the_tasks() -> None:
    beside = WAITING._replace(process_cpu=30 * WAITING.cpu)
    assert not beside.parallel_inside
    assert choose(beside, HERE).backend == "threads"


def test_what_waits_is_not_parallel_inside_though_other_threads_of_the_program_compute() -> None:
    nap = WAITING._replace(wall=0.005, cpu=2e-5, process_cpu=0.006)
    woken_late = nap._replace(wall=0.043, process_cpu=0.0144, delayed=0.0226)
    for facts in (nap, woken_late):
        assert not facts.parallel_inside
        plan = choose(facts, HERE)
        assert plan.backend == "threads"
        assert "waiting" in plan.reasons[0]


@pytest.mark.parametrize(
    ("wall", "cpu", "process_cpu", "delayed"),
    [
        (0.131, 0.012, 0.126, 0.119),  # its own threads had the CPUs
        (0.0198, 0.0122, 0.0238, 0.0076),  # the engine was being loaded
        (0.0231, 0.0125, 0.0196, 0.0107),
    ],
)
def test_what_is_parallel_inside_gains_nothing_by_cpus_it_was_kept_from(
    wall: float, cpu: float, process_cpu: float, delayed: float
) -> None:
    product = COMPUTING._replace(
        wall=wall, cpu=cpu, process_cpu=process_cpu, delayed=delayed, gil_held=False, tasks_left=39, cpus=2
    )
    assert product.parallel_inside
    assert choose(product, HERE).backend == "serial"


def test_threads_that_would_take_turns_need_more_than_a_little_waiting() -> None:
    unsendable = COMPUTING._replace(unpicklable="it holds a lock", cpu=0.008, process_cpu=0.008)
    stays = choose(unsendable, HERE)
    assert stays.backend == "serial"
    assert "20 % of it waiting and the rest computing that holds the GIL" in stays.reasons[0]
    assert "threads would take about 8 s: too little of a gain to be sure of." in stays.reasons[1]
    goes = choose(unsendable._replace(cpu=0.006, process_cpu=0.006), HERE)
    assert goes.backend == "threads"
    assert goes.reasons[1].startswith("while one call waits, another can compute: threads should take about 6 s")


def test_many_short_waits_overlap_in_threads() -> None:
    naps = WAITING._replace(tasks_left=500, wall=0.0011, cpu=2e-5, process_cpu=2e-5, gil_held=None, cpus=2)
    plan = choose(naps, HERE)
    assert plan.backend == "threads"
    assert plan.predictions["threads"] < 0.04
