"""Blocking calls for an event loop: one after another, in a thread of their own.

Owns that thread. Must never wait for a call that nobody can end: whoever asked is then told at once that it was
cancelled, and the thread ends by itself when the call comes back.

Why not the loop's executor: asyncio.run waits for its threads, and so does Python at its exit. A function that blocks
for ten minutes would hold up a program that was interrupted for as long.
"""

from __future__ import annotations

import asyncio
import contextvars
import threading
from _queue import SimpleQueue  # not `queue`: a file of that name may lie in the folder of a script
from collections.abc import Callable
from functools import partial
from time import monotonic

from alongside.workers.bell import HEARTBEAT

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, TypeAlias, TypeVar

    T = TypeVar("T")


Done: TypeAlias = "asyncio.Future[tuple[Any, BaseException | None]]"


class Errands:
    """Used from one event loop. The thread is started by the first call, and ended by `close`."""

    def __init__(self) -> None:
        self._todo: SimpleQueue[Callable[[], object] | None] = SimpleQueue()
        self._thread: threading.Thread | None = None
        self.let_go = False
        """Whether a call was not waited for any longer."""

    async def run(self, work: Callable[[], T], stop: Callable[[], float | None]) -> T:
        """What `work` returns or raises; it sees the caller's context variables.

        If this is cancelled: `stop` is to make an end of `work`, and says for how many seconds it is worth waiting
        (None: until it has ended).
        """
        loop = asyncio.get_running_loop()
        done: Done = loop.create_future()
        self._add(partial(_do, partial(contextvars.copy_context().run, work), loop, done))
        try:
            while not done.done():
                await asyncio.wait([done], timeout=HEARTBEAT)
        except asyncio.CancelledError:
            self.let_go = not await _ended(done, stop())
            raise
        value, error = done.result()
        if error is not None:
            raise error
        result: T = value
        return result

    async def finish(self, work: Callable[[], object], stop: Callable[[], float | None]) -> None:
        """Have `work` done as the last, and end the thread. It is waited for unless a call before it was not."""
        try:
            if self.let_go:
                self._add(work)
            else:
                await self.run(work, stop)
        finally:
            self.close()

    def _add(self, work: Callable[[], object]) -> None:
        self._todo.put(work)
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="alongside-beside", daemon=True)
            self._thread.start()

    def close(self) -> None:
        """End the thread: now, or, where it was let go, when it comes back."""
        self._todo.put(None)
        if self._thread is not None and not self.let_go:
            self._thread.join()

    def _work(self) -> None:
        while (work := self._todo.get()) is not None:
            work()
            del work  # an idle thread must not keep alive what it did last


async def _ended(done: Done, patience: float | None) -> bool:
    """Whether it ended in time. To be cancelled again changes nothing: what runs still works for who asked."""
    deadline = None if patience is None else monotonic() + patience
    while not done.done():
        left = None if deadline is None else deadline - monotonic()
        if left is not None and left <= 0:
            return False
        try:
            await asyncio.wait([done], timeout=left)
        except asyncio.CancelledError:
            continue
    return True


def _do(work: Callable[[], object], loop: asyncio.AbstractEventLoop, done: Done) -> None:
    """Both ways it can end are values: a future cannot carry every exception."""
    came: tuple[object, BaseException | None]
    try:
        came = work(), None
    except BaseException as error:
        came = None, error
    try:
        loop.call_soon_threadsafe(done.set_result, came)
    except RuntimeError:
        return  # the loop has been closed: nobody waits any more
