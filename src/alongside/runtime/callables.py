"""What kind of callable the user gave.

Owns the look at a function that needs no call. Must never call it.
"""

from __future__ import annotations

TYPE_CHECKING = False  # the real one costs the import of `typing`, which is longer than most short jobs
if TYPE_CHECKING:
    from typing import Any

COROUTINE = 0x80 | 0x100
"""`inspect.CO_COROUTINE | inspect.CO_ITERABLE_COROUTINE`, without importing `inspect`, which costs 20 ms."""


def is_coroutine_function(fn: Any) -> bool:
    """Whether calling `fn` gives something to await: an async function, also in a partial, a method or `__call__`."""
    for _ in range(16):
        code = _code(fn) or _code(getattr(type(fn), "__call__", None))  # noqa: B004  (its code is wanted)
        if code is not None:
            return bool(code.co_flags & COROUTINE) or hasattr(fn, "_is_coroutine_mark")
        inner = getattr(fn, "func", None)
        if inner is None:
            return False
        fn = inner
    return False


def _code(fn: Any) -> Any:
    fn = getattr(fn, "__func__", fn)
    return getattr(fn, "__code__", None)


def name_of(fn: Any) -> str:
    """What to call `fn` in a message."""
    inner = getattr(fn, "func", fn)
    return str(getattr(inner, "__qualname__", None) or type(inner).__qualname__)
