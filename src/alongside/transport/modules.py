"""Which of the modules loaded here another process could not import by name.

Owns the list of their names. Must never load a module, or look twice at one whose
import has ended.

Why a module that is being imported is one of them: a worker that imports it runs its code from the beginning, and so
the very call for which it needs it, which starts workers that import it. And a thread that asks for such a module by
name, as plain pickle does, waits until it is there: the thread that imports it may be waiting for that one.
"""

from __future__ import annotations

import sys
from os.path import basename, dirname
from types import ModuleType

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from importlib.machinery import ModuleSpec
    from typing import Any, Final


class Homeless:
    """The names of the loaded modules that a fresh interpreter could not import. Each is looked at once."""

    def __init__(self) -> None:
        self._seen: set[str] = set()
        self._homeless: frozenset[str] = frozenset()
        self._unfinished: frozenset[str] = frozenset()
        self._names: frozenset[str] = frozenset()
        self._newest = (0, "")

    def names(self) -> frozenset[str]:
        """All of them."""
        found = newest()
        if found != self._newest or self._unfinished:
            self._look(found)
        return self._names

    def some_unfinished(self) -> bool:
        """Whether there are some whose import, or that of a package they are in, has not ended. Costs 0.2 µs."""
        modules = sys.modules
        if self._unfinished or self._newest != (len(modules), next(reversed(modules))):
            self.names()
        return bool(self._unfinished)

    def _look(self, found: tuple[int, str]) -> None:
        modules = sys.modules.copy()
        fresh = modules.keys() - self._seen
        unfinished = frozenset(name for name in fresh if is_unfinished(name, modules))
        homeless = {name for name in fresh - unfinished if _is_homeless(name, modules[name])}
        self._homeless = (self._homeless & modules.keys()) | homeless
        self._unfinished = unfinished
        self._names = self._homeless | unfinished
        self._seen = modules.keys() - unfinished
        self._newest = found


def newest() -> tuple[int, str]:
    """How many modules there are, and the last of them: while that stays the same there is no new one."""
    return len(sys.modules), next(reversed(sys.modules))


def is_unfinished(name: str, modules: Mapping[str, Any]) -> bool:
    """Whether the import of the module, or of a package it is in, has not ended."""
    while name:
        module = modules.get(name)
        if issubclass(type(module), ModuleType):
            attributes = object.__getattribute__(module, "__dict__")
            if attributes.get("__name__") == name and getattr(attributes.get("__spec__"), "_initializing", False):
                return True
        name = name.rpartition(".")[0]
    return False


def _is_homeless(name: str, module: object) -> bool:
    if name == "__main__" or not issubclass(type(module), ModuleType):
        return False
    parent = name.rpartition(".")[0]
    if parent in sys.modules:  # made by its parent, if it has no file
        return _is_homeless(parent, sys.modules[parent])
    # *Why not getattr*: on a module that loads itself lazily, asking for any attribute would load it.
    attributes = object.__getattribute__(module, "__dict__")
    if attributes.get("__name__") != name:
        return False
    spec = attributes.get("__spec__")
    if name == "__mp_main__":  # what multiprocessing calls the main module in a process it spawned
        return True
    if spec is None:
        return attributes.get("__file__") is None
    return bool(spec.has_location) and not _is_on_path(name, spec)


def _is_on_path(name: str, spec: ModuleSpec) -> bool:
    """Tell whether an import by name would find the file that was loaded, and not only somebody who had its path."""
    file = spec.origin or ""
    package = bool(spec.submodule_search_locations)
    folder, stem = dirname(dirname(file) if package else file), basename(dirname(file) if package else file)
    found = folder in sys.path and stem.partition(".")[0] == name.rpartition(".")[2]
    return found or any(_finds(finder, name, file) for finder in tuple(sys.meta_path))


def _finds(finder: Any, name: str, file: str) -> bool:
    try:
        found = finder.find_spec(name, None)
    except Exception:
        return False
    return found is not None and found.origin == file


homeless: Final = Homeless()
