"""Context variables on their way to worker processes.

Owns how a variable is found again at the other end: by the module and the name under which it is kept, or, where it
belongs to the main script or to nothing that can be imported, by a token. Loaded by workers: must stay light to import.

Guarantees: what cannot travel (a value that cannot be pickled, a variable that no module holds) is left behind, and
nothing else is; a worker imports no module only because one of its variables is set. Two that are kept in C, where no
name leads to them, travel by functions that set them: decimal's context, if not the usual one, and numpy's errors.
"""

from __future__ import annotations

import _pickle
import os
import sys
from _contextvars import Context, ContextVar, copy_context

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, TypeAlias

    Home: TypeAlias = tuple[str, str]
    """Module and name, be it of the variable or of a function that sets it, or "" and a token."""

    Captured: TypeAlias = list[tuple[Home, bytes, bytes]]
    """Of each variable: where it is found, its value, and, where it has a token, how to make it."""

_homes: dict[ContextVar[Any], Home] = {}
_by_token: dict[str, ContextVar[Any]] = {}


def capture() -> Captured:
    """The variables that are set here and can travel, with their values. Costs nothing where none is set."""
    found = []
    for variable, value in copy_context().items():
        try:
            if variable.name in _KEPT_IN_C:
                found += _KEPT_IN_C[variable.name]()
                continue
            home = _home(variable)
            found.append((home, _dumps(value), b"" if home[0] else _dumps(_default(variable))))
        except Exception:
            continue  # what cannot be pickled stays here
    return found


def context_of(captured: Captured) -> Context:
    """A context in which these are set. To be called when the function is there: its modules are imported then."""
    context = Context()
    for (module, name), value, default in captured:
        try:
            kept = _held(module, name) if module else variable_of(name, _pickle.loads(default))
            put = kept.set if isinstance(kept, ContextVar) else kept
            if put is not None:
                context.run(put, _pickle.loads(value))
        except Exception:
            continue  # it does not fit here
    return context


def for_a_thread(context: Context) -> Context:
    """A copy of the context, for one thread.

    Why decimal's is copied too: it can be changed in place (`getcontext().prec = 50`), and a task that does so would
    change the precision of those that run beside it.
    """
    copied = context.copy()
    decimal = sys.modules.get("decimal")
    if decimal is not None:
        copied.run(lambda: decimal.setcontext(decimal.getcontext().copy()))
    return copied


def set_numpy_errors(told: tuple[Any, Any]) -> None:
    """In a worker: what `numpy.seterr` and `numpy.seterrcall` were told in the parent."""
    import numpy as np

    errors, call = told
    np.seterr(**errors)
    np.seterrcall(call)


def set_decimal(context: Any) -> None:
    """In a worker: the parent's precision and rounding."""
    import decimal

    decimal.setcontext(context)


def _decimal() -> Captured:
    import decimal

    here = decimal.getcontext().copy()
    here.clear_flags()
    return [] if repr(here) == repr(decimal.DefaultContext) else [((__name__, "set_decimal"), _dumps(here), b"")]


def _numpy_errors() -> Captured:
    import numpy as np

    return [((__name__, "set_numpy_errors"), _dumps((np.geterr(), np.geterrcall())), b"")]


_KEPT_IN_C: dict[str, Callable[[], Captured]] = {
    "decimal_context": _decimal,
    "numpy.ufunc.extobj": _numpy_errors,
}
"""By the name of a variable that no module holds: what is sent in its place."""


def reduced(variable: ContextVar[Any]) -> tuple[Any, tuple[Any, ...]]:
    """How the pickler writes a variable that a function names, so that it is the same one at the other end."""
    module, name = _home(variable)
    return (_kept_in, (module, name)) if module else (variable_of, (name, _default(variable)))


def variable_of(token: str, default: tuple[str, tuple[Any, ...]]) -> ContextVar[Any]:
    """The variable of that token: made once in each process. `default`: its name, and its default if it has one."""
    if token not in _by_token:
        name, values = default
        variable = ContextVar(name, default=values[0]) if values else ContextVar(name)
        _by_token[token] = variable
        _homes[variable] = "", token
    return _by_token[token]


def _held(module: str, name: str) -> Any:
    return getattr(sys.modules.get(module), name, None)


def _kept_in(module: str, name: str) -> Any:
    import importlib

    return getattr(importlib.import_module(module), name)


def _home(variable: ContextVar[Any]) -> Home:
    if variable not in _homes:
        _homes[variable] = _holder(variable) or ("", f"{os.getpid()}-{len(_by_token)}")
        if not _homes[variable][0]:
            _by_token[_homes[variable][1]] = variable
    return _homes[variable]


def _holder(variable: ContextVar[Any]) -> Home | None:
    """The module that holds it. The main script is none: a worker has another."""
    for module_name, module in list(sys.modules.items()):
        if module_name in ("__main__", "__mp_main__"):
            continue
        for name, value in list(getattr(module, "__dict__", {}).items()):
            if value is variable:
                return module_name, name
    return None


def _default(variable: ContextVar[Any]) -> tuple[str, tuple[Any, ...]]:
    try:
        return variable.name, (Context().run(variable.get),)
    except LookupError:
        return variable.name, ()


def _dumps(value: object) -> bytes:
    from alongside.transport import pickling

    return pickling.dumps(value)
