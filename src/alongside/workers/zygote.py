"""The zygote: a clean, single-threaded interpreter that forks workers in a millisecond or two.

Owns its children: it starts them, ends them, and says how they ended. Must never run the user's tasks, fork while it
has a second thread, or outlive its parent.

Guarantees
  - A worker is forked from a process with one thread that holds no lock: no fork of the user's threaded process, no
    re-import of `__main__`. A module that leaves a thread behind when imported is not preloaded: the zygote begins
    again without it, in the same process (`_begin_again`), so that its children stay its children.
  - When the parent goes, however it goes, its end of the socket closes; the zygote then kills every worker and leaves,
    also in the middle of a slow import. When the zygote itself is killed, the kernel kills the workers
    (PR_SET_PDEATHSIG, set before a worker does anything else).
  - A worker is only ever killed here, where it has not been reaped yet: its process id cannot belong to another.
Why not PR_SET_PDEATHSIG from the user's process: it fires when the *thread* that started the child ends.
"""

from __future__ import annotations

import _pickle
import _signal  # type: ignore[import-not-found]  # `signal` takes milliseconds to import
import _socket
import fcntl
import gc
import os
import select
import sys

from alongside.workers.channel import ENDED, FORK, FORKED, KILL, PRELOAD, SETUP, Channel, Frame

IDLE = 60.0
"""Seconds without a worker and without a request after which the zygote leaves; the next call starts another."""

LOOK_AGAIN = 0.5
"""Seconds between two looks for the parent while the user's modules are imported."""

_PR_SET_PDEATHSIG = 1


class Zygote:
    """The helper's loop: requests in, children out."""

    def __init__(self, control: int, page: int) -> None:
        self._channel = _Control(_socket.socket(fileno=control))
        self._page = page
        self._children: dict[int, int] = {}
        self._frames: list[Frame] = []
        self._to_import = ["_ctypes", "alongside.transport.pickling"]
        self._left_out: set[str] = set()
        self._wakeup, self._wakeup_write = _wake_on_child_exit()
        self.child: tuple[int, int] | None = None
        """In a forked worker: its socket and its number. The loop then returns."""

    def serve(self) -> None:
        """Until the parent is gone, or this process is a freshly forked worker."""
        poll = select.poll()
        poll.register(self._channel, select.POLLIN)
        poll.register(self._wakeup, select.POLLIN)
        self._reap()
        while not self._channel.closed:
            while self._frames:
                if self._frames[0].kind == FORK:
                    self._import_all()
                self._obey(self._frames.pop(0))
                if self.child is not None:
                    return
            ready = dict(poll.poll(self._patience()))
            if self._wakeup in ready:
                os.read(self._wakeup, 4096)
                self._reap()
            if self._channel.fileno() in ready:
                self._frames = self._channel.receive()
            elif not ready and not self._import_next():
                return
        self._kill_all()

    def _patience(self) -> float | None:
        """Milliseconds to wait: none while there is something useful to import, which each worker then need not."""
        if self._to_import:
            return 0
        return None if self._children else IDLE * 1000

    def _obey(self, frame: Frame) -> None:
        if frame.kind == FORK:
            self._fork(frame)
        elif frame.kind == KILL:
            self._kill(frame.a)
        elif frame.kind == PRELOAD:
            self._preload(_pickle.loads(frame.body))
        elif frame.kind == SETUP:
            from alongside.workers.surroundings import adopt

            install_site_builtins()
            _write_line_by_line()
            adopt(frame.body)

    # ---------------------------------------------------------------------------------------------------- children

    def _fork(self, frame: Frame) -> None:
        assert frame.fd is not None
        zygote = os.getpid()
        flush_streams()
        gc.freeze()  # what workers share with this process their collections need not touch, and so not copy
        try:
            pid = os.fork()
        except OSError as error:
            os.close(frame.fd)
            self._channel.send(Frame(ENDED, frame.a, 0, 0, f"it could not be started: {error}".encode()))
            return
        if pid == 0:
            _die_with_parent(zygote)
            self.child = (frame.fd, frame.a)
            self._become_worker()
            return
        os.close(frame.fd)
        self._children[pid] = frame.a
        self._channel.send(Frame(FORKED, frame.a, pid))

    def _become_worker(self) -> None:
        # From 3.12 on a preloaded asyncio may have taken it from Python already, so it is closed by its own number.
        _signal.set_wakeup_fd(-1)
        gc.enable()
        os.close(self._wakeup_write)
        os.close(self._wakeup)
        _signal.signal(_signal.SIGCHLD, _signal.SIG_DFL)
        for frame in self._frames:
            if frame.fd is not None:
                os.close(frame.fd)
        self._channel.close()
        reseed()

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

    def _kill(self, number: int) -> None:
        for pid, child in self._children.items():
            if child == number:
                os.kill(pid, _signal.SIGKILL)

    def _kill_all(self) -> None:
        for pid in self._children:
            os.kill(pid, _signal.SIGKILL)
        for pid in self._children:
            os.waitpid(pid, 0)

    # ---------------------------------------------------------------------------------------------------- modules

    def _preload(self, modules: list[str]) -> None:
        """Import what the workers will need now, ahead of what they might need."""
        self._to_import[:0] = modules
        for _ in modules:
            self._import_next()

    def _import_all(self) -> None:
        """Once here, and not in each worker at the same time."""
        while self._import_next():
            pass

    def _import_next(self) -> bool:
        """Import one module, as long as that leaves this process with one thread; False when there is none left."""
        if not self._to_import:
            return False
        name = self._to_import.pop(0)
        if name in sys.modules or name in self._left_out:
            return True
        with _Watching(self._channel, self._children):
            _import(name)
        if _threads() > 1:
            self._left_out.add(name)
            self._begin_again()
        return True

    def _begin_again(self) -> None:
        """Become a fresh interpreter, with the same children, requests and page, that leaves such modules out.

        Why not fork all the same: a thread that the fork does not copy may hold a lock, which then is held forever.
        """
        frames = [(f.kind, f.a, f.b, f.c, f.body, f.fd) for f in self._frames]
        waiting = [fd for *_, fd in frames if fd is not None]
        state = (self._children, frames, self._channel.unread(), self._to_import, self._left_out, sys.path, sys.argv)
        memory = os.memfd_create("alongside-state")
        os.write(memory, _pickle.dumps(state, 5))
        for fd in (self._channel.fileno(), self._page, memory, *waiting, *self._channel.unread()[1]):
            os.set_inheritable(fd, True)
        flush_streams()
        os.execv(sys.executable, [*_own_command(), str(memory)])

    def resume(self, memory: int) -> None:
        """Go on from where `_begin_again` left off."""
        os.lseek(memory, 0, os.SEEK_SET)
        with open(memory, "rb") as file:
            children, frames, unread, to_import, left_out, sys.path[:], sys.argv[:] = _pickle.load(file)
        install_site_builtins()
        self._children, self._to_import, self._left_out = children, to_import, left_out
        self._frames = [Frame(*frame) for frame in frames]
        self._channel.resume(unread)
        for fd in (self._channel.fileno(), self._page, *unread[1], *(f.fd for f in self._frames if f.fd is not None)):
            os.set_inheritable(fd, False)


class _Control(Channel):
    """The channel to the parent, which can change hands between two interpreters."""

    def unread(self) -> tuple[bytes, list[int]]:
        """What has been received of frames that are not whole yet."""
        return bytes(self._rest), self._fds

    def resume(self, unread: tuple[bytes, list[int]]) -> None:
        """Go on where another interpreter stopped."""
        self._rest, self._fds = bytearray(unread[0]), unread[1]


class _Watching:
    """While the user's modules are imported, which may take long: leave as soon as the parent is gone.

    The kernel signals every change of the socket; what is no hang-up is left for later. Why not all the time: it would
    interrupt every wait. A timer looks again: a signal that comes just before a wait begins is heard of only when that
    wait is over, and it may be one for ever.
    """

    def __init__(self, channel: Channel, children: dict[int, int]) -> None:
        self._fd = channel.fileno()
        self._children = children

    def __enter__(self) -> None:
        _signal.signal(_signal.SIGIO, self._look)
        _signal.signal(_signal.SIGALRM, self._look)
        _signal.setitimer(_signal.ITIMER_REAL, LOOK_AGAIN, LOOK_AGAIN)
        fcntl.fcntl(self._fd, fcntl.F_SETOWN, os.getpid())
        self._signalled(True)
        self._look()

    def __exit__(self, *error: object) -> None:
        _signal.setitimer(_signal.ITIMER_REAL, 0.0)
        _signal.signal(_signal.SIGALRM, _signal.SIG_DFL)
        self._signalled(False)
        _signal.signal(_signal.SIGIO, _signal.SIG_IGN)

    def _signalled(self, wanted: bool) -> None:
        flags = fcntl.fcntl(self._fd, fcntl.F_GETFL)
        fcntl.fcntl(self._fd, fcntl.F_SETFL, flags | os.O_ASYNC if wanted else flags & ~os.O_ASYNC)

    def _look(self, *_: object) -> None:
        poll = select.poll()
        poll.register(self._fd, 0)
        if poll.poll(0):
            for pid in self._children:
                os.kill(pid, _signal.SIGKILL)
            os._exit(0)


def _import(name: str) -> None:
    from importlib import import_module

    try:
        import_module(name)
    except BaseException:
        return  # the worker that needs it will say what is wrong, where it can be heard


def _threads() -> int:
    try:
        return len(os.listdir("/proc/self/task"))
    except OSError:
        from _thread import _count

        return 1 + _count()


def _own_command() -> list[str]:
    """The command line this interpreter was started with, up to the code it runs."""
    return sys.orig_argv[: sys.orig_argv.index("-c") + 2]


def _wake_on_child_exit() -> tuple[int, int]:
    """A descriptor that becomes readable when a child ends (Python's own wake-up pipe)."""
    read, write = os.pipe()
    os.set_blocking(write, False)
    os.set_blocking(read, False)
    _signal.signal(_signal.SIGCHLD, lambda number, frame: None)
    _signal.set_wakeup_fd(write, warn_on_full_buffer=False)
    return read, write


def _die_with_parent(zygote: int) -> None:
    """Have the kernel kill this process when the zygote ends.

    Why in this thread: the wish belongs to the thread that expressed it, and goes when that thread ends.
    Why `_ctypes`: `ctypes` takes three times as long to import, which every first call would pay.
    """
    if sys.platform != "linux":
        return
    import _ctypes

    class Function(_ctypes.CFuncPtr):
        _flags_ = _ctypes.FUNCFLAG_CDECL
        _restype_ = None

    prctl = Function(_ctypes.dlsym(_ctypes.dlopen(None, 0), "prctl"))  # type: ignore[arg-type]
    prctl(_PR_SET_PDEATHSIG, int(_signal.SIGKILL), 0, 0, 0)
    if os.getppid() != zygote:
        os._exit(0)  # it went before the line above


def reseed() -> None:
    """Give this process random numbers of its own. Those of `random` see to that; numpy's would all be the same."""
    numpy_random = sys.modules.get("numpy.random")
    if numpy_random is not None:
        numpy_random.seed()


def install_site_builtins() -> None:
    """`exit`, `quit` and the like, which the `site` module would have added had it been loaded."""
    import builtins

    if not hasattr(builtins, "exit"):
        import _sitebuiltins

        builtins.exit = _sitebuiltins.Quitter("exit", "Ctrl-D")
        builtins.quit = _sitebuiltins.Quitter("quit", "Ctrl-D")


def main(control: int, page: int) -> None:
    """The life of the zygote; returns in no process: a worker's life follows it and ends in `os._exit`."""
    gc.disable()  # there is no garbage in imports to speak of, and looking for it took a tenth of numpy's
    _signal.signal(_signal.SIGINT, _signal.SIG_IGN)
    _signal.pthread_sigmask(_signal.SIG_SETMASK, ())
    zygote = Zygote(control, page)
    status = 0
    try:
        if len(sys.argv) > 1:
            zygote.resume(int(sys.argv[1]))
        from alongside.workers.child import work  # here once, while the parent is busy, and not in each worker

        zygote.serve()
        if zygote.child is not None:
            status = work(*zygote.child, page)
    except BaseException:
        status = 1
        if zygote.child is not None:
            sys.excepthook(*sys.exc_info())
    finally:
        leave(status)


def leave(status: int) -> None:
    """End this process at once: what the user's modules registered to run at exit belongs to the user's own process."""
    flush_streams()
    os._exit(status)


def _write_line_by_line() -> None:
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(line_buffering=True, write_through=False)


def flush_streams() -> None:
    """Write out what was printed; a stream that is closed or broken must not harm more than itself."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except Exception:
            continue
