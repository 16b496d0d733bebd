"""State that a fresh import would not have: read from code, kept out of worker processes, and said."""

from __future__ import annotations

import functools
import importlib
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from alongside.core.choose import Facts
from alongside.core.teaching import staying
from alongside.runtime.leftbehind import left_behind

SETTINGS = """
scale, unknown = 1, len("abc")
plain = 1
twice = 1
twice = 2
made = None
by_import = False
by_call = 5


def started():
    global by_import
    by_import = True


def configure(value):
    global by_call
    by_call = value


started()


def its_own():
    return plain + by_call


def made_once():
    global made
    if made is None:
        made = 7
    return made
"""
USES = """
import {settings} as settings


def work(x):
    return settings.plain


def inner(x):
    return [settings.plain for _ in range(x)]


def calls(x):
    return work(x) + 1


def other(x):
    return settings.by_import, settings.unknown, settings.twice, settings.scale


def its_own(x):
    return settings.its_own()


def late(x):
    return settings.late


def library(x):
    import os

    return os.name
"""


@pytest.fixture
def modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Iterator[Any]:
    names = [f"{kind}_{abs(hash(request.node.name))}" for kind in ("settings", "uses")]
    (tmp_path / f"{names[0]}.py").write_text(SETTINGS)
    (tmp_path / f"{names[1]}.py").write_text(USES.format(settings=names[0]))
    monkeypatch.syspath_prepend(tmp_path)
    yield tuple(map(importlib.import_module, names))
    for name in names:
        del sys.modules[name]


def test_what_was_not_changed_is_nothing_to_tell_of(modules: tuple[ModuleType, ModuleType]) -> None:
    settings, uses = modules
    functions: list[Callable[..., Any]] = [uses.work, uses.inner, uses.calls, uses.other, uses.its_own, uses.library]
    assert not any(map(left_behind, [*functions, settings.made_once, print, functools.partial(uses.work, 1), None]))


@pytest.mark.parametrize("name", ["work", "inner", "calls", "its_own"])
def test_a_plain_value_that_was_set_after_the_import_is_told(name: str, modules: tuple[ModuleType, ModuleType]) -> None:
    settings, uses = modules
    settings.plain = 10  # type: ignore[attr-defined]
    told = left_behind(getattr(uses, name))
    assert told.startswith(f"it reads {settings.__name__}.plain, which is 10 here and is 1 in a worker")


def test_so_is_one_that_a_function_of_the_module_sets_when_it_is_called(
    modules: tuple[ModuleType, ModuleType],
) -> None:
    settings, uses = modules
    settings.configure(6)
    assert "by_call, which is 6 here and is 5 in a worker" in left_behind(uses.its_own)


def test_so_is_one_that_is_not_there_in_a_fresh_module(modules: tuple[ModuleType, ModuleType]) -> None:
    settings, uses = modules
    settings.late = "x"  # type: ignore[attr-defined]
    assert "late, which is 'x' here and is not there in a worker" in left_behind(uses.late)


def test_what_cannot_be_known_is_not_told(modules: tuple[ModuleType, ModuleType]) -> None:
    """It is computed, set twice, set by a function that is called at the import, or made by the function itself."""
    settings, uses = modules
    assert settings.by_import
    settings.unknown, settings.twice = 4, 5  # type: ignore[attr-defined]
    assert settings.made_once() == 7
    assert not left_behind(uses.other)
    assert not left_behind(settings.made_once)


def test_what_another_module_sets_when_it_is_imported_is_not_told(
    modules: tuple[ModuleType, ModuleType], tmp_path: Path
) -> None:
    settings, uses = modules
    (tmp_path / "sets_plain.py").write_text(f"import {settings.__name__} as settings\nsettings.plain = 3\n")
    importlib.import_module("sets_plain")
    assert settings.plain == 3
    assert not left_behind(uses.work)
    del sys.modules["sets_plain"]


class Elusive:
    """It answers no question."""

    def __getattribute__(self, name: str) -> Any:
        raise RuntimeError(f"who wants to know {name}?")

    def __call__(self, x: int) -> int:
        return x


elusive = Elusive()


def names_it(x: int) -> int:
    return elusive(x)


def test_what_does_not_like_to_be_asked_is_not(modules: tuple[ModuleType, ModuleType]) -> None:
    assert not left_behind(elusive)
    assert not left_behind(names_it)
    settings, uses = modules
    settings.plain = 10  # type: ignore[attr-defined]
    assert left_behind(functools.lru_cache(functools.partial(uses.work, 1)))


PROGRAM = """
import warnings
import alongside, settings

settings.scale = 10


def work(x):
    return settings.scale + 0 * sum(range(300_000))


def boot():
    settings.scale = 10


run = alongside.run(work, range(60))
print(set(run.results), "processes cannot be used: it reads settings.scale" in str(run.plan))
with warnings.catch_warnings(record=True) as said:
    warnings.simplefilter("always")
    sent = alongside.map(work, range(4), backend="processes", max_workers=2)
    print(sent, [str(warning.message).partition(",")[0] for warning in said])
with warnings.catch_warnings():
    warnings.simplefilter("error")
    print(alongside.map(work, range(4), backend="processes", max_workers=2, initializer=boot))
"""


def test_auto_gives_no_results_of_two_kinds_and_processes_say_what_they_lack(tmp_path: Path) -> None:
    (tmp_path / "settings.py").write_text("scale = 1\n")
    (tmp_path / "program.py").write_text(PROGRAM)
    done = subprocess.run([sys.executable, "program.py"], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [
        "{10} True",
        "[1, 1, 1, 1] ['left behind: work reads settings.scale']",
        "[10, 10, 10, 10]",
    ]


@pytest.mark.parametrize(
    ("held", "wall", "told"), [(True, 0.01, True), (None, 0.01, False), (True, 0.1, False)], ids=str
)
def test_a_long_loop_that_one_thing_keeps_on_one_cpu_is_told_of_it(held: bool | None, wall: float, told: bool) -> None:
    facts = Facts(tasks_seen=400, wall=wall, cpu=0.01, gil_held=held, unpicklable="the lock.", cpus=2)
    lesson = staying("f", facts)
    assert (lesson is not None) == told
    if lesson is not None:
        assert str(lesson).startswith("cannot be sent: f computes and holds the GIL")
        assert str(lesson).endswith("they cannot be used: the lock.")
