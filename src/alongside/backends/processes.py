"""Worker processes: for computing that holds the GIL, and for what must be killable.

Owns the workers of one run while it lasts: sends jobs and batches, reads results, notices losses. Must never say what
is sent to whom, and never start or end a process itself (workers/supervisor.py does).
"""

from __future__ import annotations

import _pickle
import os
import select
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from itertools import count
from threading import Lock, get_ident, main_thread

from alongside.backends import declared
from alongside.core.batching import BATCH_SECONDS, PATIENT_SECONDS
from alongside.core.events import Blocked, Crew, Event, Finished, Lost, Returned, Said, Unfit
from alongside.core.model import Batch, Fault, Job, Part, Running
from alongside.core.ports import Capabilities
from alongside.light import cast
from alongside.transport import contexts
from alongside.workers import ahead
from alongside.workers import channel as wire
from alongside.workers.bell import Bell
from alongside.workers.calls import call, named
from alongside.workers.channel import Frame
from alongside.workers.inhand import in_hand as in_hand_of
from alongside.workers.inhand import running, suspects
from alongside.workers.payload import CALL, FUNCTION, ITEM, drop, pack, pickled, unpack, weight
from alongside.workers.preloads import modules_of
from alongside.workers.rest import Rest
from alongside.workers.runner import BATCH, OFFSET, SINCE
from alongside.workers.supervisor import Worker, supervisor
from alongside.workers.vigil import Vigil, look

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, ClassVar

_LOOP_MODULES = ("asyncio", "alongside.workers.coroutines")

_runs = count(1)


class _Flight:
    """A batch at a worker, and how many of its tasks have not come back."""

    def __init__(self, batch: Batch) -> None:
        self.batch = batch
        self.left = len(batch.items)
        self.nbytes = 0


class ProcessesBackend:
    """A crew of warm processes; batches are pickled, large buffers travel beside the pickle in memory files."""

    name: ClassVar[str] = "processes"
    capabilities: ClassVar[Capabilities] = declared.PROCESSES

    def __init__(self, max_workers: int | None = None) -> None:
        self._limit = max_workers or os.cpu_count() or 1
        self._workers: dict[int, Worker] = {}
        self._by_fd: dict[int, int] = {}
        self._batches: dict[int, dict[int, _Flight]] = {}
        self._events: deque[Event] = deque()
        self._job = Frame(wire.JOB, next(_runs))
        self._job_lease = 0
        self._bell: Bell | None = None
        self._lock, self._teaching = Lock(), Lock()
        self._vigil = Vigil()
        self._rest = Rest()

    def crew(self) -> Crew:
        crew = Crew(self._limit, depth=2, recalls=True, name=self.name)
        return crew._replace(target_seconds=BATCH_SECONDS, patient_seconds=PATIENT_SECONDS)

    prepare = staticmethod(ahead.prepare)
    ready = staticmethod(ahead.ready)
    coming = staticmethod(ahead.coming)
    let_go = staticmethod(ahead.let_go)

    def spent(self) -> dict[int, tuple[float, float]]:
        """Seconds that each of its workers has computed so far, and in which it would have, had it been given a CPU."""
        return {worker: supervisor.spent_by(process) for worker, process in list(self._workers.items())}

    def open(self, job: Job) -> None:
        supervisor.prepare(modules_of(job.fn) + _LOOP_MODULES * job.coroutine)
        self._share = max(1, job.cpus // self._limit)
        self._stateful = job.initializer is not None
        self._loops = job.coroutine
        self._names = CALL if job.fn is call else ITEM
        self._timeout = job.timeout or 0.0
        self._rest.allowed = job.patient and supervisor.segments and not job.coroutine
        slots = job.slots if job.coroutine else 0
        begins = job.initializer, job.initargs, job.seed
        told = (job.fn, job.star, slots, job.timeout, *begins, job.patient, contexts.capture())
        self._arena = supervisor.arena if supervisor.segments else None
        supervisor.arena.room = job.room
        content = pickled(told, "function", beside=supervisor.segments, names=FUNCTION)
        self._job_lease = pack(self._job, *content, self._arena, shared=job.cpus)
        self._bell = Bell()
        self._bell_fd = self._bell.fileno()
        self._poll = select.poll()
        self._poll.register(self._bell, select.POLLIN)

    def hire(self, worker: int) -> None:
        borrowed = supervisor.borrow(self._share)
        borrowed.stateful = self._stateful
        self._workers[worker] = borrowed
        self._batches[worker] = {}
        self._by_fd[borrowed.channel.fileno()] = worker
        self._poll.register(borrowed.channel, select.POLLIN)
        fd = supervisor.arena.copy(self._job_lease) if self._job_lease else None
        self._send(worker, Frame(wire.JOB, self._job.a, body=self._job.body, fd=fd))
        self.wake()

    def dispatch(self, worker: int, batch: Batch) -> None:
        with self._lock:
            if worker not in self._workers:
                return  # it has just been lost, and whoever commands is about to hear of it
            if len(batch.items) == 1 and not any(self._batches.values()):
                self._vigil.begin(self._workers[worker].page)
            else:
                self._vigil.break_off()
            self._batches[worker][batch.id] = _Flight(batch)
        self._send_items(worker, batch, 0, batch.items)

    def recall(self, worker: int) -> None:
        self._rest.break_off()
        self._send(worker, Frame(wire.RECALL))

    def kill(self, worker: int) -> None:
        with self._lock:
            if (process := self._workers.get(worker)) is not None:
                supervisor.kill(process)

    def retire(self, worker: int) -> None:
        process = self._forget(worker)
        if process is not None:
            process.stateful = True  # it has run as many tasks as it may: no other run is to have it
            supervisor.give_back(process)

    def memory(self) -> Mapping[int, int]:
        supervisor.arena.tidy()
        return {number: supervisor.memory_of(process) for number, process in list(self._workers.items())}

    def running(self) -> Mapping[int, Sequence[Running]]:
        workers = list(self._workers.items())
        return {number: running(worker.page, self._loops, self._timeout) for number, worker in workers}

    def wait(self, timeout: float | None) -> Sequence[Event]:
        if not self._events:
            if timeout and self._rest.may and self._bell is not None:
                crew = [(worker, list(self._batches[number])) for number, worker in list(self._workers.items())]
                timeout = self._rest.take(timeout, self._bell, crew)
            for fd, mask in self._ready(timeout):
                self._attend(fd, mask)
        events = []
        while self._events:  # others may append meanwhile: `dispatch` runs in the caller's thread
            events.append(self._events.popleft())
        return events

    def wake(self) -> None:
        if self._bell is not None:
            self._bell.ring()

    def close(self) -> None:
        for number, worker in self._workers.items():
            if self._batches[number]:
                supervisor.end(worker)
            else:
                worker.channel.send(Frame(wire.END, c=worker.acked))
                supervisor.give_back(worker)
        self._workers = {}
        if self._job.fd is not None:
            os.close(self._job.fd)
        supervisor.arena.keep(self._job_lease)
        if self._bell is not None:
            self._bell.close()

    # --------------------------------------------------------------------------------------------------- sending

    def _send_items(self, worker: int, batch: Batch, offset: int, items: Sequence[Any]) -> None:
        """Pickle the items together; if that fails, one by one, so that only the culprit fails."""
        frame = Frame(wire.LONE_ITEM if len(items) == 1 else wire.BATCH, batch.id, offset, d=batch.start + offset)
        try:
            if self._names is CALL:
                items = self._with_functions(worker, items)
            lease = pack(frame, *pickled(items, "item", beside=supervisor.segments, names=self._names), self._arena)
        except BaseException as error:
            if _is_the_users(error):
                raise
            if len(items) == 1:
                self._finish(worker, batch.id, (), (Fault(offset, error),), 0.0)
                self.wake()
            else:
                self._send_singly(worker, batch, offset, items)
            return
        self._send(worker, frame, lease)

    def _with_functions(self, worker: int, tasks: Sequence[Any]) -> Sequence[Any]:
        """The tasks of an executor, as this worker is to have them; what it needs for that is sent ahead."""
        if (process := self._workers.get(worker)) is None:
            return tasks
        with self._teaching:  # a function that counts as sent is on its way before a task that names it
            tasks, functions = named(tasks, process.shelf)
            for fn in functions:
                frame = Frame(wire.FUNCTION, b=fn.number)
                self._send(worker, frame, pack(frame, _pickle.dumps(fn.pickle, 5), [], self._arena))
        return tasks

    def _send_singly(self, worker: int, batch: Batch, offset: int, items: Iterable[Any]) -> None:
        for place, item in enumerate(items, offset):
            self._send_items(worker, batch, place, [item])

    def _send(self, worker: int, frame: Frame, lease: int = 0) -> None:
        with self._lock:
            process = self._workers.get(worker)
            if process is None:
                drop(frame, lease, supervisor.arena)
                return
            if lease:
                process.leases.add(lease)
            if (flight := self._batches[worker].get(frame.a)) is not None:
                flight.nbytes += weight(frame)
            frame.c = process.acked
            process.channel.send(frame)
            if released := process.mapped.released():
                process.channel.send(Frame(wire.RELEASE, c=process.acked, body=_pickle.dumps(released)))
            congested = process.channel.congested
            if congested:
                self._poll.modify(process.channel, select.POLLIN | select.POLLOUT)
        if congested:
            self.wake()

    # ------------------------------------------------------------------------------------------------- receiving

    def _ready(self, timeout: float | None) -> Sequence[tuple[int, int]]:
        vigil = self._vigil
        if vigil.on and vigil.keen and timeout != 0 and (ready := look(self._poll.poll)):
            return cast(Sequence[tuple[int, int]], ready)
        return self._poll.poll(None if timeout is None else timeout * 1000)

    def _attend(self, fd: int, mask: int) -> None:
        if self._bell is not None and fd == self._bell_fd:
            self._bell.hear()
            return
        number = self._by_fd.get(fd)
        if number is None:
            return
        process = self._workers.get(number)
        if process is None:
            return
        if mask & select.POLLOUT:
            with self._lock:
                process.channel.flush()
                if not process.channel.congested:
                    self._poll.modify(fd, select.POLLIN)
        if mask & ~select.POLLOUT:
            for frame in process.channel.receive():
                self._hear(number, process, frame)
        if process.channel.closed:
            self._lose(number, process)

    def _hear(self, number: int, process: Worker, frame: Frame) -> None:
        if frame.kind in (wire.RESULTS, wire.LONE_RESULT):
            self._result(number, process, frame)
        elif frame.kind == wire.FAULT:
            encoded, took, seconds = _pickle.loads(frame.body)
            self._finish(number, frame.a, (), (Fault(frame.b, _decoded(encoded), took),), seconds)
        elif frame.kind == wire.UNREADABLE:
            self._unreadable(number, frame)
        elif frame.kind == wire.IN_HAND:
            process.page[OFFSET], process.page[BATCH], process.page[SINCE] = frame.a, frame.b, frame.c
        elif frame.kind == wire.BLOCKED:
            self._events.append(Blocked(number, *_pickle.loads(frame.body)))
        elif frame.kind == wire.RETURNED:
            self._returned(number, _pickle.loads(frame.body))
        elif frame.kind == wire.RELEASE:
            self._take_leases_back(process, _pickle.loads(frame.body))
        elif frame.kind == wire.SAID:
            self._events.append(Said(number, _pickle.loads(frame.body)))
        elif frame.kind == wire.UNFIT and frame.a == self._job.a:  # not so what a warm worker says of an earlier job
            self._events.append(Unfit(number, _decoded(frame.body)))

    def _result(self, number: int, process: Worker, frame: Frame) -> None:
        try:
            nbytes = weight(frame)
            values, took, seconds = unpack(frame, process.mapped)
            self._rest.heard(nbytes, seconds)
        except BaseException as error:
            if _is_the_users(error):
                raise
            self._unbuildable(number, frame, error)
            return
        process.acked = max(process.acked, frame.c)
        self._finish(number, frame.a, (Part(frame.b, values, took),), (), seconds, nbytes)

    def _unbuildable(self, number: int, frame: Frame, error: BaseException) -> None:
        """A result's own code raised while it was rebuilt here: have the batch's results sent one by one."""
        if frame.kind == wire.LONE_RESULT:
            error.add_note("alongside: raised here, while the task's result was rebuilt from its pickle")
            self._finish(number, frame.a, (), (Fault(frame.b, error),), 0.0)
        else:
            self._send(number, Frame(wire.AGAIN, frame.a, frame.b))

    def _unreadable(self, number: int, frame: Frame) -> None:
        """An item's own code raised while it was rebuilt in the worker: send the batch's items one by one."""
        if frame.c:
            error = _decoded(frame.body)
            error.add_note("alongside: raised in the worker, while the item was rebuilt from its pickle")
            self._finish(number, frame.a, (), (Fault(frame.b, error),), 0.0)
        elif (flight := self._batches[number].get(frame.a)) is not None:
            self._send_singly(number, flight.batch, 0, flight.batch.items)

    def _finish(
        self, number: int, batch: int, parts: Sequence[Part], faults: Sequence[Fault], seconds: float, nbytes: int = 0
    ) -> None:
        with self._lock:
            flight = self._batches.get(number, {}).get(batch)
            if flight is None:
                return  # the worker was lost meanwhile
            done = sum(len(part.values) for part in parts) + len(faults)
            flight.left -= done
            if flight.left == 0:
                del self._batches[number][batch]
            if self._vigil.on:
                self._vigil.end()
            nbytes += flight.nbytes * done // len(flight.batch.items)
            before = self._events[-1] if self._events else None
            if isinstance(before, Finished) and (before.worker, before.batch) == (number, batch):
                parts, faults = (*before.parts, *parts), (*before.faults, *faults)
                seconds, nbytes = before.seconds + seconds, before.nbytes + nbytes
                self._events.pop()
            self._events.append(Finished(number, batch, parts, faults, seconds, nbytes))

    def _returned(self, number: int, stretches: Iterable[tuple[int, int, int]]) -> None:
        """A worker has not begun these; a stretch without an end is the whole of its batch."""
        returned = []
        for batch, first, last in stretches:
            with self._lock:
                flight = self._batches.get(number, {}).get(batch)
                if flight is None:
                    continue
                last = last or len(flight.batch.items)
                flight.left -= last - first
                if flight.left == 0:
                    del self._batches[number][batch]
            returned.append((batch, first, last))
        self._events.append(Returned(number, returned))

    def _take_leases_back(self, process: Worker, released: Iterable[int]) -> None:
        for lease in released:
            if lease in process.leases:  # not so the job's, which other workers read too
                process.leases.discard(lease)
                supervisor.arena.release(lease)

    def _forget(self, number: int) -> Worker | None:
        with self._lock:
            process = self._workers.pop(number, None)
            if process is not None:
                self._vigil.break_off()
                fd = next(fd for fd, known in self._by_fd.items() if known == number)
                self._poll.unregister(fd)
                del self._by_fd[fd], self._batches[number]
            return process

    def _lose(self, number: int, process: Worker) -> None:
        flights = self._batches.get(number, {})
        self._forget(number)
        death, blameless = supervisor.verdict(process)
        in_hand, suspected = in_hand_of(process.page), suspects(process.page)  # not before: it is final only now
        if self._loops and not suspected and (process.unsure or not in_hand or not supervisor.segments):
            suspected, in_hand = tuple(flights), ()  # all its coroutines waited: any of them may have seen to it
        elif process.unsure and in_hand and (flight := flights.get(in_hand[0].batch)) and len(flight.batch.items) > 1:
            suspected, in_hand = (in_hand[0].batch,), ()  # it went on working after the task that cut its connection
        self._events.append(Lost(number, death, in_hand, suspected, blameless))


def _decoded(encoded: bytes) -> BaseException:
    from alongside.transport import errors

    return errors.decode(encoded)


def _is_the_users(error: BaseException) -> bool:
    """Whether it is an interrupt of this program rather than something that a task's data raised."""
    return isinstance(error, KeyboardInterrupt) and get_ident() == main_thread().ident
