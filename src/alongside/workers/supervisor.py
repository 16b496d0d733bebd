"""The parent's side of the worker processes: which are warm, which are lent, and how those that end have ended.

Owns every process alongside starts, for the whole of this process; runs borrow workers and give them back. Must never
know tasks or batches, nor how a worker comes to be (a nursery does: nursery.py, forked.py, spawned.py).

Guarantees
  - A worker that is given back idle serves the next run; one that is not is killed. What was left idle for a minute
    lets itself go (child.py), and so does a zygote without workers: no thread of ours has to wait for that.
  - At interpreter exit, and in a child that the user forks, nothing of this is left: workers see their sockets close.
"""

from __future__ import annotations

import atexit
import os
from _thread import RLock

from alongside.exceptions import BackendUnavailable
from alongside.transport.segments import Arena, Leases
from alongside.workers import forked
from alongside.workers.accounts import seconds_of
from alongside.workers.channel import ENDED, SETUP, Channel, Frame
from alongside.workers.functions import Shelf
from alongside.workers.helper import possible
from alongside.workers.page import FIELDS, UP
from alongside.workers.surroundings import capture

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from alongside.core.model import Death
    from alongside.workers.nursery import Nursery

GRACE, VERDICT = 0.2, 2.0
"""Seconds to wait for the nursery's word on how a worker ended: until it is killed, and after that."""


class Worker:
    """A process on loan: its channel and its page."""

    __slots__ = ("acked", "channel", "leases", "mapped", "number", "page", "shelf", "stateful", "unsure")

    def __init__(self, number: int, channel: Channel, page: Any) -> None:
        self.number = number
        self.channel = channel
        self.page = page
        self.acked = 0
        self.mapped = Leases()
        """What this process has mapped of the worker's segments."""
        self.leases: set[int] = set()
        """The segments of this process's arena that the worker has mapped."""
        self.shelf = Shelf()
        """The functions it has been sent for the run it works for."""
        self.stateful = False
        self.unsure = False
        """Whether it may have gone on to another task after the one that ended it."""


class Supervisor:
    """Starts, lends, ends. All methods may be called from any thread."""

    def __init__(self) -> None:
        self._lock = RLock()
        self._owner = os.getpid()
        self._nursery: Any = None
        self._warm: list[Worker] = []
        self._lent: dict[int, Worker] = {}
        self._next = 0
        self.arena = Arena()

    @property
    def segments(self) -> bool:
        """Whether large payloads can travel in memory files."""
        return bool(self._nursery.segments)

    def prepare(self, modules: tuple[str, ...] = (), workers: int = 0) -> None:
        """Have what workers come from started, these modules imported there if they can be, and so many workers made
        where that is quick: returns at once.
        """
        with self._lock:
            nursery = self._ready()
            nursery.prepare(modules)
            while nursery.quick and len(self._warm) < workers:
                self._warm.append(self._made(nursery))

    def let_go(self) -> None:
        """End what was prepared, unless a worker is there or was lent."""
        with self._lock:
            if self.coming and not self._lent:
                self._dismiss_warm()
                self._nursery.abort()

    def borrow(self, cpus: int = 1) -> Worker:
        """A worker that is idle: a warm one, or one that is just coming to be.

        It is told to take over this process's surroundings. `cpus`: its share, for what it runs side by side itself.
        """
        with self._lock:
            nursery = self._ready()
            if self._warm:
                worker = self._warm.pop()
                for field in range(FIELDS):
                    worker.page[field] = 0
            else:
                worker = self._made(nursery)
            self._lent[worker.number] = worker
            worker.shelf = Shelf()
            worker.channel.send(Frame(SETUP, c=worker.acked, body=capture(cpus)))
            return worker

    def give_back(self, worker: Worker) -> None:
        """The worker is idle and may serve another run."""
        with self._lock:
            self._lent.pop(worker.number, None)
            if worker.stateful or worker.channel.closed or self._nursery.abandoned(worker.number):
                self.end(worker)
            else:
                worker.page[UP] = 1
                self._warm.append(worker)

    def end(self, worker: Worker) -> None:
        """Kill the worker; its channel is closed."""
        with self._lock:
            self.kill(worker)
            self._lent.pop(worker.number, None)
            for lease in worker.leases:
                self.arena.drop(lease)  # not to be written again: it may go on reading until the kill has reached it
            worker.leases = set()
            self._dismiss(worker)

    def kill(self, worker: Worker) -> None:
        """Kill the worker; its channel stays open, so that what it had sent can still be read."""
        with self._lock:
            if self._nursery is not None:
                self._nursery.kill(worker.number)

    def memory_of(self, worker: Worker) -> int:
        """Bytes of memory that are the worker's own (not shared through files or segments); 0: not known."""
        with self._lock:
            return own_memory(self._nursery.pid_of(worker.number))

    @property
    def up(self) -> int:
        """How many workers wait for a job: they take it at once."""
        return sum(worker.page[UP] for worker in self._warm)

    @property
    def coming(self) -> bool:
        """Whether workers were made ahead and none is there yet: they come to be while something else goes on."""
        with self._lock:
            expected = [worker.number for worker in self._warm if not worker.page[UP]]
            none_is_up = bool(expected) and len(expected) == len(self._warm)
            return none_is_up and any(map(self._nursery.expected, expected))

    def spent_by(self, worker: Worker) -> tuple[float, float]:
        """Seconds the worker has computed since it came to be, and would have with a CPU of its own; 0: not known."""
        with self._lock:
            pid = self._nursery.pid_of(worker.number)
        return seconds_of(pid)

    def verdict(self, worker: Worker) -> tuple[Death, bool]:
        """How a worker ended whose channel has closed, and whether no task can be to blame (its zygote went)."""
        with self._lock:
            self._lent.pop(worker.number, None)
            worker.channel.close()
            ended = self._nursery.end_of(worker.number, GRACE)
            if ended is None and self._nursery.abandoned(worker.number):
                self._dismiss(worker)
                return _death(Frame(ENDED, body=b"its helper process was killed")), True
            if ended is None:
                self._nursery.kill(worker.number)
                killed = self._nursery.end_of(worker.number, VERDICT)
                pid, worker.unsure = 0 if killed is None else killed.b, True
                ended = Frame(ENDED, b=pid, body=b"it had closed its connection, and was killed for that")
            self._dismiss(worker)
            return _death(ended), False

    def close(self) -> None:
        """End everything, and return when it has ended."""
        with self._lock:
            if os.getpid() == self._owner and self._nursery is not None:
                self.let_go()
                self._dismiss_warm()
                self._nursery.close()
                self.arena.close()

    def lock(self) -> None:
        """Keep everything as it is until `unlock`."""
        self._forking = self._lock
        self._forking.acquire()

    def unlock(self) -> None:
        """Everything may change again; but the child may go on reading what is mapped now (see `Leases.keep`)."""
        for worker in [*self._warm, *self._lent.values()]:
            worker.mapped.keep()
        self._forking.release()

    def forget(self) -> None:
        """In a forked child: drop what belongs to the parent, without touching it."""
        for worker in [*self._warm, *self._lent.values()]:
            worker.channel.socket.close()
            worker.channel.closed = True
            worker.leases = set()
        if self._nursery is not None:
            self._nursery.forget()
        self.arena.forget()
        last = self._next
        self.__init__()  # type: ignore[misc]
        self._next = last  # a number is never used again: what is left of the parent's runs may still name it

    def _made(self, nursery: Nursery) -> Worker:
        self._next += 1
        return Worker(self._next, *nursery.create(self._next))

    def _ready(self) -> Nursery:
        nursery: Nursery = self._nursery or _nursery()
        self._nursery = nursery
        if not nursery.start():
            self._dismiss_warm()
        ended = set(nursery.ended())
        for worker in [worker for worker in self._warm if worker.number in ended]:
            self._warm.remove(worker)
            self._dismiss(worker)
        for number in ended - self._lent.keys():  # nobody else will ask how those ended
            nursery.end_of(number, 0.0)
        return nursery

    def _dismiss_warm(self) -> None:
        for worker in self._warm:
            self._dismiss(worker)
        self._warm = []

    def _dismiss(self, worker: Worker) -> None:
        worker.channel.close()
        for lease in worker.leases:
            self.arena.release(lease)
        worker.leases = set()


def own_memory(pid: int) -> int:
    """Resident bytes of a process that no file backs, as Linux accounts them; 0 where that cannot be read."""
    try:
        with open(f"/proc/{pid}/statm", "rb") as file:
            _, resident, shared = map(int, file.read().split()[:3])
    except (OSError, ValueError):
        return 0
    return (resident - shared) * os.sysconf("SC_PAGE_SIZE")


def _nursery() -> Nursery:
    import sys

    if not sys.executable:
        raise BackendUnavailable("processes", reason="this interpreter does not know its own executable")
    if possible():
        return forked.ForkingNursery()
    from alongside.workers.spawned import SpawningNursery

    return SpawningNursery()


def _death(frame: Frame) -> Death:
    """How a worker ended, from the nursery's word for it."""
    from alongside.core.model import Death

    if frame.body:
        return Death(frame.b or None, cause=frame.body.decode())
    if os.WIFSIGNALED(frame.c):
        return Death(frame.b, None, os.WTERMSIG(frame.c))
    return Death(frame.b, os.waitstatus_to_exitcode(frame.c))


supervisor = Supervisor()
atexit.register(supervisor.close)
if hasattr(os, "register_at_fork"):
    # The lock is taken before the fork, so that no descriptor is inherited that `forget` does not know of yet.
    os.register_at_fork(before=supervisor.lock, after_in_parent=supervisor.unlock, after_in_child=supervisor.forget)
