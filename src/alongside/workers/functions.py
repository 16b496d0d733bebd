"""Functions on their way to the workers of an executor: sent once to each worker, and from then on called by a number.

Owns the account of what a worker has been sent. The parent keeps the same account of each of its workers: both shelve
the same things in the same order, so that the parent knows what has been dropped there for want of room. Must stay
light: workers import it, and so does what starts them.
"""

from __future__ import annotations

from itertools import count

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

LIGHT = 256
"""Bytes of a pickle that travels with each call instead: no more than what names a function that can be imported."""

MOST, MOST_BYTES = 64, 1 << 26
"""Functions, and bytes of their pickles, that a worker keeps for a run; of those that are larger, the last one."""

AT_ONCE = MOST // 2
"""Functions at most that are sent ahead of one batch."""

_numbers = count(1)
_known: dict[bytes, Any] = {}


class Carried:
    """A function on its way: its pickle as text, and its number. `original` gives None once nobody can submit it again,
    so that it is not worth keeping at the workers.
    """

    __slots__ = ("number", "original", "pickle")

    def __init__(self, pickle: bytes, original: Callable[[], object]) -> None:
        self.number = next(_numbers)
        self.pickle = pickle
        self.original = original

    def __reduce__(self) -> Any:
        return _made, (self.pickle,)


class Shelf:
    """What a worker has been sent, by number; the oldest gives way."""

    def __init__(self) -> None:
        self.things: dict[int, Any] = {}
        self._sizes: dict[int, int] = {}
        self._bytes = 0

    def put(self, number: int, thing: Any, size: int) -> None:
        """One more, of so many bytes."""
        self.things[number], self._sizes[number] = thing, size
        self._bytes += size
        while len(self._sizes) > MOST or (self._bytes > MOST_BYTES and len(self._sizes) > 1):
            oldest = next(iter(self._sizes))
            self._bytes -= self._sizes.pop(oldest)
            del self.things[oldest]

    def sends(self, carried: Sequence[Carried]) -> list[Carried]:
        """Those of the functions that the worker is to be sent now; they count as sent."""
        things = self.things
        new = [fn for fn in carried if fn.number not in things and fn.original() is not None][:AT_ONCE]
        for fn in new:
            self.put(fn.number, None, len(fn.pickle))
        return new

    def named(self, fn: Any) -> Any:
        """A function as the worker knows it: by its number, or else by its pickle."""
        if type(fn) is not Carried:
            return fn
        return fn.number if fn.number in self.things else fn.pickle


_shelf = Shelf()
"""In a worker: what it was sent for the run it works for."""


def shelve(number: int, pickle: bytes) -> None:
    """In a worker: a function has come. It is made of its pickle when a task wants it, so that its failing to be made,
    or its ending the process, is that task's.
    """
    _shelf.put(number, pickle, len(pickle))


def clear() -> None:
    """In a worker: the run is over."""
    _shelf.__init__()  # type: ignore[misc]


def function_of(sent: Any) -> Any:
    """In a worker: the function itself, of whatever was sent for it."""
    if type(sent) is int:
        thing = _shelf.things[sent]
        if type(thing) is bytes:
            thing = _shelf.things[sent] = _made(thing)
        return thing
    if type(sent) is bytes:
        return _known.get(sent) or _remembered(sent)
    return sent


def veiled(pickle: bytes) -> bytes:
    """A pickle for inside a pickle, as text: a search of the outer one for what travels by value must not see it."""
    from binascii import b2a_base64

    return b2a_base64(pickle)


def _made(pickle: bytes) -> Any:
    from _pickle import loads
    from binascii import a2b_base64

    return loads(a2b_base64(pickle))


def _remembered(pickle: bytes) -> Any:
    """Kept where it is brief: then it is no more than the name of a function that can be imported."""
    fn = _made(pickle)
    if len(pickle) <= LIGHT:
        if len(_known) >= 4 * MOST:
            _known.clear()
        _known[pickle] = fn
    return fn
