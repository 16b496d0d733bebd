"""What a frame carries: an object as its body, or in a segment beside it where it is large.

Owns the threshold between the two. Used by both sides; must stay light to import.
"""

from __future__ import annotations

import _pickle
import os
from _pickle import PicklingError

from alongside.workers.channel import Frame

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from alongside.transport.segments import Arena, Leases

IN_BAND = 1 << 18
"""Bytes of a body that go through the socket; a larger one goes through a segment, which is one copy less."""

ATOMS = frozenset({int, float, str, bytes, bool, complex, type(None)})
"""Types whose pickling and unpickling cannot fail and needs nothing looked up."""


FEW = 64
"""Values that are looked at one by one; of more, what was pickled tells sooner."""

_STACK_GLOBAL = b"\x93"


def few_atoms(values: list[Any]) -> bool:
    """Whether these are few values, each of a type that always travels."""
    return len(values) <= FEW and ATOMS.issuperset(map(type, values))


def always_loads(data: bytes, buffers: list[Any]) -> bool:
    """Whether unpickling cannot fail: nothing in the pickle names a class or a function."""
    return not buffers and _STACK_GLOBAL not in data


FUNCTION = (("[0]", "function"), ("[4]", "initializer"), ("[5]", "initargs"))
ITEM = (("[0]", "item"),)
CALL = (
    ("[0][0]", "function"),
    ("[0][1]", "args"),
    ("[0][2]", "kwargs"),
    (".__reduce__()[1][0]", "function"),
    (".__reduce__()[1][1][0]", "item"),
)
RESULT = (("[0][0]", "result"),)
"""How the user's own things stand in what is sent: the way to each, and what to call it."""


def pickled(
    content: Any,
    what: str,
    *,
    plain: bool = False,
    reply: bool = False,
    beside: bool = True,
    names: Sequence[tuple[str, str]] = (),
) -> tuple[bytes, list[Any]]:
    """`content` as bytes, and its large buffers. `plain`: nothing in it needs more than C pickle; `beside`: buffers may
    travel beside the bytes.

    Raises `NotPicklable` where it cannot be sent; it names what is the user's, by `names`.
    """
    if plain:
        return _pickle.dumps(content, 5), []
    from alongside.transport import pickling

    buffers: list[Any] = []
    try:
        return pickling.dumps(content, buffers if beside else None, reply=reply, what=what), buffers
    except PicklingError as error:
        raise _named(error, what, names) from error.__cause__


def _named(error: Any, what: str, names: Sequence[tuple[str, str]]) -> Any:
    """The error with the way as it is from what the user knows."""
    for inner, name in names:
        way = what + inner
        if error.path.startswith(way):
            return type(error)(name, name + error.path[len(way) :], error.reason, error.remedy)
    return error


def pack(frame: Frame, data: bytes, buffers: list[Any], arena: Arena | None, shared: int = 0) -> int:
    """Have `frame` carry what `pickled` gave; the lease it took, or 0. Without an arena all goes through the socket.

    `shared`: all workers of a run read it, and those of the next one may want it again; with how many threads it may be
    compared then.
    """
    if arena is None or (not buffers and len(data) <= IN_BAND):
        frame.body = data
        return 0
    frame.fd, lease, frame.body = arena.share(data, buffers, shared) if shared else arena.write(data, buffers)
    return lease


def drop(frame: Frame, lease: int, arena: Arena) -> None:
    """A frame for a worker that has just been lost."""
    if frame.fd is not None:
        os.close(frame.fd)
    arena.release(lease)


def unpack(frame: Frame, leases: Leases) -> Any:
    """The object a frame carries."""
    if frame.fd is None:
        return _pickle.loads(frame.body)
    fd, frame.fd = frame.fd, None
    data, buffers = leases.read(fd, frame.body)
    return _pickle.loads(data, buffers=buffers)


def weight(frame: Frame) -> int:
    """Bytes of the object that a frame carries."""
    if frame.fd is None:
        return len(frame.body)
    from alongside.transport.segments import size_of

    return size_of(frame.body)
