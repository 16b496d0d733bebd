"""A first look at a function, which tells of most that they can neither change nor draw anything shared.

Owns the cheap test before the reading of bytecode (reading.py): importing what that needs takes as long as all the rest
of a short script. Must never call a function harmless that the reading would have something to say about.
"""

from __future__ import annotations

from opcode import opmap
from types import BuiltinFunctionType, CodeType, FunctionType, ModuleType

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_STORING = ("STORE_GLOBAL", "DELETE_GLOBAL", "STORE_ATTR", "DELETE_ATTR", "STORE_SUBSCR")
_STORES = frozenset(opmap[name] for name in _STORING)
_CONSTANTS = (int, float, complex, str, bytes, bool, type(None), BuiltinFunctionType)
_CHANCE = ("random", "torch")


def is_harmless(fn: Any) -> bool:
    """Whether all that it refers to outside are modules, constants and functions written in C, none of them by chance,
    and it stores nothing outside its own names. False where that is not seen at once. Costs about a microsecond.
    """
    if not isinstance(fn, FunctionType) or fn.__closure__ or fn.__defaults__ or fn.__kwdefaults__:
        return False
    code = fn.__code__
    if not _STORES.isdisjoint(code.co_code[::2]) or any(isinstance(const, CodeType) for const in code.co_consts):
        return False
    around = fn.__globals__
    return all(_is_plain(around.get(name), name) for name in code.co_names)


def _is_plain(value: Any, name: str) -> bool:
    """`name` may be a global's, or an attribute's of one."""
    if any(word in name for word in _CHANCE):
        return False
    if isinstance(value, ModuleType):
        return not any(word in value.__name__ for word in _CHANCE)
    owner = getattr(value, "__self__", None)  # of a method: the object it belongs to; of a function in C: its module
    return isinstance(value, _CONSTANTS) and (owner is None or isinstance(owner, ModuleType))
