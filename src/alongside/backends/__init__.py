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
from alongside.core.ports import Capabilities
from alongside.exceptions import OptionError
from alongside.light import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from alongside.core.ports import Backend


class _Own(NamedTuple):
    """A backend of our own, none of which is loaded before it is used."""

    place: str
    """Its module, and the class in it."""
    declared: Capabilities
    ahead: str = ""
    """The module that makes its workers ready ahead (`PreparedBackend`), and is loaded where there may be some."""


_OWN = {
    "serial": _Own("alongside.backends.serial:SerialBackend", declared.SERIAL),
    "threads": _Own("alongside.backends.threads:ThreadsBackend", declared.THREADS),
    "processes": _Own(
        "alongside.backends.processes:ProcessesBackend", declared.PROCESSES, ahead="alongside.workers.ahead"
    ),
    "asyncio": _Own("alongside.backends.aio:AsyncioBackend", declared.ASYNCIO),
}
_GROUP = "alongside.backends"
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
        module, _, attribute = _OWN[name].place.partition(":")
        found: type[Backend] = getattr(import_module(module), attribute)
        return found
    found = _from_entry_points(name)
    _registered[name] = found
    return found


def capabilities(name: str) -> Capabilities:
    """What the backend of that name declares. For one of our own none is loaded."""
    own = None if name in _registered else _OWN.get(name)
    return find(name).capabilities if own is None else own.declared


def ahead(name: str) -> Any:
    """What makes workers of that backend ready ahead (`PreparedBackend`); the backend itself is not loaded for it."""
    own = None if name in _registered else _OWN.get(name)
    if own is None:
        return find(name)
    return import_module(own.ahead) if own.ahead else None


def alive(name: str) -> Any:
    """The same, where the backend may have workers; None, and nothing is loaded, where it cannot."""
    own = None if name in _registered else _OWN.get(name)
    return ahead(name) if own is None or own.ahead in modules else None


def exists(name: str) -> bool:
    """Whether a backend of that name can be found."""
    try:
        return bool(find(name))
    except (OptionError, ImportError):
        return False


def _from_entry_points(name: str) -> Any:
    from importlib.metadata import entry_points

    for point in entry_points(group=_GROUP, name=name):
        return point.load()
    raise OptionError(f"there is no backend {name!r}; those here are {', '.join(names())}.")
