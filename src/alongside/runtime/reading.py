"""What a function does to things outside itself, and where its random numbers come from: read from its code.

Owns the reading of bytecode. Must never call the function, evaluate a property, or say anything itself
(core/teaching.py has the words). Library code is not read: what it keeps for itself is its own affair.

A name is only of interest where it stands for something outside: a global, a variable of an enclosing function, the
object a method belongs to, an argument that a partial or a default supplies. What it stands for is looked up, so that
`results.append` counts where `results` is a list, and not where it is a module or a local.
"""

from __future__ import annotations

import dis
import sys
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from itertools import pairwise
from types import BuiltinMethodType, CodeType, FunctionType, MethodType, ModuleType

from alongside.core.teaching import Change, Draw
from alongside.light import NamedTuple
from alongside.runtime.bytecode import (
    ATTRIBUTE,
    Place,
    is_in_place,
    is_part,
    line_of,
    loads,
    place_of,
    steps_of,
    stores,
)
from alongside.runtime.harmless import CHANGING, is_the_users, is_users_module

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

CONTAINERS = (list, dict, set, bytearray, deque)
"""What the methods of `CHANGING` belong to, subclasses included (`defaultdict`, `Counter`)."""

TABLES = frozenset({("numpy", "ndarray"), ("pandas", "DataFrame"), ("pandas", "Series")})
"""Types of other libraries that are changed by assigning to a part of them: the library, the type's name."""

ENOUGH = 50
"""Functions read at most: the one given, and those of the user's that it calls."""

UNKNOWN: Any = object()


class Reading(NamedTuple):
    """What was found: changes that worker processes would lose, and the shared generators it draws numbers from."""

    changes: tuple[Change, ...] = ()
    draws: tuple[Draw, ...] = ()


class _Scope(NamedTuple):
    """One code object, and what the names in it stand for outside."""

    code: CodeType
    outside: Callable[[str, str], Any]
    """Of an instruction's name and its argument: the value, or `UNKNOWN`."""


def read(fn: Any) -> Reading:
    """Read `fn` and the user's functions that it calls. Costs tens of µs for each."""
    changes: dict[tuple[str, str], Change] = {}
    draws: dict[str, Draw] = {}
    seeded: set[str] = set()
    todo: deque[tuple[Any, dict[str, Any]]] = deque([unwrapped(fn)])
    seen: set[CodeType] = set()
    while todo and len(seen) < ENOUGH:
        function, bound = todo.popleft()
        code = getattr(function, "__code__", None)
        if not isinstance(code, CodeType) or code in seen or not is_the_users(code.co_filename):
            continue
        seen.add(code)
        for scope in _scopes(function, bound):
            for found in _findings(scope):
                if isinstance(found, Change):
                    changes.setdefault((found.how, found.name), found)
                elif isinstance(found, Draw):
                    (seeded.add(found.source) if found.seeds else draws.setdefault(found.source, found))
                else:
                    todo.append(unwrapped(found))
    kept = tuple(draw for source, draw in draws.items() if source not in seeded)
    return Reading(tuple(changes.values()), kept)


def unwrapped(fn: Any) -> tuple[Any, dict[str, Any]]:
    """The Python function behind a partial, a method or an object that can be called; its arguments known already."""
    positional: list[Any] = []
    named: dict[str, Any] = {}
    for _ in range(16):
        if isinstance(fn, partial):
            positional, named, fn = [*fn.args, *positional], {**fn.keywords, **named}, fn.func
        elif isinstance(fn, MethodType):
            positional, fn = [fn.__self__, *positional], fn.__func__
        elif not isinstance(fn, (FunctionType, type)) and isinstance(call := getattr(fn, "__call__", None), MethodType):  # noqa: B004  (its code is wanted)
            fn = call
        else:
            break
    code = getattr(fn, "__code__", None)
    if not isinstance(code, CodeType):
        return fn, {}
    arguments = code.co_varnames[: code.co_argcount]
    defaults = getattr(fn, "__defaults__", None) or ()
    supplied = dict(zip(arguments[len(arguments) - len(defaults) :], defaults, strict=True))
    return fn, {**supplied, **dict(zip(arguments, positional, strict=False)), **named}


def _scopes(function: Any, bound: Mapping[str, Any]) -> Iterator[_Scope]:
    """The function's code and that of the functions inside it."""
    code = function.__code__
    cells = dict(zip(code.co_freevars, map(_content, function.__closure__ or ()), strict=False))
    assigned = {name for ins in dis.get_instructions(code) for name in stores(ins)}
    own = {name: value for name, value in bound.items() if name not in assigned}
    todo = deque([(code, frozenset(code.co_freevars), own)])
    while todo:
        code, outer, own = todo.popleft()
        yield _Scope(code, partial(_outside, code.co_names, function.__globals__, cells, outer, own))
        for inner in code.co_consts:
            if isinstance(inner, CodeType):
                free = frozenset(inner.co_freevars)
                handed = {name: value for name, value in own.items() if name in free and name in code.co_cellvars}
                todo.append((inner, outer & free, handed))


def _outside(
    names: tuple[str, ...],
    around: Mapping[str, Any],
    cells: Mapping[str, Any],
    outer: frozenset[str],
    own: Mapping[str, Any],
    opname: str,
    name: str,
) -> Any:
    """The value that an instruction loads: of a global, of the `outer` functions' variables, or of an argument."""
    if opname.endswith("_GLOBAL") or (opname == "LOAD_NAME" and name in names):
        return around.get(name, UNKNOWN)
    if opname.endswith("_DEREF"):
        return cells.get(name, UNKNOWN) if name in outer else own.get(name, UNKNOWN)
    return own.get(name, UNKNOWN) if "LOAD_FAST" in opname else UNKNOWN


def _content(cell: Any) -> Any:
    try:
        return cell.cell_contents
    except ValueError:  # it is empty
        return UNKNOWN


# -------------------------------------------------------------------------------------------------- instructions


def _findings(scope: _Scope) -> Iterator[Any]:
    """Changes, draws, and further functions of the user's, in one code object."""
    code = scope.code
    steps = steps_of(code)
    made_once = {str(ins.argval) for place, ins in enumerate(steps) if _asks_whether_there(steps, place)}
    for place, ins in enumerate(steps):
        if ins.opname in ("STORE_GLOBAL", "DELETE_GLOBAL") and ins.argval not in made_once:
            yield Change("assigns", str(ins.argval), "global", code.co_filename, line_of(ins, code))
        elif ins.opname == "STORE_DEREF" and ins.argval in code.co_freevars and _is_outer(scope, ins):
            yield Change("assigns", str(ins.argval), "outer", code.co_filename, line_of(ins, code))
        for name, begins in loads(steps, place):
            value = scope.outside(ins.opname, name)
            if value is not UNKNOWN and _is_advanced(scope, steps, place, value):
                yield Change("next", name, kind_of(value), code.co_filename, line_of(ins, code))
            elif value is not UNKNOWN:
                yield from _followed(steps, place, name, value, begins, code)


def _is_outer(scope: _Scope, ins: dis.Instruction) -> bool:
    return scope.outside(ins.opname, ins.argval) is not UNKNOWN


def _is_advanced(scope: _Scope, steps: list[dis.Instruction], place: int, value: Any) -> bool:
    """`next(ids)`: the built-in takes from an iterator, of which each process has a copy."""
    before = steps[place - 1] if place else None
    if before is None or before.opname != "LOAD_GLOBAL" or before.argval != "next":
        return False
    return hasattr(type(value), "__next__") and scope.outside("LOAD_GLOBAL", "next") is UNKNOWN


def _asks_whether_there(steps: list[dis.Instruction], place: int) -> bool:
    """`if connection is None:` (or `if not connection:`), after which it is made: once per worker, which is well."""
    if steps[place].opname != "LOAD_GLOBAL":
        return False
    after = [ins.opname for ins in steps[place + 1 : place + 3] if ins.opname != "TO_BOOL"]
    return bool(after) and "JUMP" in after[0] and after[0].endswith(("_NOT_NONE", "_IF_TRUE"))


def _followed(
    steps: list[dis.Instruction], place: int, name: str, value: Any, begins: Place | None, code: CodeType
) -> Iterator[Any]:
    """What is done to the thing outside that is loaded at `place`: its attributes, its parts, its methods."""
    at = code.co_filename, line_of(steps[place], code)
    rest = place + 1
    while rest < len(steps) and steps[rest].opname in ATTRIBUTE:
        called = str(steps[rest].argval)
        if called in CHANGING and isinstance(value, CONTAINERS):
            yield Change(called, name, kind_of(value), *at)
            return
        name, value, rest = f"{name}.{called}", attribute(value, called), rest + 1
    stored = _stored(steps[rest:], begins, value)
    if stored is not None:
        added = Change("adds", f"{name}.{stored}", "attribute", *at)
        yield added if stored else Change("changes", name, kind_of(value), *at)
    elif isinstance(value, (FunctionType, MethodType)) and not _generator(getattr(value, "__self__", None)):
        yield value
    elif (draw := _draw(name, value, *at)) is not None:
        yield draw


def _stored(steps: list[dis.Instruction], begins: Place | None, value: Any) -> str | None:
    """The attribute of `value` that is added to, "" where a part of it is changed, None where neither is."""
    parts, read = False, set()
    for ins in (ins for ins in steps if begins is not None and place_of(ins) == begins):
        if ins.opname in ATTRIBUTE:
            if parts and ins.argval in CHANGING and isinstance(value, CONTAINERS):
                return ""
            read.add(ins.argval)  # `state.total += 1` reads it before it is stored
        elif ins.opname in ("STORE_SUBSCR", "DELETE_SUBSCR", "STORE_SLICE"):
            return "" if isinstance(value, CONTAINERS) or is_table(value) else None
        elif ins.opname == "STORE_ATTR":
            return str(ins.argval) if not parts and ins.argval in read and keeps(value) else None
        elif is_part(ins):
            parts = True
        elif not is_in_place(ins):
            return None
    return None


# -------------------------------------------------------------------------------------------- what names stand for


def attribute(value: Any, name: str) -> Any:
    """What `value.name` is, where that can be known without running anything but a built-in look-up."""
    if value is UNKNOWN:
        return UNKNOWN
    own = getattr(value, "__dict__", {})
    if name in own:
        found = own[name]
        return UNKNOWN if isinstance(found, CONTAINERS) and _is_a_librarys(value) else found
    if isinstance(value, ModuleType):
        return UNKNOWN
    if _generator(value):
        return getattr(value, name, UNKNOWN)
    method = getattr(type(value), name, None)
    return MethodType(method, value) if isinstance(method, FunctionType) else UNKNOWN


def _is_a_librarys(value: Any) -> bool:
    """Whether it is a module that is not the user's: what it keeps, as `sys.path`, is each process's own."""
    return isinstance(value, ModuleType) and not is_users_module(value)


def kind_of(value: Any) -> str:
    """What it is called by its class."""
    return type(value).__name__


def is_table(value: Any) -> bool:
    """An array in memory of its own or another array's, or a frame: not one that is mapped from a file or shared."""
    while (type(value).__module__.partition(".")[0], type(value).__name__) in TABLES:
        if getattr(getattr(value, "flags", None), "owndata", True):
            return True
        value = value.base
    return False


def keeps(value: Any) -> bool:
    """Whether adding to an attribute of it adds to something the caller may look at."""
    if value is UNKNOWN or isinstance(value, ModuleType):
        return False
    return type(value).__name__ != "_local"  # threading.local: each thread's own, on purpose


def _draw(name: str, value: Any, file: str, line: int) -> Draw | None:
    """A generator of random numbers that was made outside, or one of its methods."""
    method = name.rpartition(".")[2] if isinstance(value, (MethodType, BuiltinMethodType)) else ""
    generator = value.__self__ if isinstance(value, (MethodType, BuiltinMethodType)) else value
    library = _generator(generator)
    if not library:
        return None
    common = generator is _common(library)
    source = library if common else name.removesuffix(f".{method}")
    return Draw(source, common, library, file, line, method == "seed")


def _generator(value: Any) -> str:
    """`random` or `numpy.random` where `value` is a generator of theirs that has a state."""
    modules = sys.modules
    if "random" in modules and isinstance(value, modules["random"].Random):
        return "" if isinstance(value, modules["random"].SystemRandom) else "random"
    kind = type(value)
    known = kind.__name__ in ("Generator", "RandomState") and kind.__module__.startswith("numpy.random")
    return "numpy.random" if known else ""


def _common(library: str) -> Any:
    """The generator behind the functions of that library's module."""
    module = sys.modules.get(library)
    function = getattr(module, "random", None)
    return getattr(function, "__self__", None)


def seeded_places(library: str, code: CodeType) -> Iterator[tuple[str, int]]:
    """Where this code, or a function in it, calls `seed` of that library: file and line."""
    steps = [ins for ins in dis.get_instructions(code) if ins.opname != "PUSH_NULL"]
    for before, ins in pairwise(steps):
        if ins.opname in ATTRIBUTE and ins.argval == "seed" and before.argval == library.rpartition(".")[2]:
            yield code.co_filename, line_of(ins, code)
    for inner in code.co_consts:
        if isinstance(inner, CodeType):
            yield from seeded_places(library, inner)
