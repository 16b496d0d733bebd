"""Functions as what is sent of them.

Owns the pickles of the functions that were submitted last. Must never be asked by a worker.
"""

from __future__ import annotations

from typing import Any

from alongside.transport import pickling
from alongside.workers.calls import veiled

REMEMBERED = 64


class Sendable:
    """Functions as what is sent of them: themselves, or where `pickled` their pickles, each made once.

    So a function is sent as it is when it is first submitted. The last few are remembered, and kept alive meanwhile.
    """

    def __init__(self, pickled: bool) -> None:
        self._pickled = pickled
        self._made: dict[int, tuple[Any, bytes]] = {}

    def __call__(self, fn: Any) -> Any:
        if not self._pickled:
            return fn
        fn_and_pickle = self._made.get(id(fn))
        return fn_and_pickle[1] if fn_and_pickle is not None else self._make(fn)

    def _make(self, fn: Any) -> bytes:
        if len(self._made) >= REMEMBERED:
            self._made.clear()
        pickle = veiled(pickling.dumps(fn, what="function"))
        self._made[id(fn)] = fn, pickle
        return pickle
