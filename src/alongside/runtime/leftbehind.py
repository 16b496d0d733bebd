"""State that worker processes would not have: what a function reads of modules that was set after their import.

Owns the comparison of a module's plain values with those that its code would set. Must never import a module or run any
of its code, and say nothing where it cannot know: a value that is computed, or may have been set while importing.

Why: a worker imports modules anew. `settings.scale = 10` in the program is 10 in the loop and in threads, and what
settings.py says in a worker: one call would give results of both kinds, without a word.
"""

from __future__ import annotations

import os
import sys
from collections import deque
from collections.abc import Iterator
from functools import lru_cache, partial
from opcode import opmap
from types import CellType, CodeType, FunctionType, MethodType

from alongside.exceptions import short
from alongside.runtime.harmless import instructions, is_the_users, is_users_module, names_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

ENOUGH = 50
"""Functions looked at, at most: the one given, and those of the user's that it calls."""

_AROUND: dict[type, Any] = {
    partial: lambda fn: fn.func,
    MethodType: lambda fn: fn.__func__,
    type(lru_cache(len)): lambda fn: fn.__wrapped__,
}
_EMPTY = CellType()
_NOTHING: Any = object()
_UNKNOWN: Any = object()
_PLAIN = (int, float, complex, str, bytes, bool, type(None))
_MAIN = ("__main__", "__mp_main__", None)
_CONST, _SMALL = opmap["LOAD_CONST"], opmap.get("LOAD_SMALL_INT")
_STORE, _STORE_GLOBAL, _STORE_ATTR = opmap["STORE_NAME"], opmap["STORE_GLOBAL"], opmap["STORE_ATTR"]
_LOAD = opmap["LOAD_NAME"]
_HIDING = {"globals", "vars", "exec", "setattr", "__getattr__"}
"""Names by which a module may set its own without a trace in its code."""


def left_behind(fn: Any) -> str:
    """What it reads that would be otherwise in a worker, in words; empty where nothing of the kind is seen.

    Costs some µs for each function, and a fraction of a millisecond for each module that it reads a plain value of.
    """
    try:
        return _found(fn)
    except Exception:  # something that it names is not what it seems: no reason to end a run
        return ""


def _found(fn: Any) -> str:
    reads: dict[tuple[str, str], None] = {}
    own: set[tuple[str, str]] = set()
    for code, around in _functions(fn):
        home = around.get("__name__")
        own |= {(str(home), name) for name in _stored(code, _STORE_GLOBAL)}  # `changes lost` is about those
        for name in code.co_names:
            value = around.get(name)
            if is_users_module(value):
                there = names_of(value)
                reads |= {(there["__name__"], part): None for part in code.co_names if part in there}
            elif home not in _MAIN and name in around:
                reads[str(home), name] = None
    return next(filter(None, (_otherwise(*read) for read in reads if read not in own)), "")


def _functions(fn: Any) -> Iterator[tuple[CodeType, dict[str, Any]]]:
    """The code of a function, of those inside it, and of the user's that it names; each with its globals."""
    todo: deque[Any] = deque([fn])
    seen: set[Any] = set()
    while todo and len(seen) < ENOUGH:
        function = todo.popleft()
        while type(function) in _AROUND:
            function = _AROUND[type(function)](function)
        if type(function) is not FunctionType:  # *Why not* `isinstance`: it asks the object, which may not like that
            continue
        code = function.__code__
        if code in seen or not is_the_users(code.co_filename):
            continue
        seen.add(code)
        for inner in _nested(code):
            yield inner, function.__globals__
            todo += _named_in(inner, function.__globals__)
        todo += [cell.cell_contents for cell in function.__closure__ or () if cell != _EMPTY]


def _named_in(code: CodeType, around: dict[str, Any]) -> list[Any]:
    """What may be functions of the user's: globals, and what stands in modules of the user's."""
    values = [around.get(name) for name in code.co_names]
    modules = [names_of(value) for value in values if is_users_module(value)]
    return [*values, *(module.get(name) for module in modules for name in code.co_names)]


def _nested(code: CodeType) -> Iterator[CodeType]:
    yield code
    for const in code.co_consts:
        if isinstance(const, CodeType):
            yield from _nested(const)


def _otherwise(module: str, name: str) -> str:
    here: Any = names_of(sys.modules[module]).get(name, _UNKNOWN) if module in sys.modules else _UNKNOWN
    if type(here) not in _PLAIN or here != here or name.startswith("__"):
        return ""
    values = _first_values(module, _stamp(module))
    there = _UNKNOWN if values is None else values.get(name, _NOTHING)
    if there is _UNKNOWN or (type(there) is type(here) and there == here):
        return ""
    if any(name in _attributes_set(other, _stamp(other)) for other in _users_modules()):
        return ""
    found = "is not there" if there is _NOTHING else f"is {short(there)}"
    return (
        f"it reads {module}.{name}, which is {short(here)} here and {found} in a worker, since that imports {module} "
        "anew. Hand it over as an argument (functools.partial), or set it in an initializer="
    )


@lru_cache(maxsize=256)
def _first_values(module: str, stamp: int) -> dict[str, Any] | None:
    """What the module's own code sets its names to: a plain value, or `_UNKNOWN`. None where its code does not tell."""
    code = _code_of(module)
    if code is None or not _HIDING.isdisjoint(code.co_names) or ("*",) in code.co_consts:
        return None
    values: dict[str, Any] = {}
    loaded: set[str] = set()
    before = _UNKNOWN
    for op, arg in instructions(code):
        if op in (_STORE, _STORE_GLOBAL):
            name = code.co_names[arg]
            values[name] = before if name not in values and type(before) in _PLAIN else _UNKNOWN
        elif op == _LOAD:  # also where a name is called: `started()`
            loaded.add(code.co_names[arg])
        before = code.co_consts[arg] if op == _CONST else arg if op == _SMALL else _UNKNOWN
    called = (inner for inner in code.co_consts if isinstance(inner, CodeType) and inner.co_name in loaded)
    set_by_them = {name for inner in called for nested in _nested(inner) for name in _stored(nested, _STORE_GLOBAL)}
    return values | dict.fromkeys(set_by_them, _UNKNOWN)


@lru_cache(maxsize=1024)
def _attributes_set(module: str, stamp: int) -> frozenset[str]:
    """The attributes, of whatever, that the module's code sets when it is imported."""
    code = _code_of(module)
    return frozenset() if code is None else frozenset(_stored(code, _STORE_ATTR))


def _stamp(module: str) -> int:
    """When its file was last written: what a worker would import is what it holds now."""
    try:
        return os.stat(sys.modules[module].__file__ or "").st_mtime_ns
    except (OSError, KeyError, AttributeError):
        return 0


def _users_modules() -> list[str]:
    return [name for name, module in list(sys.modules.items()) if name not in _MAIN and is_users_module(module)]


def _code_of(module: str) -> CodeType | None:
    """Its code as it would be run; None where there is none to be had."""
    loader = getattr(getattr(sys.modules.get(module), "__spec__", None), "loader", None)
    try:
        code = loader.get_code(module)  # type: ignore[union-attr]
    except Exception:
        return None
    return code if isinstance(code, CodeType) else None


def _stored(code: CodeType, how: int) -> Iterator[str]:
    return (code.co_names[arg] for op, arg in instructions(code) if op == how)
