"""seed=: the same numbers with any backend and any number of workers; the user's own generators stay as they are."""

from __future__ import annotations

import asyncio
import random
import sys
import time
from collections.abc import Callable
from random import gauss
from random import random as bare
from types import ModuleType
from typing import Any

import numpy as np
import pytest

import alongside
from alongside.core.seeding import derive, words

TASKS = 40


def draw(n: int) -> tuple[Any, ...]:
    """Numbers from every shared generator, with a wait in between, in which another task may run."""
    first = random.random(), bare(), gauss(0, 1)
    time.sleep(0.0002 * (n % 3))
    return *first, random.randint(0, 10**9), random.sample(range(100), 3), random.choice("abcdef")


def draw_numpy(n: int) -> tuple[Any, ...]:
    first = np.random.rand(), np.random.standard_normal()
    time.sleep(0.0002 * (n % 3))
    own = np.random.default_rng(alongside.task_seed())
    return *first, int(np.random.randint(0, 10**9)), np.random.permutation(5).tolist(), own.random()


async def draw_async(n: int) -> tuple[Any, ...]:
    first = random.random(), bare(), np.random.rand()
    await asyncio.sleep(0.001 * (n % 3))
    return *first, random.random(), gauss(0, 1), np.random.rand(), alongside.task_seed()


WAYS: list[dict[str, Any]] = [
    {"backend": "serial"},
    {"backend": "auto"},
    *({"backend": "threads", "max_workers": n} for n in (1, 2, 20)),
    *({"backend": "processes", "max_workers": n} for n in (1, 2, 5)),
    {"backend": "processes", "max_workers": 2, "batch_size": 1},
    {"backend": "asyncio", "max_workers": 20},
]


@pytest.fixture(scope="module")
def expected() -> dict[Callable[..., Any], list[Any]]:
    functions = (draw, draw_numpy, draw_async)
    return {fn: alongside.map(fn, range(TASKS), backend="serial", seed=7) for fn in functions}


@pytest.mark.parametrize("way", WAYS, ids=str)
@pytest.mark.parametrize("fn", [draw, draw_numpy, draw_async])
def test_the_same_numbers_everywhere(fn: Callable[[int], Any], way: dict[str, Any], expected: Any) -> None:
    assert alongside.map(fn, range(TASKS), seed=7, **way) == expected[fn]


def test_tasks_differ_and_seeds_differ(expected: Any) -> None:
    drawn = [first for first, *_ in expected[draw]]
    assert len(set(drawn)) == TASKS
    assert not set(drawn) & {first for first, *_ in alongside.map(draw, range(TASKS), seed=8, backend="serial")}


def test_the_numbers_are_those_of_generators_with_the_tasks_seed() -> None:
    ((one, two),) = alongside.map(lambda _: (random.random(), np.random.rand()), [0], seed=3, backend="processes")
    assert one == random.Random(derive(3, 0)).random()
    assert two == np.random.RandomState(words(derive(3, 0))).rand()


def test_derived_streams_have_nothing_to_do_with_each_other() -> None:
    """As numpy's own spawn keys are looked at: the first numbers of neighbouring streams are evenly spread, and no two
    streams are alike."""
    ours = np.array([np.random.default_rng(derive(0, index)).random() for index in range(4000)])
    theirs = np.array([np.random.default_rng(np.random.SeedSequence(0, spawn_key=(n,))).random() for n in range(4000)])
    for first in (ours, theirs):
        assert len(np.unique(first)) == 4000
        counts, _ = np.histogram(first, bins=20, range=(0, 1))
        assert (((counts - 200) ** 2) / 200).sum() < 45  # chi-squared, 19 degrees of freedom: beyond it once in 1000
        assert abs(np.corrcoef(first[:-1], first[1:])[0, 1]) < 0.06


@pytest.mark.parametrize("way", [{"backend": "serial"}, {"backend": "threads", "max_workers": 3}], ids=str)
def test_ones_own_generators_are_as_they_were(way: dict[str, Any]) -> None:
    random.seed(1)
    np.random.seed(1)
    expected = random.random(), bare(), np.random.rand()
    random.seed(1)
    np.random.seed(1)
    functions = random.random, bare, np.random.rand
    alongside.map(draw_numpy, range(5), seed=7, **way)
    alongside.map(draw, range(5), seed=7, **way)
    assert (random.random, bare, np.random.rand) == functions
    assert (random.random(), bare(), np.random.rand()) == expected


def test_a_consumer_between_two_results_draws_from_its_own_generator() -> None:
    random.seed(5)
    expected = [random.random() for _ in range(3)]
    random.seed(5)
    results = alongside.imap(draw, range(3), seed=1, backend="serial", batch_size=1)
    assert [random.random() for _ in results] == expected


@pytest.mark.filterwarnings("ignore:shared seed:alongside.AlongsideWarning")  # another test here has called numpy's
def test_a_run_without_a_seed_after_one_with_a_seed_is_random_again() -> None:
    options = {"backend": "processes", "max_workers": 1}
    drawn = []
    for _ in range(2):
        alongside.map(draw_numpy, [0], seed=1, **options)
        drawn.append(alongside.map(lambda _: (random.random(), np.random.rand()), [0], **options))
    assert drawn[0] != drawn[1]


def test_another_attempt_and_a_replay_draw_the_same_numbers() -> None:
    seen: list[float] = []

    def fail_once(n: int) -> float:
        seen.append(random.random())
        if len(seen) == 1:
            raise OSError
        return seen[-1]

    run = alongside.run(fail_once, [0], seed=4, retries=1, backoff=0.0, backend="serial")
    assert seen[0] == seen[1] == run.results[0]
    assert run.replay(0) == seen[0]


def test_a_task_that_seeds_by_itself_has_its_way() -> None:
    def own(_: int) -> tuple[float, float]:
        random.seed(99)
        np.random.seed(99)
        return random.random(), np.random.rand()

    for backend in ("serial", "threads", "processes"):
        assert len(set(alongside.map(own, range(6), seed=1, backend=backend))) == 1


def test_a_module_that_the_function_imports_is_seeded_before_its_first_number() -> None:
    program = "import numpy\nreturn float(numpy.random.rand())"
    scope: dict[str, Any] = {}
    exec("def late(_):\n " + program.replace("\n", "\n "), scope)
    once, again = (
        alongside.map(scope["late"], range(3), seed=2, backend="processes", max_workers=1, tasks_per_worker=1)
        for _ in range(2)
    )
    assert once == again


def test_an_executor_and_gather_take_a_seed_too() -> None:
    with alongside.Executor("threads", max_workers=2, seed=7) as executor:
        assert [executor.submit(draw, n).result() for n in range(3)] == alongside.map(draw, range(3), seed=7)
    draws = [lambda: random.random()] * 2
    assert alongside.gather(*draws, seed=7) == alongside.gather(*draws, seed=7, backend="processes")


@pytest.fixture
def torch(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A stand-in with torch's shared generator and its three functions."""
    fake: Any = ModuleType("torch")
    state = random.Random(0)
    fake.manual_seed, fake.seed = state.seed, lambda: 5
    fake.get_rng_state, fake.set_rng_state, fake.rand = state.getstate, state.setstate, state.random
    monkeypatch.setitem(sys.modules, "torch", fake)
    return fake


def test_torchs_generator_is_seeded_and_put_back(torch: Any) -> None:
    before = torch.get_rng_state()
    once, again = (alongside.map(lambda _: torch.rand(), range(3), seed=1, backend="serial") for _ in range(2))
    assert once == again
    assert len(set(once)) == 3
    assert torch.get_rng_state() == before


@pytest.mark.parametrize("seed", [-1, 1.5, "7", True])
def test_what_is_no_seed_is_refused(seed: Any) -> None:
    with pytest.raises(alongside.OptionError, match="seed"):
        alongside.map(abs, [1], seed=seed)
