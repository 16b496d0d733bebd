"""What earlier calls have shown of a function, and how a later one begins by it."""

from __future__ import annotations

import asyncio
import functools
import os
import subprocess
import sys
import threading
import time
from types import ModuleType, SimpleNamespace
from typing import Any

import hypothesis
import pytest

import alongside
from alongside import compose
from alongside.compose import candidates, look
from alongside.core import events as ev
from alongside.core.beginning import first_plan
from alongside.core.choose import Facts, Wishes, choose
from alongside.core.known import Phase, learned, without_a_special
from alongside.core.model import Part
from alongside.core.ports import Capabilities
from alongside.runtime import known, ledger, machine, pilot_async
from alongside.runtime.callables import REMEMBERED
from alongside.runtime.ledger import Ledger
from alongside.runtime.opening import Opening
from alongside.runtime.pilot import KNOWN, STRAIGHT, Pilot
from alongside.runtime.pilot_async import CoroutinePilot
from alongside.workers.preloads import EACH, modules_of, seconds_to_import

BEFORE = Facts(tasks_seen=3, wall=0.006, cpu=0.001, gil_held=None, item_bytes=20, cpus=2)
COMPUTES = Facts(tasks_seen=100, wall=0.010, cpu=0.010, process_cpu=0.010, gil_held=True, cpus=2)


@pytest.fixture(autouse=True)
def nothing_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(known, "_facts", {})


# ------------------------------------------------------------------------------------------------ the conclusion


def test_processes_tell_what_was_computed_and_what_was_waited() -> None:
    facts = learned(BEFORE, [Phase(100, seconds=2.0, elapsed=0.3, computed=0.4, delayed=0.6, apart=True)])
    assert facts is not None
    assert (facts.cpu, facts.wall) == pytest.approx((0.004, 0.014)), "to be without a CPU is not to wait"
    assert (facts.tasks_seen, facts.delayed, facts.item_bytes) == (100, 0.0, 20)


def test_in_threads_that_compute_the_time_of_a_task_says_nothing() -> None:
    facts = learned(BEFORE, [Phase(100, seconds=32.0, elapsed=1.0, computed=0.9, delayed=0.1, apart=False)])
    assert facts is not None
    assert (facts.cpu, facts.waiting) == pytest.approx((0.009, 0.005)), "it has waited as was seen in the loop"
    assert facts.gil_held is True


def test_in_threads_that_compute_tasks_have_waited_as_one_in_the_loop_did_to_its_end() -> None:
    """Once they had waited as long as the first had when it was looked at, which was amid it."""
    amid = BEFORE._replace(tasks_seen=1, wall=0.005, cpu=0.0001)
    alone = Phase(1, seconds=0.0201, elapsed=0.0201, computed=0.0001, delayed=0.0, apart=True)
    beside = Phase(99, seconds=2.4, elapsed=0.1, computed=0.05, delayed=0.0, apart=False)
    facts = learned(amid, [alone, beside])
    assert facts is not None
    assert facts.waiting == pytest.approx(0.020)


def test_tasks_that_were_woken_late_have_waited_all_the_same() -> None:
    late = Phase(100, seconds=1.5, elapsed=0.1, computed=0.01, delayed=1.4, apart=False)
    facts = learned(BEFORE._replace(wall=0.005, cpu=0.0001), [late])
    assert facts is not None
    assert facts.waiting > 0.9 * facts.wall


def test_tasks_cannot_have_waited_longer_than_they_took() -> None:
    """What was cached since: as long as it counted as waiting each call began in threads again."""
    facts = learned(BEFORE, [Phase(300_000, seconds=0.3, elapsed=0.1, computed=0.09, delayed=0.0, apart=False)])
    assert facts is not None
    assert facts.wall == pytest.approx(1e-6)


@pytest.mark.parametrize(
    ("computed", "delayed", "held"),
    [(1.9, 0.0, False), (0.95, 0.1, True), (0.95, 0.9, None), (0.1, 0.0, None)],
    ids=["two CPUs", "one", "one, but there was no second", "nothing"],
)
def test_how_many_cpus_threads_have_kept_busy_tells_of_the_gil(
    computed: float, delayed: float, held: bool | None
) -> None:
    facts = learned(BEFORE, [Phase(100, seconds=3.0, elapsed=1.0, computed=computed, delayed=delayed, apart=False)])
    assert facts is not None
    assert facts.gil_held is held


def test_tasks_of_several_backends_are_taken_together() -> None:
    computing = Phase(20, seconds=0.2, elapsed=0.1, computed=0.2, delayed=0.0, apart=True)
    waiting = Phase(60, seconds=0.6, elapsed=0.1, computed=0.0, delayed=0.0, apart=False)
    facts = learned(BEFORE, [computing, waiting])
    assert facts is not None
    assert (facts.cpu, facts.waiting) == pytest.approx((0.2 / 80, 0.6 / 80))


def test_nothing_is_learnt_from_one_task_nor_of_what_is_parallel_inside() -> None:
    phase = Phase(100, 1.0, 0.5, 1.0, 0.0, True)
    assert learned(BEFORE, [phase._replace(tasks=1)]) is None
    assert learned(BEFORE, []) is None
    assert learned(BEFORE._replace(cpu=0.006, process_cpu=0.012), [phase]) is None


def test_a_first_task_that_took_far_longer_than_the_others_says_nothing_of_the_next_run() -> None:
    first = Phase(1, seconds=1.0, elapsed=1.0, computed=1.0, delayed=0.0, apart=True)
    others = Phase(100, seconds=1.0, elapsed=0.5, computed=1.0, delayed=0.0, apart=True)
    assert without_a_special(first, [others]) == [others]
    alike = first._replace(seconds=0.02)
    assert without_a_special(alike, [others]) == [alike, others]
    few = others._replace(tasks=3, seconds=0.03)
    assert without_a_special(first, [few]) == [first, few]
    assert without_a_special(None, [others]) == [others]


# ---------------------------------------------------------------------------------------------------- the ledger


class Backend:
    """Workers that have computed, and were without a CPU, for so long since they came to be."""

    def __init__(self, apart: bool = True) -> None:
        self.capabilities = Capabilities(escapes_gil=apart)
        self.books = {1: (7.0, 1.0), 2: (0.0, 0.0)}

    def spent(self) -> dict[int, tuple[float, float]]:
        return dict(self.books)


def test_a_ledger_counts_what_workers_computed_since_they_were_hired(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 10.0
    book, backend = Ledger(lambda: now), Backend()
    book.enter(backend)
    for worker in (1, 2):
        book.on_command(ev.Hire(worker), now)
    for worker, tasks in ((1, 3), (2, 1), (9, 100)):  # the last is of another backend, which it has left
        book.on_event(ev.Finished(worker, worker, [Part(0, [None] * tasks, 0.1)], seconds=0.5), now)
    backend.books = {1: (7.4, 1.2), 2: (0.4, 0.0)}
    now = 10.5
    book.conclude(len, BEFORE)
    facts = known.recall(len)
    assert facts is not None
    assert facts.tasks_seen == 4
    assert facts.cpu == pytest.approx(0.8 / 4)


def test_what_a_loop_did_before_is_counted_too(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 10.0
    book, backend = Ledger(lambda: now), Backend()
    book.enter(backend)
    quick = Phase(6, 6e-6, 6e-6, 6e-6, 0.0, True)
    book.follows(lambda: (quick._replace(tasks=1), quick))
    book.on_command(ev.Hire(1), now)
    book.on_event(ev.Finished(1, 1, [Part(0, [None] * 3, 0.1)], seconds=0.3), now)
    backend.books = {1: (7.3, 1.0)}
    now = 10.5
    book.conclude(len, BEFORE)
    facts = known.recall(len)
    assert facts is not None
    assert facts.tasks_seen == 10
    assert facts.cpu == pytest.approx(0.03, rel=1e-3)


@pytest.mark.parametrize("call", [alongside.map, alongside.run])
def test_what_was_done_before_a_run_left_its_loop_is_remembered(call: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once only what came afterwards was: twenty that compute and sixty that wait were sixty that wait."""
    told: list[Any] = []
    monkeypatch.setattr(ledger, "learned", lambda before, phases: told.append(phases))
    monkeypatch.setattr(machine, "cpu_count", lambda: 2)
    call(time.sleep, [0.005] * 40)
    assert len(told) == 1
    assert sum(phase.tasks for phase in told[0]) == 40
    assert len(told[0]) >= 2


def test_a_run_that_did_nothing_teaches_nothing() -> None:
    book = Ledger()
    book.enter(Backend())
    book.conclude(len, BEFORE)
    assert known.recall(len) is None


def test_few_functions_are_remembered_and_those_that_share_a_wrapper_are_told_apart() -> None:
    def counted(fn: Any) -> Any:
        @functools.wraps(fn)
        def call(item: Any) -> Any:
            return fn(item)

        return call

    @counted
    def one(item: int) -> int:
        return item

    @counted
    def other(item: int) -> int:
        return item

    known.keep(one, COMPUTES)
    assert known.recall(one) == COMPUTES
    assert known.recall(functools.partial(one)) == COMPUTES
    assert known.recall(other) is None
    made: dict[str, Any] = {}
    for number in range(REMEMBERED):
        exec(compile(f"def made_{number}(item): return item", "made", "exec"), made)
        known.keep(made[f"made_{number}"], COMPUTES)
    assert known.recall(one) is None
    assert len(known._facts) == REMEMBERED


# ------------------------------------------------------------------------------------------- how a call begins by it


def pilot_of(total: int | None) -> Pilot:
    return Pilot(candidates, Wishes(), Facts(cpus=2), abs, total)


def test_a_call_that_takes_long_is_not_tried_in_a_loop_again() -> None:
    plan = pilot_of(50).at_once(COMPUTES, lambda: [1])
    assert plan is not None
    assert plan.backend == "processes"
    assert plan.reasons[-1] == KNOWN


BRIEF = COMPUTES._replace(wall=50e-6, cpu=50e-6, process_cpu=50e-6)


def opening_of(items: list[int]) -> Opening:
    beyond: Any = SimpleNamespace(prepare=lambda *_: None)
    return Opening(abs, (items,), beyond)


def test_many_brief_calls_begin_where_they_are_done_soonest_and_few_load_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """75 ms of reading small files stayed a loop in every call: each loop soon showed that it was not worth moving."""
    ready = {"processes": candidates()["processes"]._replace(start_seconds=0.0), "serial": candidates()["serial"]}
    monkeypatch.setattr(look, "candidates", lambda *_: ready)
    known.keep(abs, BRIEF)
    many, few = opening_of([1] * 5000), opening_of([1] * 500)
    plan = look.at_once(many)
    assert plan is not None
    assert plan.backend == "processes"
    assert look.at_once(few) is None
    assert few.pilot is None
    assert many.usual == few.usual == BRIEF.wall, "one that lasts is a special one"


@pytest.mark.parametrize(
    ("facts", "total"),
    [
        (COMPUTES, None),
        (COMPUTES, 1),
        (COMPUTES, 2),
        (COMPUTES._replace(wall=50e-6), 500),
        (COMPUTES._replace(wall=0.9 * STRAIGHT), 10**6),
    ],
    ids=["nobody knows how many", "one", "two short ones", "few brief ones", "calls that save nothing"],
)
def test_a_loop_is_where_it_begins_otherwise(facts: Facts, total: int | None) -> None:
    assert pilot_of(total).at_once(facts, lambda: [1]) is None


def test_items_that_cannot_be_sent_are_found_out_before() -> None:
    plan = pilot_of(50).at_once(COMPUTES, lambda: [(number for number in range(3))])
    assert plan is None


def test_what_is_known_gives_way_to_what_is_seen() -> None:
    pilot = pilot_of(1000)
    pilot.at_once(COMPUTES, lambda: [1])
    assert pilot.facts().wall == COMPUTES.wall
    pilot._seen = COMPUTES.tasks_seen
    assert pilot.facts().wall != COMPUTES.wall


def test_workers_that_are_not_there_are_started_and_the_loop_goes_on() -> None:
    asked: list[str] = []
    start, coming = lambda values: asked.append("start"), lambda name: bool(asked) and name == "processes"
    pilot = Pilot(candidates, Wishes(), Facts(cpus=2), abs, 50, start, coming)
    assert compose.known_plan(pilot, COMPUTES, lambda: [1]) is None
    assert asked == ["start"]
    assert pilot.awaiting


def test_once_they_are_there_and_not_worth_it_after_all_it_is_not_asked_again_after_each_task() -> None:
    coming = ["processes"]
    pilot = Pilot(candidates, Wishes(), Facts(cpus=2), abs, 50, coming=lambda name: name in coming)
    assert compose.known_plan(pilot, COMPUTES, lambda: [1]) is None
    assert pilot.awaiting
    coming.clear()
    pilot._known = COMPUTES._replace(pickle_seconds=1.0)
    assert pilot._better(pilot.facts()) is None
    assert not pilot.awaited


WAITS = COMPUTES._replace(cpu=0.0001, process_cpu=0.0001, gil_held=None)


def test_what_goes_to_threads_is_not_weighed() -> None:
    pilot = pilot_of(500)
    plan = pilot.at_once(WAITS, lambda: [1])
    assert plan is not None
    assert plan.backend == "threads"
    assert pilot._weight is None
    assert pilot.at_once(COMPUTES, lambda: [1]) is not None
    assert pilot._weight is not None


def double(item: int) -> int:
    return 2 * item


@pytest.mark.parametrize(("seconds", "backend"), [(0.0, "processes"), (60.0, "serial")])
def test_what_workers_import_counts_where_they_are_not_there(
    seconds: float, backend: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("alongside.workers.preloads.seconds_to_import", lambda names: seconds)
    monkeypatch.setattr("alongside.runtime.calibration.ready", lambda backend: 0)
    pilot = Pilot(compose.candidates, Wishes(), Facts(cpus=2), double, 500)
    assert pilot._chosen(COMPUTES._replace(tasks_left=500)).backend == backend
    assert pilot._chosen(COMPUTES._replace(tasks_left=500), there=True).backend == "processes"
    known.keep(double, COMPUTES)
    assert pilot._chosen(COMPUTES._replace(tasks_left=500)).backend == "processes"


def lazily(item: int) -> int:
    """Imports what it takes when it is called, as functions do that are to be quick to import."""
    import json  # noqa: F401

    import hypothesis.strategies  # noqa: F401
    import no_such_module  # type: ignore[import-not-found]  # noqa: F401

    return item


def test_what_a_function_imports_itself_is_known_where_it_is_loaded() -> None:
    """Decision trees of 7 ms each went to workers that took 1.4 s to import scikit-learn, each by itself."""
    assert modules_of(functools.partial(lazily, 1)) == (__name__, "hypothesis.strategies")


def test_packages_take_longer_to_import_the_more_modules_they_have() -> None:
    assert seconds_to_import(("json", "asyncio", "alongside.api")) == 0.0
    assert seconds_to_import(()) == 0.0
    assert seconds_to_import(("no such module",)) == 0.0
    assert seconds_to_import(("hypothesis",)) > 0.01
    assert seconds_to_import(modules_of(lazily)) > 0.01
    its_own = EACH * sum(name.partition(".")[0] == "hypothesis" for name in sys.modules)
    module = ModuleType("of_a_user")
    vars(module).update(there=hypothesis, strange=object(), cls=type("Own", (), {"__module__": 3}))
    sys.modules["of_a_user"] = module
    try:
        assert seconds_to_import(("of_a_user",)) == pytest.approx(EACH + its_own)
        vars(module).update(there=None, some=hypothesis.given)
        assert seconds_to_import(("of_a_user",)) == pytest.approx(EACH + its_own)
    finally:
        del sys.modules["of_a_user"]


def test_modules_that_hold_odd_things_are_no_obstacle() -> None:
    inside: dict[str, Any] = {}
    exec("A = type('A', (), {})", inside)
    nameless = ModuleType("nameless")
    del nameless.__name__
    module = ModuleType("of_a_user")
    vars(module).update(a=inside["A"], nameless=nameless, there=hypothesis)
    sys.modules["of_a_user"] = module
    try:
        assert seconds_to_import(("of_a_user",)) > 10 * EACH
        sys.modules[3] = module  # type: ignore[index]
        assert seconds_to_import(("of_a_user",)) == 0.0
    finally:
        del sys.modules["of_a_user"]
        sys.modules.pop(3, None)  # type: ignore[call-overload]


@pytest.mark.parametrize("kind", ["a loop's", "coroutines'"])
def test_that_items_could_not_be_sent_is_no_more_known_of_others(kind: str) -> None:
    cannot = "cannot pickle a lock"
    if kind == "a loop's":
        plan = pilot_of(500).at_once(COMPUTES._replace(unpicklable=cannot, item_bytes=1), lambda: [1])
    else:
        pilot = CoroutinePilot(candidates, Wishes(), Facts(coroutine=True, cpus=2), nap, 60)
        plan = pilot.at_once(KEEPS._replace(unpicklable=cannot), lambda: [1])
    assert plan is not None
    assert plan.backend == "processes"


def test_that_items_could_be_sent_is_no_more_known_of_others() -> None:
    pilot = pilot_of(500)
    plan = pilot.at_once(WAITS._replace(item_bytes=10), lambda: [threading.Lock()])
    assert plan is not None
    assert plan.backend == "threads"
    assert pilot.weighed is not None
    assert pilot.weighed.item_bytes is None  # so that a review has it weighed
    assert "lock" in pilot.weigh(pilot.weighed).unpicklable


def test_advice_counts_what_workers_import(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("alongside.workers.preloads.seconds_to_import", lambda names: 60.0)
    monkeypatch.setattr("alongside.runtime.calibration.ready", lambda backend: 0)
    pilot = Pilot(compose.candidates, Wishes(), Facts(cpus=2), abs, 500)
    assert pilot.verdict(lambda _: COMPUTES._replace(tasks_left=500)).backend == "serial"


def test_a_function_that_waits_loads_nothing_that_pickles() -> None:
    told = subprocess.run([sys.executable, "-c", WAITING], capture_output=True, text=True, check=True)
    assert told.stdout.split() == ["100", "True", "[]"]


WAITING = """
import sys, time
import alongside

def nap(x):
    time.sleep(0.005)
    return x

print(len(alongside.map(nap, range(100))), "alongside.backends.threads" in sys.modules,
      [name for name in ("cloudpickle", "alongside.transport.pickling") if name in sys.modules])
"""


def dear(there: bool = False, imports: float = 0.0) -> dict[str, Capabilities]:
    """The backends, with processes that take a second to start."""
    seconds = 0.0002 if there else 1.0
    return {
        name: caps._replace(start_seconds=seconds) if caps.needs_pickling else caps
        for name, caps in candidates(there, imports).items()
    }


@pytest.mark.parametrize("made", [True, False], ids=["made beside", "not made ahead"])
def test_workers_that_a_single_call_would_not_pay_for_are_made_for_those_to_come(made: bool) -> None:
    asked: list[str] = []
    start, coming = lambda values: asked.append("start"), lambda name: made and bool(asked) and name == "processes"
    pilot = Pilot(dear, Wishes(), Facts(cpus=2), abs, 50, start, coming)
    assert compose.known_plan(pilot, COMPUTES, lambda: [1]) is None
    assert asked == ["start"] * (1 + made)
    assert pilot.awaiting is made
    assert (pilot.facts().wall == COMPUTES.wall) is made


def test_none_are_made_that_would_not_pay_if_they_were_there() -> None:
    asked: list[str] = []
    pilot = Pilot(dear, Wishes(), Facts(cpus=1), abs, 50, lambda values: asked.append("start"))
    assert compose.known_plan(pilot, COMPUTES, lambda: [1]) is None
    assert not asked


@pytest.mark.parametrize("call", [alongside.map, lambda fn, items: alongside.run(fn, items).results])
def test_through_the_front_door(call: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def where(number: int) -> int:
        import os

        return os.getpid()

    monkeypatch.setattr(machine, "cpu_count", lambda: 2)
    alongside.map(where, range(4), backend="processes")  # so that there are workers
    known.keep(where, COMPUTES)
    assert os.getpid() not in call(where, range(40))


def test_tasks_that_wait_a_part_of_their_time_get_more_processes_than_cpus() -> None:
    processes = {name: caps for name, caps in candidates().items() if caps.needs_pickling}
    workers = [
        choose(COMPUTES._replace(tasks_left=100, wall=0.010 * share), processes).max_workers
        for share in (1, 1.2, 1.6, 9)
    ]
    assert workers == [2, 2, 3, 8]


# ---------------------------------------------------------------------------------------------------- coroutines

KEEPS = Facts(tasks_seen=60, wall=0.015, cpu=0.015, coroutine=True, kept=0.015, cpus=2)


def coroutine_pilot(coming: Any = lambda name: False, asked: Any = lambda values: None) -> CoroutinePilot:
    return CoroutinePilot(candidates, Wishes(), Facts(coroutine=True, cpus=2), nap, 60, asked, coming)


async def nap(item: int) -> int:
    return os.getpid()


def test_coroutines_that_were_seen_to_compute_begin_on_several_loops() -> None:
    plan = compose.known_plan(coroutine_pilot(), KEEPS, lambda: [1])
    assert plan is not None
    assert (plan.backend, plan.max_workers, plan.reasons[-1]) == ("processes", 2, KNOWN)


@pytest.mark.parametrize(("wall", "few"), [(KEEPS.kept, 2), (10 * KEEPS.kept, 20)])
def test_while_they_wait_for_several_loops_no_more_are_begun_than_keep_one_busy(wall: float, few: int) -> None:
    pilot, there = coroutine_pilot(lambda name: name == "processes"), coroutine_pilot()
    for one in (pilot, there):
        compose.known_plan(one, KEEPS._replace(wall=wall), lambda: [1])
    assert pilot.few == few
    assert there.few == 0, "it goes there at once"


def test_coroutines_that_were_seen_to_wait_begin_in_one_loop() -> None:
    assert compose.known_plan(coroutine_pilot(), KEEPS._replace(kept=0.0001), lambda: [1]) is None


def test_what_coroutines_should_take_that_begin_in_one_loop_is_known_too() -> None:
    pilot = coroutine_pilot()
    waits = KEEPS._replace(wall=0.050, kept=0.0001, cpu=0.0001)
    assert compose.known_plan(pilot, waits, lambda: [1]) is None
    assert pilot.plan is not None
    assert (pilot.plan.backend, pilot.plan.reasons[-1]) == ("asyncio", KNOWN)
    assert pilot.plan.predictions == {"asyncio": pytest.approx(0.050, rel=0.1)}


def test_nothing_is_predicted_of_coroutines_before_anything_was_seen() -> None:
    assert first_plan(Facts(coroutine=True, cpus=2), candidates(), Wishes()).predictions == {}


class Async:
    """A run of coroutines at a moment: so many have ended, so many are under way, and its clocks."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, total: int) -> None:
        self.at = self.cpu = 0.0
        self.reads = 0
        monkeypatch.setattr(pilot_async, "monotonic", lambda: self.at)
        monkeypatch.setattr(pilot_async, "thread_time", lambda: self.cpu)
        monkeypatch.setattr(pilot_async, "run_delay", self._delay)
        self.pilot = CoroutinePilot(candidates, Wishes(), Facts(coroutine=True, cpus=2), nap, total)
        self.pilot.consider()

    def _delay(self) -> float:
        self.reads += 1
        return 0.0

    def consider(self, at: float, cpu: float, ended: int, under_way: int) -> Any:
        self.at, self.cpu = at, cpu
        self.pilot._seen, self.pilot._seconds = ended, 0.030 * ended
        self.pilot.under_way = lambda: under_way
        return self.pilot.consider()


def test_what_is_left_in_one_loop_is_predicted_at_a_look(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        run = Async(monkeypatch, 400)
        assert run.consider(0.040, 0.004, 100, 100) is None
        assert run.pilot.plan is not None
        assert run.pilot.plan.predictions == {"asyncio": pytest.approx(3 * 0.030, rel=0.15)}
        run.pilot.close()

    asyncio.run(main())


def test_of_coroutines_that_are_all_under_way_nothing_is_told_or_moved(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        run = Async(monkeypatch, 150)
        assert run.consider(0.040, 0.039, 50, 100) is None
        assert run.pilot.plan is None
        run.pilot.close()

    asyncio.run(main())


def test_coroutines_that_keep_their_loop_for_little_are_looked_at_rarely(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        run = Async(monkeypatch, 400)
        run.consider(0.040, 0.004, 100, 100)
        looked = run.reads
        for step in range(30):
            run.consider(0.041 + 0.001 * step, 0.004, 101 + step, 100)
        assert run.reads == looked
        run.consider(0.081, 0.008, 200, 100)
        assert run.reads > looked
        run.pilot.close()

    asyncio.run(main())


def test_coroutines_whose_workers_have_to_be_started_begin_in_one_loop() -> None:
    asked: list[bool] = []
    pilot = coroutine_pilot(lambda name: name == "processes", lambda values: asked.append(True))
    assert compose.known_plan(pilot, KEEPS, lambda: [1]) is None
    assert asked
    assert pilot.awaiting


def test_what_is_known_of_coroutines_is_no_more_than_their_workers_can_have_computed() -> None:
    pilot = coroutine_pilot()
    assert pilot.learned() is None
    assert compose.known_plan(pilot, KEEPS, lambda: [1]) is not None
    facts, _, began, workers = pilot._moved or (KEEPS, 0, 0.0, 0)
    pilot._moved, pilot._seen = (facts, 0, began, workers), 10**9
    learnt = pilot.learned()
    assert learnt is not None
    assert learnt.kept < KEEPS.kept / 1000


def test_a_run_of_coroutines_is_remembered_though_they_never_let_the_loop_go(monkeypatch: pytest.MonkeyPatch) -> None:
    async def compute(item: int) -> int:
        await asyncio.sleep(0)
        sum(range(20_000))
        return os.getpid()

    monkeypatch.setattr(machine, "cpu_count", lambda: 2)
    alongside.map(compute, range(20))
    facts = known.recall(compute)
    assert facts is not None
    assert facts.coroutine
    assert 0 < facts.kept <= facts.wall
    alongside.map(nap, range(4), backend="processes")  # so that there are workers
    known.keep(compute, KEEPS)
    assert os.getpid() not in alongside.map(compute, range(60))


@pytest.mark.parametrize(("under_way", "kept"), [(0, 0.1), (180, 0.01)])
def test_what_is_under_way_counts_for_half_of_what_was_computed(
    under_way: int, kept: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main() -> Facts:
        pilot = coroutine_pilot()
        for clock in ("monotonic", "thread_time", "run_delay"):
            monkeypatch.setattr(pilot_async, clock, lambda: 0.0)
        pilot.consider()
        for clock in ("monotonic", "thread_time"):
            monkeypatch.setattr(pilot_async, clock, lambda: 1.0)
        pilot.under_way = lambda: under_way
        pilot._seen = 10
        facts = pilot.facts()
        pilot.close()
        return facts

    assert asyncio.run(main()).kept == pytest.approx(kept)


# ------------------------------------------------------------------------------------------------- from a loop


def test_what_a_loop_has_shown_is_remembered_and_the_verdict_on_the_gil_with_it() -> None:
    known.keep_of_loop(abs, COMPUTES._replace(tasks_seen=1))
    assert known.recall(abs) is None, "one task says little about others"
    known.keep_of_loop(abs, COMPUTES)
    known.keep_of_loop(abs, COMPUTES._replace(wall=0.02, gil_held=None))
    facts = known.recall(abs)
    assert facts is not None
    assert (facts.wall, facts.gil_held) == (0.02, True)


@pytest.mark.parametrize("call", [alongside.map, lambda fn, items: alongside.run(fn, items).results])
def test_a_loop_that_does_it_all_is_remembered_once_it_was_looked_at(call: Any, monkeypatch: Any) -> None:
    def compute(number: int) -> None:
        end = time.thread_time() + 0.002
        while time.thread_time() < end:
            pass

    monkeypatch.setattr(machine, "cpu_count", lambda: 1)
    facts = None
    while facts is None:  # on a busy machine it may be over before anything was heard of the GIL
        call(compute, range(60))
        facts = known.recall(compute)
    assert facts.tasks_seen > 1
    assert facts.wall > 0.0015  # what the watcher took is left out


def test_where_a_loop_is_best_it_measures_afresh_and_makes_no_workers_on_a_guess() -> None:
    pilot = pilot_of(50)
    assert pilot.at_once(COMPUTES, lambda: [(number for number in range(3))]) is None
    assert pilot.facts().wall != COMPUTES.wall
    begun: list[Any] = []
    known.keep(abs, COMPUTES)
    items = [(number for number in range(3))] * 50
    beyond = SimpleNamespace(pilot=look.pilot, at_once=look.at_once, begin=begun.append, learn=look.learn)
    opening = Opening(abs, (items,), beyond)
    with pytest.raises(TypeError):
        opening.stretch([])
    assert opening.pilot is not None
    assert not opening.guesses
    opening.close()
    assert not begun


def test_a_look_goes_by_what_has_come_since_the_last_one(monkeypatch: pytest.MonkeyPatch) -> None:
    now = {"at": 0.0}

    async def main() -> tuple[Facts, Facts]:
        pilot = coroutine_pilot()
        monkeypatch.setattr(pilot_async, "run_delay", lambda: 0.0)
        for clock in ("monotonic", "thread_time"):
            monkeypatch.setattr(pilot_async, clock, lambda: now["at"])
        pilot.consider()
        now["at"], pilot._seen, pilot.under_way = 1.0, 10, lambda: 180  # all begun, few ended
        mark = pilot._now()
        now["at"], pilot._seen, pilot.under_way = 2.0, 20, lambda: 180
        facts = pilot.facts(), pilot.facts(mark)
        pilot.close()
        return facts

    whole, newest = asyncio.run(main())
    assert (whole.kept, newest.kept) == pytest.approx((2.0 / 110, 0.1))


def test_nothing_is_decided_while_few_have_ended_of_those_that_were_begun(monkeypatch: pytest.MonkeyPatch) -> None:
    now = {"at": 0.0}

    async def main() -> list[bool]:
        pilot = coroutine_pilot()
        monkeypatch.setattr(pilot_async, "run_delay", lambda: 0.0)
        for clock in ("monotonic", "thread_time"):
            monkeypatch.setattr(pilot_async, clock, lambda: now["at"])
        pilot.consider()
        now["at"], pilot.under_way = 1.0, lambda: 40
        looked = []
        for pilot._seen in (9, 10):
            pilot.consider()
            looked.append(pilot.weighed is not None)
        pilot.close()
        return looked

    assert asyncio.run(main()) == [False, True]
