"""Frames over a socket, with memory files beside them.

Owns the framing: one header, a body, at most one descriptor. Both ends use it; the parent's never blocks on sending.
Must never interpret a body.

Why a stream socket and not a pipe: descriptors can travel, and one socket is both directions. Why our own framing and
not multiprocessing.Connection: that one blocks on sending, and copies each message twice more.
"""

from __future__ import annotations

import _socket
import errno
import os
import sys
from _struct import Struct

from alongside.transport.descriptors import above_standard

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# What a frame says. To a worker:
JOB, BATCH, LONE_ITEM, END, AGAIN, RECALL, FUNCTION = 1, 2, 3, 4, 5, 6, 7
# From a worker:
RESULTS, LONE_RESULT, FAULT, UNFIT, UNREADABLE, IN_HAND, BLOCKED, SAID, RETURNED = 11, 12, 13, 14, 15, 17, 18, 19, 20
# Both ways, since both write segments that the other maps:
RELEASE = 16
# Between the parent and the zygote:
SETUP, FORK, KILL, PRELOAD, FORKED, ENDED = 21, 22, 23, 24, 25, 26

HEADER = Struct("<IHHQQQQ")
"""Length of the body, kind, number of descriptors (0 or 1), and four numbers whose meaning depends on the kind."""

CHUNK = 1 << 18
_ANCILLARY = _socket.CMSG_SPACE(64 * 4)


class Frame:
    """One message: its kind, four numbers, a body, and the memory file that came along (or None)."""

    __slots__ = ("a", "b", "body", "c", "d", "fd", "kind")

    def __init__(
        self, kind: int, a: int = 0, b: int = 0, c: int = 0, body: bytes = b"", fd: int | None = None, d: int = 0
    ) -> None:
        self.kind = kind
        self.a = a
        self.b = b
        self.c = c
        self.d = d
        self.body = body
        self.fd = fd


class Channel:
    """One end. `closed` is true once the other end is gone."""

    def __init__(self, socket: Any) -> None:
        self.socket = socket
        self.closed = False
        self._rest = bytearray()
        self._missing = 0
        """Bytes until the frame that has begun is whole: nothing is parsed before."""
        self._buffer = memoryview(bytearray(CHUNK))
        self._into = [self._buffer]
        """Kept from one receiving to the next: a fresh buffer of this size costs the system more than a small frame."""
        self._fds: list[int] = []
        self._unsent: list[tuple[memoryview, int | None]] = []
        self.deaf = False
        """Whether the other end takes nothing any more. What it has said before is still to be received."""

    def fileno(self) -> int:
        """For poll."""
        return int(self.socket.fileno())

    # ------------------------------------------------------------------------------------------------- sending

    @property
    def congested(self) -> bool:
        """Whether something waits until the socket takes more."""
        return bool(self._unsent)

    def send(self, frame: Frame) -> None:
        """Send, and close the frame's descriptor once it is on its way. A non-blocking end keeps what does not fit."""
        header = HEADER.pack(
            len(frame.body), frame.kind, 0 if frame.fd is None else 1, frame.a, frame.b, frame.c, frame.d
        )
        data, sent = header + frame.body, 0
        if not self._unsent and frame.fd is None:  # nearly always: it is all that there is to be done
            try:
                sent = self.socket.send(data)
            except OSError:
                pass  # it is full, or gone: `flush` will see
            if sent == len(data):
                return
        self._unsent.append((memoryview(data)[sent:], frame.fd))
        if len(self._unsent) == 1:
            self.flush()

    def flush(self) -> None:
        """Send as much as the socket takes."""
        while self._unsent:
            view, fd = self._unsent[0]
            try:
                sent = self._send_some(view, fd)
            except BlockingIOError:
                return
            except OSError:
                self._drop_unsent()
                self.deaf = True
                return
            if fd is not None:
                os.close(fd)
            if sent < len(view):
                self._unsent[0] = view[sent:], None
            else:
                del self._unsent[0]

    def _send_some(self, view: memoryview, fd: int | None) -> int:
        if fd is None:
            return int(self.socket.send(view))
        rights = (_socket.SOL_SOCKET, _socket.SCM_RIGHTS, fd.to_bytes(4, sys.byteorder))
        return int(self.socket.sendmsg([view], [rights]))

    # ----------------------------------------------------------------------------------------------- receiving

    def receive(self) -> list[Frame]:
        """The frames that have come whole; blocks for the first bytes where the socket blocks."""
        try:
            count, ancillary, flags, _ = self.socket.recvmsg_into(self._into, _ANCILLARY)
        except BlockingIOError:
            return []
        except OSError:
            count, ancillary, flags = 0, [], 0
        if flags & _socket.MSG_CTRUNC:
            raise OSError(errno.EMFILE, "too many open files to receive another one; raise `ulimit -n`")
        for level, kind, rights in ancillary:
            if level == _socket.SOL_SOCKET and kind == _socket.SCM_RIGHTS:
                self._fds += [int.from_bytes(rights[i : i + 4], sys.byteorder) for i in range(0, len(rights) - 3, 4)]
        if not count:
            self._gone()
            return []
        if not self._rest:
            return self._parse(self._buffer[:count])
        self._rest += self._buffer[:count]
        return self._parse(memoryview(self._rest)) if len(self._rest) >= self._missing else []

    def _parse(self, data: memoryview) -> list[Frame]:
        frames, at, end, size = [], 0, len(data), HEADER.size
        self._missing = 0
        while end - at >= size:
            length, kind, fds, a, b, c, d = HEADER.unpack_from(data, at)
            if end - at < size + length:
                self._missing = size + length
                break
            at += size
            frames.append(Frame(kind, a, b, c, bytes(data[at : at + length]), self._fds.pop(0) if fds else None, d))
            at += length
        self._rest = bytearray(data[at:])
        return frames

    # -------------------------------------------------------------------------------------------------- the end

    def close(self) -> None:
        """Close this end and every descriptor that was on its way."""
        self._gone()
        self.socket.close()

    def _gone(self) -> None:
        self.closed = self.deaf = True
        self._drop_unsent()
        for fd in self._fds:
            os.close(fd)
        self._fds = []

    def _drop_unsent(self) -> None:
        unsent, self._unsent = self._unsent, []
        for _, fd in unsent:
            if fd is not None:
                os.close(fd)


def pair() -> tuple[Any, Any]:
    """Two connected sockets; neither is 0, 1 or 2, where a program writes that has closed its standard streams."""
    ours, theirs = _socket.socketpair()
    return _socket_above_standard(ours), _socket_above_standard(theirs)


def _socket_above_standard(socket: Any) -> Any:
    return socket if socket.fileno() > 2 else _socket.socket(fileno=above_standard(socket.detach()))
