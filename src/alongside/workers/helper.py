"""The helper process that workers are forked from (zygote.py), as the process has it that started it.

Owns its start, its end, the channel to it, the file of the page that all its workers map, and what it has been told.
Must never know workers (forked.py does) or whether any are wanted, nor load more than its start takes: it is part of
the first milliseconds of a run, beside a loop that holds the GIL.

Guarantee: SIGINT never reaches the helper's start, since it begins with the signal blocked and ignores it from its
first line.
"""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]  # `signal` takes milliseconds to import
import os
import sys

from alongside.transport.descriptors import above_standard
from alongside.workers.channel import PRELOAD, SETUP, Channel, Frame, pair
from alongside.workers.interpreter import CODE, flags
from alongside.workers.page import SIZE
from alongside.workers.surroundings import capture, environment

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

PORTABLE = "ALONGSIDE_PORTABLE"
"""Environment variable that has workers spawned, without fork, memory files or passed descriptors, where they could be
forked."""


def possible() -> bool:
    """Whether this system can fork helpers with memory files and pass descriptors, and is not told to do without."""
    able = all(hasattr(os, name) for name in ("posix_spawn", "memfd_create", "fork"))
    return able and bool(sys.executable) and not os.environ.get(PORTABLE)


class Helper:
    """One that has been started; what is sent to it before it is there waits in its socket."""

    def __init__(self) -> None:
        ours, theirs = pair()
        self.page = -1
        """The file of the page that its workers map."""
        try:
            self.page = above_standard(os.memfd_create("alongside-page", os.MFD_CLOEXEC))
            os.ftruncate(self.page, SIZE)
            self._pid = _spawn(theirs.fileno(), self.page)
        except BaseException:
            ours.close()
            self._drop_page()
            raise
        finally:
            theirs.close()
        ours.setblocking(False)
        self.channel = Channel(ours)
        self._files = self._identities()
        self._told = b""
        self._imports: set[str] = set()

    def intact(self) -> bool:
        """Whether its descriptors are still what they were: a program may have closed them all, and opened files of its
        own, which must not be written to.
        """
        return self._identities() == self._files

    def disown(self) -> None:
        """End one that is not intact, and leave its descriptors to whoever has them now."""
        self.page = -1
        self.channel.socket.detach()
        self.channel.closed = True
        _kill(self._pid)
        _reap(self._pid)

    def _identities(self) -> list[tuple[int, int]]:
        try:
            seen = [os.fstat(fd) for fd in (self.page, self.channel.fileno())]
        except OSError:
            return []
        return [(file.st_dev, file.st_ino) for file in seen]

    def news(self, modules: tuple[str, ...] = ()) -> list[Frame]:
        """What it has to be told so that it finds modules where they are found here now, and imports these."""
        frames = []
        new = [name for name in modules if name not in self._imports]
        surroundings = capture() if new or not self._told else self._told
        if surroundings != self._told:
            self._told = surroundings
            frames.append(Frame(SETUP, body=surroundings))
        if new:
            from _pickle import dumps  # here, where it is starting already: it takes as long as all else here

            self._imports.update(new)
            frames.append(Frame(PRELOAD, body=dumps(new)))
        return frames

    def close(self) -> None:
        """End it and its workers; returns when it has ended."""
        self.forget()
        _reap(self._pid)

    def abort(self) -> None:
        """As `close`, for one that has nothing to finish and may be busy with imports."""
        _kill(self._pid)
        self.close()

    def forget(self) -> None:
        """Let go of what is this process's of it, which in a forked child leaves the parent's alone."""
        self.channel.close()
        self._drop_page()

    def _drop_page(self) -> None:
        if self.page >= 0:
            os.close(self.page)
        self.page = -1


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


def _kill(pid: int) -> None:
    """SIGKILL, if it still runs."""
    try:
        os.kill(pid, _signal.SIGKILL)
    except ProcessLookupError:
        return


def _reap(pid: int) -> None:
    """Wait for a child of ours that is about to end; kill it if it takes longer than a second."""
    import time

    try:
        deadline = time.monotonic() + 1.0
        while os.waitpid(pid, os.WNOHANG)[0] == 0:
            if time.monotonic() > deadline:
                _kill(pid)
            time.sleep(0.0005)
    except ChildProcessError:
        return  # the user's program reaps all children itself
