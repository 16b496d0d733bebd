"""Functions as what is sent of them.

Owns the pickles of the functions that were submitted. Must never be asked by a worker, or keep a function alive.

Guarantee: a function is pickled once, and again only where it travels by value and a variable that it uses (of those
around it, of its module, a default) has come to stand for something else: `FACTOR = 3`. A change inside what it uses
(`settings["factor"] = 3`) is not looked for.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from types import BuiltinFunctionType, FunctionType
from typing import Any
from weakref import WeakKeyDictionary, ref

from alongside.exceptions import NotPicklable
from alongside.transport import pickling
from alongside.transport.names import names_in
from alongside.workers.functions import LIGHT, Carried, veiled
from alongside.workers.payload import ATOMS

FIXED = frozenset({FunctionType, BuiltinFunctionType, type})
"""What is pickled once. A bound method or an object that can be called may have another state the next time: it is sent
with each call, as arguments are."""

_BY_VALUE = b"cloudpickle"
"""Named in the pickle of each function that travels by value."""


class Sendable:
    """Functions as what is sent of them: themselves, or where `pickled` what their workers know them by."""

    def __init__(self, pickled: bool) -> None:
        self._pickled = pickled
        self._made: WeakKeyDictionary[Any, tuple[Any, list[Any] | None]] = WeakKeyDictionary()

    def __call__(self, fn: Any) -> Any:
        """For one call. What cannot be pickled is sent as it is: that call is then told why it cannot."""
        if not callable(fn):
            return partial(_called, fn)
        if not self._pickled or type(fn) not in FIXED:
            return fn
        made, used = self._made.get(fn) or self._make(fn)
        if used is not None and not _still(used, _used(fn)):
            made, _ = self._make(fn)
        return made

    def for_many(self, fn: Any) -> Any:
        """For calls that go together: whatever it is, it is pickled once for them."""
        if not self._pickled or type(fn) in FIXED or not callable(fn):
            return self(fn)
        try:
            return Carried(veiled(pickling.dumps(fn, what="function")), _wanted)
        except NotPicklable:
            return fn

    def _make(self, fn: Any) -> tuple[Any, list[Any] | None]:
        used = _used(fn) if type(fn) is FunctionType else []
        try:
            pickle = pickling.dumps(fn, what="function")
        except NotPicklable:
            return fn, None
        text = veiled(pickle)
        sent = text if len(text) <= LIGHT else Carried(text, ref(fn))
        made = self._made[fn] = sent, [_noted(value) for value in used] if _BY_VALUE in pickle else None
        return made


def _called(fn: Any, *args: Any, **kwargs: Any) -> Any:
    """For what cannot be called: it is the call that says so."""
    return fn(*args, **kwargs)


def _wanted() -> bool:
    return True


# ------------------------------------------------------------------- what a function that travels by value uses


def _used(fn: FunctionType) -> list[Any]:
    """What its variables stand for now, and those of the functions beside it that it calls."""
    used: list[Any] = []
    seen = {fn}
    todo = [fn]
    while todo:
        fn = todo.pop()
        values = [fn.__code__, *_variables(fn)]
        used += values
        beside = {value for value in values if type(value) is FunctionType and value.__globals__ is fn.__globals__}
        todo += beside - seen
        seen |= beside
    return used


def _noted(value: Any) -> Any:
    """Something by which to know a value again, without keeping it alive where that can be. Why not its `id`: another
    object may have it once this one is gone.
    """
    try:
        return ref(value)
    except TypeError:  # what holds a number or a text, or is a list or the like
        return value


def _still(noted: list[Any], values: list[Any]) -> bool:
    return len(noted) == len(values) and all(map(_is_the_same, noted, values))


def _is_the_same(noted: Any, value: Any) -> bool:
    if type(noted) is ref:
        return noted() is value
    return noted is value or (type(noted) is type(value) and type(value) in ATOMS and bool(noted == value))


def _variables(fn: FunctionType) -> Iterator[Any]:
    yield from fn.__defaults__ or ()
    yield from (fn.__kwdefaults__ or {}).values()
    for cell in fn.__closure__ or ():
        try:
            yield cell.cell_contents
        except ValueError:  # not bound yet
            yield None
    yield from map(fn.__globals__.get, names_in(fn.__code__))
