"""Progress: a bar (tqdm) in a terminal, a widget in a notebook, a line now and then in a log, or the user's own object.

Owns what is drawn. Must never slow a run: it is told once per batch, and draws at most ten times a second. Must never
leave a thread behind: tqdm's monitor, which would redraw a bar that nothing happens to, stays off.
"""

from __future__ import annotations

import os
import sys
from importlib.util import find_spec
from typing import Any

from alongside.core.events import Command, Deliver, Event, Finish, Finished, Moved, Retry
from alongside.core.model import Failure

FIRST_LINE, LINES = 5.0, 30.0
"""Seconds until the first line where lines are written, and between two of them when a run has lasted that long."""


class Progress:
    """Counts finished tasks, failures and retries, and names the backend at work, and those before it.

    `wanted`: True for a bar on standard error, or an object with `update(n)` and, where it has them,
    `set_postfix_str(text, refresh)`, `refresh()` and `close()`: those of tqdm, whose subclasses all fit.
    """

    def __init__(self, wanted: Any, total: int | None, done: int = 0, backend: str = "") -> None:
        self._own = wanted is True
        self._bar = bar(total) if self._own else wanted
        self._failed = self._retried = 0
        self._backends = [backend] if backend else []
        self._label()
        if done:
            self._bar.update(done)

    def on_event(self, event: Event, now: float) -> None:
        if isinstance(event, Finished):
            self._bar.update(sum(len(part.values) for part in event.parts))
        elif isinstance(event, Moved) and self._backends[-1:] != [event.crew.name]:  # not just to more of the same
            self._backends.append(event.crew.name)
            self._label()

    def on_command(self, command: Command, now: float) -> None:
        if isinstance(command, Retry):
            self._retried += 1
            self._label()
        elif isinstance(command, Deliver):
            self._count(sum(isinstance(delivery, Failure) for delivery in command.deliveries))
        elif isinstance(command, Finish) and command.failure is not None:
            self._count(1)

    def close(self) -> None:
        """Draw for the last time."""
        for name in ("refresh", "close") if self._own else ("refresh",):
            getattr(self._bar, name, _nothing)()

    def _count(self, failures: int) -> None:
        if failures:
            self._failed += failures
            self._bar.update(failures)
            self._label()

    def _label(self) -> None:
        told = [" → ".join(self._backends[-2:])] if self._backends else []
        told += [f"{self._failed:,} failed"] if self._failed else []
        told += [f"{self._retried:,} retried"] if self._retried else []
        set_text = getattr(self._bar, "set_postfix_str", None)
        if set_text is not None:
            set_text(", ".join(told), refresh=False)


def bar(total: int | None) -> Any:
    """What suits the place: a widget, a bar, or lines."""
    from tqdm.std import tqdm

    kind: type[Any] = tqdm
    if _in_notebook() and find_spec("ipywidgets") is not None:
        from tqdm.notebook import tqdm as widget

        kind = widget
    elif not _in_notebook() and not _is_terminal():
        kind = _lines(tqdm)
    quiet = type("Bar", (kind,), {"monitor_interval": 0})
    return quiet(total=total, unit=" tasks", smoothing=0.1, mininterval=0.1, miniters=1, **_size())


def _size() -> dict[str, Any]:
    """The terminal's own; a terminal that says it has none is taken to be an ordinary one."""
    try:
        known = os.get_terminal_size(sys.stderr.fileno()).columns > 0
    except (OSError, ValueError, AttributeError):
        known = True  # it is none, or stands in for one
    return {"dynamic_ncols": True} if known else {"ncols": 80, "nrows": 24}


def _is_terminal() -> bool:
    return sys.stderr is not None and sys.stderr.isatty()


def _in_notebook() -> bool:
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None and hasattr(ipython, "get_ipython") else None
    return type(shell).__name__ == "ZMQInteractiveShell"


def _lines(tqdm: type[Any]) -> type[Any]:
    """A bar for files and logs, where one cannot be drawn over: a line now and then, and one at the end."""

    class Lines(tqdm):  # type: ignore[misc]  # a class made from what is installed
        """Writes whole lines, the less often the longer it lasts."""

        def __init__(self, **options: Any) -> None:
            self._written = -1
            super().__init__(**(options | {"mininterval": FIRST_LINE, "dynamic_ncols": False, "delay": 1e-9}))

        def display(self, msg: str | None = None, pos: int | None = None) -> bool:
            self.mininterval = min(LINES, max(FIRST_LINE, self.format_dict["elapsed"] / 4))
            if self.n != self._written:
                self._written = self.n
                self.fp.write(self.format_meter(**(self.format_dict | {"ncols": 0})).strip() + "\n")
                self.fp.flush()
            return True

        def clear(self, nolock: bool = False) -> None:
            """There is nothing to be cleared from a log."""

        def close(self) -> None:
            """The last line is written already."""
            if not self.disable:  # type: ignore[has-type]
                self.disable = True
                self._decr_instances(self)

    return Lines


def _nothing() -> None:
    """What is called on an object that lacks the method."""
