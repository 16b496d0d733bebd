"""The standard library's two executors by their own names and signatures, on alongside's workers.

Owns what code written for `concurrent.futures` expects of their arguments and errors. Must never schedule.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures.process import BrokenProcessPool
from concurrent.futures.thread import BrokenThreadPool
from typing import Any

from alongside.exceptions import WorkerLost
from alongside.faces.future import Future
from alongside.faces.futures import Executor
from alongside.runtime import machine


class ProcessLost(WorkerLost, BrokenProcessPool):
    """A `WorkerLost`, also for code that expects `BrokenProcessPool`. Unlike there, the pool goes on."""

    def __init__(self, error: Any) -> None:
        Exception.__init__(self, *error.args)
        self.__dict__.update(error.__dict__)


class ProcessFuture(Future):
    """A future whose loss is told as `ProcessPoolExecutor` tells it."""

    @staticmethod
    def told(error: BaseException) -> BaseException:
        return ProcessLost(error) if type(error) is WorkerLost else error


class ProcessPoolExecutor(Executor):
    """A drop-in for `concurrent.futures.ProcessPoolExecutor`.

    A worker that dies costs the call it was running, which raises a `WorkerLost` that is also a `BrokenProcessPool`;
    the pool goes on. `mp_context` is taken and not looked at: workers come from a clean helper process. Keyword only:
    the options of `alongside.Executor`.

    >>> from alongside.futures import ProcessPoolExecutor
    >>> with ProcessPoolExecutor(2) as executor:
    ...     list(executor.map(abs, [-1, -2], chunksize=2))
    [1, 2]
    """

    _future = ProcessFuture
    _breaks = BrokenProcessPool

    def __init__(
        self,
        max_workers: int | None = None,
        mp_context: object = None,
        initializer: Callable[..., object] | None = None,
        initargs: tuple[Any, ...] = (),
        *,
        max_tasks_per_child: int | None = None,
        **options: Any,
    ) -> None:
        if max_tasks_per_child is not None:
            if not isinstance(max_tasks_per_child, int):
                raise TypeError("max_tasks_per_child must be an integer")
            if max_tasks_per_child <= 0:
                raise ValueError("max_tasks_per_child must be >= 1")
        given = {**_initial(initializer, initargs), **options}
        super().__init__("processes", _positive(max_workers), tasks_per_worker=max_tasks_per_child, **given)

    def terminate_workers(self) -> None:
        """End at once, as `kill_workers`: a worker of alongside holds nothing that it would have to put away."""
        self.kill_workers()


class ThreadPoolExecutor(Executor):
    """A drop-in for `concurrent.futures.ThreadPoolExecutor`.

    Its threads are named `thread_name_prefix` and a number. Keyword only: the options of `alongside.Executor`.
    """

    _breaks = BrokenThreadPool

    def __init__(
        self,
        max_workers: int | None = None,
        thread_name_prefix: str = "",
        initializer: Callable[..., object] | None = None,
        initargs: tuple[Any, ...] = (),
        **options: Any,
    ) -> None:
        workers = min(32, machine.cpu_count() + 4) if max_workers is None else _positive(max_workers)
        given = {**_initial(initializer, initargs), **options}
        super().__init__("threads", workers, **given)
        self._thread_names = thread_name_prefix


def _positive(max_workers: int | None) -> int | None:
    if max_workers is not None and max_workers <= 0:
        raise ValueError("max_workers must be greater than 0")
    return max_workers


def _initial(initializer: Callable[..., object] | None, initargs: tuple[Any, ...]) -> dict[str, Any]:
    """The options of these arguments; those of no initializer are nobody's, as in the standard library."""
    if initializer is None:
        return {}
    if not callable(initializer):
        raise TypeError("initializer must be a callable")
    return {"initializer": initializer, "initargs": tuple(initargs)}
