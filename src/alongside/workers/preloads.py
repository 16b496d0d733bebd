"""What workers will have to import for a function, so that it can be imported once where they come from; and how long
that may take.

Owns both guesses. Must never import anything itself.
"""

from __future__ import annotations

from functools import lru_cache, partial
from itertools import islice
from sys import modules, stdlib_module_names
from types import FunctionType, ModuleType

from alongside.transport.modules import is_unfinished

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

EACH = 0.001
"""Seconds that a module of a package takes to import, roughly, with what it imports from elsewhere. Measured, in ms and
modules of its own: numpy 95 and 84, pandas 280 and 294, polars 320 and 194, aiohttp 170 and 40."""

HELD = 16
"""Values that a function brings with it, as many as are looked at."""

_NOT_THERE = ("__main__", "__mp_main__", "", "builtins")

_OURS = stdlib_module_names | {"alongside", "cloudpickle"}
"""Packages that take little to import, or are there already."""


def modules_of(fn: Any, values: tuple[Any, ...] = ()) -> tuple[str, ...]:
    """Its module; or, where it travels by value, what that takes and the modules that its code names; what it
    imports itself when it is called; those of the functions and values that it brings with it; and those of `values`,
    an item and a result: a frame brings pandas with it, whether the function names that or not."""
    try:
        held = [name for value in _held(fn) for name in (_guessed(value) if callable(value) else [_home_of(value)])]
        names = [*_guessed(fn), *_imported_in(fn), *held, *map(_home_of, values)]
        return tuple(dict.fromkeys(filter(None, names)))
    except Exception:  # it is an object whose attributes are not what they are elsewhere, as a mock's are
        return ()


def _held(fn: Any) -> list[Any]:
    """What travels with a function: the arguments of a `partial`, what a closure or an object holds; a few of them."""
    if isinstance(fn, partial):
        held = [*fn.args, *fn.keywords.values(), *_held(fn.func)]
    elif isinstance(fn, FunctionType):
        held = [cell.cell_contents for cell in fn.__closure__ or ()]
    else:
        owner = getattr(fn, "__self__", fn)
        held = [] if isinstance(owner, type | ModuleType) else [*getattr(owner, "__dict__", {}).values()]
    return held[:HELD]


def _home_of(value: Any) -> str:
    """Where the type of a value is from, or of the first of several; empty where that is everywhere."""
    for _ in range(3):
        if type(value) is dict:
            value = [*islice(value.values(), 1)]
        if type(value) not in (list, tuple) or not value:
            break
        value = value[0]
    home = type(value).__module__
    return "" if home in _NOT_THERE or is_unfinished(home, modules) else home


def _imported_in(fn: Any) -> list[str]:
    """What the function itself imports when called, as far as it has been called here; the standard library apart."""
    loaded = [name for name in _names_in(_inner(fn)) if name in modules and name not in _NOT_THERE]
    return [name for name in loaded if _package(name) not in _OURS and not is_unfinished(name, modules)]


def _inner(fn: Any) -> Any:
    inner = getattr(fn, "func", fn)
    return getattr(inner, "__func__", inner)


def _names_in(fn: Any) -> tuple[str, ...]:
    """The names that a function's code uses, of modules it imports too."""
    code = getattr(fn, "__code__", None)
    return code.co_names if code else ()


def _guessed(fn: Any) -> tuple[str, ...]:
    inner = _inner(fn)
    home = getattr(inner, "__module__", None) or ""
    if home not in _NOT_THERE and not is_unfinished(home, modules):
        return (home,)
    names = getattr(inner, "__globals__", {})
    used = (names.get(name) for name in _names_in(inner))
    named = (value.__name__ for value in used if isinstance(value, ModuleType))
    return ("cloudpickle", *(name for name in named if not is_unfinished(name, modules)))


def seconds_to_import(names: tuple[str, ...]) -> float:
    """What it takes an interpreter to import these, roughly: by how many modules are loaded here of the packages they
    are from, and of those whose modules, functions and classes they name. Those of the standard library count for
    nothing: they take little, and much of it is there already. Costs 0.2 ms, and little where it was asked before.
    """
    return _seconds_to_import(names, len(modules))


@lru_cache(maxsize=64)
def _seconds_to_import(names: tuple[str, ...], loaded: int) -> float:
    """The same, as long as so many modules are loaded."""
    try:
        packages = {_package(name) for name in names}
        for name in names:
            packages.update(map(_package, _named_in(modules.get(name))))
        packages -= _OURS
        return EACH * sum(_package(name) in packages for name in [*modules])
    except Exception:  # a module may hold what is not what it is elsewhere
        return 0.0


def _named_in(module: Any) -> list[str]:
    """The modules that it names, and those that its functions and classes are from."""
    if type(module) is not ModuleType:
        return []
    values = list(vars(module).values())
    named = [vars(value).get("__name__") for value in values if type(value) is ModuleType]
    homes = [vars(value).get("__module__") for value in values if type(value) is type]
    homes += [value.__module__ for value in values if type(value) is FunctionType]
    return [name for name in (*named, *homes) if type(name) is str]


def _package(name: str) -> str:
    return name.partition(".")[0]
