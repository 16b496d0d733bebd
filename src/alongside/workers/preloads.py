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


def modules_of(fn: Any) -> tuple[str, ...]:
    """Its module; or, where it travels by value, what that takes and the modules that its code names."""
    try:
        return _guessed(fn)
    except Exception:  # it is an object whose attributes are not what they are elsewhere, as a mock's are
        return ()


def _guessed(fn: Any) -> tuple[str, ...]:
    inner = getattr(fn, "func", fn)
    inner = getattr(inner, "__func__", inner)
    home = getattr(inner, "__module__", None) or ""
    if home not in ("__main__", "__mp_main__", "", "builtins") and not is_unfinished(home, modules):
        return (home,)
    code, names = getattr(inner, "__code__", None), getattr(inner, "__globals__", {})
    used = (names.get(name) for name in (code.co_names if code else ()))
    named = (value.__name__ for value in used if isinstance(value, ModuleType))
    return ("cloudpickle", *(name for name in named if not is_unfinished(name, modules)))
