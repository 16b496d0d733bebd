"""The backends of one run: the one at work, and those it was moved away from that still have something in hand.

Owns which worker is whose, and the life of each backend from `open` to its end. Must never decide anything, nor tell
the coordinator what happened: the driver does both.

Guarantees: every backend that was opened is closed, once; a worker is commanded by the backend that has hired it.
Assumes: what changes while a run goes on (`open` for a move, `hire`, `old`) is changed under the driver's lock; and
`dismiss` is called under it too, or in the event loop in which the whole run is driven.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from alongside.core import events as ev
from alongside.core.model import Job, Running
from alongside.core.ports import AsyncBackend, Backend
from alongside.light import cast

TYPE_CHECKING = False
if TYPE_CHECKING:
    from alongside.workers.errands import Errands


class Fleet:
    """A run has one backend at a time, `at_work`; after a move an old one may still finish what it has."""

    def __init__(self, backend: Backend) -> None:
        self.at_work = backend
        self.old: list[Backend] = []
        """Those that work was moved away from, and that may still have something in hand."""
        self.homes: dict[int, Backend] = {}
        """The backend of each worker, by the worker's number."""
        self._opened: list[Backend] = []
        self._errands: Errands | None = None

    @property
    def opened(self) -> bool:
        """Whether one has been opened, and they have not been dismissed."""
        return bool(self._opened)

    def open(self, backend: Backend, job: Job) -> None:
        """Have a backend make ready for the job; it is closed at the end, whatever becomes of it."""
        backend.open(job)
        self._opened.append(backend)

    def hire(self, worker: int) -> None:
        """Have the backend at work add a worker of this number."""
        self.homes[worker] = self.at_work
        self.at_work.hire(worker)

    def kill_all_of(self, backend: Backend) -> None:
        """End every worker that a backend has hired."""
        for worker in [worker for worker, home in self.homes.items() if home is backend]:
            backend.kill(worker)

    def forget_if_done(self, old: Backend, busy: frozenset[int]) -> None:
        """Look no more at an old backend, none of whose workers is among those that are `busy`."""
        if not any(home is old and worker in busy for worker, home in self.homes.items()):
            self.old.remove(old)

    # --------------------------------------------------------------------------------------------------- all of them

    def running(self) -> dict[int, Sequence[Running]]:
        """What every worker has in hand."""
        return {worker: tasks for backend in self._every() for worker, tasks in backend.running().items()}

    def memory(self) -> dict[int, int]:
        """The bytes of memory that every worker holds for itself, where that is known."""
        return {worker: held for backend in self._every() for worker, held in backend.memory().items()}

    def _every(self) -> tuple[Backend, ...]:
        return *self.old, self.at_work

    def wake_all(self) -> None:
        """Make whatever waits return. From any thread."""
        for backend in self._opened:
            backend.wake()

    async def wait_async(self, backend: Backend, timeout: float) -> Sequence[ev.Event]:
        """A backend's events, without blocking the running event loop: where the backend does not live in it, it is
        waited for in a thread beside it."""
        if backend.capabilities.in_event_loop:
            return await cast(AsyncBackend, backend).wait_async(timeout)
        if self._errands is None:
            from alongside.workers.errands import Errands

            self._errands = Errands()
        return await self._errands.run(partial(backend.wait, timeout), backend.wake)

    # ------------------------------------------------------------------------------------------------------- the end

    def dismiss(self) -> list[Backend]:
        """The run is over: those that are to be closed now, by `close` or `close_async`. Nothing more is done here."""
        opened, self._opened = self._opened, []
        return opened

    @staticmethod
    def close(dismissed: Sequence[Backend]) -> None:
        """Close those that do not live in an event loop: the others are closed there."""
        for backend in dismissed:
            if not backend.capabilities.in_event_loop:
                backend.close()

    async def close_async(self, dismissed: Sequence[Backend]) -> None:
        """Close all, those that live in this event loop last."""
        try:
            for backend in sorted(dismissed, key=lambda backend: backend.capabilities.in_event_loop):
                if backend.capabilities.in_event_loop:
                    await cast(AsyncBackend, backend).close_async()
                else:
                    backend.close()
        finally:
            if self._errands is not None:
                self._errands.close()
