"""What kind of callable the user gave.

Owns the look at a function that needs no call. Must never call it.
"""

from __future__ import annotations

from sys import modules

TYPE_CHECKING = False  # the real one costs the import of `typing`, which is longer than most short jobs
if TYPE_CHECKING:
    from typing import Any

COROUTINE = 0x80 | 0x100
"""`inspect.CO_COROUTINE | inspect.CO_ITERABLE_COROUTINE`, without importing `inspect`, which costs 20 ms."""


def is_coroutine_function(fn: Any) -> bool:
    """Whether calling `fn` gives something to await: an async function, also in a partial, a method or `__call__`."""
    for _ in range(16):
        flags = _flags(fn)
        if flags is None:
            flags = _flags(_part(type(fn), "__call__"))
        if flags is not None:
            return bool(flags & COROUTINE) or _is_marked(fn)
        fn = _part(fn, "func")
        if fn is None:
            return False
    return False


def _flags(fn: Any) -> int | None:
    flags = _part(_codelike(fn), "co_flags")
    return flags if type(flags) is int else None


def _is_marked(fn: Any) -> bool:
    """By `inspect.markcoroutinefunction`. Why its own mark: a `Mock` has whatever attribute it is asked for."""
    mark = _part(modules.get("inspect"), "_is_coroutine_mark")
    return mark is not None and _part(fn, "_is_coroutine_mark") is mark


def _part(thing: Any, name: str) -> Any:
    """An attribute; None where there is none, and where the user's own `__getattr__` raises something else."""
    try:
        return getattr(thing, name, None)
    except Exception:
        return None


BRIEF = 64
"""Bytes of bytecode in which nothing that lasts is done without the name of something to call."""


def may_take_long(fn: Any) -> bool:
    """Whether a call may take long, by its code: a short expression that names nothing is done at once (unless
    what its operators work on is large)."""
    code = _code(fn)
    return code is None or bool(code.co_names or code.co_freevars) or len(code.co_code) > BRIEF


def _codelike(fn: Any) -> Any:
    """What it has in the place of its code, be it a function or a method."""
    return _part(_part(fn, "__func__") or fn, "__code__")


def _code(fn: Any) -> Any:
    code = _codelike(fn)
    return code if isinstance(code, _CODE) else None


_CODE = type(_code.__code__)


def _inner(fn: Any) -> Any:
    """What a partial calls."""
    return _part(fn, "func") or fn


def code_of(fn: Any) -> Any:
    """What stays the same where the function is made anew (a lambda in a loop, a partial): its code; or None."""
    inner = _inner(fn)
    code = _code(inner) or _code(_part(type(inner), "__call__"))
    return code if code is not None else (inner if isinstance(inner, type(len)) else None)


def identity_of(fn: Any) -> Any:
    """As `code_of`, and different for functions that only share the code of a decorator's wrapper."""
    code, inner = code_of(fn), _inner(fn)
    named = _text(inner, "__qualname__") or _text(inner, "__name__")
    return None if code is None else (code, _text(inner, "__module__"), named)


def _text(thing: Any, name: str) -> str:
    text = _part(thing, name)
    return text if isinstance(text, str) else ""


REMEMBERED = 256
"""Functions of which something is remembered."""


def keep_newest(memory: dict[Any, Any], identity: Any, what: Any) -> None:
    """Keep this of a function in a memory of `REMEMBERED`, if it has an identity. The oldest entries go."""
    if identity is None:
        return
    memory.pop(identity, None)
    memory[identity] = what
    while len(memory) > REMEMBERED:
        del memory[next(iter(memory))]


def name_of(fn: Any) -> str:
    """What to call `fn` in a message."""
    inner = _inner(fn)
    return _text(inner, "__qualname__") or type(inner).__qualname__
