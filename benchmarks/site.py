"""The server that the pages come from, in a process of its own: `python -m benchmarks.site`.

Answers `/page/N` after 20 ms, `/polite/N` likewise and keeps a log of it, `/hostile/N` badly at first, `/log` with what
it has seen. Prints its port. Must never: be told what a client is.
"""

from __future__ import annotations

import asyncio
import json
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


if __name__ == "__main__":
    asyncio.run(serve())
