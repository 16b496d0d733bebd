"""Progress: a bar (tqdm), or any object like one that the user gives.

Owns the bar. Must never slow a run: it is told once per batch, and draws at most ten times a second.
"""

from __future__ import annotations

from typing import Any

from alongside.core.events import Command, Deliver, Event, Finish, Finished, Moved, Retry
from alongside.core.model import Failure


class Progress:
    """Counts finished tasks, failures and retries, and names the backend at work.

    `wanted`: True for a bar on standard error (a widget in a notebook), or an object with `update(n)` and, where it has
    them, `set_postfix_str(text)`, `refresh()` and `close()`.
    """

    def __init__(self, wanted: Any, total: int | None, done: int = 0) -> None:
        self._own = wanted is True
        self._bar = _bar(total) if self._own else wanted
        self._failed = self._retried = 0
        self._backend = ""
        if done:
            self._bar.update(done)

    def on_event(self, event: Event, now: float) -> None:
        if isinstance(event, Moved):
            self._backend = event.crew.name
            self._label()
        if isinstance(event, Finished):
            self._bar.update(sum(len(part.values) for part in event.parts))

    def on_command(self, command: Command, now: float) -> None:
        if isinstance(command, Retry):
            self._retried += 1
            self._label()
        elif isinstance(command, Deliver):
            self._count([d for d in command.deliveries if isinstance(d, Failure)])
        elif isinstance(command, Finish) and command.failure is not None:
            self._count([command.failure])

    def close(self) -> None:
        """Draw for the last time."""
        for name in ("refresh", "close") if self._own else ("refresh",):
            getattr(self._bar, name, _nothing)()

    def _count(self, failures: list[Failure]) -> None:
        if failures:
            self._failed += len(failures)
            self._bar.update(len(failures))
            self._label()

    def _label(self) -> None:
        told = [self._backend] if self._backend else []
        told += [f"{self._failed} failed"] if self._failed else []
        told += [f"{self._retried} retried"] if self._retried else []
        set_text = getattr(self._bar, "set_postfix_str", None)
        if set_text is not None:
            set_text(", ".join(told), refresh=False)


def _bar(total: int | None) -> Any:
    from tqdm.auto import tqdm

    return tqdm(total=total, unit=" tasks", dynamic_ncols=True, smoothing=0.1)


def _nothing() -> None:
    """What is called on an object that lacks the method."""
