"""What surrounds a function besides its arguments: folder, environment, module path, locale, signals, streams.

Owns what a worker takes over from its parent when it is borrowed, and what it puts right when a call is over. Loaded by
workers: must stay light to import.

Guarantees
  - A call begins in the caller's working directory, environment (and what marks a worker), module path, `sys.argv`,
    recursion limit, locale and key to `multiprocessing` managers, as they are at that moment, whatever earlier calls
    did in the same warm worker.
  - It begins with the caller's log levels and warning filters, where the worker has loaded what they belong to.
  - It begins with the signal handlers, timers, umask and standard streams that the worker was born with.
  - What cannot be put right (a thread left running, a standard descriptor exchanged, a resource limit set, a hundred
    descriptors left open) ends the worker when the call is over; the next call gets another.
What is not put right: what a task does inside modules (their globals, caches, log levels) lasts as long as its worker.
"""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]  # `signal` takes milliseconds to import
import os
import sys
from _locale import LC_ALL, setlocale
from _thread import _count as threads_running

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

THREAD_CAPS = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "NUMEXPR_NUM_THREADS",
)
"""Set to 1 for workers unless the user has set them: with a worker per CPU, threads inside only get in the way."""

_POSIX = hasattr(_signal, "pthread_sigmask")

SPARE = 100
"""Descriptors that tasks may leave open in a worker before it is replaced."""


def environment(cpus: int = 1) -> dict[str, str]:
    """The environment of a worker: this process's own, with BLAS threads capped, and the CPUs it may count on."""
    marks = {"ALONGSIDE_WORKER": "1", "ALONGSIDE_CPU_COUNT": str(cpus)}
    return {**dict.fromkeys(THREAD_CAPS, "1"), **os.environ, **marks}


def capture(cpus: int = 1) -> bytes:
    """What a worker should take over from this process now. `cpus`: its share, for what it runs side by side itself."""
    from _pickle import dumps

    told = folder(), environment(cpus), sys.path, sys.argv, sys.getrecursionlimit(), _locale(), _key_to_managers()
    return dumps((*told, (_levels(), _filters())), 5)


def folder() -> str | None:
    """The working directory; None where it has been removed."""
    try:
        return os.getcwd()
    except OSError:
        return None


def adopt(captured: bytes) -> None:
    """Take over what the parent captured; raises `OSError` where its folder cannot be entered."""
    global _heeds
    from _pickle import loads

    where, environ, path, arguments, depth, locale, key, _heeds = loads(captured)
    _set_environment(environ)
    if path != sys.path:
        sys.path[:] = path
        sys.path_importer_cache.clear()
    sys.argv[:] = arguments
    if sys.getrecursionlimit() != depth:
        sys.setrecursionlimit(depth)
    _set_locale(locale)
    if key is not None:
        from multiprocessing.process import current_process

        current_process().authkey = key
    if where is not None and where != folder():
        os.chdir(where)


def _locale() -> str:
    """The locale of numbers, dates and sorting, of all categories."""
    return setlocale(LC_ALL)


def _set_locale(wanted: str) -> None:
    try:
        if wanted != _locale():
            setlocale(LC_ALL, wanted)
    except Exception:
        pass  # it has been removed since; `locale.Error` would be an import


def _key_to_managers() -> bytes | None:
    """What opens the connection to a `multiprocessing.Manager`, for its queues and dicts as arguments of tasks."""
    if "multiprocessing.managers" not in sys.modules:
        return None
    return bytes(sys.modules["multiprocessing.process"].current_process().authkey)


def _set_environment(wanted: dict[str, str]) -> None:
    present = dict(os.environ)
    if present == wanted:
        return
    for name in present.keys() - wanted.keys():
        del os.environ[name]
    for name, value in wanted.items():
        if present.get(name) != value:
            os.environ[name] = value


# ------------------------------------------------------------------------------------- log levels, warning filters

_heeds: tuple[Any, Any] = (None, None)
"""The parent's log levels and warning filters, as it told them last; None: it has none."""

_levelled: set[str] = set()
"""Loggers whose level is the parent's."""


def _levels() -> Any:
    """The level of the root logger, the level that is disabled, and those of the loggers that have one."""
    logging = sys.modules.get("logging")
    if logging is None or not hasattr(logging, "root"):
        return None
    loggers = list(logging.root.manager.loggerDict.items())
    levels = {name: logger.level for name, logger in loggers if getattr(logger, "level", 0)}
    return logging.root.level, logging.root.manager.disable, levels


def adopt_levels() -> None:
    """Heed the parent's log levels."""
    if _heeds[0] is None:
        return
    import logging

    root, disabled, levels = _heeds[0]
    logging.root.setLevel(root)
    logging.disable(disabled)
    for name in _levelled - levels.keys():
        logging.getLogger(name).setLevel(logging.NOTSET)
    for name, level in levels.items():
        logging.getLogger(name).setLevel(level)
    _levelled.clear()
    _levelled.update(levels)


def _filters() -> Any:
    """The warning filters, with patterns and classes by name."""
    warnings = sys.modules.get("warnings")
    return None if warnings is None else [_named(*entry) for entry in warnings.filters]


def _named(action: str, message: Any, category: Any, module: Any, line: int) -> tuple[Any, ...]:
    where = category.__module__, category.__qualname__
    return action, getattr(message, "pattern", message), where, getattr(module, "pattern", module), line


def adopt_filters() -> None:
    """Heed the parent's warning filters, but for classes of modules that are not loaded here."""
    if _heeds[1] is None:
        return
    import warnings

    warnings.resetwarnings()
    for action, message, (home, name), module, line in _heeds[1]:
        category = getattr(sys.modules.get(home), name, None)
        if isinstance(category, type) and issubclass(category, Warning):
            warnings.filterwarnings(action, message or "", category, module or "", line, append=True)


class Birthmarks:
    """How a worker was when it was born, and the way back to that."""

    def __init__(self) -> None:
        self._handlers = {number: _signal.getsignal(number) for number in _signal.valid_signals()}
        self._mask = _signal.pthread_sigmask(_signal.SIG_BLOCK, ()) if _POSIX else ()
        self._umask = os.umask(0o077)
        os.umask(self._umask)
        self._streams = sys.stdin, sys.stdout, sys.stderr
        self._standard = _standard_files()
        self._limits = _limits()
        self._open = _descriptors()

    def restore(self, threads: int) -> bool:
        """Put right what can be; False where something cannot. `threads`: those of our own that may be running."""
        if _POSIX:
            for timer in (_signal.ITIMER_REAL, _signal.ITIMER_VIRTUAL, _signal.ITIMER_PROF):
                _signal.setitimer(timer, 0)
            _signal.pthread_sigmask(_signal.SIG_SETMASK, self._mask)
        for number, handler in self._handlers.items():
            if handler is not None and _signal.getsignal(number) is not handler:
                _signal.signal(number, handler)
        os.umask(self._umask)
        sys.stdin, sys.stdout, sys.stderr = self._streams
        return (
            threads_running() <= threads
            and _standard_files() == self._standard
            and not any(stream is not None and stream.closed for stream in self._streams)
            and _limits() == self._limits
            and _descriptors() <= self._open + SPARE
        )


def _standard_files() -> list[tuple[int, int] | None]:
    return [_identity(fd) for fd in (0, 1, 2)]


def _identity(fd: int) -> tuple[int, int] | None:
    try:
        seen = os.fstat(fd)
    except OSError:
        return None
    return seen.st_dev, seen.st_ino


def _limits() -> bytes:
    """The resource limits, as text: one read, where asking for each would need a module that takes time to import."""
    try:
        with open("/proc/self/limits", "rb", buffering=0) as file:
            return file.read()
    except OSError:
        return b""


def _descriptors() -> int:
    try:
        return len(os.listdir("/proc/self/fd"))
    except OSError:  # no /proc here, or not one descriptor left to look with
        return 0
