"""The plain loop with a stopwatch that every automatic run begins as.

Owns the first milliseconds of a run: a job that ends within them never loads the engine, starts a thread or a process.
Must never import more than the clock. What it has done counts: nothing is run twice.
"""

from __future__ import annotations

from time import perf_counter, process_time, thread_time

from alongside.runtime.clocks import run_delay

TYPE_CHECKING = False  # the real one costs the import of `typing`, which is longer than most short jobs
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from alongside.runtime.source import Source

builtin_map = map
"""The built-in one: a loop in C. A list extended by it keeps what came before an exception."""

LOOK_EVERY = 0.0005
"""Seconds of work between two looks at the clock, once it is known how long a task takes."""

PATIENCE = 0.003
"""Seconds before anything but a loop is thought of."""

WORTH = 0.030
"""Seconds that must be left, by what was seen so far, for the engine to be worth loading (it takes about as long)."""

AHEAD = 0.2
"""Seconds that must be left for worker processes to be got ready before it is certain that they are wanted."""


class Stopwatch:
    """Runs `fn` over items, one after another, and says when that has become slow enough to think of something else.

    `done` counts the tasks finished, `wall`, `cpu` and `process_cpu` the seconds they took: of the clock, of this
    thread, and of all threads of this process. `ended` says that the input did.
    """

    def __init__(self, fn: Callable[[Any], Any], source: Source) -> None:
        self._fn = fn
        self._source = source
        self.done = 0
        self.wall = self.cpu = self.process_cpu = 0.0
        self._delay = run_delay()
        self.ended = False

    def stretch(self, into: list[Any]) -> None:
        """Append the results of the next few tasks: about `LOOK_EVERY` seconds of work.

        What a task raises gets a note that names the task; what the input raises comes after the tasks before it.
        """
        items, self.ended, error = self._source.take(self._size())
        before = len(into)
        began, cpu, process = perf_counter(), thread_time(), process_time()
        try:
            into.extend(builtin_map(self._fn, items))
            if len(into) - before < len(items):
                raise StopIteration  # which the task raised, and `map` took for its own end
        except Exception as failure:
            place = len(into) - before
            name_task(failure, self.done + place, items[place])
            raise
        self.wall += perf_counter() - began
        self.cpu += thread_time() - cpu
        self.process_cpu += process_time() - process
        self.done += len(items)
        if error is not None:
            raise error

    @property
    def delayed(self) -> float:
        """Seconds of all those in which this thread was ready to run but had no CPU."""
        return run_delay() - self._delay

    def slow(self) -> bool:
        """Whether enough time has gone by, and enough is left, to think of something better than a loop."""
        return self.wall >= PATIENCE and self._left() > WORTH

    def computes_long(self) -> bool:
        """Whether worker processes will probably be wanted: it computes rather than waits, and will go on for long."""
        return self.cpu > 0.5 * self.wall and self._left() > AHEAD

    def _left(self) -> float:
        """Seconds that the tasks left should take; of an input of unknown length as many again as were done."""
        if not self.done:
            return 0.0
        left = self.done if self._source.total is None else self._source.total - self.done
        return left * self.wall / self.done

    def _size(self) -> int:
        if not self.done:
            return 1
        return max(1, min(int(LOOK_EVERY * self.done / max(self.wall, 1e-9)), 4 * self.done, 1 << 16))


def name_task(error: BaseException, index: int, item: object, attempts: int = 1) -> BaseException:
    """Add a note that names the task an exception belongs to; once, however often it is raised."""
    try:
        text = repr(item)
    except Exception as broken:  # a broken repr must not hide the failure it belongs to
        text = f"<{type(item).__name__} whose repr raised {type(broken).__name__}>"
    text = text if len(text) <= 80 else text[:79] + "…"
    note = f"alongside: task {index} failed; its item is {text}" + (f"; attempt {attempts}" if attempts > 1 else "")
    if note not in getattr(error, "__notes__", ()):
        error.add_note(note)
    return error
