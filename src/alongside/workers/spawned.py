"""The nursery that spawns: one fresh interpreter per worker, joined by a socket on the loopback.

For systems without fork, memory files or the passing of descriptors (Windows, and macOS, where forking is unsafe); on
Linux when `ALONGSIDE_PORTABLE=1` is set. Slower to start, and large payloads go through the socket; the same guarantees
otherwise. Owns its processes. Must never know tasks.

How a stranger is kept out: the socket listens on the loopback only, for as long as a worker is being started, and the
worker must first say a random word that it was given through its standard input.
"""

from __future__ import annotations

import hmac
import os
import signal
import socket
import subprocess
import sys
import time

from alongside.workers.channel import ENDED, SETUP, Channel, Frame
from alongside.workers.interpreter import CODE, flags
from alongside.workers.page import FIELDS
from alongside.workers.surroundings import THREAD_CAPS, adopt, capture

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

PATIENCE = 30.0
"""Seconds for a fresh interpreter to call back."""

WORD = 32
"""Bytes of the random word."""


class SpawningNursery:
    """Starts each worker by itself."""

    segments = False
    quick = False

    def __init__(self) -> None:
        self._processes: dict[int, subprocess.Popen[bytes]] = {}

    def start(self) -> bool:
        """Nothing need be running before the first worker."""
        return True

    def prepare(self, modules: tuple[str, ...]) -> None:
        """Nothing can be imported ahead."""

    def create(self, number: int) -> tuple[Channel, Any]:
        """A new worker's channel, and a page that its messages keep up to date. Returns when it has called back."""
        word = os.urandom(WORD)
        with socket.create_server(("127.0.0.1", 0)) as server:
            server.settimeout(PATIENCE)
            code = CODE.format(module="spawned", arguments=f"{server.getsockname()[1]}")
            process = subprocess.Popen(
                [sys.executable, *flags(), "-c", code],
                stdin=subprocess.PIPE,
                env={**dict.fromkeys(THREAD_CAPS, "1"), **os.environ},
            )
            self._processes[number] = process
            assert process.stdin is not None
            with process.stdin:
                process.stdin.write(word)
            connection = _accept(server, word)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.setblocking(False)
        channel = Channel(connection)
        channel.send(Frame(SETUP, body=capture()))
        return channel, [0] * FIELDS

    def expected(self, number: int) -> bool:
        """None is: whoever makes one waits until it is there."""
        return False

    def pid_of(self, number: int) -> int:
        """A worker's process id."""
        process = self._processes.get(number)
        return process.pid if process is not None else 0

    def kill(self, number: int) -> None:
        """End a worker."""
        if process := self._processes.get(number):
            process.kill()

    def end_of(self, number: int, timeout: float) -> Frame | None:
        """How a worker ended (a frame ENDED: its pid and wait status), or None if it does not end in time."""
        process = self._processes.pop(number, None)
        if process is None:
            return None
        try:
            code = process.wait(timeout)
        except subprocess.TimeoutExpired:
            process.kill()
            code = process.wait()
        return Frame(ENDED, number, process.pid, -code if code < 0 else code << 8)

    def ended(self) -> list[int]:
        """Workers known to have ended whose end nobody has asked for."""
        return [number for number, process in self._processes.items() if process.poll() is not None]

    def abandoned(self, number: int) -> bool:
        """There is no helper whose end could end a worker."""
        return False

    def abort(self) -> None:
        """As `close`."""
        self.close()

    def close(self) -> None:
        """End all workers; returns when they have ended."""
        for process in self._processes.values():
            process.kill()
        for process in self._processes.values():
            process.wait()
        self._processes = {}

    def forget(self) -> None:
        """In a forked child: these are not its children."""
        for process in self._processes.values():
            process.returncode = 0  # or its deallocation would complain of a child that still runs
        self._processes = {}


def _accept(server: socket.socket, word: bytes) -> socket.socket:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        connection, _ = server.accept()
        connection.settimeout(PATIENCE)
        said = b""
        while len(said) < WORD and (more := connection.recv(WORD - len(said))):
            said += more
        if hmac.compare_digest(said, word):
            return connection
        connection.close()
    raise TimeoutError(f"a worker process did not call back within {PATIENCE:g} s")


def main(port: int) -> None:
    """The life of a spawned worker."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    from alongside.workers.child import work_over
    from alongside.workers.zygote import install_site_builtins, leave

    word = sys.stdin.buffer.read(WORD)
    connection = socket.create_connection(("127.0.0.1", port), PATIENCE)
    connection.settimeout(None)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connection.sendall(word)
    channel = Channel(connection)
    frames = channel.receive()
    while not frames and not channel.closed:
        frames = channel.receive()
    if not frames:
        leave(0)
    adopt(frames[0].body)
    install_site_builtins()
    status = 1
    try:
        status = work_over(channel, frames[1:])
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        leave(status)
