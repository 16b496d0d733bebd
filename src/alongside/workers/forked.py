"""The nursery that forks: a zygote, started once, gives a worker in a millisecond or two.

Owns the zygote, its control socket and the page that all its workers map. Must never know tasks, or who is idle.

Guarantee: SIGINT never reaches the helper's start, since it begins with the signal blocked and ignores it from its
first line.
"""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]  # `signal` takes milliseconds to import
import os
import select
import sys
import time
from mmap import mmap

from alongside.exceptions import BackendUnavailable
from alongside.transport.segments import above_standard
from alongside.workers.channel import ENDED, FORK, FORKED, KILL, PRELOAD, SETUP, Channel, Frame, pair
from alongside.workers.interpreter import CODE, flags
from alongside.workers.page import SIZE, WORKERS, slot
from alongside.workers.surroundings import capture, environment

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


STILLBORN = 3
"""Zygotes that ended before they said anything, one after another, until no more are tried."""


def possible() -> bool:
    """Whether this system can fork helpers with memory files and pass descriptors."""
    return all(hasattr(os, name) for name in ("posix_spawn", "memfd_create", "fork"))


class ForkingNursery:
    """Starts the zygote when it is first needed, and another when it is gone."""

    segments = True
    quick = True
    """Whether a new worker does not have to be waited for."""

    def __init__(self) -> None:
        self._control: Channel | None = None
        self._zygote = 0
        self._memory: mmap | None = None
        self._page_fd = -1
        self._pids: dict[int, int | None] = {}
        self._ended: dict[int, Frame] = {}
        self._slots: dict[int, int] = {}
        self._preloaded: set[str] = set()
        self._told = b""
        self._spoke = False
        self._stillborn = 0

    def start(self) -> bool:
        """Have a zygote; False when the one there was is gone, and with it all its workers."""
        if self._control is not None:
            self._hear(0.0)
        if self._control is not None and not self._control.closed:
            return True
        fresh = self._control is None
        if not fresh:
            self._stillborn = 0 if self._spoke else self._stillborn + 1
        self.close()
        self._start_zygote()
        return fresh

    def prepare(self, modules: tuple[str, ...]) -> None:
        """Have these modules imported in the zygote, if they can be."""
        new = [name for name in modules if name not in self._preloaded]
        if new and self._control is not None:
            from _pickle import dumps  # here, where the zygote is starting already: it takes as long as all else here

            self._preloaded.update(new)
            self._tell_surroundings()
            self._tell(Frame(PRELOAD, body=dumps(new)))

    def create(self, number: int) -> tuple[Channel, Any]:
        """A new worker's channel and page. It is being forked: what is sent to it waits in its socket."""
        assert self._control is not None
        assert self._memory is not None
        ours, theirs = pair()
        ours.setblocking(False)
        page = slot(self._memory, self._free_slot(number))
        for field in range(len(page)):
            page[field] = 0
        self._pids[number] = None
        self._tell(Frame(FORK, number, fd=theirs.detach()))
        return Channel(ours), page

    def _free_slot(self, number: int) -> int:
        """A place on the page that no living worker writes to."""
        self._slots = {other: place for other, place in self._slots.items() if other in self._pids}
        taken, place = set(self._slots.values()), number % WORKERS
        while place in taken:
            place = (place + 1) % WORKERS
        self._slots[number] = place
        return place

    def pid_of(self, number: int) -> int:
        """A worker's process id; 0 while it is not known."""
        if not self._pids.get(number):
            self._hear(0.0)
        return self._pids.get(number) or 0

    def expected(self, number: int) -> bool:
        """Whether a worker that was asked for may still come to be."""
        if not self._pids.get(number):
            self._hear(0.0)
        return number not in self._ended and not self.abandoned(number)

    def kill(self, number: int) -> None:
        """End a worker. The zygote does it, which knows whether the process id is still the worker's; where it is gone
        the kernel has ended its workers.
        """
        if self._control is not None and not self._control.closed:
            self._tell(Frame(KILL, number))

    def end_of(self, number: int, timeout: float) -> Frame | None:
        """How a worker ended (a frame ENDED: its pid and wait status), or None if that is not heard in time."""
        deadline = time.monotonic() + timeout
        while number in self._pids and number not in self._ended and self._hear(deadline - time.monotonic()):
            pass
        if number in self._ended:
            del self._pids[number]
        return self._ended.pop(number, None)

    def ended(self) -> list[int]:
        """Workers known to have ended whose end nobody has asked for."""
        return list(self._ended)

    def abandoned(self, number: int) -> bool:
        """Whether the zygote that forked this worker has ended, and with it the worker."""
        return number not in self._pids or self._control is None or self._control.closed

    def close(self) -> None:
        """End the zygote and its workers; returns when it has ended."""
        if self._control is not None:
            self._control.close()
        self._control = None
        self._drop_page()
        self._pids, self._ended, self._preloaded = {}, {}, set()
        self._told = b""
        if self._zygote:
            reap(self._zygote)
            self._zygote = 0

    def abort(self) -> None:
        """As `close`, for a zygote that has nothing to finish and may be busy with imports."""
        if self._zygote:
            kill_process(self._zygote)
        self.close()

    def forget(self) -> None:
        """In a forked child: close what was inherited, without touching the parent's zygote."""
        if self._control is not None:
            self._control.socket.close()
        self._drop_page()

    def _drop_page(self) -> None:
        if self._page_fd >= 0:
            os.close(self._page_fd)
        self._page_fd, self._memory = -1, None

    def _start_zygote(self) -> None:
        if self._stillborn >= STILLBORN:
            self._stillborn = 0
            why = "its helper process ends as soon as it is started; what that wrote to standard error says why"
            raise BackendUnavailable("processes", reason=why)
        self._spoke = False
        ours, theirs = pair()
        try:
            self._page_fd = above_standard(os.memfd_create("alongside-page", os.MFD_CLOEXEC))
            os.ftruncate(self._page_fd, SIZE)
            self._memory = mmap(self._page_fd, SIZE)
            self._zygote = _spawn(theirs.fileno(), self._page_fd)
        except BaseException:
            ours.close()
            self._drop_page()
            raise
        finally:
            theirs.close()
        ours.setblocking(False)
        self._control = Channel(ours)
        self._tell_surroundings()

    def _tell_surroundings(self) -> None:
        """Have the zygote find modules where they are found here now."""
        surroundings = capture()
        if surroundings != self._told:
            self._told = surroundings
            self._tell(Frame(SETUP, body=surroundings))

    def _tell(self, frame: Frame) -> None:
        """Send the zygote a frame. Waits while it cannot take any more, and hears meanwhile what it says: else each
        could wait for the other.
        """
        control = self._control
        if control is None:
            return
        control.send(frame)
        while control.congested and not control.closed:
            self._hear(None)
            control.flush()

    def _hear(self, timeout: float | None) -> bool:
        """Deal with what the zygote says; False when it says nothing in time or is gone."""
        control = self._control
        if control is None or control.closed:
            return False
        poll = select.poll()
        poll.register(control, select.POLLIN | select.POLLOUT if control.congested else select.POLLIN)
        if not poll.poll(None if timeout is None else max(0.0, timeout) * 1000):
            return False
        for frame in control.receive():
            self._spoke = True
            if frame.a not in self._pids:
                continue
            if frame.kind == FORKED:
                self._pids[frame.a] = frame.b
            elif frame.kind == ENDED:
                self._ended[frame.a] = frame
        return not control.closed


def _spawn(control: int, page: int) -> int:
    code = CODE.format(module="zygote", arguments=f"{control}, {page}")
    actions: list[tuple[Any, ...]] = [
        (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
        (os.POSIX_SPAWN_DUP2, control, control),
        (os.POSIX_SPAWN_DUP2, page, page),
    ]
    actions += [(os.POSIX_SPAWN_OPEN, fd, os.devnull, os.O_WRONLY, 0) for fd in (1, 2) if not _is_open(fd)]
    command = [sys.executable, *flags(), "-c", code]
    return os.posix_spawn(sys.executable, command, environment(), file_actions=actions, setsigmask=[_signal.SIGINT])


def _is_open(fd: int) -> bool:
    try:
        os.fstat(fd)
    except OSError:
        return False
    return True


def kill_process(pid: int) -> None:
    """SIGKILL, if it still runs."""
    try:
        os.kill(pid, _signal.SIGKILL)
    except ProcessLookupError:
        return


def reap(pid: int) -> None:
    """Wait for a child of ours that is about to end; kill it if it takes longer than a second."""
    try:
        deadline = time.monotonic() + 1.0
        while os.waitpid(pid, os.WNOHANG)[0] == 0:
            if time.monotonic() > deadline:
                kill_process(pid)
            time.sleep(0.0005)
    except ChildProcessError:
        return  # the user's program reaps all children itself
