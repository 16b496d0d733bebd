"""A small HTTP server on this machine whose every answer takes a while, so that the guide has something to wait for.

Owns one thread with one event loop. Must never listen on anything but the loopback address, and is gone after the
`with` block.
"""

from __future__ import annotations

import asyncio
import threading
from types import TracebackType
from typing import Self


class SlowServer:
    """`with SlowServer(0.05) as server:` answers `server.urls(20)`, each after `latency` seconds."""

    def __init__(self, latency: float) -> None:
        self.latency = latency
        self.port = 0
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), name="slow-server", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        self._ready.wait()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._loop.call_soon_threadsafe(self._done.set)
        self._thread.join()

    def urls(self, count: int) -> list[str]:
        """So many addresses that this server answers."""
        return [f"http://127.0.0.1:{self.port}/page/{number}" for number in range(1, count + 1)]

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._done = asyncio.Event()
        server = await asyncio.start_server(self._answer, "127.0.0.1", 0, backlog=256)
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        async with server:
            await self._done.wait()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = await reader.readuntil(b"\r\n\r\n")
        await asyncio.sleep(self.latency)
        body = f"This is {request.split()[1].decode()}."
        writer.write(f"HTTP/1.0 200 OK\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode())
        await writer.drain()
        writer.close()
