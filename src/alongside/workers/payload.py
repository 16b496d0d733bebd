"""What a frame carries: an object as its body, or in a memory file beside it where it is large.

Owns the threshold between the two. Used by both sides; must stay light to import.
"""

from __future__ import annotations

import _pickle
import os

from alongside.transport import segments
from alongside.workers.channel import Frame

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

IN_BAND = 1 << 18
"""Bytes of a body that go through the socket; a larger one goes through a memory file, which is one copy less."""

ATOMS = frozenset({int, float, str, bytes, bool, complex, type(None)})
"""Types whose pickling and unpickling cannot fail and needs nothing looked up."""


def all_atoms(values: Any) -> bool:
    """Whether every value is of a type that always travels."""
    return ATOMS.issuperset(map(type, values))


class Payload:
    """An object made ready to be sent, once or several times."""

    __slots__ = ("body", "fd")

    def __init__(self, content: Any, what: str, *, plain: bool = False, reply: bool = False) -> None:
        """`plain`: nothing in `content` needs more than C pickle. Raises `NotPicklable` where it cannot be sent."""
        buffers: list[Any] = []
        if plain:
            data = _pickle.dumps(content, 5)
        else:
            from alongside.transport import pickling

            data = pickling.dumps(content, buffers, reply=reply, what=what)
        self.fd: int | None = None
        self.body = data
        if buffers or len(data) > IN_BAND:
            self.fd, self.body = segments.write(data, buffers)

    def frame(self, kind: int, a: int = 0, b: int = 0, c: int = 0) -> Frame:
        """The frame that carries it; the descriptor goes with it, so that this is for the last time."""
        fd, self.fd = self.fd, None
        return Frame(kind, a, b, c, self.body, fd)

    def copy(self, kind: int) -> Frame:
        """A frame that carries it, to be followed by others: all readers share one memory file."""
        return Frame(kind, body=self.body, fd=None if self.fd is None else os.dup(self.fd))

    def close(self) -> None:
        """Let the memory file go, if it was not sent away."""
        fd, self.fd = self.fd, None
        if fd is not None:
            os.close(fd)


def unpack(frame: Frame, private: bool) -> Any:
    """The object a frame carries. `private`: others may map the same memory file."""
    if frame.fd is None:
        return _pickle.loads(frame.body)
    fd, frame.fd = frame.fd, None
    data, buffers = segments.read(fd, frame.body, private)
    return _pickle.loads(data, buffers=buffers)
