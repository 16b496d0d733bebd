"""What a worker of an executor runs: one call, whatever its function; or one function over a stretch of items.

Must never know whose results these are. Must stay light: workers import it.
"""

from __future__ import annotations

from types import CoroutineType

from alongside.core.joining import joined
from alongside.workers.functions import Carried, function_of
from alongside.workers.runner import ended

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from typing import Any

    from alongside.workers.functions import Shelf


def call(task: Any) -> Any:
    """Run a task: a function (or what was sent for one), its arguments, its keyword arguments; where workers share
    memory also whose it is, who may have cancelled it by now. A coroutine is run to its end.
    """
    value = _begun(task)
    return ended(value) if type(value) is CoroutineType else value


async def call_async(task: Any) -> Any:
    """As `call`, for an event loop: what is to be awaited is."""
    value = _begun(task)
    return await value if hasattr(value, "__await__") else value


def _begun(task: Any) -> Any:
    if len(task) == 4 and not task[3].begin():
        return None
    fn, args, kwargs = task[:3]
    if type(fn) is bytes or type(fn) is int:
        fn = function_of(fn)
    return fn(*args, **kwargs)


def named(tasks: Any, shelf: Shelf) -> tuple[Any, Sequence[Carried]]:
    """Tasks with their functions as a worker with this shelf knows them, and the functions it is to be sent first."""
    if type(tasks) is Calls:
        new = shelf.sends([tasks.fn]) if type(tasks.fn) is Carried else ()
        return Calls(shelf.named(tasks.fn), tasks.items, tasks.star), new
    carried = dict.fromkeys(task[0] for task in tasks if type(task[0]) is Carried)
    if not carried:
        return tasks, ()
    new = shelf.sends(list(carried))
    return [(shelf.named(fn), *rest) for fn, *rest in tasks], new


class Calls:
    """Tasks of one function, as a sequence of what `call` takes: `fn(item)` for each item, or `fn(*item)` with `star`.

    Costs nothing per task: a slice only says from where to where, what is sent of it travels as one list or range, and
    a runner that knows `fn` and `items` calls the one on the other. `fn` may be what is sent for one, as for `call`.
    """

    __slots__ = ("_end", "_first", "_whole", "fn", "star")

    def __init__(
        self, fn: Any, whole: Sequence[Any], star: bool = False, first: int = 0, end: int | None = None
    ) -> None:
        self.fn = fn
        self.star = star
        self._whole = whole
        self._first, self._end = first, len(whole) if end is None else end

    @property
    def items(self) -> Sequence[Any]:
        """The items, copied where they are not the whole."""
        return self._whole if len(self) == len(self._whole) else self._whole[self._first : self._end]

    def __len__(self) -> int:
        return self._end - self._first

    def __getitem__(self, place: Any) -> Any:
        found: Any = range(self._first, self._end)[place]
        if isinstance(place, slice):
            return Calls(self.fn, self._whole, self.star, found.start, found.stop)
        return self._task(self._whole[found])

    def __iter__(self) -> Iterator[Any]:
        return map(self._task, self.items)

    def __add__(self, other: Calls) -> Any:
        return self.joined([other]) if self.joins(other) else [*self, *other]

    def __reduce__(self) -> Any:
        return _arrived, (self.fn, self.items, self.star)

    @property
    def brought(self) -> tuple[Callable[[Any], Any], Sequence[Any]]:
        """The function to call on each item, and the items."""
        fn = self.fn
        return ((lambda item: fn(*item)) if self.star else fn), self.items

    def joins(self, other: Calls) -> bool:
        """Whether these can be one with the others."""
        return self.fn is other.fn and self.star is other.star

    def joined(self, others: list[Calls]) -> Calls:
        """These and the others, which join them."""
        end = self._end
        for calls in others:
            if calls._whole is not self._whole or calls._first != end:
                return Calls(self.fn, joined([self.items, *(calls.items for calls in others)]), self.star)
            end = calls._end
        return Calls(self.fn, self._whole, self.star, self._first, end)

    def _task(self, item: Any) -> tuple[Any, tuple[Any, ...], dict[str, Any]]:
        return self.fn, tuple(item) if self.star else (item,), {}


def _arrived(fn: Any, items: Sequence[Any], star: bool) -> Calls:
    """`Calls` in a worker, its function as it is there."""
    return Calls(function_of(fn), items, star)
