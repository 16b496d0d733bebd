"""The shared page: where each worker writes which task it has in its hands.

Owns the layout of a memory file that the parent and all its workers map. Written by the worker with plain stores, so
that it costs nanoseconds per task; read by the parent when a worker is lost or a deadline has passed.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    import mmap
    from collections.abc import Callable

FIELDS = 8
"""Eight-byte numbers per worker: one cache line, so that workers do not slow each other down."""

KEEN = 6
"""The field in which the parent says how to wait for the next task: looking again and again for a while, or asleep."""

UP = 7
"""The field in which a worker says that it is there, with everything it needs, and waits for a job."""

ONE_OF_THEM = 1 << 62
"""In the place of an offset: a task of that batch is in hand, but it is not known which."""

WORKERS = 4096
SIZE = WORKERS * FIELDS * 8


def slot(memory: mmap.mmap, number: int) -> memoryview:
    """The fields of worker `number`, as unsigned integers."""
    place = number % WORKERS * FIELDS * 8
    return memoryview(memory)[place : place + FIELDS * 8].cast("Q")


class ToldPage:
    """A page for systems where none can be shared: each change of the task in hand is told to the parent in a message.

    Costs a system call per task, where the shared page costs nanoseconds.
    """

    def __init__(self, tell: Callable[[list[int]], None]) -> None:
        self._fields = [0] * FIELDS
        self._tell = tell

    def __getitem__(self, field: int) -> int:
        return self._fields[field]

    def __setitem__(self, field: int, value: int) -> None:
        self._fields[field] = value
        if field == 0:  # the offset, which is always written last
            self._tell(self._fields)
