"""A small web site that behaves as badly as real ones: slow, busy, unreliable. For the examples beside it.

Owns the server, on the loopback only. `python website.py` serves until interrupted and prints its address.

/            the start page, with links to the lists; each list links to its pages, and pages to each other
/file/NAME   large files, also in pieces (Range)
Of the first visits to each address one in ten is turned away (429, Retry-After), one in twenty is cut off, and one in
fifty gets no answer. `site.log` has what was asked for and when.
"""

from __future__ import annotations

import asyncio
import hashlib
import random
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

from aiohttp import web

LISTS, PAGES = 5, 40
"""Lists of pages, and pages in each."""

FILE = random.Random(0).randbytes(5_000_000)


class Site:
    """The pages, and how they misbehave. `trouble`: the share of first visits that go wrong, of what is usual."""

    def __init__(self, latency: float = 0.02, trouble: float = 1.0) -> None:
        self.latency = latency
        self.trouble = trouble
        self.log: list[tuple[float, str]] = []
        self.troubles: Counter[str] = Counter()
        self.visits: Counter[str] = Counter()
        self.at_once = self.most_at_once = 0

    def app(self) -> web.Application:
        app = web.Application(middlewares=[self.misbehave])
        app.add_routes([web.get("/", self.start), web.get("/list/{n}", self.list), web.get("/page/{n}", self.page)])
        app.add_routes([web.get("/file/{name}", self.file)])
        return app

    @web.middleware
    async def misbehave(self, request: web.Request, handler: Any) -> web.StreamResponse:
        where = request.path + request.headers.get("Range", "")
        self.log.append((time.monotonic(), where))
        self.visits[where] += 1
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            await asyncio.sleep(self.latency)
            luck = int(hashlib.md5(where.encode()).hexdigest(), 16) % 1000 / 10 / (self.trouble or 1e-9)
            if self.visits[where] == 1 and luck < 17:
                return await self.go_wrong(request, luck)
            return cast(web.StreamResponse, await handler(request))
        finally:
            self.at_once -= 1

    async def go_wrong(self, request: web.Request, luck: float) -> web.StreamResponse:
        if luck < 10:
            self.troubles["busy"] += 1
            return web.Response(status=429, headers={"Retry-After": "0.2"})
        if luck < 15:
            self.troubles["cut off"] += 1
            assert request.transport is not None
            request.transport.abort()
            return web.Response()
        self.troubles["no answer"] += 1
        await asyncio.sleep(3600)
        return web.Response()

    async def start(self, request: web.Request) -> web.Response:
        return _links("Everything", [f"/list/{n}" for n in range(LISTS)])

    async def list(self, request: web.Request) -> web.Response:
        n = int(request.match_info["n"])
        return _links(f"List {n}", [f"/page/{n * PAGES + k}" for k in range(PAGES)])

    async def page(self, request: web.Request) -> web.Response:
        n = int(request.match_info["n"])
        if n == 13:
            raise web.HTTPNotFound
        return _links(f"Page {n}", [f"/page/{(n * 7 + 1) % (LISTS * PAGES)}", "/"])

    async def file(self, request: web.Request) -> web.Response:
        piece = request.http_range
        headers = {"Accept-Ranges": "bytes"}
        return web.Response(body=FILE[piece], status=206 if request.headers.get("Range") else 200, headers=headers)


def _links(title: str, targets: list[str]) -> web.Response:
    links = "".join(f'<li><a href="{target}">{target}</a></li>' for target in targets)
    return web.Response(text=f"<title>{title}</title><ul>{links}</ul>", content_type="text/html")


@contextmanager
def serving(site: Site) -> Iterator[str]:
    """The site on a free port of the loopback, in a thread of its own; gives its address."""
    ready = threading.Event()
    found: list[tuple[asyncio.AbstractEventLoop, str]] = []

    def serve() -> None:
        with asyncio.Runner() as runner:
            server = web.AppRunner(site.app(), access_log=None, shutdown_timeout=0.1)
            runner.run(server.setup())
            runner.run(web.TCPSite(server, "127.0.0.1", 0).start())
            found.append((runner.get_loop(), "http://{}:{}".format(*server.addresses[0])))
            ready.set()
            runner.get_loop().run_forever()
            runner.run(server.cleanup())

    thread = threading.Thread(target=serve, name="site", daemon=True)
    thread.start()
    ready.wait()
    try:
        yield found[0][1]
    finally:
        found[0][0].call_soon_threadsafe(found[0][0].stop)
        thread.join()


if __name__ == "__main__":
    with serving(Site()) as where:
        print(where, flush=True)
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            print("closed")
