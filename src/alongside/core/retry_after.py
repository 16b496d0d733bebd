"""How long a server asked to be left alone: `Retry-After`, of an exception or of the response it carries.

Owns how such an answer is recognised, in whatever library's clothes: httpx, aiohttp, requests, urllib3, urllib and
those built on them. Must never import one of them, raise, or wait.

A worker process asks too, before an exception loses on its way what cannot travel (transport/errors.py).
"""

from __future__ import annotations

from collections.abc import Iterator

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

CHAIN = 8
"""Causes that are looked through, at the most."""


def asked_for(error: BaseException, now: float) -> float | None:
    """Seconds for which the server does not want to be asked again, where it said so; `now` in seconds since the epoch.

    Looked for in the exception, in its `response`, and in those of its causes. A date is taken relative to the server's
    own `Date` where it gave one, so that clocks that differ do no harm.

    >>> error = OSError("429 Too Many Requests")
    >>> error.headers = {"Retry-After": "2"}
    >>> asked_for(error, now=0.0)
    2.0
    """
    return next((told for cause in _causes(error) if (told := told_by(cause, now)) is not None), None)


def told_by(carrier: object, now: float) -> float | None:
    """The same of what has the attributes of one exception, its causes apart."""
    for one in (carrier, _attribute(carrier, "response")):
        headers = _headers(one)
        if (told := headers.get("retry-after")) is not None:
            return _seconds(told, headers.get("date"), now)
    return None


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    for _ in range(CHAIN):
        if error is None:
            return
        yield error
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)


def _attribute(carrier: object, name: str) -> Any:
    try:
        return getattr(carrier, name, None)
    except Exception:  # somebody else's object: what it cannot tell it has not told
        return None


def _headers(carrier: object) -> dict[str, str]:
    """The headers of what may be a response, by their names in small letters; a `retry_after` counts as one."""
    try:
        headers = _attribute(carrier, "headers")
        pairs = headers.items() if hasattr(headers, "items") else ()
        found = {str(name).lower(): str(value) for name, value in pairs}
        own = _attribute(carrier, "retry_after")
        if isinstance(own, (int, float, str)) and not isinstance(own, bool):
            found.setdefault("retry-after", str(own))
    except Exception:
        return {}
    return found


def _seconds(told: str, date: str | None, now: float) -> float | None:
    """`Retry-After` is seconds or a date (RFC 9110, 10.2.3)."""
    try:
        seconds = float(told)
    except ValueError:
        then = _moment(told)
        theirs = _moment(date) if date else None
        if then is None:
            return None
        seconds = then - (now if theirs is None else theirs)
    return max(0.0, seconds) if seconds == seconds else None


def _moment(date: str) -> float | None:
    from datetime import UTC
    from email.utils import parsedate_to_datetime

    try:
        moment = parsedate_to_datetime(date)
    except (TypeError, ValueError):
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
