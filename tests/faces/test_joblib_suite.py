"""joblib's own tests, the ones that take a backend as a parameter, run with "alongside" for it.

They are taken from the installed joblib. Which are left out, and why, is in `LEFT_OUT`.
"""

from __future__ import annotations

import re
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("joblib", reason="joblib is not installed: pip install 'alongside[joblib]'")
theirs = pytest.importorskip("joblib.test.test_parallel", reason="this joblib came without its tests")

import alongside.joblib  # noqa: E402, F401

LEFT_OUT = {
    "test_auto_memmap_on_arrays_from_generator": "wants arrays to arrive as np.memmap; here they are arrays, writable",
    "test_memmapping_leaks": "looks for joblib's memory-mapped files; there are none",
}
"""Tests that are not run, each with its reason."""


TAKES_A_BACKEND = re.compile(r"^\w*backend$|^backend, error$")


def adopted(test: Callable[..., None]) -> Callable[..., None] | None:
    """The same test with "alongside" wherever it takes a backend; None where it takes none.

    What loky is expected to fail is expected to pass here. That a generator left early warns is part of what is tested.
    """
    marks = [mark for mark in getattr(test, "pytestmark", []) if mark.name != "xfail"]
    if not any(mark.name == "parametrize" and TAKES_A_BACKEND.search(mark.args[0]) for mark in marks):
        return None
    code: Any = test.__code__
    marks = [with_alongside(mark) for mark in marks]
    marks.append(pytest.mark.filterwarnings("ignore:.*tasks (which|have)").mark)
    copy = types.FunctionType(code, test.__globals__, test.__name__, test.__defaults__, test.__closure__)
    copy.__dict__["pytestmark"] = marks
    return copy


def with_alongside(mark: pytest.Mark) -> pytest.Mark:
    """A parametrisation over backends becomes one with ours; over backends and what is right for each: one row."""
    if mark.name == "parametrize" and TAKES_A_BACKEND.search(mark.args[0]):
        row = ("alongside", False) if mark.args[0] == "backend, error" else "alongside"
        return pytest.mark.parametrize(mark.args[0], [row]).mark
    return mark


def all_adopted() -> Iterator[tuple[str, Callable[..., None]]]:
    for name, test in vars(theirs).items():
        if name.startswith("test_") and name not in LEFT_OUT and (copy := adopted(test)) is not None:
            yield name, copy


globals().update(all_adopted())


@pytest.fixture(autouse=True)
def by_default(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the tests name no backend, ours is meant too."""
    monkeypatch.setattr(theirs.parallel, "DEFAULT_BACKEND", "alongside")


@pytest.fixture(autouse=True)
def known_in_scripts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Some of the tests run a script that only knows the backend's name: it is made known as it starts."""
    (tmp_path / "sitecustomize.py").write_text("import alongside.joblib\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))


def test_what_is_left_out_is_there_to_be_left_out() -> None:
    assert [name for name in LEFT_OUT if not hasattr(theirs, name)] == []
