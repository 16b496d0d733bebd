"""What is pushed into a run without end: calls one at a time, and stretches of tasks that somebody is owed.

Owns those that wait, those that were taken, by their number, and who is told what each came to. Must never drive.
"""

from __future__ import annotations

import threading
from bisect import bisect_right
from collections import deque
from collections.abc import Sequence

from alongside.core.model import Block, Delivery
from alongside.light import Protocol
from alongside.workers.calls import Calls

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class Awaited(Protocol):
    """Something that a caller waits for."""

    def done(self) -> bool:
        """Whether it has an outcome, or was cancelled."""

    def wait(self, timeout: float | None) -> None:
        """Return when it is done, or after `timeout` seconds."""


class Call(Awaited, Protocol):
    """Something pushed alone: a future."""

    task: Any

    def begin(self) -> bool:
        """It is about to be sent, or to be run; False where it was cancelled. May be said again of another attempt."""

    def settle(self, value: Any, error: BaseException | None) -> None:
        """Told once what it came to."""

    def cancel(self) -> bool:
        """Have it not run, unless it has begun."""

    def forsake(self, error: BaseException) -> None:
        """In a forked child: it will come to nothing there. Tells nobody but those who ask, and waits for no lock."""


class Owed(Protocol):
    """Whoever is owed the outcomes of a stretch; `offset` is a task's place in all that it is owed."""

    def take(self, offset: int, values: list[Any]) -> None:
        """Neighbouring tasks have returned."""

    def fail(self, offset: int, error: BaseException) -> None:
        """A task has failed."""

    def abandon(self, error: BaseException) -> None:
        """What it was not told of will not come."""

    def forsake(self, error: BaseException) -> None:
        """As `abandon`, in a forked child. Tells nobody but those who ask, and waits for no lock."""


class Stretch:
    """Tasks that are owed to somebody, from `offset` on. Once taken: their first number, and how many are not done."""

    __slots__ = ("left", "offset", "owed", "size", "start", "tasks")

    def __init__(self, owed: Owed, offset: int, tasks: Calls) -> None:
        self.owed = owed
        self.offset = offset
        self.tasks = tasks
        self.start = 0
        self.size = self.left = len(tasks)

    def part(self, count: int) -> Stretch:
        """Part with the first tasks, or with all."""
        if count >= self.size:
            return self
        part = Stretch(self.owed, self.offset, self.tasks[:count])
        self.tasks = self.tasks[count:]
        self.offset += count
        self.size = self.left = len(self.tasks)
        return part

    def taken(self, start: int) -> Calls:
        """Part with the tasks, whose numbers begin at `start`."""
        tasks, self.tasks, self.start = self.tasks, self.tasks[:0], start
        return tasks


class Pushed:
    """The input of a service. `late`: a call has begun, and cannot be cancelled any more, when a worker runs it; the
    worker is in this process and says so. Otherwise it has begun when it is taken.

    Guarantees: what is pushed is taken under the driver's lock; what has come is settled without it, and may be by two
    threads at once.
    """

    total: int | None = None
    at_hand = False

    def __init__(self, late: bool = False) -> None:
        self.late = late
        self.waiting: deque[Call | Stretch] = deque()
        self.begun: dict[int, Call] = {}
        self.closed = False
        self.over: BaseException | None = None
        """Why nothing more can be pushed."""
        self.foreign = False
        """Whether this is a child that was forked meanwhile."""
        self._taken = 0
        self._starts: list[int] = []
        self._stretches: list[Stretch] = []
        self._lock = threading.Lock()

    @property
    def busy(self) -> bool:
        """Whether something has no outcome yet."""
        return bool(self.waiting or self.begun or self._stretches)

    def take(self, wanted: int) -> tuple[Sequence[Any], bool, BaseException | None]:
        stretches = self._take_stretches(wanted)
        taken: Any = stretches[0].joined(stretches[1:]) if stretches else self._take_calls(wanted)
        return taken, self.closed and not self.waiting, None

    def begin(self, call: Call) -> None:
        """Number a call that has been taken."""
        self.begun[self._taken] = call
        self._taken += 1

    def cancel(self) -> None:
        """Cancel the calls that have not begun."""
        while self.waiting:
            call = self.waiting.popleft()
            assert not isinstance(call, Stretch), "what pushes stretches is not cancelled"
            call.cancel()
            call.begin()  # those who wait for it are told
        if self.late:
            for begun in list(self.begun.values()):
                begun.cancel()

    def forget(self, owed: Owed) -> None:
        """Drop the stretches that wait and are owed to somebody."""
        self.waiting = deque(one for one in self.waiting if not isinstance(one, Stretch) or one.owed is not owed)

    def settle(self, delivery: Delivery) -> None:
        """Tell whoever it belongs to."""
        if not isinstance(delivery, Block):
            call = self.begun.pop(delivery.index, None)
            if call is not None:
                call.settle(None, delivery.exception)
            else:
                stretch, place = self._stretch(delivery.index, 1)
                stretch.owed.fail(place, delivery.exception)
            return
        number, values = delivery.start, delivery.values
        for position, value in enumerate(values):
            call = self.begun.pop(number + position, None)
            if call is None:
                self._settle_stretches(number + position, values[position:] if position else values)
                return
            call.settle(value, None)

    def end(self, error: BaseException | None) -> None:
        """Nothing more can be pushed. Under the driver's lock, so that nobody is just about to."""
        from concurrent.futures import BrokenExecutor  # loads `logging`; whoever pushes futures has it anyway

        self.over = error or BrokenExecutor("the executor ended before this call was run")

    def abandon(self) -> None:
        """Tell all who have no outcome that there will be none."""
        assert self.over is not None, "the end was told before"
        waiting, begun, owed = self._let_go()
        for call in (*begun, *(one for one in waiting if one.begin())):
            call.settle(None, self.over)
        for one in owed:
            one.abandon(self.over)

    def forsake(self, error: BaseException) -> None:
        """In a forked child: nothing that was pushed comes to anything there."""
        self.foreign, self.over = True, error
        self._lock = threading.Lock()
        waiting, begun, owed = self._let_go()
        for call in (*waiting, *begun):
            call.forsake(error)
        for one in owed:
            one.forsake(error)

    # -------------------------------------------------------------------------------------------------- inside

    def _let_go(self) -> tuple[list[Call], list[Call], list[Owed]]:
        """Part with everything: the calls that wait, those that were taken, and who is owed something."""
        waiting, self.waiting = self.waiting, deque()
        begun, self.begun = list(self.begun.values()), {}
        stretches = [*self._stretches, *(one for one in waiting if isinstance(one, Stretch))]
        self._starts, self._stretches = [], []
        owed = list({id(stretch.owed): stretch.owed for stretch in stretches}.values())
        return [one for one in waiting if not isinstance(one, Stretch)], begun, owed

    def _take_calls(self, wanted: int) -> list[Any]:
        waiting, taken = self.waiting, []
        while waiting and wanted and not isinstance(waiting[0], Stretch):
            call: Any = waiting.popleft()
            if (self.late and not call.done()) or call.begin():
                self.begin(call)
                taken.append(call.task)
                wanted -= 1
        return taken

    def _take_stretches(self, wanted: int) -> list[Calls]:
        """As many as come first and are of one function."""
        waiting: Any = self.waiting
        taken: list[Calls] = []
        while wanted and waiting and isinstance(waiting[0], Stretch):
            if taken and not taken[0].joins(waiting[0].tasks):
                break
            part = waiting[0].part(wanted)
            if part is waiting[0]:
                waiting.popleft()
            wanted -= part.size
            taken.append(part.taken(self._taken))
            with self._lock:
                self._starts.append(self._taken)
                self._stretches.append(part)
            self._taken += part.size
        return taken

    def _settle_stretches(self, number: int, values: list[Any]) -> None:
        while values:
            stretch, place = self._stretch(number, len(values))
            count = min(len(values), stretch.offset + stretch.size - place)
            stretch.owed.take(place, values[:count] if count < len(values) else values)
            number, values = number + count, values[count:]
            if number in self.begun:
                self.settle(Block(number, (), values, 0.0, ""))
                return

    def _stretch(self, number: int, count: int) -> tuple[Stretch, int]:
        """Whose task `number` is, and at which place of what they are owed; `count` from there on are done with."""
        with self._lock:
            at = bisect_right(self._starts, number) - 1
            stretch = self._stretches[at]
            begins = number - stretch.start
            stretch.left -= min(count, stretch.size - begins)
            if not stretch.left:
                del self._starts[at], self._stretches[at]
        return stretch, stretch.offset + begins
