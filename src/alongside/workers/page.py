"""The shared page: where each worker writes which task it has in its hands.

Owns the layout of a memory file that the parent and all its workers map. Written by the worker with plain stores, so
that it costs nanoseconds per task; read by the parent when a worker is lost or a deadline has passed.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    import mmap

FIELDS = 8
"""Eight-byte numbers per worker: one cache line, so that workers do not slow each other down."""

WORKERS = 4096
SIZE = WORKERS * FIELDS * 8


def slot(memory: mmap.mmap, number: int) -> memoryview:
    """The fields of worker `number`, as unsigned integers."""
    place = number % WORKERS * FIELDS * 8
    return memoryview(memory)[place : place + FIELDS * 8].cast("Q")
