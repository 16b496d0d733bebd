"""A first look at a function, which tells of most that they can neither change nor draw anything shared.

Owns the cheap test before the reading of bytecode (reading.py): importing what that needs takes as long as all the rest
of a short script. Must never call a function harmless that the reading would have something to say about.
"""

from __future__ import annotations

import os
from opcode import opmap
from types import BuiltinFunctionType, CodeType, FunctionType, ModuleType

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

CHANGING = {"append", "extend", "insert", "add", "update", "remove", "discard", "pop", "popitem", "clear", "setdefault"}
CHANGING |= {"sort", "reverse", "rotate", "appendleft", "extendleft", "popleft", "subtract"}
CHANGING |= {"difference_update", "intersection_update", "symmetric_difference_update"}
"""Methods by which the containers of the standard library are changed."""

CHANGING_TABLES = {"fill", "put", "partition", "resize", "itemset", "sort", "insert", "update"}
"""Methods by which arrays and frames are changed; others of a frame's are told so, by `inplace=True`."""

_STORING = (
    "STORE_GLOBAL",
    "DELETE_GLOBAL",
    "STORE_ATTR",
    "DELETE_ATTR",
    "STORE_SUBSCR",
    "DELETE_SUBSCR",
    "STORE_SLICE",
)
_STORES = frozenset(opmap[name] for name in _STORING if name in opmap)
_GIVING, _GIVING_CONSTANT, _COMMON = (
    opmap.get(name) for name in ("RETURN_VALUE", "RETURN_CONST", "LOAD_COMMON_CONSTANT")
)
_CONSTANT = (opmap["LOAD_CONST"], _GIVING_CONSTANT, _COMMON)
_ADDING, _EXTENDED = opmap["BINARY_OP"], opmap["EXTENDED_ARG"]
_IN_PLACE = range(13, 26)
"""Arguments of that instruction from `+=` to `^=`."""
_CONSTANTS = (int, float, complex, str, bytes, bool, type(None), BuiltinFunctionType)
_CHANCE = ("random", "torch")
_LIBRARIES = (os.path.dirname(os.__file__), os.path.dirname(os.path.dirname(__file__)))


def is_harmless(fn: Any) -> bool:
    """Whether all that it refers to outside are modules, constants and functions written in C, none of them by chance,
    and it stores nothing outside its own names. False where that is not seen at once. Costs about a microsecond.
    """
    if not isinstance(fn, FunctionType) or fn.__closure__ or fn.__defaults__ or fn.__kwdefaults__:
        return False
    code = fn.__code__
    if not _STORES.isdisjoint(code.co_code[::2]) or any(isinstance(const, CodeType) for const in code.co_consts):
        return False
    if may_change_its_item(code) and (code.co_name == "<lambda>" or _gives_nothing(code)):
        return False
    around = fn.__globals__
    return all(_is_plain(around.get(name), name) for name in code.co_names)


def may_change_its_item(code: CodeType) -> bool:
    """Whether there is something in it by which it may change what it is given."""
    if not code.co_argcount:
        return False
    if not CHANGING.isdisjoint(code.co_names) or not CHANGING_TABLES.isdisjoint(code.co_names):
        return True
    if any(isinstance(const, tuple) and "inplace" in const for const in code.co_consts):
        return True
    ops = code.co_code[::2]
    stores = not _STORES.isdisjoint(ops)
    return stores or (_ADDING in ops and any(op == _ADDING and arg in _IN_PLACE for op, arg in instructions(code)))


def instructions(code: CodeType) -> Iterator[tuple[int, int]]:
    """Operations and arguments. Why not `dis`: to load it takes longer than all that is asked of them here."""
    extended = 0
    for op, arg in zip(code.co_code[::2], code.co_code[1::2], strict=True):
        arg |= extended
        if op == _EXTENDED:
            extended = arg << 8
        else:
            extended = 0
            yield op, arg


def _gives_nothing(code: CodeType) -> bool:
    """Whether it gives nothing but None, as far as that is seen at once."""
    before = (0, 0)
    for op, arg in instructions(code):
        source = before if op == _GIVING else (op, arg) if op == _GIVING_CONSTANT else None
        if source is not None and not _is_none(code, *source):
            return False
        before = op, arg
    return True


def _is_none(code: CodeType, op: int, arg: int) -> bool:
    if op not in _CONSTANT:
        return False
    return op == _COMMON or (arg < len(code.co_consts) and code.co_consts[arg] is None)


def _is_plain(value: Any, name: str) -> bool:
    """`name` may be a global's, or an attribute's of one."""
    if any(word in name for word in _CHANCE):
        return False
    if isinstance(value, ModuleType):
        return not any(word in value.__name__ for word in _CHANCE)
    owner = getattr(value, "__self__", None)  # of a method: the object it belongs to; of a function in C: its module
    return isinstance(value, _CONSTANTS) and (owner is None or isinstance(owner, ModuleType))


def is_the_users(file: str) -> bool:
    """Whether code of this file is the user's own: not the standard library's, an installed package's, or ours."""
    if "site-packages" in file or "dist-packages" in file or file.startswith("<frozen"):
        return False
    return not file.startswith(_LIBRARIES)


def is_users_module(value: Any) -> bool:
    """Whether it is a module of the user's own."""
    return issubclass(type(value), ModuleType) and is_the_users(names_of(value).get("__file__") or "<frozen>")


def names_of(module: Any) -> dict[str, Any]:
    """What stands in a module. Why not `vars`: a module that loads itself lazily would."""
    names: dict[str, Any] = object.__getattribute__(module, "__dict__")
    return names
