"""The input: one iterator over everything the user gave.

Owns the iterator. Must never take more than it is asked for: what is taken is lost to the user if the run ends.
"""

from __future__ import annotations

from time import monotonic

from alongside.exceptions import OptionError

TYPE_CHECKING = False  # the real one costs the import of `typing`, which is longer than most short jobs
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from typing import Any

PATIENCE = 0.001
"""Seconds spent on taking items at one go before results are looked at again."""

SLICED = (range, list)
"""Inputs from which items are taken by the slice. Slices of a `range` stay ranges as far as the worker: a million of
its numbers weigh nothing, and nobody has to make, pickle and unpickle them one by one."""


class Source:
    """The items of one run: of one iterable themselves, of several the tuples that `zip` makes."""

    def __init__(self, iterables: tuple[Iterable[Any], ...]) -> None:
        self._iterator = iterate(iterables)
        self._whole: Any = iterables[0] if len(iterables) == 1 and type(iterables[0]) in SLICED else None
        self._at = 0
        self._back: list[Any] = []
        """Items that were put back, the next one last. Why not an iterator over them and the others: each time one more
        would be put around the one before, and the others come through all of them."""
        self.total = count(iterables)
        self._given = 0
        """Items that were taken and not put back, of what is no list or range."""
        self.ahead = 0
        """Items that are known to come, of an input of unknown length."""

    @property
    def at_hand(self) -> bool:
        """Whether the items are there already."""
        return self._whole is not None

    @property
    def movable(self) -> bool:
        """Whether another thread may take over: what is not a sequence may be bound to the thread it was made in."""
        return self.total is not None

    def put_back(self, items: Sequence[Any], ended: bool, error: BaseException | None) -> None:
        """Items that were taken last come again, before the others; where the input had ended, its end after them."""
        if self._whole is not None:
            self._at -= len(items)
            return
        self._given -= len(items)
        self._back.extend(reversed(items))
        if ended:
            self._iterator = iter(()) if error is None else _raising(error)

    def peek(self) -> Sequence[Any]:
        """The next item, which stays the next; nothing where there is none."""
        items, ended, error = self.take(1)
        self.put_back(items, ended, error)
        return items

    def left(self, seen: int) -> int | None:
        """How many items come after the first `seen`; of an input of unknown length, where it is known that some come,
        at least as many again as have been seen. None where nothing is known.
        """
        if self.total is not None:
            return max(0, self.total - seen)
        return max(seen, self.ahead) if self.ahead else None

    def look_ahead(self, most: int) -> None:
        """Take up to so many items ahead, for about a millisecond, and see how many there are: `ahead` at the least, or
        `total` where that is all. They are put back.
        """
        items, ended, error = self.take(most)
        if ended and error is None:
            self.total = self._given
        self.put_back(items, ended, error)
        self.ahead = len(items)

    def take(self, wanted: int) -> tuple[Sequence[Any], bool, BaseException | None]:
        """Up to `wanted` items, whether the input ended, and what it raised if it did.

        Returns earlier when the input is slow, with at least one item. Items that came before an error are kept.
        """
        if self._whole is not None:
            taken = self._whole[self._at : self._at + wanted]
            self._at += len(taken)
            return taken, len(taken) < wanted, None
        items, ended, error = self._take(wanted)
        self._given += len(items)
        self.ahead = max(0, self.ahead - len(items))
        return items, ended, error

    def _take(self, wanted: int) -> tuple[list[Any], bool, BaseException | None]:
        from itertools import islice

        items = [self._back.pop() for _ in range(min(wanted, len(self._back)))]
        enough = monotonic() + PATIENCE
        step = 1
        try:
            while len(items) < wanted:
                goal = min(len(items) + step, wanted)
                items.extend(islice(self._iterator, goal - len(items)))
                if len(items) < goal:
                    return items, True, None
                if monotonic() > enough:
                    break
                step *= 4
        except Exception as error:
            return items, True, error
        return items, False, None


def _raising(error: BaseException) -> Iterator[Any]:
    raise error
    yield


def iterate(iterables: tuple[Iterable[Any], ...]) -> Iterator[Any]:
    """One iterator over the inputs; raises `OptionError` for what cannot be iterated."""
    if not iterables:
        raise OptionError("there is nothing to run over: give at least one iterable after the function.")
    check_inputs(iterables)
    return iter(iterables[0]) if len(iterables) == 1 else zip(*iterables, strict=False)


def check_inputs(iterables: Iterable[Any]) -> None:
    """Raise `OptionError` for what cannot be iterated in ordinary code."""
    for place, iterable in enumerate(iterables, 1):
        if hasattr(iterable, "__aiter__") and not hasattr(iterable, "__iter__"):
            raise OptionError(f"input {place} is an async iterable: use alongside.amap or alongside.aimap for it.")
        if not hasattr(iterable, "__iter__") and not hasattr(iterable, "__getitem__"):
            raise OptionError(
                f"input {place} is {iterable!r}, which cannot be iterated. Give a list, a generator, a range …; "
                "for a single item write [item]."
            )


def count(iterables: tuple[Any, ...]) -> int | None:
    """How many items there are, where every input knows its length. Some only seem to: `len(range(10**30))` raises."""
    if not all(hasattr(type(iterable), "__len__") for iterable in iterables):
        return None
    try:
        return min(len(iterable) for iterable in iterables)
    except Exception:
        return None
