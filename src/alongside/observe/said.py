"""Shows what worker processes say where the parent's own prints, log records and warnings go.

Owns how that is tagged with its task, and which repeated warnings are shown once. Must never raise: a stream of the
parent's that is closed or broken must not end a run.
"""

from __future__ import annotations

import sys
from typing import Any

from alongside.core.events import Said
from alongside.workers.voice import DROPPED, ERR, LOG, OUT, WARNING

MOST_SHOWN = 10_000
"""Warnings that are remembered as shown; then all are forgotten, and may be shown again."""

_shown: set[tuple[Any, ...]] = set()


def show(said: Said) -> None:
    """Show it: in this process's `sys.stdout` and `sys.stderr` as they are now, its loggers, its warnings."""
    for kind, task, what in said.pieces:
        try:
            _SHOW[kind](f"[task {task}] " if task is not None else "", task, what)
        except Exception:
            continue


def _out(tag: str, task: int | None, text: str) -> None:
    _write(sys.stdout, tag, text)


def _err(tag: str, task: int | None, text: str) -> None:
    _write(sys.stderr, tag, text)


def _write(stream: Any, tag: str, text: str) -> None:
    if stream is None:
        return
    told = "".join(f"{tag}{line}\n" for line in text.removesuffix("\n").split("\n"))
    if "tqdm.std" in sys.modules:
        from tqdm.std import tqdm

        with tqdm.external_write_mode(file=stream):  # not into the middle of a bar
            stream.write(told)
    else:
        stream.write(told)
    stream.flush()


def _dropped(tag: str, task: int | None, lines: int) -> None:
    _write(sys.stderr, tag, f"{lines:,} more lines were dropped: more was said than could be shown\n")


def _log(tag: str, task: int | None, what: tuple[int, dict[str, Any]]) -> None:
    import logging

    told = what[1]
    record = logging.makeLogRecord({**told, "msg": tag + told["msg"], "task": task})
    logger = logging.getLogger(record.name)
    if logger.isEnabledFor(record.levelno):
        logger.handle(record)


def _warning(tag: str, task: int | None, what: tuple[int, str, str, str, str, int]) -> None:
    import warnings

    _, text, module, name, filename, line = what
    category = _category(module, name)
    action = _action(text, category, filename, line)
    if action == "ignore":
        return
    key = (text, category) if action == "once" else (text, category, filename, line)
    if action != "always" and action != "all":
        if key in _shown:
            return
        if len(_shown) >= MOST_SHOWN:
            _shown.clear()
        _shown.add(key)
    warnings.showwarning(_made(category, tag + text), category, filename, line)


def _category(module: str, name: str) -> type[Warning]:
    """The warning's class, where this process knows it."""
    found = getattr(sys.modules.get(module), name, None)
    return found if isinstance(found, type) and issubclass(found, Warning) else UserWarning


def _made(category: type[Warning], text: str) -> Warning:
    try:
        return category(text)
    except Exception:  # a class of the user's that wants other arguments
        return UserWarning(text)


def _action(text: str, category: type[Warning], filename: str, line: int) -> str:
    """What this process's filters say about it, as `warnings.warn_explicit` would read them."""
    import warnings

    module = filename.removesuffix(".py").rpartition("/")[2]
    for action, message, kind, place, where in warnings.filters:
        if (
            (message is None or _matches(message, text))
            and issubclass(category, kind)
            and (place is None or _matches(place, module))
            and where in (0, line)
        ):
            return action
    return "default"


def _matches(pattern: Any, text: str) -> bool:
    return pattern == text if isinstance(pattern, str) else pattern.match(text) is not None


_SHOW: dict[int, Any] = {OUT: _out, ERR: _err, LOG: _log, WARNING: _warning, DROPPED: _dropped}
