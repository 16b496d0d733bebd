"""What a nursery is: it makes worker processes, ends them, and tells how they ended.

Owns the protocol that forked.py and spawned.py keep, and that supervisor.py relies on. It is for type checkers and for
readers: must never be loaded while a program runs.
"""

from __future__ import annotations

from typing import Any, Protocol

from alongside.workers.channel import Channel, Frame


class Nursery(Protocol):
    """Makes the workers of one supervisor, who numbers them and calls all of this under its lock."""

    segments: bool
    """Whether large payloads can travel to and from its workers in memory files."""

    quick: bool
    """Whether a new worker does not have to be waited for, so that some can be made ahead."""

    def start(self) -> bool:
        """Have whatever workers come from; False when the one there was is gone, and with it all its workers."""

    def prepare(self, modules: tuple[str, ...]) -> None:
        """Have these modules imported where workers come from, if that can be done. Returns at once."""

    def create(self, number: int) -> tuple[Channel, Any]:
        """A new worker's channel and page. What is sent to it before it is there waits for it."""

    def expected(self, number: int) -> bool:
        """Whether a worker that was asked for may still come to be."""

    def pid_of(self, number: int) -> int:
        """A worker's process id; 0 while it is not known."""

    def kill(self, number: int) -> None:
        """End a worker."""

    def end_of(self, number: int, timeout: float) -> Frame | None:
        """How a worker ended (a frame ENDED: its pid and wait status); None if that is not heard in so many seconds."""

    def ended(self) -> list[int]:
        """Workers known to have ended whose end nobody has asked for."""

    def abandoned(self, number: int) -> bool:
        """Whether what the worker came from has ended, and the worker with it."""

    def abort(self) -> None:
        """As `close`, at once: nothing of it is at work for anybody."""

    def close(self) -> None:
        """End all workers and what they come from; returns when they have ended."""

    def forget(self) -> None:
        """In a forked child: let go of what was inherited, without touching what is the parent's."""
