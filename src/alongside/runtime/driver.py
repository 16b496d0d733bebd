"""The driver: carries out what the coordinator decides, and tells it what happened.

Owns the lock around the coordinator, and the cycle: wait, tell the coordinator what happened, carry out what it
commands. The backends are the fleet's (fleet.py). Must never decide anything.

Guarantees: commands of one event are carried out together and in order, under the lock; the user's input is only
touched by whoever calls `pull` (the caller's own thread).
Why the lock is held while acting: commands never block, and two threads acting at once could send a worker its batches
in the wrong order.
"""

from __future__ import annotations

import threading
import time
import warnings
from collections.abc import Callable, Sequence

from alongside.core import events as ev
from alongside.core.coordinator import Coordinator
from alongside.core.model import Delivery, Job
from alongside.core.ports import Backend, Observer, RecallingBackend, Resizable
from alongside.light import Protocol, cast
from alongside.runtime import forks
from alongside.runtime.fleet import Fleet
from alongside.runtime.interrupts import let_in
from alongside.workers.bell import HEARTBEAT

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

LOOK = 0.25
"""Seconds between two looks at the memory that is free; one costs a quarter of a millisecond."""

LINGER = 0.01
"""Seconds between two looks at a backend that was moved away from and may still have something in hand."""

Deliver = Callable[[Sequence[Delivery]], None]


class Input(Protocol):
    """Where items come from."""

    def take(self, wanted: int) -> tuple[Sequence[Any], bool, BaseException | None]: ...


class Driver:
    """One run's loop. `step` from a thread, or `step_async` from the event loop the backend lives in."""

    def __init__(
        self,
        coordinator: Coordinator,
        backend: Backend,
        job: Job,
        source: Input,
        deliver: Deliver,
        observers: Sequence[Observer] = (),
        clock: Callable[[], float] = time.monotonic,
        free_memory: Callable[[], float] | None = None,
    ) -> None:
        self.coordinator = coordinator
        self._fleet = Fleet(backend)
        self._job = job
        self._source = source
        self._deliver = deliver
        self._observers = list(observers)
        self._clock = clock
        self._free_memory = free_memory
        self._next_look = 0.0
        self.lock = threading.RLock()
        forks.runs.add(self)
        self.wanted = 0
        """Items that are to be taken from the input, at the most."""
        self.pumped = False
        """Whether someone else pulls the input, so that `pump` need not hurry back for it."""
        self.finish: ev.Finish | None = None
        self.alone: tuple[ev.Adopted, Any] | None = None
        """The task that was sent before the coordinator was asked, while that is all that is going on; and its call."""
        self.on_adopt: Callable[[Any], None] = _nothing
        """Told of that call when the coordinator hears of its task after all."""
        self.on_answer: Callable[[Any, Any], None] = _nothing
        """Told of that call and of its task's value when that is all there was to it."""
        self.on_finish: Callable[[], None] = _nothing
        """Told when the run is over."""
        self.on_pull: Callable[[], None] = _nothing
        """Told when items are wanted."""
        coordinator.listen(self.rouse)

    @property
    def backend(self) -> Backend:
        """The one at work."""
        return self._fleet.at_work

    # -------------------------------------------------------------------------------------------------- life

    def open(self) -> None:
        """Make the backend ready and ask for the first items; does nothing the second time."""
        if self._fleet.opened:
            return
        self._fleet.open(self._fleet.at_work, self._job)
        self.feed(ev.Tick())

    def move(self, backend: Backend, crew: ev.Crew, job: Job | None = None, after: bool = False) -> None:
        """From here on, work goes to another backend. What the old one has in hand it finishes, unless that would be in
        this thread, which now has other things to do: what it has not begun yet is then sent again, before what comes
        after it.
        """
        with self.lock:
            self._job = job or self._job
            self._fleet.open(backend, self._job)
            old, self._fleet.at_work = self._fleet.at_work, backend
            self.feed(ev.Moved(crew, after or old.capabilities.in_caller))
            if old.capabilities.in_caller:
                self._fleet.kill_all_of(old)
                self.absorb(old.wait(0.0))
            else:
                self._fleet.old.append(old)

    def close(self) -> None:
        """End what still runs. The run is over, however it ended."""
        with self.lock:
            dismissed = self._fleet.dismiss()
        self._fleet.close(dismissed)
        self._close_observers()

    def stop(self) -> None:
        """End the run early: nothing more is started. From any thread; whoever drives it closes it."""
        with self.lock:
            if self.finish is None:
                self.finish = ev.Finish()
                self.on_finish()

    def forsake(self) -> None:
        """In a forked child: it is over here, whatever the parent goes on to do."""
        self.lock = threading.RLock()
        self.finish = self.finish or ev.Finish(forks.belongs("run"))
        if self.alone is not None:
            (_, call), self.alone = self.alone, None
            self.on_adopt(call)

    def wake(self) -> None:
        """Make a `step` under way return soon; there is none before `open`. From a signal handler too."""
        if self._fleet.opened and not self.backend.capabilities.in_caller:
            self.backend.wake()

    def rouse(self) -> None:
        """Have the run look again: something that others share with it has become free. From any thread."""
        try:
            self.backend.wake()
        except RuntimeError:
            return  # its event loop is being closed

    def nudge(self) -> None:
        """Have a pump in another thread look again: there may be a new deadline, or the run was stopped."""
        if self.finish is not None or self._wakeup() is not None:
            self._fleet.wake_all()

    async def close_async(self) -> None:
        """As `close`, for a backend that lives in this event loop."""
        try:
            await self._fleet.close_async(self._fleet.dismiss())
        finally:
            self._close_observers()

    # ------------------------------------------------------------------------------------------------- the loop

    def step(self) -> None:
        """Take input if it is wanted, then wait for something to happen and deal with it."""
        self.pull()
        self.pump()

    def pump(self, at_most: float = HEARTBEAT) -> None:
        """Wait for events (not long when input is wanted) and deal with them."""
        backend = self._fleet.at_work
        patience = at_most if self.alone else min(at_most, self._patience())
        if backend.capabilities.in_caller:
            with let_in():
                events = backend.wait(patience)
        else:
            events = backend.wait(patience)
        if self.alone and self._answered(events):
            return
        self.absorb(events)
        for old in list(self._fleet.old):
            self.absorb(old.wait(0.0))
            self._let_go_if_done(old)
        self._look_at_memory()

    async def step_async(self) -> None:
        """As `step`, in the event loop the backend lives in."""
        self.pull()
        await self.pump_async()

    async def pump_async(self) -> None:
        """As `pump`, in the event loop the backend lives in."""
        fleet = self._fleet
        self.absorb(await fleet.wait_async(fleet.at_work, self._patience()))
        for old in list(fleet.old):
            self.absorb(await fleet.wait_async(old, 0.0))
            self._let_go_if_done(old)
        self._look_at_memory()

    def pull(self) -> None:
        """Take items from the input, if the coordinator wants any. In the caller's own thread."""
        wanted, self.wanted = self.wanted, 0
        if not wanted or self.finish is not None:
            return
        if self.alone:
            self.feed(ev.Tick())  # it came before what is taken now
        with let_in():
            items, ended, error = self._source.take(wanted)
        with self.lock:
            self.feed(ev.InputArrived(items))
            if ended:
                self.feed(ev.InputEnded(error))
                self.wanted = 0  # an iterator that has ended, or raised, is not touched again

    def send_alone(self, item: Any, call: Any) -> bool:
        """Send a task at once where nothing else is going on: the coordinator is only asked where it would go.

        It need not hear of it where the task's plain result comes next, and hears of it before anything else otherwise.
        Why: it, and what is around it, takes as long as all the rest of a task sent alone. Under the lock.
        """
        backend = self._fleet.at_work
        if self.alone or self._observers or self._fleet.old or self.finish is not None:
            return False
        if backend.capabilities.in_event_loop:
            return False
        place = self.coordinator.open_place(item)
        if place is None:
            return False
        self.alone = ev.Adopted(*place, self._clock()), call
        backend.dispatch(*place)
        return True

    def _answered(self, events: Sequence[ev.Event]) -> bool:
        """Whether this is just the plain result of the task sent alone; it is told to who sent it."""
        with self.lock:
            if self.alone is None or len(events) != 1 or type(events[0]) is not ev.Finished:
                return False
            (sent, call), (worker, batch, parts, *_) = self.alone, events[0]
            if worker != sent.worker or batch != sent.batch.id or not parts:
                return False
            self.alone = None
        self.on_answer(call, parts[0].values[0])
        return True

    def _adopt(self, now: float) -> None:
        """The coordinator is to hear of the task sent alone."""
        if self.alone is not None:
            (sent, call), self.alone = self.alone, None
            self.on_adopt(call)
            for command in self.coordinator.handle(sent, now):
                self._act(command)

    def absorb(self, events: Sequence[ev.Event]) -> None:
        """Tell the coordinator what happened, and that time passed where that matters."""
        for event in events:
            if type(event) is ev.Said:
                _show_said(event)  # not under the lock: where it goes is the user's
            else:
                self.feed(event)
        due = self._wakeup()
        if due is None or due > self._clock() or self.finish is not None:
            return
        with self.lock:
            if self.coordinator.deadline_due(self._clock()):
                self.feed(ev.Observed(self._fleet.running(), self._fleet.memory()))
            else:
                self.feed(ev.Tick())

    def _look_at_memory(self) -> None:
        """Now and then, where workers can be stopped: how much memory there is left."""
        if self._free_memory is None or not self._fleet.at_work.capabilities.killable:
            return
        if self._clock() >= self._next_look and self.finish is None:
            self._next_look = self._clock() + LOOK
            self.feed(ev.Memory(self._free_memory(), self._fleet.memory()))

    def feed(self, event: ev.Event) -> None:
        """One event: decide, act. From any thread. What comes before `open` or after `close` is nobody's any more."""
        with self.lock:
            if not self._fleet.opened:
                return
            now = self._clock()
            self._adopt(now)
            commands = self.coordinator.handle(event, now)
            for command in commands:
                self._act(command)
            for observer in self._observers:
                self._show(observer, event, commands, now)

    def _wakeup(self) -> float | None:
        """When the coordinator wants to hear again. Under the lock: another thread may be changing its state."""
        with self.lock:
            return self.coordinator.wakeup()

    def _let_go_if_done(self, old: Backend) -> None:
        """Stop looking at a backend once nothing of the run is in its hands."""
        with self.lock:
            self._fleet.forget_if_done(old, self.coordinator.busy)

    def _patience(self) -> float:
        if (self.wanted and not self.pumped) or self.finish is not None:
            return 0.0
        due = self._wakeup()
        patience = HEARTBEAT if due is None else min(HEARTBEAT, max(0.0, due - self._clock()))
        return min(patience, LINGER) if self._fleet.old else patience

    # ------------------------------------------------------------------------------------------------- commands

    def _act(self, command: ev.Command) -> None:
        match command:
            case ev.Dispatch(worker, batch):
                self._fleet.homes[worker].dispatch(worker, batch)
            case ev.Deliver(deliveries):
                self._deliver(deliveries)
            case ev.Pull(tasks):
                self.wanted = tasks
                self.on_pull()
            case ev.Hire(worker):
                self._fleet.hire(worker)
            case ev.Recall(worker):
                cast(RecallingBackend, self._fleet.homes[worker]).recall(worker)
            case ev.Kill(worker):
                self._fleet.homes[worker].kill(worker)
            case ev.Retire(worker):
                self._fleet.homes[worker].retire(worker)
            case ev.Resize(worker, slots):
                cast(Resizable, self._fleet.homes[worker]).resize(worker, slots)
            case ev.Finish():
                self.finish = self.finish or command
                self.on_finish()

    # ------------------------------------------------------------------------------------------------- observers

    def _show(self, observer: Observer, event: ev.Event, commands: Sequence[ev.Command], now: float) -> None:
        try:
            observer.on_event(event, now)
            for command in commands:
                observer.on_command(command, now)
        except Exception as error:
            self._observers = [other for other in self._observers if other is not observer]
            warnings.warn(
                f"alongside: {type(observer).__name__} raised {error!r} and is not told any more; the run goes on.",
                RuntimeWarning,
                stacklevel=2,
            )

    def _close_observers(self) -> None:
        self.coordinator.let_go(self._clock())
        observers, self._observers = self._observers, []
        for observer in observers:
            observer.close()
        # Whoever made this driver is known to it: without this a run's function, items and results would live until the
        # garbage collector finds the circle.
        self._deliver = self.on_finish = self.on_pull = self.on_adopt = self.on_answer = _nothing


def _show_said(said: ev.Said) -> None:
    from alongside.observe.said import show

    show(said)


def _nothing(*_: object) -> None:
    """What is done where nobody asked to be told."""
