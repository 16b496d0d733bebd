"""Telling: items, errors and failures as text that any page, file or terminal can hold.

Owns how the user's values become text: cut to a length, with what cannot be shown escaped, whatever their own `repr`
does. Must never trust that text: who puts it into a page escapes it for that page.
"""

from __future__ import annotations

from html import escape

from alongside.exceptions import short
from alongside.light import dataclass

TYPE_CHECKING = False
if TYPE_CHECKING:
    from alongside.core.model import Failure

MOST_TEXT, MOST_TRACEBACK = 300, 6000
"""Characters of an item or a message, and of a traceback."""


@dataclass(slots=True)
class Told:
    """A failed task, as text."""

    index: int
    item: str
    kind: str
    message: str
    traceback: str
    attempts: int
    seconds: float
    worker: str


def told(failure: Failure) -> Told:
    """A failure as text."""
    error = failure.exception
    return Told(
        failure.index,
        text_of(failure.item),
        type(error).__qualname__,
        clean(_message(error)),
        clean(_traceback(error), MOST_TRACEBACK),
        failure.attempts,
        failure.seconds,
        failure.worker,
    )


def text_of(item: object) -> str:
    """An item as text: its `repr`, cut."""
    return clean(short(item, MOST_TEXT))


def clean(text: str, most: int = MOST_TEXT) -> str:
    """The text cut to a length, without what no page or file can hold: control characters, halves of pairs."""
    if len(text) > most:
        half = most // 2 - 2
        text = f"{text[:half]} … {text[-half:]}"
    return "".join(char if char in "\n\t" or char.isprintable() else _escaped(char) for char in text)


def _escaped(char: str) -> str:
    return char if char.isspace() and ord(char) > 0x9F else ascii(char)[1:-1]


def _message(error: BaseException) -> str:
    try:
        return str(error)
    except Exception as broken:
        return f"<its str raised {type(broken).__name__}>"


def _traceback(error: BaseException) -> str:
    import traceback

    try:
        return "".join(traceback.format_exception(error, limit=-20))
    except Exception as broken:
        return f"<its traceback cannot be told: {type(broken).__name__}>"


def failure_page(failure: Failure) -> str:
    """A failure as a piece of a notebook's page: what failed, on which item, and where."""
    one = told(failure)
    head = f"<b>task {one.index}</b> {escape(one.kind)}: {escape(one.message)}"
    facts = f"item <code>{escape(one.item)}</code>, attempts {one.attempts}, {escape(one.worker)}"
    frame = "border-left:3px solid #d2414e;padding:2px 10px;margin:4px 0;overflow-wrap:anywhere"
    return (
        f'<div style="{frame}">{head}<br><small>{facts}</small><details><summary>Traceback</summary>'
        f'<pre style="overflow-x:auto">{escape(one.traceback)}</pre></details></div>'
    )
