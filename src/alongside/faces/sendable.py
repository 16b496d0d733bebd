"""Functions as what is sent of them.

Owns the pickles of the functions that were submitted. Must never be asked by a worker, or keep a function alive.
"""

from __future__ import annotations

from types import BuiltinFunctionType, FunctionType
from typing import Any
from weakref import WeakKeyDictionary

from alongside.transport import pickling
from alongside.workers.calls import veiled

FIXED = frozenset({FunctionType, BuiltinFunctionType, type})
"""What is pickled once: a function is sent as it is when it is first submitted. A bound method or an object that can be
called may have another state the next time."""


class Sendable:
    """Functions as what is sent of them: themselves, or where `pickled` their pickles."""

    def __init__(self, pickled: bool) -> None:
        self._pickled = pickled
        self._made: WeakKeyDictionary[Any, bytes] = WeakKeyDictionary()

    def __call__(self, fn: Any) -> Any:
        if not self._pickled:
            return fn
        if type(fn) not in FIXED:
            return _pickle(fn)
        pickle = self._made.get(fn)
        if pickle is None:
            pickle = self._made[fn] = _pickle(fn)
        return pickle


def _pickle(fn: Any) -> bytes:
    return veiled(pickling.dumps(fn, what="function"))
