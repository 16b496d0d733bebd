"""Large payloads in anonymous memory files, handed over as descriptors.

Owns how a pickle and its buffers are laid out in a memory file and mapped again. Must never leave a name behind: such a
file has none, and its memory goes when the last descriptor and the last mapping do, however the processes end.

Guarantees: what is mapped stays valid as long as any view of it lives, also after the worker and the pool are gone; it
is writable, and private to whoever mapped it.
Why not named shared memory: /dev/shm may be tiny (a container's default is 64 MB; touching a page beyond it is a SIGBUS),
and a killed process leaves its names there.
"""

from __future__ import annotations

import mmap
import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

from _struct import Struct

ALIGN = 64
"""Bytes; every buffer starts at a multiple, as array libraries like it."""

_ENTRY = Struct("<QQ")


def available() -> bool:
    """Whether this system has anonymous memory files."""
    return hasattr(os, "memfd_create")


def write(data: bytes, buffers: Sequence[Any]) -> tuple[int, bytes]:
    """Put a pickle and its buffers into a new memory file; its descriptor, and the table that says where each lies.

    One copy per buffer, done by the kernel straight into fresh pages: no page faults here.
    """
    views = [memoryview(data), *(memoryview(buffer).cast("B") for buffer in buffers)]
    table, places, end = [], [], 0
    for view in views:
        places.append(end)
        table.append(_ENTRY.pack(end, view.nbytes))
        end += -(-view.nbytes // ALIGN) * ALIGN
    fd = os.memfd_create("alongside", os.MFD_CLOEXEC)
    try:
        os.ftruncate(fd, max(end, 1))
        for place, view in zip(places, views):  # noqa: B905  (they are as long as each other)
            _write_all(fd, view, place)
    except BaseException:
        os.close(fd)
        raise
    return fd, b"".join(table)


def _write_all(fd: int, view: memoryview, place: int) -> None:
    while view.nbytes:
        written = os.pwrite(fd, view, place)
        view, place = view[written:], place + written


def read(fd: int, table: bytes, private: bool) -> tuple[memoryview, list[memoryview]]:
    """Map what `write` wrote: the pickle and the buffers, writable. Closes `fd`.

    `private`: others map the same file, so what is written here must not be seen there (copy-on-write).
    """
    entries = [_ENTRY.unpack_from(table, at) for at in range(0, len(table), _ENTRY.size)]
    try:
        flags = mmap.MAP_PRIVATE if private else mmap.MAP_SHARED | getattr(mmap, "MAP_POPULATE", 0)
        whole = memoryview(mmap.mmap(fd, 0, flags, mmap.PROT_READ | mmap.PROT_WRITE))
    finally:
        os.close(fd)
    views = [whole[place : place + length] for place, length in entries]
    return views[0], views[1:]
