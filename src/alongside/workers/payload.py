"""What a frame carries: an object as its body, or in a segment beside it where it is large.

Owns the threshold between the two. Used by both sides; must stay light to import.
"""

from __future__ import annotations

import _pickle

from alongside.workers.channel import Frame

TYPE_CHECKING = False
if TYPE_CHECKING:
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


def pickled(
    content: Any, what: str, *, plain: bool = False, reply: bool = False, beside: bool = True
) -> tuple[bytes, list[Any]]:
    """`content` as bytes, and its large buffers. `plain`: nothing in it needs more than C pickle; `beside`: buffers may
    travel beside the bytes.

    Raises `NotPicklable` where it cannot be sent.
    """
    if plain:
        return _pickle.dumps(content, 5), []
    from alongside.transport import pickling

    buffers: list[Any] = []
    return pickling.dumps(content, buffers if beside else None, reply=reply, what=what), buffers


def pack(frame: Frame, data: bytes, buffers: list[Any], arena: Arena | None) -> int:
    """Have `frame` carry what `pickled` gave; the lease it took, or 0. Without an arena all goes through the socket."""
    if arena is None or (not buffers and len(data) <= IN_BAND):
        frame.body = data
        return 0
    frame.fd, lease, frame.body = arena.write(data, buffers)
    return lease


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
