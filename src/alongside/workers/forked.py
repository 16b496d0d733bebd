"""The nursery that forks: a zygote, started once, gives a worker in a millisecond or two.

Owns the zygote, once it has one, and the numbers of its workers. Must never know tasks, or who is idle.
"""

from __future__ import annotations

import select
import time
from mmap import mmap

from alongside.exceptions import BackendUnavailable
from alongside.workers import ahead
from alongside.workers.channel import ENDED, FORK, FORKED, KILL, Channel, Frame, pair
from alongside.workers.helper import Helper
from alongside.workers.page import SIZE, WORKERS, slot

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


STILLBORN = 3
"""Zygotes that ended before they said anything, one after another, until no more are tried."""


class ForkingNursery:
    """Starts the zygote when it is first needed, and another when it is gone."""

    segments = True
    quick = True
    """Whether a new worker does not have to be waited for."""

    def __init__(self) -> None:
        self._helper: Helper | None = None
        self._memory: mmap | None = None
        self._pids: dict[int, int | None] = {}
        self._ended: dict[int, Frame] = {}
        self._slots: dict[int, int] = {}
        self._spoke = False
        self._stillborn = 0

    def start(self) -> bool:
        """Have a zygote; False when the one there was is gone, and with it all its workers."""
        if self._helper is not None:
            self._hear(0.0)
            if not self._gone:
                return True
            self._stillborn = 0 if self._spoke else self._stillborn + 1
        fresh = self._helper is None
        self.close()
        self._start_zygote()
        return fresh

    def prepare(self, modules: tuple[str, ...]) -> None:
        """Have these modules imported in the zygote, if they can be."""
        if self._helper is not None:
            for frame in self._helper.news(modules):
                self._tell(frame)

    def create(self, number: int) -> tuple[Channel, Any]:
        """A new worker's channel and page. It is being forked: what is sent to it waits in its socket."""
        assert self._memory is not None
        ours, theirs = pair()
        ours.setblocking(False)
        page = slot(self._memory, self._free_slot(number))
        for field in range(len(page)):
            page[field] = 0
        self._pids[number] = None
        self._tell(Frame(FORK, number, fd=theirs.detach()))
        return Channel(ours), page

    def _free_slot(self, number: int) -> int:
        """A place on the page that no living worker writes to."""
        self._slots = {other: place for other, place in self._slots.items() if other in self._pids}
        taken, place = set(self._slots.values()), number % WORKERS
        while place in taken:
            place = (place + 1) % WORKERS
        self._slots[number] = place
        return place

    def pid_of(self, number: int) -> int:
        """A worker's process id; 0 while it is not known."""
        if not self._pids.get(number):
            self._hear(0.0)
        return self._pids.get(number) or 0

    def expected(self, number: int) -> bool:
        """Whether a worker that was asked for may still come to be."""
        if not self._pids.get(number):
            self._hear(0.0)
        return number not in self._ended and not self.abandoned(number)

    def kill(self, number: int) -> None:
        """End a worker. The zygote does it, which knows whether the process id is still the worker's; where it is gone
        the kernel has ended its workers.
        """
        if not self._gone:
            self._tell(Frame(KILL, number))

    def end_of(self, number: int, timeout: float) -> Frame | None:
        """How a worker ended (a frame ENDED: its pid and wait status), or None if that is not heard in time."""
        deadline = time.monotonic() + timeout
        while number in self._pids and number not in self._ended and self._hear(deadline - time.monotonic()):
            pass
        if number in self._ended:
            del self._pids[number]
        return self._ended.pop(number, None)

    def ended(self) -> list[int]:
        """Workers known to have ended whose end nobody has asked for."""
        return list(self._ended)

    def abandoned(self, number: int) -> bool:
        """Whether the zygote that forked this worker has ended, and with it the worker."""
        return number not in self._pids or self._gone

    def close(self) -> None:
        """End the zygote and its workers; returns when it has ended."""
        if self._helper is not None:
            self._helper.close()
        self._clear()

    def abort(self) -> None:
        """As `close`, for a zygote that has nothing to finish and may be busy with imports."""
        if self._helper is not None:
            self._helper.abort()
        self._clear()

    def forget(self) -> None:
        """In a forked child: close what was inherited, without touching the parent's zygote."""
        if self._helper is not None:
            self._helper.forget()
        self._clear()

    def _clear(self) -> None:
        self._helper = self._memory = None
        self._pids, self._ended = {}, {}

    @property
    def _gone(self) -> bool:
        return self._helper is None or self._helper.channel.closed

    def _start_zygote(self) -> None:
        if self._stillborn >= STILLBORN:
            self._stillborn = 0
            why = "its helper process ends as soon as it is started; what that wrote to standard error says why"
            raise BackendUnavailable("processes", reason=why)
        self._spoke = False
        helper = ahead.taken() or Helper()
        try:
            self._memory = mmap(helper.page, SIZE)
        except BaseException:
            helper.abort()
            raise
        self._helper = helper
        self.prepare(())

    def _tell(self, frame: Frame) -> None:
        """Send the zygote a frame. Waits while it cannot take any more, and hears meanwhile what it says: else each
        could wait for the other.
        """
        if self._helper is None:
            return
        control = self._helper.channel
        control.send(frame)
        while control.congested and not control.closed:
            self._hear(None)
            control.flush()

    def _hear(self, timeout: float | None) -> bool:
        """Deal with what the zygote says; False when it says nothing in time or is gone."""
        if self._helper is None or self._gone:
            return False
        control = self._helper.channel
        poll = select.poll()
        poll.register(control, select.POLLIN | select.POLLOUT if control.congested else select.POLLIN)
        if not poll.poll(None if timeout is None else max(0.0, timeout) * 1000):
            return False
        for frame in control.receive():
            self._spoke = True
            if frame.a not in self._pids:
                continue
            if frame.kind == FORKED:
                self._pids[frame.a] = frame.b
            elif frame.kind == ENDED:
                self._ended[frame.a] = frame
        return not control.closed
