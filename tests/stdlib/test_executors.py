"""The interpreter's own tests of `concurrent.futures`, from the installed `test` package, run on `alongside.futures`.

Python 3.13 has all of them; older ones, as they are installed, none. Which are left out, and why, is in `LEFT_OUT`.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from multiprocessing import resource_tracker
from types import ModuleType
from typing import Any

import pytest

import alongside.futures

PACKAGE = "test.test_concurrent_futures"
pytest.importorskip(PACKAGE, reason="this Python came without its own tests of concurrent.futures")

util, executor, wait, as_completed, shutdown, init, processes, threads, deadlock = (
    import_module(f"{PACKAGE}.{name}")
    for name in (
        "util",
        "executor",
        "test_wait",
        "test_as_completed",
        "test_shutdown",
        "test_init",
        "test_process_pool",
        "test_thread_pool",
        "test_deadlock",
    )
)

PRIVATE = "looks at private attributes: the threads, processes or queues of CPython's own"
REPLACES = "replaces parts of CPython's own executor by others"
ITS_OWN = (
    "an object that cannot be rebuilt fails its own call, with its own error; the test wants the whole pool broken"
)
INHERITED = "a queue or semaphore of multiprocessing reaches processes only by being inherited; a Manager's can be sent"

LEFT_OUT = {
    "TestFailingInitializerThreads.test_initializer": "wants CPython's own log channel; tests/faces has the rest",
    "TestFailingInitializerProcesses.test_initializer": INHERITED,
    "TestThreadPool.test_idle_thread_reuse": PRIVATE,
    "TestThreadPool.test_saturation": PRIVATE,
    "TestProcessPool.test_idle_process_reuse_multiple": PRIVATE,
    "TestProcessPool.test_idle_process_reuse_one": PRIVATE,
    "TestProcessPool.test_killed_child": PRIVATE,
    "TestProcessPool.test_max_tasks_per_child": PRIVATE,
    "TestProcessPool.test_max_tasks_per_child_defaults_to_spawn_context": PRIVATE,
    "TestProcessPool.test_python_finalization_error": REPLACES,
    "TestProcessPool.test_saturation": INHERITED,
    "TestProcessPool.test_traceback": "wants CPython's _RemoteTraceback as the cause; here it is a note",
    "TestThreadPoolShutdown.test_context_manager_shutdown": PRIVATE,
    "TestThreadPoolShutdown.test_del_shutdown": PRIVATE,
    "TestThreadPoolShutdown.test_shutdown_no_wait": PRIVATE,
    "TestThreadPoolShutdown.test_thread_names_assigned": PRIVATE,
    "TestThreadPoolShutdown.test_thread_names_default": PRIVATE,
    "TestThreadPoolShutdown.test_threads_terminate": PRIVATE,
    "TestProcessPoolShutdown.test_context_manager_shutdown": PRIVATE,
    "TestProcessPoolShutdown.test_del_shutdown": PRIVATE,
    "TestProcessPoolShutdown.test_processes_terminate": PRIVATE,
    "TestProcessPoolShutdown.test_shutdown_no_wait": PRIVATE,
    "TestDeadlock.test_error_at_task_unpickle": ITS_OWN,
    "TestDeadlock.test_exit_at_task_unpickle": ITS_OWN,
    "TestDeadlock.test_error_during_result_unpickle_in_result_handler": ITS_OWN,
    "TestDeadlock.test_exit_during_result_unpickle_in_result_handler": ITS_OWN,
    "TestDeadlock.test_shutdown_deadlock_pickle": PRIVATE,
    "TestDeadlock.test_gh105829_should_not_deadlock_if_wakeup_pipe_full": REPLACES,
}
"""Tests that are not run, each with its reason. Scripts that some tests run use CPython's own executors, and prove
nothing here; tests/faces has what they show."""


class Ours(ModuleType):
    """`concurrent.futures`, but for its executors."""

    ProcessPoolExecutor = alongside.futures.ProcessPoolExecutor
    ThreadPoolExecutor = alongside.futures.ThreadPoolExecutor

    def __getattr__(self, name: str) -> Any:
        import concurrent.futures

        return getattr(concurrent.futures, name)


@pytest.fixture(autouse=True)
def on_alongside(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for module in (shutdown, processes, threads, deadlock):
        monkeypatch.setattr(module, "futures", Ours("futures"))
    yield
    resource_tracker._resource_tracker._stop()  # type: ignore[attr-defined]  # a Manager of theirs has started it


class Threads(util.ExecutorMixin):  # type: ignore[misc, name-defined]  # the suite has no types
    executor_type = alongside.futures.ThreadPoolExecutor


class Processes(util.ExecutorMixin):  # type: ignore[misc, name-defined]
    executor_type = alongside.futures.ProcessPoolExecutor
    ctx = "spawn"


def adopted(name: str, *bases: type) -> type:
    hidden = {left.partition(".")[2]: None for left in LEFT_OUT if left.startswith(f"{name}.")}
    return type(name, (*bases, util.BaseTestCase), {**hidden, "__module__": __name__})


BOTH: dict[str, type] = {
    "Wait": wait.WaitTests,
    "AsCompleted": as_completed.AsCompletedTests,
    "Initializer": init.InitializerMixin,
    "FailingInitializer": init.FailingInitializerMixin,
}
for _name, _tests in BOTH.items():
    globals()[f"Test{_name}Threads"] = adopted(f"Test{_name}Threads", _tests, Threads)
    globals()[f"Test{_name}Processes"] = adopted(f"Test{_name}Processes", _tests, Processes)

TestThreadPool = adopted("TestThreadPool", Threads, threads.ThreadPoolExecutorTest)
TestProcessPool = adopted("TestProcessPool", processes.ProcessPoolExecutorTest, Processes)
TestThreadPoolShutdown = adopted("TestThreadPoolShutdown", Threads, shutdown.ThreadPoolShutdownTest)
TestProcessPoolShutdown = adopted("TestProcessPoolShutdown", shutdown.ProcessPoolShutdownTest, Processes)
TestDeadlock = adopted("TestDeadlock", deadlock.ExecutorDeadlockTest, Processes)


def test_what_is_left_out_is_there_to_be_left_out() -> None:
    for left in LEFT_OUT:
        name, _, test = left.partition(".")
        assert any(hasattr(base, test) for base in globals()[name].__bases__), left
