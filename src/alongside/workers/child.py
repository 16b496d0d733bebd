"""A worker process: receives a job, then batches, and sends back what they came to.

Owns one socket, one slot of the shared page, and the job it works for. Must never schedule, and never import what only
the parent needs: its start is part of every cold call.

Guarantees
  - Whatever a task does to this process harms this process at most: the page names the task in hand (or the batch,
    where it cannot be known which task of it), so that the parent charges that one and sends the others elsewhere.
  - The next call in this worker begins as in a new one (surroundings.py), or the worker leaves.
  - What tasks print, log and warn goes to the parent (voice.py), all of it before their results.
  - A child that a task forks takes no part in any of this: it ends where the task's function ends.
"""

from __future__ import annotations

import _pickle
import _socket
import mmap
import os
import select
import time
from _thread import allocate_lock, get_ident

from alongside.transport.segments import Arena, Leases
from alongside.workers.channel import (
    AGAIN,
    BATCH,
    END,
    FAULT,
    FUNCTION,
    IN_HAND,
    JOB,
    LONE_ITEM,
    LONE_RESULT,
    RECALL,
    RELEASE,
    RESULTS,
    RETURNED,
    SAID,
    SETUP,
    UNFIT,
    UNREADABLE,
    Channel,
    Frame,
)
from alongside.workers.functions import clear, shelve
from alongside.workers.job import Job
from alongside.workers.page import KEEN, ONE_OF_THEM, UP, ToldPage, slot
from alongside.workers.payload import RESULT, always_loads, few_atoms, pack, pickled, unpack
from alongside.workers.runner import BATCH as BATCH_FIELD
from alongside.workers.runner import OFFSET, SINCE, STEP, placed, spent
from alongside.workers.surroundings import Birthmarks, adopt
from alongside.workers.ticker import Ticker
from alongside.workers.vigil import look
from alongside.workers.voice import Voice, take_over
from alongside.workers.zygote import leave

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from alongside.workers.runner import Broken, Stretch

IDLE = 60.0
"""Seconds without a job after which a worker lets itself go."""


def work(socket: int, number: int, page: int) -> int:
    """The worker's life; its exit status."""
    memory = mmap.mmap(page, 0)
    return _live(Worker(Channel(_socket.socket(fileno=socket)), slot(memory, number), Arena()), [])


def work_over(channel: Channel, frames: list[Frame]) -> int:
    """As `work`, where there is only a channel: no shared page, no memory files. `frames` have come already."""
    worker = Worker(channel, None, None)
    return _live(worker, frames)


def _live(worker: Worker, frames: list[Frame]) -> int:
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=worker.forsake, after_in_parent=worker.keep_leases)
    going_on = worker.obey(frames)
    worker.while_idle()
    while going_on:
        going_on = worker.serve()
    return 0


class Worker:
    """The receiving loop and the job at hand."""

    def __init__(self, channel: Channel, page: Any, arena: Arena | None) -> None:
        self._channel = channel
        self._page = page = ToldPage(self._tell) if page is None else page
        self._sending = allocate_lock()
        self._job: Job | None = None
        self._kept: list[tuple[int, int, int, list[Any], Any]] = []
        self._sent = 0
        self._arena = arena
        self._leases = Leases()
        self._voice = Voice(page, self._say, self._may_say)
        self._voice.heard = self._watch
        self._voice.take_streams()
        self._ticker = Ticker(self._voice)
        self._birthmarks = Birthmarks()
        self._misfit: BaseException | None = None
        self._spoiled = False
        self._forsaken = False
        self._thread = get_ident()
        self._poll, self._glimpse = select.poll(), select.poll()
        self._poll.register(channel, select.POLLIN)
        self._room = select.poll()
        self._room.register(channel, select.POLLOUT)
        self._glimpse.register(channel, select.POLLIN)
        self._receiving = allocate_lock()
        self._ahead: list[Frame] = []
        """What has come and was not dealt with yet. Under the lock, since the ticker receives too."""

    def while_idle(self) -> None:
        """Where nobody waits for it yet: load what the first results may need, and say that it is there."""
        if not self._glimpse.poll(0):
            from alongside.transport import pickling  # noqa: F401

            self._page[UP] = 1

    def serve(self) -> bool:
        """Deal with the next frames; False when the parent is gone, has had nothing to do for long, or had better find
        another worker.
        """
        if self._job is not None and self._job.coroutines is not None:
            return bool(self._job.coroutines.serve(self._channel, self.obey))
        with self._receiving:
            if not self._ahead:
                # *Why not just receive*: who sleeps in that is woken too when the parent takes a result off the same
                # socket, which is a wake-up on the parent's time; a poll hears of nothing but what came.
                if not self._awaited():
                    return False
                self._take_in(self._channel.receive())
        return self._obey_ahead()

    def obey(self, frames: list[Frame]) -> bool:
        """Deal with these frames; False when it is time to leave."""
        with self._receiving:
            self._take_in(frames)
        return self._obey_ahead()

    def listen(self) -> None:
        """Receive while a task runs: what waits behind it may be wanted back. From the ticker's thread."""
        if not self._receiving.acquire(False):
            return
        try:
            if self._glimpse.poll(0):
                self._take_in(self._channel.receive())
        except OSError:
            self._channel.deaf = True  # what came is not whole: the worker leaves after its task
        finally:
            self._receiving.release()

    def _awaited(self) -> bool:
        """Wait for a frame; False where none has come for long, and nobody has a job for it."""
        if self._page[KEEN] and look(self._glimpse.poll):
            return True
        return bool(self._poll.poll(IDLE * 1000 if self._job is None else None))

    def _obey_ahead(self) -> bool:
        while (frame := self._next_frame()) is not None:
            self._kept = [kept for kept in self._kept if kept[0] > frame.c]
            _HANDLERS[frame.kind](self, frame)
            if self._spoiled or self._channel.deaf:
                return False
        return not self._channel.deaf

    def _next_frame(self) -> Frame | None:
        with self._receiving:
            return self._ahead.pop(0) if self._ahead else None

    def _take_in(self, frames: list[Frame]) -> None:
        for frame in frames:
            if frame.kind == RECALL:
                self._give_back()
            else:
                self._ahead.append(frame)

    def _give_back(self) -> None:
        """Part with what was not begun: the rest of the batch at hand, and the batches behind it."""
        returned = []
        if self._job is not None and self._job.coroutines is None:
            batch, first, last = self._job.runner.shed()
            returned += [(batch, first, last)] if last > first else []
        ahead, self._ahead = self._ahead, []
        for frame in ahead:
            if frame.kind not in (BATCH, LONE_ITEM):
                self._ahead.append(frame)
                continue
            returned.append((frame.a, frame.b, frame.b + 1 if frame.kind == LONE_ITEM else 0))
            if frame.fd is not None:
                self._leases.dismiss(frame.fd, frame.body)
        self.send(Frame(RETURNED, body=_pickle.dumps(returned, 5)))
        self._return_leases()

    def keep_leases(self) -> None:
        """A task has forked a child, which may go on reading what it was given."""
        self._leases.keep()

    def forsake(self) -> None:
        """In a child that a task forked: nothing here is its business."""
        self._forsaken = True
        self._voice.forsake()
        self._channel.socket.close()
        if self._job is not None:
            self._job.runner.forsake()

    def _on_setup(self, frame: Frame) -> None:
        try:
            self._misfit = None
            adopt(frame.body)
        except OSError as error:
            self._misfit = error  # told when there is a job, which somebody waits for

    def _on_job(self, frame: Frame) -> None:
        try:
            if self._misfit is not None:
                raise self._misfit
            told = unpack(frame, self._leases)
            take_over(self._voice)
            self._job = Job(told, self, self._page)
        except BaseException as error:
            self.send(Frame(UNFIT, frame.a, body=_encode(error)))

    def _on_end(self, frame: Frame) -> None:
        ended = self._job is None or self._job.close()
        self._job, self._kept = None, []
        clear()
        self._voice.end_lines()
        self._voice.send()
        self._ticker.forget()
        self._spoiled = not (ended and self._birthmarks.restore(self._ticker.threads))

    def _on_batch(self, frame: Frame) -> None:
        if self._job is None:
            return  # the job could not be made ready, and the parent has been told
        page = self._page
        alone = frame.kind == LONE_ITEM
        page[SINCE] = page[STEP] = time.monotonic_ns()
        page[BATCH_FIELD] = frame.a
        page[OFFSET] = frame.b + 1 if alone else ONE_OF_THEM
        try:
            items = unpack(frame, self._leases)
        except BaseException as error:
            page[OFFSET] = 0
            self.send(Frame(UNREADABLE, frame.a, frame.b, alone, _encode(error)))
            return
        self._voice.begins(frame.a, frame.d - frame.b)
        runner = self._job.runner
        items = placed(self._job.seed, frame.d, items)
        if self._job.coroutines is not None:
            page[OFFSET] = 0
            runner.run(frame.a, frame.b, items)
            self._watch()
            return
        self._watch()
        self._job.context.run(runner.run, frame.a, frame.b, items)
        if self._channel.deaf:  # one of these tasks has closed it, since nobody else would
            page[OFFSET] = frame.b + 1 if alone else ONE_OF_THEM
        del items

    def _on_function(self, frame: Frame) -> None:
        shelve(frame.b, unpack(frame, self._leases))

    def _on_release(self, frame: Frame) -> None:
        for lease in _pickle.loads(frame.body):
            if self._arena is not None:
                self._arena.release(lease)

    def _on_again(self, frame: Frame) -> None:
        """The parent could not rebuild these results: send them one by one, so that only the culprit is lost."""
        for _, batch, offset, values, seconds in list(self._kept):
            if batch == frame.a and offset == frame.b:
                for place, value in enumerate(values):
                    took = seconds if isinstance(seconds, float) else seconds[place]
                    self._send_values(batch, offset + place, [value], took, 0.0)

    # ------------------------------------------------------------------------------------------------- results

    def emit(self, batch: int, stretches: list[Stretch], broken: list[Broken], seconds: float) -> None:
        """Send what a batch (or a part of it) came to."""
        if self._forsaken:
            _end_child(broken)
        if get_ident() == self._thread:  # else a task may just be at a line
            self._voice.end_lines()
        self._voice.send(everything=True)
        parts = [spent(len(values), took) for _, values, took in stretches]
        every = sum(parts) + sum(took for *_, took in broken)
        each = seconds / max(every, 1e-9)  # of the whole, for each second in a task
        for (offset, values, took), part in zip(stretches, parts, strict=True):
            self._send_values(batch, offset, values, took, each * part)
        for offset, error, took in broken:
            self._send_fault(batch, offset, error, took, each * took)
        self._return_leases()

    def _send_values(self, batch: int, offset: int, values: list[Any], took: Any, seconds: float) -> None:
        plain, beside = few_atoms(values), self._arena is not None
        kind = RESULTS if len(values) > 1 else LONE_RESULT
        frame = Frame(kind, batch, offset, self._sent + 1)
        try:
            data, buffers = pickled(
                (values, took, seconds), "result", plain=plain, reply=True, beside=beside, names=RESULT
            )
            pack(frame, data, buffers, self._arena)
        except BaseException as error:
            if len(values) == 1:
                self._send_fault(batch, offset, error, took if isinstance(took, float) else took[0], seconds)
                return
            for place, value in enumerate(values):
                each = took if isinstance(took, float) else took[place]
                self._send_values(batch, offset + place, [value], each, seconds if place == 0 else 0.0)
            return
        self._sent += 1
        if len(values) > 1 and not plain and not always_loads(data, buffers):
            self._kept.append((self._sent, batch, offset, values, took))
        self.send(frame)

    def _send_fault(self, batch: int, offset: int, error: BaseException, took: float, seconds: float) -> None:
        body = _pickle.dumps((_encode(error), took, seconds), 5)
        self.send(Frame(FAULT, batch, offset, body=body))

    def _say(self, pieces: list[Any]) -> None:
        self.send(Frame(SAID, body=_pickle.dumps(pieces, 5)))

    def _may_say(self) -> bool:
        """Whether the parent takes something now. What it does not take waits, and so does nobody for it."""
        return bool(self._room.poll(0)) and not self._channel.deaf

    def _watch(self) -> None:
        """A batch is at hand, or something was said: have the ticker awake. A loop of coroutines listens itself."""
        if self._job is not None:
            self._ticker.watch(self._job.runner, None if self._job.coroutines else self.listen)

    def send(self, frame: Frame) -> None:
        with self._sending:
            self._channel.send(frame)

    def _tell(self, fields: list[int]) -> None:
        self.send(Frame(IN_HAND, fields[OFFSET], fields[BATCH_FIELD], fields[SINCE]))

    def _return_leases(self) -> None:
        """Tell the parent which of its segments are not used any more, so that it can write them again."""
        if released := self._leases.released():
            self.send(Frame(RELEASE, body=_pickle.dumps(released, 5)))


_HANDLERS = {
    SETUP: Worker._on_setup,
    JOB: Worker._on_job,
    BATCH: Worker._on_batch,
    LONE_ITEM: Worker._on_batch,
    END: Worker._on_end,
    AGAIN: Worker._on_again,
    RELEASE: Worker._on_release,
    FUNCTION: Worker._on_function,
}


def _end_child(broken: list[Broken]) -> None:
    """End a child that a task forked and that came back from the task's function, as a process of its own would end."""
    import sys

    for _, error, _ in broken:
        if isinstance(error, SystemExit):
            leave(error.code if isinstance(error.code, int) else int(error.code is not None))
        sys.excepthook(type(error), error, error.__traceback__)
        leave(1)
    leave(0)


def _encode(error: BaseException) -> bytes:
    from alongside.transport import errors

    return errors.encode(error, reply=True, where=f"worker {os.getpid()}")
