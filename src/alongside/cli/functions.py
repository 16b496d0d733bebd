"""FUNC on the command line: from `module:function` or `path.py:function` to the function itself.

Owns the finding and the errors that say what could not be found. Must never call the function.
"""

from __future__ import annotations

import difflib
import importlib
import importlib.util
import os
import pkgutil
import sys
import traceback
from collections.abc import Callable, Iterable
from pathlib import Path
from types import ModuleType
from typing import Any

import typer

from alongside.cli.output import a

FORMS = "FUNC is module:function (such as math:sqrt) or path.py:function (such as tools.py:clean)."


def load(spec: str) -> Callable[..., Any]:
    """The function that `spec` names; the current directory is importable.

    A function from a file travels to worker processes by value, so the file need not be importable there.

    Raises:
        typer.BadParameter: there is no such module, file or function, or importing it failed; says what to do.
    """
    place, _, name = spec.rpartition(":")
    if not place or not name:
        raise _bad(f"{spec!r} names no function. {_with_colon(spec)}{FORMS}")
    module = _load_file(place) if place.endswith(".py") else _load_module(place)
    found = _attribute(module, name, place)
    if not callable(found):
        raise _bad(f"{spec!r} is {a(type(found).__name__)}, which cannot be called. {FORMS}")
    return found  # type: ignore[no-any-return]


def _bad(message: str) -> typer.BadParameter:
    return typer.BadParameter(message, param_hint="FUNC")


def _with_colon(spec: str) -> str:
    """`tools.clean` → the suggestion `tools:clean`."""
    place, dot, name = spec.rstrip(":").rpartition(".")
    if dot and name.isidentifier() and name != "py":
        return f"Did you mean {place}:{name}? "
    return ""


# --- files --------------------------------------------------------------------------------------------------------


def _load_file(path: str) -> ModuleType:
    file = Path(path)
    if not file.is_file():
        near = _nearest(file.name, _python_files(file.parent))
        raise _bad(f"There is no file {path!r}.{near} Paths count from the current directory, {Path.cwd()}.")
    return _import_file(file.resolve())


def _python_files(folder: Path) -> list[str]:
    return [entry.name for entry in folder.glob("*.py")] if folder.is_dir() else []


def _import_file(file: Path) -> ModuleType:
    """As `python file.py` would find its neighbours, but not as `__main__`, so that its guarded part does not run."""
    _make_importable(str(file.parent))
    name = file.stem if _is_free(file) else f"alongside_file_{file.stem}"
    spec = importlib.util.spec_from_file_location(name, file)
    if spec is None or spec.loader is None:
        raise _bad(f"Python does not know how to load {str(file)!r}.")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    loader = spec.loader
    _importing(str(file), lambda: loader.exec_module(module))
    _send_by_value(module)
    return module


def _is_free(file: Path) -> bool:
    """Whether no other module is known by this file's name."""
    known = sys.modules.get(file.stem)
    return known is None and file.stem not in sys.stdlib_module_names


def _send_by_value(module: ModuleType) -> None:
    import cloudpickle

    cloudpickle.register_pickle_by_value(module)


def _make_importable(folder: str) -> None:
    if folder not in sys.path:
        sys.path.insert(0, folder)


# --- modules ------------------------------------------------------------------------------------------------------


def _load_module(name: str) -> ModuleType:
    _make_importable(os.getcwd())
    importlib.invalidate_caches()
    if not all(part.isidentifier() for part in name.split(".")):
        raise _bad(f"{name!r} is not a module's name. {FORMS}")
    _importing(name, lambda: importlib.import_module(name))
    return sys.modules[name]


def _importing(name: str, load: Callable[[], object]) -> None:
    """Run `load`; whatever the imported code raises becomes an error that names the place."""
    try:
        load()
    except ModuleNotFoundError as error:
        raise _bad(_missing_module(name, error)) from error
    except Exception as error:
        raise _bad(f"Importing {name!r} failed: {in_one_line(error)}") from error


def _missing_module(name: str, error: ModuleNotFoundError) -> str:
    missing = error.name or ""
    if name != missing and not name.startswith(missing + "."):
        return f"Importing {name!r} failed: its import {missing!r} is not installed for {sys.executable}."
    near = _nearest(missing, _neighbours(missing))
    file = name.replace(".", "/") + ".py"
    return f"There is no module {missing!r}.{near} A file is named with its ending: {file}:function."


def _neighbours(name: str) -> Iterable[str]:
    """What could have been meant: modules of the same package, or of the current directory and the standard library."""
    parent, dot, _ = name.rpartition(".")
    if dot:
        package = sys.modules.get(parent)
        return [f"{parent}.{one.name}" for one in pkgutil.iter_modules(getattr(package, "__path__", []))]
    return {one.name for one in pkgutil.iter_modules()} | set(sys.stdlib_module_names)


def in_one_line(error: Exception) -> str:
    """The exception with the place in the user's code where it was raised."""
    frames = traceback.extract_tb(error.__traceback__)
    place = f" ({Path(frames[-1].filename).name}, line {frames[-1].lineno})" if frames else ""
    if isinstance(error, SyntaxError):
        place = ""  # its own text names the file and the line
    return f"{type(error).__name__}: {error}{place}"


# --- names --------------------------------------------------------------------------------------------------------


def _attribute(found: Any, dotted: str, place: str) -> Any:
    for name in dotted.split("."):
        if not hasattr(found, name):
            near = _nearest(name, _callables(found))
            raise _bad(f"{place!r} has no function {dotted!r}.{near or _what_there_is(found)}")
        found = getattr(found, name)
    return found


def _callables(holder: Any) -> list[str]:
    return [name for name in dir(holder) if not name.startswith("_") and callable(getattr(holder, name, None))]


def _what_there_is(holder: Any) -> str:
    names = [name for name in _callables(holder) if getattr(holder, name).__module__ == getattr(holder, "__name__", "")]
    return f" It has {', '.join(names[:8])}." if names else " It defines no functions."


def _nearest(name: str, names: Iterable[str]) -> str:
    near = difflib.get_close_matches(name, list(names), n=3, cutoff=0.6)
    return f" Did you mean {' or '.join(near)}?" if near else ""
