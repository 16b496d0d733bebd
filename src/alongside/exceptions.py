"""Every error alongside raises of its own, in one hierarchy under `AlongsideError`.

Owns: the classes, their attributes and the wording of their messages (what happened, likely cause, remedy).
Must never: be raised in place of a user's own exception, or make `import alongside` slow. Two classes rest on
standard ones that are slow to import (`WorkerLost` on `concurrent.futures.BrokenExecutor`, `NotPicklable` on
`pickle.PicklingError`): they are made when first asked for, by this module's `__getattr__`.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from concurrent.futures import BrokenExecutor
    from pickle import PicklingError
    from typing import Any

__all__ = [
    "AlongsideError",
    "AlongsideWarning",
    "BackendUnavailable",
    "InternalError",
    "JournalError",
    "MemoryLimitExceeded",
    "NotPicklable",
    "OptionError",
    "TaskTimeout",
    "WorkerLost",
]


class AlongsideError(Exception):
    """The root of all errors of alongside's own: `except AlongsideError` catches each of them.

    Errors raised by your function are not among them: they arrive as they are. All of these survive `pickle` and
    `copy` with their message, attributes and notes.
    """

    def __reduce__(self) -> tuple[Any, ...]:
        return _restore, (type(self), self.args), self.__dict__ or None


def _restore(kind: type[AlongsideError], args: tuple[object, ...]) -> AlongsideError:
    """Make an error of that kind without its `__init__`, through the C class on which it rests."""
    rests_on: Any = kind
    while rests_on.__flags__ & _HEAP_TYPE:
        rests_on = rests_on.__base__
    error: AlongsideError = rests_on.__new__(kind)
    rests_on.__init__(error, *args)
    return error


_HEAP_TYPE = 1 << 9  # a class made by Python code


class AlongsideWarning(UserWarning):
    """Something about your function that is worth knowing, and what to do about it; the run goes on.

    Each begins with its topic (`changes lost`, `left behind`, `shared seed`, `already parallel`, `cannot be sent`,
    `small items`, `heavy items`, `blocked loop`), so that `warnings.filterwarnings` can name one: `("ignore", "small
    items", AlongsideWarning)`. Each is given once per place that calls alongside.
    """


class OptionError(AlongsideError, ValueError):
    """An option's name or value is wrong. Nothing has run."""


class BackendUnavailable(AlongsideError, ImportError):
    """The backend asked for cannot run here.

    Attributes: `backend`, its name; `install`, the command that would bring it, or "" if none would.
    """

    def __init__(self, backend: str, install: str = "", *, reason: str = "") -> None:
        cause = reason or "a package it needs is not installed"
        remedy = f"Install it with: {install}" if install else "Choose another backend, or leave backend='auto'."
        super().__init__(f"backend {backend!r} cannot be used here: {cause}. {remedy}")
        self.backend = backend
        self.install = install
        self.reason = reason


class TaskTimeout(AlongsideError, TimeoutError):
    """An attempt took longer than `timeout` seconds.

    Attributes: `seconds`, the limit; `index`, the task's place in the input, or None.
    """

    def __init__(self, seconds: float, index: int | None = None) -> None:
        super().__init__(
            f"{_task(index)} did not finish within {seconds:g} s. Likely cause: it waits for something that does not "
            "answer, or it has more work than usual. Raise timeout=, or let it try again with retries=."
        )
        self.seconds = seconds
        self.index = index


class MemoryLimitExceeded(AlongsideError, MemoryError):
    """A worker grew over its memory limit and was replaced.

    Attributes: `limit` and `used` in bytes (`used` None if unknown); `index`, the task it was running, or None.
    """

    def __init__(self, *, limit: int, used: int | None = None, index: int | None = None) -> None:
        grew = f"grew to {_megabytes(used)}" if used is not None else "grew"
        super().__init__(
            f"the worker running {_task(index)} {grew}, over the limit of {_megabytes(limit)}, and was replaced. "
            "Likely cause: the task's data are large, or memory is kept from one task to the next. Raise "
            "memory_limit=, give the task less at a time, or renew workers with tasks_per_worker=."
        )
        self.limit = limit
        self.used = used
        self.index = index


class JournalError(AlongsideError):
    """The journal cannot be opened, belongs to other work, or cannot be written."""


class InternalError(AlongsideError):
    """A bug in alongside itself. Nothing you did wrong: please report it with the text of this error."""

    def __init__(self, detail: str) -> None:
        super().__init__(f"a bug in alongside, please report it: {detail}")
        self.detail = detail


class _WorkerLost(AlongsideError):
    def __init__(
        self,
        *,
        pid: int | None = None,
        exit_code: int | None = None,
        signal: int | None = None,
        cause: str = "",
        index: int | None = None,
        item: object = None,
    ) -> None:
        ending = _ending(exit_code, signal)
        running = f" while running {_task(index)} ({short(item)})" if index is not None else " while it held no task"
        super().__init__(
            f"worker {'process' if pid is None else pid} {ending}{running}. Likely cause: "
            f"{cause or _likely(exit_code, signal, index)}. {_remedy(index)}"
        )
        self.pid = pid
        self.exit_code = exit_code
        self.signal = signal
        self.cause = cause or _likely(exit_code, signal, index)
        self.index = index
        self.item = item


class _NotPicklable(AlongsideError):
    def __init__(self, what: str, path: str = "", reason: str = "", remedy: str = "") -> None:
        where = f": {path} is {reason}" if path and reason else f": {path or reason}" if path or reason else ""
        super().__init__(f"{what} cannot be sent to another process{where}.{' ' if remedy else ''}{remedy}")
        self.what = what
        self.path = path
        self.reason = reason
        self.remedy = remedy


if TYPE_CHECKING:

    class WorkerLost(_WorkerLost, BrokenExecutor): ...

    class NotPicklable(_NotPicklable, PicklingError): ...

else:

    def _define_worker_lost() -> type[AlongsideError]:
        from concurrent.futures import BrokenExecutor

        class WorkerLost(_WorkerLost, BrokenExecutor):
            """A worker process ended on its own: killed, crashed, or left by `os._exit`.

            Attributes: `pid`; `exit_code` or `signal` (a number), the other None; `cause`, the likely cause in words;
            `index` and `item` of the task it was running, `index` None if none.
            """

            __qualname__ = "WorkerLost"

        return WorkerLost

    def _define_not_picklable() -> type[AlongsideError]:
        from _pickle import PicklingError

        class NotPicklable(_NotPicklable, PicklingError):
            """A function, an item or a result cannot be sent to another process.

            Attributes: `what` was to be sent; `path`, the way to the culprit (`item.session._lock`); `reason`, what the
            culprit is; `remedy`, what to do.
            """

            __qualname__ = "NotPicklable"

        return NotPicklable

    _MADE_WHEN_ASKED = {"WorkerLost": _define_worker_lost, "NotPicklable": _define_not_picklable}

    def __getattr__(name: str) -> type[AlongsideError]:
        define = _MADE_WHEN_ASKED.get(name)
        if define is None:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        # *Guarantees* one class per process: two threads asking at once both get the one that setdefault kept.
        return globals().setdefault(name, define())


def _task(index: int | None) -> str:
    return "a task" if index is None else f"task {index}"


def _megabytes(size: int) -> str:
    return f"{size / 1e6:,.0f} MB"


def short(item: object, limit: int = 80) -> str:
    """`repr` of an item as a message can hold it: at most `limit` characters, made without a look at all of it.

    A `repr` that raises must not hide the failure it belongs to: that it did is then what is shown.
    """
    from reprlib import Repr

    brief = Repr()
    brief.maxstring = brief.maxlong = limit
    brief.maxlist = brief.maxtuple = brief.maxdict = brief.maxset = brief.maxfrozenset = brief.maxdeque = _SHOWN
    brief.maxlevel = 3
    brief.repr_instance = lambda x, level: repr(x)  # type: ignore[method-assign]  # its own hides what that raises
    try:
        text = brief.repr(item)
    except Exception as broken:
        return f"<{type(item).__name__} whose repr raised {type(broken).__name__}>"
    return text if len(text) <= limit else text[: limit - 1] + "…"


_SHOWN = 16
"""Elements of a container that are shown."""


def _ending(exit_code: int | None, signal: int | None) -> str:
    if signal is not None:
        return f"was killed by {_signal_name(signal)}"
    return "was lost" if exit_code is None else f"ended with exit code {exit_code}"


def _signal_name(number: int) -> str:
    from signal import Signals

    try:
        return Signals(number).name
    except ValueError:
        return f"signal {number}"


_LIKELY_BY_SIGNAL = {
    "SIGKILL": "the system ran out of memory and killed it, or somebody did",
    "SIGSEGV": "compiled code (an extension module) crashed",
    "SIGBUS": "compiled code crashed, or a mapped file became shorter",
    "SIGABRT": "compiled code found an error and stopped the process",
    "SIGILL": "compiled code was built for another kind of CPU",
    "SIGFPE": "compiled code made an arithmetic error",
    "SIGTERM": "somebody asked it to end",
    "SIGXCPU": "its CPU time limit was reached",
}


def _likely(exit_code: int | None, signal: int | None, index: int | None) -> str:
    if signal is not None:
        return _LIKELY_BY_SIGNAL.get(_signal_name(signal), "somebody sent it that signal")
    if exit_code is None:
        return "its connection broke"
    if index is None:
        return "a module that the function needs ended the process while it was being imported"
    return "the task left the process with os._exit or the like"


def _remedy(index: int | None) -> str:
    if index is None:
        return "Finished results are kept; see what else was written to standard error."
    return "See what the task does with this item (it would end this process, too), or let it try again with retries=."
