"""Mapping a memory file without keeping a descriptor.

Owns the calls of the C library. Must never keep a descriptor per mapping: a thousand result arrays would use up the
limit.

Why not simply `mmap.mmap`: it keeps a duplicate of the descriptor as long as the mapping lives, which could only be
turned off from Python 3.13 on (`trackfd=False`). Before that the C library is called directly.
"""

from __future__ import annotations

import mmap
import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

WRITABLE = mmap.PROT_READ | mmap.PROT_WRITE


def map_file(fd: int, private: bool) -> Any:
    """The whole file as a writable buffer that can be weakly referenced; unmapped when its last view is gone.

    `private`: what is written here is not seen by others that map the file (copy-on-write).
    """
    size = os.fstat(fd).st_size
    flags = mmap.MAP_PRIVATE if private else mmap.MAP_SHARED
    if sys.version_info >= (3, 13):
        return mmap.mmap(fd, size, flags, WRITABLE, trackfd=False)
    return _map_without_descriptor(fd, size, flags)


def _map_without_descriptor(fd: int, size: int, flags: int) -> Any:
    import ctypes

    address = c_library().mmap(None, size, WRITABLE, flags, fd, 0)
    if address in (None, ctypes.c_void_p(-1).value):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return _array_type(size).from_address(address)


_types: dict[int, Any] = {}
"""ctypes array types by size, at most `_MOST`: making one costs 80 µs and leaves a cycle for the garbage collector."""

_MOST = 256


def _array_type(size: int) -> Any:
    """A ctypes array that unmaps itself when it is deallocated, which is when the last view of it has gone."""
    known = _types.get(size)
    if known is None:
        import ctypes

        if len(_types) >= _MOST:
            _types.clear()
        members = {"_type_": ctypes.c_ubyte, "_length_": size, "__del__": _unmapper(size)}
        known = _types[size] = type("Mapping", (ctypes.Array,), members)
    return known


def _unmapper(size: int) -> Any:
    import ctypes

    # Bound here, since at interpreter exit globals may be gone before the last array is.
    munmap, addressof = c_library().munmap, ctypes.addressof

    def unmap(mapping: Any) -> None:
        munmap(addressof(mapping), size)

    return unmap


_libc: Any = None


def c_library() -> Any:
    """The C library, with what is called of it: `mmap`, `munmap`, `memcmp`. The GIL is let go meanwhile."""
    global _libc
    if _libc is None:
        import ctypes

        libc = ctypes.CDLL(None, use_errno=True)
        word, number = ctypes.c_size_t, ctypes.c_int
        libc.mmap.restype = ctypes.c_void_p
        libc.mmap.argtypes = (ctypes.c_void_p, word, number, number, number, ctypes.c_long)
        libc.munmap.argtypes = (ctypes.c_void_p, word)
        libc.memcmp.argtypes = (ctypes.c_void_p, ctypes.c_void_p, word)
        _libc = libc
    return _libc
