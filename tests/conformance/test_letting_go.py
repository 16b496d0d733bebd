"""Nothing of a run outlives the caller's last reference: no function, no result, and without a garbage collection."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator
from typing import Any

import pytest

import alongside
from tests.conftest import wait_until


class Value:
    """Something that can be weakly referenced."""


class Function:
    """A function that can be weakly referenced."""

    def __call__(self, number: int) -> Value:
        return Value()


@pytest.fixture
def no_collection() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("no_collection")
@pytest.mark.parametrize("lazy", [False, True], ids=["map", "imap"])
@pytest.mark.parametrize("backend", ["serial", "threads", "processes", "asyncio", "auto"])
def test_function_and_results_go_with_their_last_reference(backend: str, lazy: bool) -> None:
    fn = Function()
    options: dict[str, Any] = {"backend": backend, "retries": 1}  # an option, so that auto takes the engine too
    results = list(alongside.imap(fn, range(5), **options)) if lazy else alongside.map(fn, range(5), **options)
    function, result = weakref.ref(fn), weakref.ref(results[0])
    del fn, results
    # A thread that is ending may hold them a moment more.
    assert wait_until(lambda: result() is None and function() is None)
