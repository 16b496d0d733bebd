"""The floors: what the machine itself takes for the smallest part of the work that cannot be left out.

Owns: raw round trips, pickling and futures without any library. Must never: use a library under test.
"""

from __future__ import annotations

import os
import pickle
import socket
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager

from benchmarks.tasks import same

BATCH = 4096


@contextmanager
def echo() -> Iterator[Callable[[bytes], bytes]]:
    """A forked process that sends each message straight back over a socket pair; gives the function for one trip."""
    near, far = socket.socketpair()
    child = os.fork()
    if child == 0:
        _send_back(near, far)
    far.close()

    def trip(message: bytes) -> bytes:
        near.sendall(message)
        return near.recv(65536)

    try:
        yield trip
    finally:
        near.close()
        os.waitpid(child, 0)


def _send_back(near: socket.socket, far: socket.socket) -> None:
    near.close()
    while message := far.recv(65536):
        far.sendall(message)
    os._exit(0)


def pickled_loop(items: list[int]) -> list[int]:
    """The whole of a batched map in one process: pickle, unpickle, call, pickle, unpickle; nothing travels."""
    answer: list[int] = []
    for start in range(0, len(items), BATCH):
        batch = pickle.loads(pickle.dumps(items[start : start + BATCH], protocol=5))
        answer += pickle.loads(pickle.dumps([same(item) for item in batch], protocol=5))
    return answer


def bare_futures(count: int) -> list[int]:
    """`count` futures made, resolved and read in one thread, their calls pickled in batches."""
    futures: list[Future[int]] = [Future() for _ in range(count)]
    for number, value in enumerate(pickled_loop(list(range(count)))):
        futures[number].set_result(value)
    return [future.result() for future in futures]


def shared_out(function: Callable[[float], object], items: list[float], workers: int) -> None:
    """Forked processes that take the next index from one pipe until it is empty: a scheduler with nothing around it."""
    source, sink = os.pipe()
    children = [_taker(function, items, source, sink) for _ in range(workers)]
    os.close(source)
    with os.fdopen(sink, "wb", buffering=0) as queue:
        for number in range(len(items)):
            queue.write(number.to_bytes(4, "little"))
    for child in children:
        os.waitpid(child, 0)


def _taker(function: Callable[[float], object], items: list[float], source: int, sink: int) -> int:
    child = os.fork()
    if child == 0:
        os.close(sink)
        while number := os.read(source, 4):
            function(items[int.from_bytes(number, "little")])
        os._exit(0)
    return child
