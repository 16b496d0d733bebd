"""The server that the pages come from, in a process of its own: `python -m benchmarks.site`.

Answers `/page/N` after 20 ms, `/polite/N` likewise and keeps a log of it, `/hostile/N` badly at first, `/log` with what
it has seen. Prints its port. Must never: be told what a client is.

With `--links N` it is as cheap as a server in Python can be: every request gets the same page with so many links, after
20 ms, and the connection is closed.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections import Counter
from typing import Any

LATENCY = 0.020


class Site:
    """What has been asked for, and how often."""

    def __init__(self) -> None:
        self.log: list[tuple[str, float, float]] = []
        self.seen: Counter[str] = Counter()

    async def page(self, request: Any) -> Any:
        from aiohttp import web

        await asyncio.sleep(LATENCY)
        return web.Response(text=f"page {request.match_info['number']} " + "x" * 2000)

    async def polite(self, request: Any) -> Any:
        from aiohttp import web

        began = time.monotonic()
        await asyncio.sleep(LATENCY)
        self.log.append((request.headers["Host"].split(":")[0], began, time.monotonic()))
        return web.Response(text=f"page {request.match_info['number']}")

    async def hostile(self, request: Any) -> Any:
        """By the page's number: 10 in 100 are first told to come back later, 5 cut off, 2 left hanging."""
        from aiohttp import web

        number = int(request.match_info["number"])
        self.seen[request.path] += 1
        if self.seen[request.path] == 1:
            fate = number % 100
            if fate < 10:
                return web.Response(status=429, headers={"Retry-After": "1"})
            if fate < 15:
                request.transport.abort()
            elif fate < 17:
                await asyncio.sleep(3600)
        await asyncio.sleep(LATENCY)
        return web.Response(text=f"page {number}")

    async def told(self, request: Any) -> Any:
        from aiohttp import web

        log, self.log = self.log, []
        self.seen.clear()
        return web.Response(text=json.dumps(log))


async def serve() -> None:
    """Serve until killed."""
    from aiohttp import web

    site, app = Site(), web.Application()
    app.router.add_get("/page/{number}", site.page)
    app.router.add_get("/polite/{number}", site.polite)
    app.router.add_get("/hostile/{number}", site.hostile)
    app.router.add_get("/log", site.told)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    tcp = web.TCPSite(runner, "0.0.0.0", 0, backlog=2048)
    await tcp.start()
    print(runner.addresses[0][1], flush=True)
    await asyncio.Event().wait()


class Fixed(asyncio.Protocol):
    """Answers whatever it is asked with the same bytes."""

    def __init__(self, answer: bytes) -> None:
        self._answer = answer

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        asyncio.get_running_loop().call_later(LATENCY, self._reply)

    def _reply(self) -> None:
        if isinstance(self._transport, asyncio.WriteTransport) and not self._transport.is_closing():
            self._transport.write(self._answer)
            self._transport.close()


async def serve_fixed(links: int) -> None:
    """Serve one page until killed."""
    body = "".join(f"<p>Item {number}: <a href='/page/{number}'>page {number}</a></p>\n" for number in range(links))
    head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    server = await asyncio.get_running_loop().create_server(
        lambda: Fixed((head + body).encode()), "127.0.0.1", 0, backlog=2048
    )
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve_fixed(int(sys.argv[2])) if sys.argv[1:2] == ["--links"] else serve())
