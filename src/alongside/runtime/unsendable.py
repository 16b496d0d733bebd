"""A glance at an item: may it be sent to another process at all? Asked before workers are made ready on a guess.

Owns that glance. Must never load the engine, nor be the last word: what it lets pass is pickled in earnest by a look
(probe.py), and so is what it does not.
"""

from __future__ import annotations

from _pickle import Pickler

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

ENOUGH = 1 << 16
"""Bytes of a pickle after which the rest is taken to be like them."""


def cannot_be_sent(*values: Any) -> bool:
    """Whether the standard pickler meets something in them that is no value: a lock, an open file, a generator.

    That a class or a function cannot be found by its name says nothing: such things can travel by value.
    """
    return any(map(_is_refused, values))


def _is_refused(value: Any) -> bool:
    try:
        Pickler(_Glance(), 5, buffer_callback=_leave_out).dump(value)
    except TypeError:
        return True
    except Exception:
        return False
    return False


class _Enough(Exception):
    """As much as was to be seen."""


class _Glance:
    """A file that takes `ENOUGH` and then no more."""

    def __init__(self) -> None:
        self._taken = 0

    def write(self, data: bytes) -> None:
        self._taken += len(data)
        if self._taken > ENOUGH:
            raise _Enough


def _leave_out(buffer: object) -> None:
    """Large buffers travel beside the pickle, and can always be sent."""
