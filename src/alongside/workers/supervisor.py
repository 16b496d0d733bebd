"""The parent's side of the worker processes: the zygote, the workers that are warm, and how those that end have ended.

Owns every process alongside starts, for the whole of this process; runs borrow workers and give them back. Must never
know tasks or batches.

Guarantees
  - A worker that is given back idle serves the next run; one that is not is killed. What was left idle for a minute lets
    itself go (child.py), and so does a zygote without workers: no thread of ours has to wait for that.
  - At interpreter exit, and in a child that the user forks, nothing of this is left: the zygote sees its socket close.
  - SIGINT never reaches the helper's start: it begins with the signal blocked and ignores it from its first line.
"""

from __future__ import annotations

import atexit
import os
import signal
import sys
import time
from _thread import RLock
from mmap import mmap

import _pickle

from alongside.exceptions import BackendUnavailable
from alongside.transport.segments import Arena, Leases, above_standard
from alongside.workers.channel import ENDED, FORK, FORKED, KILL, PRELOAD, SETUP, Channel, Frame, pair
from alongside.workers.page import FIELDS, SIZE, slot

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from alongside.core.model import Death

THREAD_CAPS = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "NUMEXPR_NUM_THREADS",
)
"""Set to 1 for workers unless the user has set them: with a worker per CPU, threads inside each would only get in the way."""

VERDICT = 2.0
"""Seconds to wait for the zygote's word on how a worker ended."""


class Worker:
    """A process on loan: its channel and its slot of the page."""

    __slots__ = ("acked", "channel", "leases", "mapped", "number", "page", "pid", "stateful")

    def __init__(self, number: int, channel: Channel, page: memoryview) -> None:
        self.number = number
        self.channel = channel
        self.page = page
        self.pid: int | None = None
        self.acked = 0
        self.mapped = Leases()
        """What this process has mapped of the worker's segments."""
        self.leases: set[int] = set()
        """The segments of this process's arena that the worker has mapped."""
        self.stateful = False


class Supervisor:
    """Starts, lends, ends. All methods may be called from any thread."""

    def __init__(self) -> None:
        self._lock = RLock()
        self._owner = os.getpid()
        self._control: Channel | None = None
        self._zygote = 0
        self._memory: mmap | None = None
        self._page_fd = -1
        self._warm: list[Worker] = []
        self._lent: dict[int, Worker] = {}
        self._ended: dict[int, Frame] = {}
        self._next = 0
        self._preloaded: set[str] = set()
        self.arena = Arena()

    # --------------------------------------------------------------------------------------------------- lending

    def prepare(self, modules: tuple[str, ...] = ()) -> None:
        """Have the zygote started, and import these modules in it if it can: returns at once."""
        with self._lock:
            self._ensure_zygote()
            new = [name for name in modules if name not in self._preloaded]
            if new and self._control is not None:
                self._preloaded.update(new)
                self._control.send(Frame(PRELOAD, body=_pickle.dumps(new)))

    def borrow(self) -> Worker:
        """A worker that is idle: a warm one, or one being forked (what is sent to it waits in its socket)."""
        with self._lock:
            self._ensure_zygote()
            worker = self._warm.pop() if self._warm else self._fork()
            for field in range(FIELDS):
                worker.page[field] = 0
            self._lent[worker.number] = worker
            return worker

    def give_back(self, worker: Worker) -> None:
        """The worker is idle and may serve another run."""
        with self._lock:
            self._lent.pop(worker.number, None)
            if worker.stateful or worker.channel.closed or self._control is None:
                self.end(worker)
            else:
                self._warm.append(worker)

    def end(self, worker: Worker) -> None:
        """Kill the worker; its channel is closed."""
        with self._lock:
            self.kill(worker)
            self._lent.pop(worker.number, None)
            worker.channel.close()
            self._take_leases_back(worker)

    def kill(self, worker: Worker) -> None:
        """Kill the worker; its channel stays open, so that what it had sent can still be read."""
        with self._lock:
            if self._control is not None and not self._control.closed:
                self._control.send(Frame(KILL, worker.number))
            elif worker.pid is not None:
                _kill(worker.pid)

    def verdict(self, worker: Worker) -> tuple[Death, bool]:
        """How a worker ended whose channel has closed, and whether no task can be to blame (the zygote itself went)."""
        with self._lock:
            worker.channel.close()
            deadline = time.monotonic() + VERDICT
            while worker.number not in self._ended and self._hear(deadline - time.monotonic()):
                pass
            self._lent.pop(worker.number, None)
            self._take_leases_back(worker)
            ended = self._ended.pop(worker.number, None)
            if ended is not None:
                return _death(ended), False
            gone = self._control is None or self._control.closed
            if gone:
                self._forget_zygote()
            why = b"its helper process was killed" if gone else b"it is not known how it ended"
            return _death(Frame(ENDED, worker.number, worker.pid or 0, 0, why)), gone

    def _take_leases_back(self, worker: Worker) -> None:
        for lease in worker.leases:
            self.arena.release(lease)
        worker.leases = set()

    # ---------------------------------------------------------------------------------------------------- zygote

    def _ensure_zygote(self) -> None:
        if self._control is not None and not self._control.closed:
            self._hear(0.0)
        if self._control is not None and self._control.closed:
            self._forget_zygote()
        if self._control is None:
            self._start_zygote()

    def _start_zygote(self) -> None:
        if not hasattr(os, "posix_spawn") or not hasattr(os, "memfd_create") or not sys.executable:
            raise BackendUnavailable("processes", reason="this system cannot fork helpers with memory files yet")
        ours, theirs = pair()
        self._page_fd = above_standard(os.memfd_create("alongside-page", os.MFD_CLOEXEC))
        os.ftruncate(self._page_fd, SIZE)
        self._memory = mmap(self._page_fd, SIZE)
        try:
            self._zygote = _spawn(theirs.fileno(), self._page_fd)
        finally:
            theirs.close()
        ours.setblocking(False)
        self._control = Channel(ours)
        settings = {"path": sys.path, "argv": sys.argv}
        self._control.send(Frame(SETUP, body=_pickle.dumps(settings)))

    def _fork(self) -> Worker:
        assert self._control is not None and self._memory is not None
        ours, theirs = pair()
        ours.setblocking(False)
        self._next += 1
        worker = Worker(self._next, Channel(ours), slot(self._memory, self._next))
        self._control.send(Frame(FORK, worker.number, fd=theirs.detach()))
        return worker

    def _hear(self, timeout: float) -> bool:
        """Deal with what the zygote says; False when it says nothing in time or is gone."""
        import select

        control = self._control
        if control is None or control.closed:
            return False
        poll = select.poll()
        poll.register(control, select.POLLIN)
        if not poll.poll(max(0.0, timeout) * 1000):
            return False
        for frame in control.receive():
            if frame.kind == FORKED and (known := self._lent.get(frame.a)) is not None:
                known.pid = frame.b
            elif frame.kind == ENDED:
                self._note_end(frame)
        return not control.closed

    def _note_end(self, frame: Frame) -> None:
        warm = [worker for worker in self._warm if worker.number == frame.a]
        for worker in warm:
            self._warm.remove(worker)
            worker.channel.close()
            self._take_leases_back(worker)
        if frame.a in self._lent:
            self._ended[frame.a] = frame

    def _forget_zygote(self) -> None:
        if self._control is not None:
            self._control.close()
        self._control = None
        for worker in self._warm:
            worker.channel.close()
            self._take_leases_back(worker)
        self._warm = []
        self._preloaded = set()
        if self._page_fd >= 0:
            os.close(self._page_fd)
            self._page_fd = -1
        self._memory = None
        if self._zygote:
            _reap(self._zygote)
            self._zygote = 0

    # ------------------------------------------------------------------------------------------------------- end

    def close(self) -> None:
        """End everything, and return when it has ended."""
        with self._lock:
            if os.getpid() == self._owner:
                self._forget_zygote()
                self.arena.close()

    def forget(self) -> None:
        """In a forked child: drop what belongs to the parent, without touching it."""
        for worker in [*self._warm, *self._lent.values()]:
            worker.channel.socket.close()
        if self._control is not None:
            self._control.socket.close()
        if self._page_fd >= 0:
            os.close(self._page_fd)
        self.__init__()  # type: ignore[misc]


def _spawn(control: int, page: int) -> int:
    root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    code = (
        f"import sys; sys.path.insert(0, {root!r}); from alongside.workers.zygote import main; main({control}, {page})"
    )
    environ = {**dict.fromkeys(THREAD_CAPS, "1"), **os.environ, "ALONGSIDE_WORKER": "1"}
    actions: list[tuple[Any, ...]] = [
        (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
        (os.POSIX_SPAWN_DUP2, control, control),
        (os.POSIX_SPAWN_DUP2, page, page),
    ]
    actions += [(os.POSIX_SPAWN_OPEN, fd, os.devnull, os.O_WRONLY, 0) for fd in (1, 2) if not _is_open(fd)]
    blocked = [signal.SIGINT]
    command = [sys.executable, *_flags(), "-c", code]
    return os.posix_spawn(sys.executable, command, environ, file_actions=actions, setsigmask=blocked)


def _flags() -> list[str]:
    """Interpreter flags for the helper. Without site where nothing but the standard finders finds modules: 5 ms less."""
    flags = ["-s"]
    if sys.flags.optimize:
        flags.append("-" + "O" * sys.flags.optimize)
    if sys.flags.dont_write_bytecode:
        flags.append("-B")
    flags += [item for option in sys.warnoptions for item in ("-W", option)]
    flags += [
        item for key, value in sys._xoptions.items() for item in ("-X", key if value is True else f"{key}={value}")
    ]
    standard = {"BuiltinImporter", "FrozenImporter", "PathFinder"}
    if all(getattr(finder, "__name__", "") in standard for finder in sys.meta_path):
        flags.append("-S")
    return flags


def _is_open(fd: int) -> bool:
    try:
        os.fstat(fd)
    except OSError:
        return False
    return True


def _death(frame: Frame) -> Death:
    """How a worker ended, from the zygote's word for it."""
    from alongside.core.model import Death

    if frame.body:
        return Death(frame.b or None, cause=frame.body.decode())
    if os.WIFSIGNALED(frame.c):
        return Death(frame.b, None, os.WTERMSIG(frame.c))
    return Death(frame.b, os.waitstatus_to_exitcode(frame.c))


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return


def _reap(pid: int) -> None:
    try:
        deadline = time.monotonic() + 1.0
        while os.waitpid(pid, os.WNOHANG)[0] == 0:
            if time.monotonic() > deadline:
                _kill(pid)
            time.sleep(0.0005)
    except ChildProcessError:
        return  # the user's program reaps all children itself


supervisor = Supervisor()
atexit.register(supervisor.close)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=supervisor.forget)
