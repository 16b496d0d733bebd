"""What workers will have to import for a function, so that it can be imported once where they come from.

Owns the guess. Must never import anything itself.
"""

from __future__ import annotations

from sys import modules
from types import ModuleType

from alongside.transport.modules import is_unfinished

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_NOT_THERE = ("__main__", "__mp_main__", "", "builtins")


def modules_of(fn: Any, values: tuple[Any, ...] = ()) -> tuple[str, ...]:
    """Its module; or, where it travels by value, what that takes and the modules that its code names. And those of
    `values`, an item and a result: a frame brings pandas with it, whether the function names that or not."""
    try:
        return tuple(dict.fromkeys([*_guessed(fn), *filter(None, map(_home_of, values))]))
    except Exception:  # it is an object whose attributes are not what they are elsewhere, as a mock's are
        return ()


def _home_of(value: Any) -> str:
    """Where the type of a value is from, or of the first of several; empty where that is everywhere."""
    for _ in range(3):
        if type(value) is dict:
            value = [*value.values()]
        if type(value) not in (list, tuple) or not value:
            break
        value = value[0]
    home = type(value).__module__
    return "" if home in _NOT_THERE or is_unfinished(home, modules) else home


def _guessed(fn: Any) -> tuple[str, ...]:
    inner = getattr(fn, "func", fn)
    inner = getattr(inner, "__func__", inner)
    home = getattr(inner, "__module__", None) or ""
    if home not in _NOT_THERE and not is_unfinished(home, modules):
        return (home,)
    code, names = getattr(inner, "__code__", None), getattr(inner, "__globals__", {})
    used = (names.get(name) for name in (code.co_names if code else ()))
    named = (value.__name__ for value in used if isinstance(value, ModuleType))
    return ("cloudpickle", *(name for name in named if not is_unfinished(name, modules)))
