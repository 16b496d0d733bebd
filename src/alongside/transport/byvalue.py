"""What a reader could not import, pickled by value: cloudpickle, with classes that come home as the classes that left.

Owns the classes that crossed a border by value, and the modules registered with cloudpickle meanwhile. Must never be
loaded before something has to travel so, nor decide what has to (pickling.py does).

*Guarantees* that a class which left this process by value and comes back (with a result) is the same class, and is
not touched by its return. cloudpickle alone finds the same class again but sets all its attributes anew, from the
copy that the worker had: methods would then see the worker's globals, class attributes the worker's values.
"""

from __future__ import annotations

import os
import sys
from collections import Counter, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from enum import Enum
from functools import cache, cached_property, lru_cache
from io import BytesIO
from threading import Lock
from types import MemberDescriptorType, ModuleType
from weakref import WeakKeyDictionary, WeakSet, WeakValueDictionary

from alongside.transport.modules import homeless
from alongside.transport.pickling import CACHED, PROTOCOL, homes_of_received, is_homeless

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Final


class _Classes:
    """The classes that crossed a border by value: those that are from here, and those received from elsewhere."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._token_of: WeakKeyDictionary[type, str] = WeakKeyDictionary()
        self._by_token: WeakValueDictionary[str, type] = WeakValueDictionary()
        self._received: WeakSet[type] = WeakSet()
        self._kept: deque[type] = deque(maxlen=1024)

    def token(self, kind: type) -> str:
        with self._lock:
            token = self._token_of.get(kind)
            if token is None:
                token = self._token_of[kind] = os.urandom(16).hex()
                self._by_token[token] = kind
                self._kept.append(kind)
            return token

    def receive(self, kind: type, token: str) -> None:
        with self._lock:
            self._token_of[kind] = token
            self._by_token[token] = kind
            self._received.add(kind)
            homes_of_received.add(kind.__module__)

    def is_received(self, kind: type) -> bool:
        return kind in self._received

    def is_from_here(self, kind: type) -> bool:
        return kind in self._token_of and kind not in self._received

    def named(self, token: str) -> type:
        kind = self._by_token.get(token)
        if kind is None:
            raise LookupError("a result refers to a class that no longer exists here: keep a reference to it")
        return kind


_classes: Final = _Classes()


def _class_named(token: str) -> type:
    return _classes.named(token)


def _set_class_state(kind: type, state: tuple[Callable[[type, object], object], object, str]) -> None:
    setter, attributes, token = state
    if not _classes.is_from_here(kind):
        setter(kind, attributes)
        _classes.receive(kind, token)


def _with_slots(kind: type, reduced: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return `reduced` so that the class has its slots from birth.

    cloudpickle gives it `__slots__` afterwards, when that has no effect: its instances then have a `__dict__` in the
    worker, and those that come back do not fit the class here.
    """
    make, (*before, names, token, extra), (attributes, slots), *rest = reduced
    attributes = {name: value for name, value in attributes.items() if not isinstance(value, MemberDescriptorType)}
    return make, (*before, {**names, "__slots__": vars(kind)["__slots__"]}, token, extra), (attributes, slots), *rest


def _cached_anew(fn: Callable[..., Any], maxsize: int | None, typed: bool) -> Any:
    """A function with a cache of its own, empty as yet."""
    return lru_cache(maxsize, typed)(fn)


@cache
def value_pickler() -> type[Any]:
    """cloudpickle's pickler, for all this."""
    from cloudpickle import Pickler

    from alongside.transport import contexts

    class ValuePickler(Pickler):  # type: ignore[misc]
        reply = False

        def reducer_override(self, obj: Any) -> Any:
            kind = type(obj)
            if kind is ContextVar:
                return contexts.reduced(obj)
            if kind is CACHED and is_homeless(obj):
                return _cached_anew, (obj.__wrapped__, *obj.cache_parameters().values())
            if kind is cached_property and hasattr(obj, "lock"):  # up to Python 3.11, where it cannot be pickled
                return cached_property, (obj.func,), {"attrname": obj.attrname, "__doc__": obj.__doc__}
            reduced = super().reducer_override(obj)
            if not isinstance(obj, type) or not isinstance(reduced, tuple) or len(reduced) != 6:
                return reduced
            if self.reply and _classes.is_received(obj):
                return _class_named, (_classes.token(obj),)
            if "__slots__" in vars(obj) and not issubclass(obj, Enum | tuple):
                reduced = _with_slots(obj, reduced)
            make, arguments, state, items, pairs, setter = reduced
            return make, arguments, (setter, state, _classes.token(obj)), items, pairs, _set_class_state

    return ValuePickler


def dumped(obj: object, kind: type[Any], collect: Callable[[Any], bool] | None, reply: bool) -> bytes:
    """`obj` with everything by value that a reader could not import. `kind`: the `value_pickler`; `collect`: takes the
    buffers that travel beside it; `reply`: as for `pickling.dumps`."""
    file = BytesIO()
    pickler = kind(file, PROTOCOL, collect)
    pickler.reply = reply
    with _by_value.registered(homeless.names()):
        pickler.dump(obj)
    return file.getvalue()


class _ByValue:
    """Modules registered with cloudpickle while somebody is pickling, counted so that threads do not disturb another.

    *Why not a lock held meanwhile*: pickling runs the user's code, which may wait for another thread that pickles.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._users: Counter[ModuleType] = Counter()

    @contextmanager
    def registered(self, names: frozenset[str]) -> Iterator[None]:
        if not names:
            yield
            return
        modules = [sys.modules[name] for name in names if name in sys.modules]
        mine = self._enter(modules)
        try:
            yield
        finally:
            self._leave(mine)

    def _enter(self, modules: list[ModuleType]) -> list[ModuleType]:
        import cloudpickle

        with self._lock:
            already = cloudpickle.list_registry_pickle_by_value()
            mine = [module for module in modules if self._users[module] or module.__name__ not in already]
            for module in mine:
                cloudpickle.register_pickle_by_value(module)
            self._users.update(mine)
            return mine

    def _leave(self, modules: list[ModuleType]) -> None:
        import cloudpickle

        with self._lock:
            self._users.subtract(modules)
            for module in modules:
                if not self._users[module]:
                    del self._users[module]
                    cloudpickle.unregister_pickle_by_value(module)


_by_value: Final = _ByValue()
