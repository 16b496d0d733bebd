"""The driver and the coordinator together, on imaginary workers and an imaginary clock (alongside.testing)."""

from __future__ import annotations

from typing import Any, ClassVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import alongside
from alongside import backends
from alongside.core.coordinator import Coordinator
from alongside.core.model import Delivery, Failure, Job, size
from alongside.core.policy import Policy
from alongside.runtime.driver import Driver
from alongside.runtime.source import Source
from alongside.testing import FakeBackend, FakeClock, Hangs, Kills, Misfortune, Raises, Script, rehearse


def double(n: int) -> int:
    return 2 * n


def test_without_misfortune_it_is_a_loop() -> None:
    assert rehearse(double, range(100)).results == [2 * n for n in range(100)]
    assert rehearse(max, [1, 5], [2, 3]).results == [2, 5]


def test_what_is_scripted_happens_and_nothing_else() -> None:
    run = rehearse(double, range(50), faults={7: [Kills()], 9: [Raises(OSError("x"))], 11: [Hangs()]}, timeout=5)
    assert [(f.index, type(f.exception).__name__) for f in run.failures] == [
        (7, "WorkerLost"),
        (9, "OSError"),
        (11, "TaskTimeout"),
    ]
    assert run.stats.succeeded == 47
    assert all(outcome.attempts == 1 for outcome in run.outcomes)


def test_minutes_of_backoff_pass_in_no_time() -> None:
    clock = FakeClock()
    error = ConnectionError("busy")
    run = rehearse(double, [1], faults={0: [Raises(error)] * 3}, clock=clock, retries=3, backoff=lambda attempt: 100.0)
    assert (run.results, run.outcomes[0].attempts) == ([2], 4)
    assert 300 <= clock.now < 301


def test_a_hanging_task_is_ended_by_its_timeout_and_not_before() -> None:
    clock = FakeClock()
    run = rehearse(double, [1, 2], faults={0: [Hangs(), Hangs()]}, clock=clock, timeout=100, retries=1, backoff=0)
    assert [outcome.attempts for outcome in run.outcomes] == [2, 1]
    assert isinstance(run.failures[0].exception, alongside.TaskTimeout)
    assert 200 <= clock.now < 201


def test_raising_ends_the_run() -> None:
    with pytest.raises(alongside.WorkerLost) as caught:
        rehearse(double, range(9), faults={4: [Kills(signal=11)]}, on_error="raise")
    assert (caught.value.index, caught.value.signal) == (4, 11)


def test_a_task_that_would_hang_for_ever_is_refused() -> None:
    with pytest.raises(alongside.OptionError, match="nothing would ever end it: give a timeout="):
        rehearse(double, [1], faults={0: [Hangs()]})


def test_the_registry_is_as_before() -> None:
    before = backends.names()
    rehearse(double, [1])
    assert backends.names() == before


MISFORTUNES = st.sampled_from([Raises(OSError("x")), Kills(), Hangs()])


@settings(max_examples=60, deadline=None)
@given(
    count=st.integers(0, 80),
    faults=st.dictionaries(st.integers(0, 79), st.lists(MISFORTUNES, max_size=4), max_size=20),
    options=st.fixed_dictionaries(
        {"retries": st.integers(0, 3), "max_workers": st.integers(1, 5)},
        optional={"batch_size": st.integers(1, 20), "window": st.integers(1, 30)},
    ),
)
def test_every_task_ends_as_the_script_says(
    count: int, faults: dict[int, list[Misfortune]], options: dict[str, Any]
) -> None:
    run = rehearse(double, range(count), faults=faults, timeout=5, backoff=0, **options)
    assert [outcome.index for outcome in run.outcomes] == list(range(count))
    for outcome in run.outcomes:
        unlucky = len(faults.get(outcome.index, ()))
        assert outcome.ok == (unlucky <= options["retries"])
        assert outcome.attempts == min(unlucky, options["retries"]) + 1
        assert outcome.value == (2 * outcome.item if outcome.ok else None)


def test_observers_see_everything_and_one_that_raises_is_dropped() -> None:
    class Broken:
        updates = 0

        def update(self, count: int) -> None:
            self.updates += 1
            raise RuntimeError("the bar broke")

    bar = Broken()
    with pytest.warns(RuntimeWarning, match="the bar broke.*is not told any more; the run goes on"):
        assert rehearse(double, range(100), progress=bar).results == [2 * n for n in range(100)]
    assert bar.updates == 1


def test_what_was_left_behind_by_a_move_keeps_its_deadline() -> None:
    """A run moves to another backend while the first one's task hangs: that task is still ended by its timeout."""

    class Both(FakeBackend):
        script: ClassVar[Script] = {0: [Hangs()]}
        clock = FakeClock()

    first, second = Both(1), Both(2)
    coordinator = Coordinator(Policy(timeout=5.0, stop_at_failure=False, batch_size=1), first.crew())
    found: list[Delivery] = []
    job = Job(double, timeout=5.0)
    driver = Driver(coordinator, first, job, Source((range(9),)), found.extend, clock=Both.clock)
    driver.open()
    driver.step()
    driver.move(second, second.crew())
    for _ in range(1000):
        if driver.finish is None:
            driver.step()
    driver.close()
    assert driver.finish is not None
    (failure,) = [delivery for delivery in found if isinstance(delivery, Failure)]
    assert isinstance(failure.exception, alongside.TaskTimeout)
    assert failure.index == 0
    assert sum(map(size, found)) == 9
