"""The zygote: a clean, single-threaded interpreter that forks workers in a millisecond or two.

Owns its children: it starts them, ends them, and says how they ended. Must never run the user's tasks, start a thread,
or outlive its parent.

Guarantees
  - A worker is forked from a process with one thread that holds no lock: no fork of the user's threaded process, no
    re-import of `__main__`.
  - When the parent goes, however it goes, its end of the socket closes; the zygote then kills every worker and leaves.
    When the zygote itself is killed, the kernel kills the workers (PR_SET_PDEATHSIG).
  - A worker is only ever killed here, where it has not been reaped yet: its process id cannot belong to another.
Why not PR_SET_PDEATHSIG from the user's process: it fires when the *thread* that started the child ends.
"""

from __future__ import annotations

import _pickle
import _socket
import os
import select
import signal
import sys
from _thread import start_new_thread

from alongside.workers.channel import ENDED, FORK, FORKED, KILL, PRELOAD, SETUP, Channel, Frame

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

IDLE = 60.0
"""Seconds without a worker and without a request after which the zygote leaves; the next call starts another."""

_PR_SET_PDEATHSIG = 1


class Zygote:
    """The helper's loop: requests in, children out."""

    def __init__(self, control: int, page: int) -> None:
        self._channel = Channel(_socket.socket(fileno=control))
        self._page = page
        self._children: dict[int, int] = {}
        self._sockets: list[int] = []
        self._wakeup = _wake_on_child_exit()
        self._useful = ["ctypes", "alongside.transport.pickling"]
        self.child: tuple[int, int] | None = None
        """In a forked worker: its socket and its number. The loop then returns."""

    def serve(self) -> None:
        """Until the parent is gone, or this process is a freshly forked worker."""
        poll = select.poll()
        poll.register(self._channel, select.POLLIN)
        poll.register(self._wakeup, select.POLLIN)
        while not self._channel.closed and self.child is None:
            ready = dict(poll.poll(self._patience()))
            if not ready:
                if self._useful:
                    preload([self._useful.pop(0)])
                    continue
                return
            if self._wakeup in ready:
                os.read(self._wakeup, 4096)
                self._reap()
            if self._channel.fileno() in ready:
                for frame in self._channel.receive():
                    self._obey(frame)
                    if self.child is not None:
                        return
        self._kill_all()

    def _patience(self) -> float | None:
        """Milliseconds to wait: none while there is something useful to import, which each worker then need not."""
        if self._useful:
            return 0
        return None if self._children else IDLE * 1000

    def _obey(self, frame: Frame) -> None:
        if frame.kind == FORK:
            self._fork(frame)
        elif frame.kind == KILL:
            if frame.a in self._children.values():
                os.kill(next(pid for pid, number in self._children.items() if number == frame.a), signal.SIGKILL)
        elif frame.kind == PRELOAD:
            preload(_pickle.loads(frame.body))
        elif frame.kind == SETUP:
            set_up(_pickle.loads(frame.body))
            install_site_builtins()

    def _fork(self, frame: Frame) -> None:
        assert frame.fd is not None
        zygote = os.getpid()
        try:
            pid = os.fork()
        except OSError as error:
            os.close(frame.fd)
            self._channel.send(Frame(ENDED, frame.a, 0, 0, f"it could not be started: {error}".encode()))
            return
        if pid == 0:
            self.child = (frame.fd, frame.a)
            _become_worker(self._channel, self._wakeup, zygote)
            return
        os.close(frame.fd)
        self._children[pid] = frame.a
        self._channel.send(Frame(FORKED, frame.a, pid))

    def _reap(self) -> None:
        while self._children:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            number = self._children.pop(pid, None)
            if number is not None:
                self._channel.send(Frame(ENDED, number, pid, status))

    def _kill_all(self) -> None:
        for pid in self._children:
            os.kill(pid, signal.SIGKILL)
        for pid in self._children:
            os.waitpid(pid, 0)


def _wake_on_child_exit() -> int:
    """A descriptor that becomes readable when a child ends (Python's own wake-up pipe)."""
    read, write = os.pipe()
    os.set_blocking(write, False)
    os.set_blocking(read, False)
    signal.signal(signal.SIGCHLD, lambda number, frame: None)
    signal.set_wakeup_fd(write, warn_on_full_buffer=False)
    return read


def _become_worker(control: Channel, wakeup: int, zygote: int) -> None:
    os.close(signal.set_wakeup_fd(-1))
    os.close(wakeup)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    control.socket.close()
    if "ctypes" in sys.modules:
        _die_with_parent(zygote)
    else:
        start_new_thread(
            _die_with_parent, (zygote,)
        )  # the import takes milliseconds, which the first task need not wait


def _die_with_parent(zygote: int) -> None:
    if sys.platform != "linux":
        return
    import ctypes

    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != zygote:
        os._exit(0)  # it went before the line above


def install_site_builtins() -> None:
    """`exit`, `quit` and the like, which the `site` module would have added had it been loaded."""
    import builtins

    if not hasattr(builtins, "exit"):
        import _sitebuiltins

        builtins.exit = _sitebuiltins.Quitter("exit", "Ctrl-D")
        builtins.quit = _sitebuiltins.Quitter("quit", "Ctrl-D")


def set_up(settings: dict[str, Any]) -> None:
    """Take over from the parent what an import depends on, so that modules are found where the parent finds them."""
    sys.path[:] = settings["path"]
    sys.argv[:] = settings["argv"]


def preload(modules: list[str]) -> None:
    """Import what the workers will need, as long as that leaves this process with one thread."""
    from importlib import import_module

    for name in modules:
        try:
            import_module(name)
        except BaseException:
            continue  # the worker that needs it will say what is wrong, where it can be heard


def main(control: int, page: int) -> None:
    """The life of the zygote; returns in no process: a worker's life follows it and ends in `os._exit`."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT, signal.SIGTERM, signal.SIGCHLD})
    zygote = Zygote(control, page)
    status = 0
    try:
        zygote.serve()
        if zygote.child is not None:
            from alongside.workers.child import work

            status = work(*zygote.child, page)
    except BaseException:
        status = 1
        if zygote.child is not None:
            sys.excepthook(*sys.exc_info())
    finally:
        leave(status)


def leave(status: int) -> None:
    """End this process at once: what the user's modules registered to run at exit belongs to the user's own process."""
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(status)
