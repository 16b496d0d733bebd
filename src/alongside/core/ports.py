"""What the shell supplies to a run: a way of executing, and those who watch.

Owns the Protocols and the declared Capabilities. Must never import an implementation.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from alongside.light import NamedTuple, Protocol

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import ClassVar

    from alongside.core.events import Command, Crew, Event
    from alongside.core.model import Batch, Job, Running


class Capabilities(NamedTuple):
    """What a backend can do, declared by it. The choice scores these and never a name."""

    shares_memory: bool = True
    """Tasks see the caller's objects themselves."""
    escapes_gil: bool = False
    """Two tasks can run Python code at the same moment."""
    overlaps_waiting: bool = False
    """While one task waits, another can go on."""
    killable: bool = False
    """A worker can be ended whatever it is doing."""
    cancellable: bool = False
    """A task can be ended where it next waits."""
    needs_pickling: bool = False
    """The function, its items and its results are pickled."""
    runs_coroutines_together: bool = False
    """There is one event loop, in which many coroutines run side by side."""
    loops_apart: bool = False
    """Each worker has such an event loop of its own."""
    in_caller: bool = False
    """Tasks run in the thread that calls `wait`."""
    in_event_loop: bool = False
    """It lives in the event loop of its driver: an `AsyncBackend`."""
    grows_to: int = 0
    """Where the user gives no number and tasks wait, how many run side by side is found, up to this many. It must then
    be `Resizable`. 0: that is not looked for."""
    start_seconds: float = 0.0
    """Seconds that a worker's start takes, roughly: used until it has been measured on this machine."""
    task_seconds: float = 0.0
    """Seconds that it costs to have one task done that is sent alone, roughly."""


class Backend(Protocol):
    """One way of executing, for one run.

    Made with the number of workers wanted (None: as many as suit). The driver calls `crew` once, `open` once, then
    `hire`, `dispatch` and `kill` as the coordinator commands, `wait` again and again, and `close` at the end, whatever
    happened. Every method but `wait` returns at once. All but `wait` are called under the driver's lock, from any
    thread; `wait` is called without it, by one thread at a time.
    """

    name: ClassVar[str]
    capabilities: ClassVar[Capabilities]

    def __init__(self, max_workers: int | None = None) -> None: ...

    def crew(self) -> Crew:
        """The workers it offers."""

    def open(self, job: Job) -> None:
        """Make ready to run this job's tasks. If it raises it leaves nothing behind; `close` is then not called."""

    def hire(self, worker: int) -> None:
        """Add a worker; batches may be dispatched to it at once."""

    def dispatch(self, worker: int, batch: Batch) -> None:
        """Have the worker run the batch after those it already has."""

    def kill(self, worker: int) -> None:
        """End the worker whatever it is doing; `Lost` follows from `wait`."""

    def retire(self, worker: int) -> None:
        """Let go of a worker that has nothing in hand."""

    def memory(self) -> Mapping[int, int]:
        """The bytes of memory that each worker holds for itself, where that is known."""

    def running(self) -> Mapping[int, Sequence[Running]]:
        """What each worker has in its hands."""

    def wait(self, timeout: float | None) -> Sequence[Event]:
        """Events, as soon as there are any; nothing after `timeout` seconds or after `wake`."""

    def wake(self) -> None:
        """Make a `wait` under way (or the next one) return now. From any thread."""

    def close(self) -> None:
        """Let every worker go; what still runs is ended (killed, cancelled, or let go where it cannot be)."""


class RecallingBackend(Backend, Protocol):
    """A backend whose crew `recalls`."""

    def recall(self, worker: int) -> None:
        """Have the worker give back what it has not begun; `Returned` follows from `wait`. Returns at once."""


class AsyncBackend(Backend, Protocol):
    """A backend that lives in the event loop of its driver."""

    async def wait_async(self, timeout: float | None) -> Sequence[Event]:
        """As `wait`, for the loop."""

    async def close_async(self) -> None:
        """As `close`; when it returns every coroutine has ended."""


class Resizable(Backend, Protocol):
    """A backend whose worker can run more or fewer tasks side by side while it is at work."""

    def resize(self, worker: int, slots: int) -> None:
        """From now on so many at once. Those that run are not interrupted."""


class PreparedBackend(Protocol):
    """What a backend offers besides whose workers take time to start, so that they are started ahead, while a loop
    goes on.

    These belong to the class, since no run has the backend yet; those of our own are in a module that loads less. Each
    is optional: it is asked for by name.
    """

    @staticmethod
    def prepare(fn: Callable[..., object], workers: int, values: tuple[object, ...]) -> None:
        """Begin what a run of `fn` on so many workers, with items and results like `values`, will need. Returns at
        once."""

    @staticmethod
    def ready() -> int:
        """Workers that are there already."""

    @staticmethod
    def coming() -> bool:
        """Whether workers that were prepared are about to be there."""

    @staticmethod
    def let_go() -> None:
        """End what was prepared and is not there yet."""


class MeteredBackend(Backend, Protocol):
    """A backend that knows what its workers compute: only there is the choice looked at again, and remembered."""

    def spent(self) -> Mapping[int, tuple[float, float]]:
        """For each worker the seconds that it has computed, and those in which it would have, had it had a CPU."""


class PausableBackend(MeteredBackend, Protocol):
    """A metered backend whose workers take turns with the GIL, and with whoever drives the run."""

    def pause(self, paused: bool) -> None:
        """Begin nothing more, or go on. What is in hand is finished."""


class AccountingBackend(Backend, Protocol):
    """A backend that runs tasks in the caller's thread, between what the engine does there, and tells the two apart."""

    def computed(self) -> tuple[float, float]:
        """CPU seconds of that thread, and of the whole process, while tasks ran."""


class Observer(Protocol):
    """Someone who watches. An observer that raises is dropped with one warning; it can change nothing."""

    def on_event(self, event: Event, now: float) -> None:
        """Something happened."""

    def on_command(self, command: Command, now: float) -> None:
        """Something is done about it."""

    def close(self) -> None:
        """The run is over."""
