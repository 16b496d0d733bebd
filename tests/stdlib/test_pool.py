"""The interpreter's own tests of `multiprocessing.Pool`, from the installed `test` package, run on `alongside.Pool`.

Which are left out, and why, is in `LEFT_OUT`.
"""

from __future__ import annotations

import multiprocessing.dummy
import threading
from types import ModuleType
from typing import Any

import pytest

import alongside

suite: Any = pytest.importorskip("test._test_multiprocessing", reason="this Python came without its own tests")

LEFT_OUT = {
    "_TestPool.test_make_pool": "counts pool._pool, which is private; tests/faces has its ValueErrors",
    "_TestPool.test_traceback": "wants multiprocessing's RemoteTraceback as the cause; here it is a note, and the "
    "cause stays what the task made it",
    "TestPoolThreads.test_terminate": "leaves threads asleep for minutes, whoever's pool it is",
    "_TestPoolWorkerErrors.test_unpickleable_result": "its result is a lambda, which is sent by value here",
    "_TestPoolWorkerLifetime.test_pool_worker_lifetime": "watches processes in pool._pool, which is private",
    "_TestPoolWorkerLifetime.test_worker_finalization_via_atexit_handler_of_multiprocessing": "runs a script with "
    "multiprocessing's own Pool, and no other",
}
"""Tests that are not run, each with its reason."""


class Ours(ModuleType):
    """`multiprocessing`, but for its Pool."""

    Pool = staticmethod(alongside.Pool)

    def __getattr__(self, name: str) -> Any:
        return getattr(multiprocessing, name)


@pytest.fixture(autouse=True)
def on_alongside(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(suite, "multiprocessing", Ours("multiprocessing"))


def hidden(kind: type, name: str) -> dict[str, None]:
    """What hides the tests that are left out, of a class of theirs or of one of ours."""
    return {left.partition(".")[2]: None for left in LEFT_OUT if left.startswith((f"{kind.__name__}.", f"{name}."))}


def adopted(kind: type, mixin: type, pool: type, threads: bool = False) -> type:
    name = f"{kind.__name__.removeprefix('_')}{'Threads' if threads else 'Processes'}"
    body: dict[str, Any] = {**hidden(kind, name), "Pool": staticmethod(pool), "__module__": __name__}
    return type(name, (kind, mixin, suite.unittest.TestCase), body)


TestPoolProcesses = adopted(suite._TestPool, suite.ProcessesMixin, alongside.Pool)
TestPoolWorkerErrorsProcesses = adopted(suite._TestPoolWorkerErrors, suite.ProcessesMixin, alongside.Pool)
TestPoolWorkerLifetimeProcesses = adopted(suite._TestPoolWorkerLifetime, suite.ProcessesMixin, alongside.Pool)


class TestPoolThreads(adopted(suite._TestPool, suite.ThreadsMixin, alongside.ThreadPool, threads=True)):  # type: ignore[misc]
    """Has all threads of the class's pool there before its first test, since they outlive each test."""

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        barrier = threading.Barrier(4)
        cls.pool.map(lambda _: barrier.wait(), range(4))


def test_what_is_left_out_is_there_to_be_left_out() -> None:
    for name in LEFT_OUT:
        kind, _, test = name.partition(".")
        assert hasattr(getattr(suite, kind, suite._TestPool), test), name
