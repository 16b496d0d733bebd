"""One file per way of executing, and the registry that finds them by name.

A backend declares its `Capabilities` and is registered here or through the entry-point group `alongside.backends`;
nothing else in the package names one.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from sys import modules

from alongside.backends import declared

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from alongside.core.ports import Backend, Capabilities

_OWN = {
    "serial": "alongside.backends.serial:SerialBackend",
    "threads": "alongside.backends.threads:ThreadsBackend",
    "processes": "alongside.backends.processes:ProcessesBackend",
    "asyncio": "alongside.backends.aio:AsyncioBackend",
}
_GROUP = "alongside.backends"
_WORKERS = {
    "serial": "alongside.backends.serial",
    "threads": "alongside.backends.threads",
    "processes": "alongside.workers.supervisor",  # where some may be made before anything else is loaded
    "asyncio": "alongside.backends.aio",
}
_DECLARED = {
    "serial": declared.SERIAL,
    "threads": declared.THREADS,
    "processes": declared.PROCESSES,
    "asyncio": declared.ASYNCIO,
}

_registered: dict[str, type[Backend]] = {}


def names() -> list[str]:
    """The backends that can be asked for by name, built in and registered by hand (others load on demand)."""
    return [*_OWN, *(name for name in _registered if name not in _OWN)]


def register(name: str, backend: type[Backend]) -> None:
    """Add a way of executing under `name`; for tests and for other packages."""
    _registered[name] = backend


@contextmanager
def registered(name: str, backend: type[Backend]) -> Iterator[None]:
    """As `register`, while the block runs."""
    before = dict(_registered)
    register(name, backend)
    try:
        yield
    finally:
        _registered.clear()
        _registered.update(before)


def find(name: str) -> type[Backend]:
    """The backend class of that name; raises `OptionError` where there is none."""
    if name in _registered:
        return _registered[name]
    if name in _OWN:
        module, _, attribute = _OWN[name].partition(":")
        found: type[Backend] = getattr(import_module(module), attribute)
        return found
    found = _from_entry_points(name)
    _registered[name] = found
    return found


def capabilities(name: str) -> Capabilities:
    """What the backend of that name declares. For one of our own none is loaded."""
    own = None if name in _registered else _DECLARED.get(name)
    return find(name).capabilities if own is None else own


def alive(name: str) -> type[Backend] | None:
    """The backend class of that name, where it may have workers; None, and nothing is loaded, where it cannot."""
    home = None if name in _registered else _WORKERS.get(name)
    return find(name) if home is None or home in modules else None


def exists(name: str) -> bool:
    """Whether a backend of that name can be found."""
    from alongside.exceptions import OptionError

    try:
        return bool(find(name))
    except (OptionError, ImportError):
        return False


def _from_entry_points(name: str) -> Any:
    from importlib.metadata import entry_points

    for point in entry_points(group=_GROUP, name=name):
        return point.load()
    from alongside.exceptions import OptionError

    raise OptionError(f"there is no backend {name!r}; those here are {', '.join(names())}.")
