"""What a worker of an executor runs: one call, whatever its function.

Owns the worker's memory of functions that came by value. Must stay light: workers import it.
"""

from __future__ import annotations

import _pickle
from binascii import a2b_base64, b2a_base64

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_known: dict[bytes, Any] = {}
_MOST = 256


def call(task: tuple[Any, tuple[Any, ...], dict[str, Any]]) -> Any:
    """Run a task: a function (or the pickle of one), its arguments, its keyword arguments."""
    fn, args, kwargs = task
    if type(fn) is bytes:
        fn = _known.get(fn) or _remember(fn)
    return fn(*args, **kwargs)


async def call_async(task: tuple[Any, tuple[Any, ...], dict[str, Any]]) -> Any:
    """As `call`, for an event loop: what is to be awaited is."""
    value = call(task)
    return await value if hasattr(value, "__await__") else value


def veiled(pickle: bytes) -> bytes:
    """A pickle for inside a pickle, as text: a search of the outer one for what travels by value must not see it."""
    return b2a_base64(pickle)


def _remember(pickle: bytes) -> Any:
    if len(_known) >= _MOST:
        _known.clear()
    fn = _known[pickle] = _pickle.loads(a2b_base64(pickle))
    return fn
