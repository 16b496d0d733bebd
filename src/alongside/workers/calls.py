"""What a worker of an executor runs: one call, whatever its function; or one function over a stretch of items.

Owns the worker's memory of functions that came by value. Must stay light: workers import it.
"""

from __future__ import annotations

import _pickle
from binascii import a2b_base64, b2a_base64
from types import CoroutineType

from alongside.workers.runner import Awaiter

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

CO_COROUTINE = 0x80
"""`inspect.CO_COROUTINE`, without importing `inspect`."""

_known: dict[bytes, Any] = {}
_MOST = 256


def call(task: tuple[Any, tuple[Any, ...], dict[str, Any]]) -> Any:
    """Run a task: a function (or the pickle of one), its arguments, its keyword arguments. A coroutine is run to its
    end.
    """
    value = _begun(task)
    return ended(value) if type(value) is CoroutineType else value


async def call_async(task: tuple[Any, tuple[Any, ...], dict[str, Any]]) -> Any:
    """As `call`, for an event loop: what is to be awaited is."""
    value = _begun(task)
    return await value if hasattr(value, "__await__") else value


def ended(value: Any) -> Any:
    """What a coroutine comes to, in a loop of its own; any other value as it is."""
    if type(value) is not CoroutineType:
        return value
    run = Awaiter()
    try:
        return run(value)
    finally:
        run.close()


def _begun(task: tuple[Any, tuple[Any, ...], dict[str, Any]]) -> Any:
    fn, args, kwargs = task
    if type(fn) is bytes:
        fn = _known.get(fn) or _remember(fn)
    return fn(*args, **kwargs)


class Calls:
    """Tasks of one function, as a sequence of what `call` takes: `fn(item)` for each item, or `fn(*item)` with `star`.

    Costs nothing per task: a slice is one slice of `items`, it travels as one list, and a runner that knows `fn` and
    `items` calls the one on the other. `fn` may be a pickle, as for `call`.
    """

    __slots__ = ("fn", "items", "star")

    def __init__(self, fn: Any, items: list[Any], star: bool = False) -> None:
        self.fn = fn
        self.items = items
        self.star = star

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, place: Any) -> Any:
        if isinstance(place, slice):
            return Calls(self.fn, self.items[place], self.star)
        return self._task(self.items[place])

    def __iter__(self) -> Iterator[Any]:
        return map(self._task, self.items)

    def __add__(self, other: Calls) -> Any:
        return self.joined([other]) if self.joins(other) else [*self, *other]

    def __reduce__(self) -> Any:
        return _arrived, (self.fn, self.items, self.star)

    @property
    def brought(self) -> tuple[Callable[[Any], Any], list[Any]]:
        """The function to call on each item, and the items."""
        fn = self.fn
        if getattr(getattr(fn, "__code__", None), "co_flags", 0) & CO_COROUTINE:
            return ((lambda item: ended(fn(*item))) if self.star else lambda item: ended(fn(item))), self.items
        return ((lambda item: fn(*item)) if self.star else fn), self.items

    def joins(self, other: Calls) -> bool:
        """Whether these can be one with the others."""
        return self.fn is other.fn and self.star is other.star

    def joined(self, others: list[Calls]) -> Calls:
        """These and the others, which join them."""
        return Calls(self.fn, [*self.items, *(item for calls in others for item in calls.items)], self.star)

    def _task(self, item: Any) -> tuple[Any, tuple[Any, ...], dict[str, Any]]:
        return self.fn, tuple(item) if self.star else (item,), {}


def veiled(pickle: bytes) -> bytes:
    """A pickle for inside a pickle, as text: a search of the outer one for what travels by value must not see it."""
    return b2a_base64(pickle)


def _arrived(fn: Any, items: list[Any], star: bool) -> Calls:
    """`Calls` in a worker, its function made of its pickle."""
    if type(fn) is bytes:
        fn = _known.get(fn) or _remember(fn)
    return Calls(fn, items, star)


def _remember(pickle: bytes) -> Any:
    if len(_known) >= _MOST:
        _known.clear()
    fn = _known[pickle] = _pickle.loads(a2b_base64(pickle))
    return fn
