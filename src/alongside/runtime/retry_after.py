"""How long a server asked to be left alone: `Retry-After`, of an exception or of the response it carries.

Owns how such an answer is recognised, in whatever library's clothes: httpx, aiohttp, requests, urllib3, urllib and
those built on them. Must never import one of them, raise, or wait.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

CHAIN = 8
"""Causes that are looked through, at the most."""


def asked_for(error: BaseException) -> float | None:
    """Seconds for which the server does not want to be asked again, where it said so.

    Looked for in the exception, in its `response`, and in those of its causes. A date is taken relative to the server's
    own `Date` where it gave one, so that clocks that differ do no harm.

    >>> error = OSError("429 Too Many Requests")
    >>> error.headers = {"Retry-After": "2"}
    >>> asked_for(error)
    2.0
    """
    for cause in _causes(error):
        for carrier in (cause, getattr(cause, "response", None)):
            headers = _headers(carrier)
            if (told := headers.get("retry-after")) is not None:
                return _seconds(told, headers.get("date"))
    return None


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    for _ in range(CHAIN):
        if error is None:
            return
        yield error
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)


def _headers(carrier: Any) -> dict[str, str]:
    """The headers of what may be a response, by their names in small letters; a `retry_after` counts as one."""
    try:
        headers: Any = getattr(carrier, "headers", None)
        pairs = headers.items() if hasattr(headers, "items") else ()
        found = {str(name).lower(): str(value) for name, value in pairs}
        own = getattr(carrier, "retry_after", None)
        if isinstance(own, (int, float, str)) and not isinstance(own, bool):
            found.setdefault("retry-after", str(own))
    except Exception:  # somebody else's object: what it cannot tell it has not told
        return {}
    return found


def _seconds(told: str, date: str | None) -> float | None:
    """`Retry-After` is seconds or a date (RFC 9110, 10.2.3)."""
    try:
        seconds = float(told)
    except ValueError:
        then = _moment(told)
        now = _moment(date) if date else None
        if then is None:
            return None
        seconds = then - (time.time() if now is None else now)
    return max(0.0, seconds) if seconds == seconds else None


def _moment(date: str) -> float | None:
    from datetime import UTC
    from email.utils import parsedate_to_datetime

    try:
        moment = parsedate_to_datetime(date)
    except (TypeError, ValueError):
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
