"""The plain loop with a stopwatch that every automatic run begins as.

Owns the first milliseconds of a run: a job that ends within them never loads the engine, starts a thread or a process.
Must never import more than the clock. What it has done counts: nothing is run twice.
"""

from __future__ import annotations

import sys
from _thread import allocate_lock, get_native_id
from time import perf_counter, process_time, thread_time

from alongside.clocks import run_delay

TYPE_CHECKING = False  # the real one costs the import of `typing`, which is longer than most short jobs
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
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

TINY = 0.5e-6
"""Seconds of a task that nothing but a loop is worth: to send it, in the largest batch, costs half as much."""

FEW, FAR = 8, 10
"""Tasks after the first one that say whether it was a special one, and how many times as long it took if it was."""

AHEAD = 0.1
"""Seconds that must be left for worker processes to be got ready before it is certain that they are wanted."""

WORTH_IMPORTING = 4.0
"""Seconds that must be left for each second that workers would import, for them to be begun on a guess: what is
imported beside a loop takes from it what both want, the core that two CPUs may share, and memory."""


class Spent:
    """Tasks, and the seconds they took: of the clock, of their thread, of all threads of the process."""

    __slots__ = ("cpu", "process_cpu", "tasks", "wall")

    def __init__(self, tasks: int, wall: float, cpu: float, process_cpu: float) -> None:
        self.tasks = tasks
        self.wall = wall
        self.cpu = cpu
        self.process_cpu = process_cpu


class Stopwatch:
    """Runs `fn` over items, one after another, and says when that has become slow enough to think of something else.

    `done` counts the tasks finished, `wall`, `cpu` and `process_cpu` the seconds they took: of the clock, of this
    thread, and of all threads of this process. `ended` says that the input did, `relieved` that another thread has
    taken over whatever was not begun.

    Guarantees: an item goes to the loop or to whoever takes over, never to both and never to none.
    Assumes: with a GIL, taking one item of a list's iterator, and all that are left, are each one step.
    """

    def __init__(self, fn: Callable[[Any], Any], source: Source) -> None:
        self._fn = fn
        self.source = source
        self.done = 0
        self.wall = self.cpu = self.process_cpu = 0.0
        self._thread = get_native_id()
        self._delay = run_delay()
        self.delayed = 0.0
        self.ended = False
        self.relieved = False
        self.since: float | None = None
        """When the stretch in hand was begun; None between two."""
        self.cpu_since = self.process_since = 0.0
        """What the thread and the process had computed by then."""
        self.last = Spent(0, 0.0, 0.0, 0.0)
        """What the last stretch took."""
        self.first: Spent | None = None
        """What the first task took."""
        self.sample: tuple[Any, Any] | None = None
        """An item and its result."""
        self.noted: tuple[float | None, int, float, float, float] = (None, 0, 0.0, 0.0, 0.0)
        """Of which stretch a note was taken; tasks begun; the clocks of the wall, the thread and the process."""
        self._turn = allocate_lock()
        self._first = self._taken = 0
        self._rest: Iterator[Any] = iter(())
        self._into: list[Any] = []
        self._before = 0
        self._error: BaseException | None = None

    def stretch(self, into: list[Any]) -> None:
        """Append the results of the next few tasks: about `LOOK_EVERY` seconds of work.

        What a task raises gets a note that names the task; what the input raises comes after the tasks before it.
        """
        with self._turn:
            if self.relieved:
                return
            items, self.ended, self._error = self.source.take(self._size())
            self._taken, self._rest = len(items), self._shareable(items)
            self._first, self._into, self._before = self.done, into, len(into)
            self.cpu_since, self.process_since = thread_time(), process_time()
            self.since = perf_counter()
        try:
            into.extend(builtin_map(self._fn, self._rest))
            with self._turn:
                cut_short = len(into) - self._before < self._taken
            if cut_short:
                raise StopIteration  # which the task raised, and `map` took for its own end
        except Exception as failure:
            place = len(into) - self._before
            name_task(failure, self.done + place, items[place])
            raise
        finally:
            self._count()
        if items and self.sample is None:
            self.sample = items[0], into[self._before]
        if self._error is not None:
            raise self._error

    def _count(self) -> None:
        """The stretch is over: what it took."""
        wall, self.since = perf_counter() - (self.since or 0.0), None
        cpu, process_cpu = thread_time() - self.cpu_since, process_time() - self.process_since
        self.last = Spent(len(self._into) - self._before, wall, cpu, process_cpu)
        self.first = self.first or self.last
        self.wall += wall
        self.cpu += cpu
        self.process_cpu += process_cpu
        self.done += self.last.tasks

    def note(self, cpu: float) -> None:
        """Remember, from another thread, how far it is: the tasks from here on may be of another kind."""
        self.noted = self.since, self.begun(), perf_counter(), cpu, process_time()

    def begun(self) -> int:
        """Tasks that are finished or in hand; may be asked from another thread than the one that runs them."""
        finished = len(self._into) - self._before
        return self._first + min(self._taken, finished + (self.since is not None))

    def kept(self) -> int:
        """Tasks that are the loop's: all that it has taken, less what it has given up."""
        return self._first + self._taken

    def relieve(self) -> bool:
        """Give up what is not begun, to another thread: it is in the source again, and that is the other's now. False
        where the loop has come to its end by itself.

        The loop goes on with the task it has in hand, if it has one, and begins no other.
        """
        with self._turn:
            rest = list(self._rest)
            if self.ended and not rest:
                return False
            self._put_back(rest)
            self.relieved = True
            return True

    def cut(self) -> None:
        """Leave what is not begun of the stretch in hand to the next one, from another thread: its tasks take longer
        than those before it, by which it was measured out, and the loop can be asked nothing before its end.

        The next stretch goes by what these took. Does nothing where the last task is in hand, or none.
        """
        with self._turn:
            if rest := list(self._rest):
                self._put_back(rest)

    def _put_back(self, rest: list[Any]) -> None:
        """These were not begun: they are in the source again, and after them what came after them."""
        self._taken -= len(rest)
        self.source.put_back(rest, self.ended, self._error)
        self.ended, self._error = False, None

    def resume(self) -> None:
        """What was given up is the loop's again."""
        with self._turn:
            self.relieved = False

    def look_at_delay(self) -> None:
        """See in how much of its time its thread was ready to run but had no CPU: `delayed`."""
        self.delayed = run_delay(self._thread) - self._delay

    def leave_out_delay(self) -> None:
        """What has come since `look_at_delay` was not the tasks'."""
        self._delay = run_delay(self._thread) - self.delayed

    def slow(self) -> bool:
        """Whether enough time has gone by, and enough is left, to think of something better than a loop."""
        return self.wall >= PATIENCE and self.left() > WORTH and self.wall > TINY * self.done

    def computes_long(self) -> bool:
        """Whether worker processes will probably be wanted: it computes rather than waits, and will go on for long."""
        return self.cpu > 0.5 * self.wall and self.left() > AHEAD

    def left(self) -> float:
        """Seconds that the tasks left should take; of an input of unknown length as many again as were done."""
        if not self.done:
            return 0.0
        left = self.source.left(self.done)
        tasks, wall = self.usual()
        return (self.done if left is None else left) * wall / tasks

    def usual(self) -> tuple[int, float]:
        """Tasks, and the seconds they took, of those that say what the others will take: not the first one where it
        took far longer than the rest. A first call imports, connects and fills caches.
        """
        first, rest = self.first, self.done - 1
        if first is None or rest < FEW or first.wall / FAR <= (self.wall - first.wall) / rest:
            return self.done, self.wall
        return rest, self.wall - first.wall

    @staticmethod
    def _shareable(items: Sequence[Any]) -> Iterator[Any]:
        return iter(items) if gil_enabled() else _Shared(items)

    def _size(self) -> int:
        if not self.done:
            return 1
        tasks, wall = self.usual()
        return max(1, min(int(LOOK_EVERY * tasks / max(wall, 1e-9)), 4 * self.done, 1 << 16))


class _Shared:
    """A sequence's iterator that two threads may take from where there is no GIL."""

    def __init__(self, items: Sequence[Any]) -> None:
        self._items = iter(items)
        self._lock = allocate_lock()

    def __iter__(self) -> _Shared:
        return self

    def __next__(self) -> Any:
        with self._lock:
            return next(self._items)


gil_enabled: Callable[[], bool] = getattr(sys, "_is_gil_enabled", lambda: True)
"""Whether the global interpreter lock is in force now."""


def name_task(error: BaseException, index: int, item: object, attempts: int = 1) -> BaseException:
    """Add a note that names the task an exception belongs to; once, however often it is raised."""
    from alongside.exceptions import short

    tried = f"; attempt {attempts}" if attempts > 1 else ""
    note = f"alongside: task {index} failed; its item is {short(item)}{tried}"
    if note not in getattr(error, "__notes__", ()):
        error.add_note(note)
    return error
