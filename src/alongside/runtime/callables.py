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


BRIEF = 64
"""Bytes of bytecode in which nothing that lasts is done without the name of something to call."""


def may_take_long(fn: Any) -> bool:
    """Whether a call may take long, by its code: a short expression that names nothing is done at once (unless
    what its operators work on is large)."""
    code = _code(fn)
    return code is None or bool(code.co_names or code.co_freevars) or len(code.co_code) > BRIEF


def _code(fn: Any) -> Any:
    fn = getattr(fn, "__func__", fn)
    return getattr(fn, "__code__", None)


def code_of(fn: Any) -> Any:
    """What stands for the function wherever it is made again (a lambda in a loop, a partial); None if nothing does."""
    inner = getattr(fn, "func", fn)
    code = _code(inner) or _code(getattr(type(inner), "__call__", None))  # noqa: B004  (its code is wanted)
    return code if code is not None else (inner if isinstance(inner, type(len)) else None)


def identity_of(fn: Any) -> Any:
    """As `code_of`, and different for functions that only share the code of a decorator's wrapper."""
    code, inner = code_of(fn), getattr(fn, "func", fn)
    named = getattr(inner, "__qualname__", None) or getattr(inner, "__name__", None)
    return None if code is None else (code, getattr(inner, "__module__", None), named)


REMEMBERED = 256
"""Functions of which something is remembered."""


def keep_newest(memory: dict[Any, Any], identity: Any, what: Any) -> None:
    """Keep this of a function in a memory of `REMEMBERED`. The oldest entries go."""
    memory.pop(identity, None)
    memory[identity] = what
    while len(memory) > REMEMBERED:
        del memory[next(iter(memory))]


def name_of(fn: Any) -> str:
    """What to call `fn` in a message."""
    inner = getattr(fn, "func", fn)
    return str(getattr(inner, "__qualname__", None) or type(inner).__qualname__)
