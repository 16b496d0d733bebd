"""Rows about pages: as fast as a hand-tuned client, as polite as was asked for, and complete from a hostile server.

Owns: the search for the hand-written client's best number. Must never: tell alongside that number.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import urllib.request
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from functools import partial
from html.parser import HTMLParser
from typing import Any

from benchmarks import peers
from benchmarks.harness import SUBJECT, CannotDo, Contender, Row, Target, Work, reported, say
from benchmarks.scale import Scale

BY_HAND = "aiohttp by hand, at its best number"
ONE_LOOP = "one loop by hand, 100 at once"
LINKS = 180
"""Links of a page that is parsed: about 3 ms of `html.parser`."""
HOSTS = ("127.0.0.1", "127.0.0.2", "127.0.0.3")


def pages(scale: Scale) -> Row:
    """Bound by the client's and the server's Python: 20 ms of latency overlap. The client by hand is run at several
    numbers at once before, and then at its best; alongside is given none."""
    count = scale._size(2_000, 200)
    return Row(
        f"{count:,} pages over HTTP, 20 ms latency",
        (
            Contender(BY_HAND, lambda: _by_hand(count)),
            Contender(f"{SUBJECT}, 100 at once", lambda: _alongside(count, max_workers=100)),
            Contender(SUBJECT, lambda: _alongside(count)),
        ),
        lambda answer: "" if answer == list(range(count)) else "not every page, or not in order",
        (Target("within 10 % of the client by hand", 1.1, BY_HAND),),
        rounds=scale.rounds(7),
    )


def parsed(scale: Scale) -> Row:
    """Bound by the CPUs, which the server shares: it only writes fixed bytes, and costs a small part of one."""
    count = scale._size(600, 100)
    return Row(
        f"{count} pages over HTTP, 20 ms latency, about 3 ms of parsing each; the server on the same two CPUs",
        (
            Contender(ONE_LOOP, lambda: _parsed(_in_one_loop, count)),
            Contender(f"{SUBJECT}, told processes", lambda: _parsed(partial(_counted, backend="processes"), count)),
            Contender(SUBJECT, lambda: _parsed(_counted, count)),
        ),
        lambda answer: "" if answer == [LINKS] * count else "not every link of every page",
        (
            Target("1.5 times as fast as one loop", 1 / 1.5, ONE_LOOP, f"{SUBJECT}, told processes"),
            Target("the same by itself", 1 / 1.5, ONE_LOOP),
        ),
        rounds=scale.rounds(7),
    )


def polite(scale: Scale) -> Row:
    """Bound by what was asked for: 4 at once and 20 per second for each of three hosts. What the server saw is its own
    log's word; the figure is the time taken, of the least possible."""
    each = scale._size(101, 31)
    return Row(
        f"{each} pages of each of {len(HOSTS)} hosts, at most 4 at once and 20 per second of each: time of the least",
        (Contender(SUBJECT, lambda: _politely(each)), Contender(f"{SUBJECT}, threads", lambda: _politely(each, True))),
        _exceeded,
        (
            Target("used to 95 %", 1 / 0.95),
            Target("used to 95 % by threads", 1 / 0.95, subject=f"{SUBJECT}, threads"),
        ),
        measure=reported,
        unit="x",
        rounds=scale.rounds(3),
        warmups=0,
    )


def hostile(scale: Scale) -> Row:
    """Bound by the waits: a second of Retry-After, two seconds of timeout for what hangs."""
    count = scale._size(1_000, 200)
    return Row(
        f"{count:,} pages; 10 % say 429 with Retry-After first, 5 % are cut off, 2 % hang: retries=5, timeout=2",
        (
            Contender(SUBJECT, lambda: _hostilely(count, threads=False)),
            Contender(f"{SUBJECT}, threads", lambda: _hostilely(count, threads=True)),
        ),
        lambda answer: str(answer or ""),
        (Target("every page within 10 s", 10.0),),
        rounds=scale.rounds(3),
        warmups=0,
    )


@contextmanager
def site(*arguments: str) -> Iterator[str]:
    """The server's port, while it runs."""
    if not arguments:
        peers.library("aiohttp")
    command = [sys.executable, "-m", "benchmarks.site", *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield process.stdout.readline().strip()
        finally:
            process.kill()


class Client:
    """One aiohttp session per event loop, made when first used, for functions that get an address only."""

    def __init__(self) -> None:
        self._session: Any = None
        self._loop: Any = None

    async def get(self, url: str) -> str:
        session = await self.session()
        async with session.get(url) as response:
            response.raise_for_status()
            return str(await response.text())

    async def session(self) -> Any:
        loop = asyncio.get_running_loop()
        if self._loop is not loop:
            aiohttp = peers.library("aiohttp")
            self._loop, self._session = loop, aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))
        return self._session

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = self._loop = None


def _number(text: str) -> int:
    return int(text.split()[1])


def _with_client(main: Callable[[Client], Awaitable[Any]]) -> Any:
    async def run() -> Any:
        client = Client()
        try:
            return await main(client)
        finally:
            await client.close()

    return asyncio.run(run())


@contextmanager
def _by_hand(count: int) -> Iterator[Work]:
    with site() as port:
        best = peers.best_of((32, 64, 128, 256), lambda at_once: _worker_loop(port, count, at_once))
        say(f"    by hand: best at {best} at once")
        yield lambda: _worker_loop(port, count, best)


def _worker_loop(port: str, count: int, at_once: int) -> list[int]:
    async def main(client: Client) -> list[int]:
        async def page(number: int) -> int:
            return _number(await client.get(f"http://127.0.0.1:{port}/page/{number}"))

        return await peers.worker_loop(page, count, at_once)

    answer: list[int] = _with_client(main)
    return answer


@contextmanager
def _alongside(count: int, **options: Any) -> Iterator[Work]:
    with site() as port:
        urls = [f"http://127.0.0.1:{port}/page/{number}" for number in range(count)]

        async def main(client: Client) -> list[int]:
            async def fetch(url: str) -> int:
                return _number(await client.get(url))

            answer: list[int] = await peers.alongside_name("amap")(fetch, urls, **options)
            return answer

        yield lambda: _with_client(main)


# ---------------------------------------------------------------------------------------------------------- parsed


class Links(HTMLParser):
    """Counts the links of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.count += tag == "a"


async def links_of(url: str) -> int:
    """Fetch a page, and count its links."""
    host, port = url.split("/")[2].split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(f"GET {url} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
    page = await reader.read(-1)
    writer.close()
    links = Links()
    links.feed(page.decode())
    return links.count


@contextmanager
def _parsed(work: Callable[[list[str]], object], count: int) -> Iterator[Work]:
    with site("--links", str(LINKS)) as port:
        urls = [f"http://127.0.0.1:{port}/page/{number}" for number in range(count)]
        yield lambda: work(urls)


def _in_one_loop(urls: list[str]) -> list[int]:
    return asyncio.run(peers.worker_loop(lambda number: links_of(urls[number]), len(urls), 100))


def _counted(urls: list[str], **options: Any) -> list[int]:
    answer: list[int] = peers.alongside_name("map")(links_of, urls, **options)
    return answer


# ---------------------------------------------------------------------------------------------------------- polite


@contextmanager
def _politely(each: int, threads: bool = False) -> Iterator[Work]:
    import alongside

    def host(url: str) -> str:
        return url.split("/")[2]

    with _site_on_every_host() as port:
        urls = [f"http://{host}:{port}/polite/{number}" for number in range(each) for host in HOSTS]

        def work() -> tuple[float, object]:
            limit = alongside.Limit(concurrency=4, per_second=20, per=host)
            if threads:
                alongside.map(_get, urls, backend="threads", limit=limit)
            else:
                _with_client(lambda client: alongside.amap(client.get, urls, limit=limit))
            log = json.loads(_get(f"http://127.0.0.1:{port}/log"))
            return _over_the_least(log, each), log

        yield work


@contextmanager
def _site_on_every_host() -> Iterator[str]:
    """Every address 127.x is this machine on Linux; elsewhere the row cannot be done."""
    if sys.platform != "linux":
        raise CannotDo("needs several addresses of the loopback")
    with site() as port:
        yield port


def _get(url: str) -> str:
    with urllib.request.urlopen(url, timeout=30) as response:
        return str(response.read().decode())


def _over_the_least(log: list[tuple[str, float, float]], each: int) -> float:
    """The slowest host's time from its first start to its last, of the least that 20 per second allow."""
    starts = {host: sorted(began for other, began, _ in log if other == host) for host, _, _ in log}
    return max(times[-1] - times[0] for times in starts.values()) / ((each - 1) / 20)


def _exceeded(log: Any) -> str:
    """What the server saw that it should not have seen."""
    for host in {host for host, _, _ in log}:
        visits = sorted((began, ended) for other, began, ended in log if other == host)
        at_once = max(sum(b <= began < e for b, e in visits) for began, _ in visits)
        in_a_second = max(sum(began <= b < began + 1 for b, _ in visits) for began, _ in visits)
        if at_once > 4 or in_a_second > 20:
            return f"{host} saw {at_once} at once and {in_a_second} in a second"
    return "" if len({host for host, _, _ in log}) == len(HOSTS) else "not every host was visited"


# --------------------------------------------------------------------------------------------------------- hostile


@contextmanager
def _hostilely(count: int, threads: bool) -> Iterator[Work]:
    import alongside

    options: dict[str, Any] = {"retries": 5, "timeout": 2}
    with site() as port:
        urls = [f"http://127.0.0.1:{port}/hostile/{number}" for number in range(count)]

        def work() -> str:
            _get(f"http://127.0.0.1:{port}/log")  # it begins anew
            if threads:
                return _complete(alongside.run(_get, urls, backend="threads", **options), count)
            return _complete(alongside.run(_get_later, urls, **options), count, cut_off_told=False)

        yield work


async def _get_later(url: str) -> str:
    """One page. What is cut off aiohttp asks for again by itself, so that alongside need not hear of it."""
    aiohttp = peers.library("aiohttp")
    async with aiohttp.ClientSession() as session, session.get(url) as response:
        response.raise_for_status()
        return str(await response.text())


def _complete(run: Any, count: int, cut_off_told: bool = True) -> str:
    """What is missing: a page, or an attempt."""
    outcomes = run.outcomes
    wrong = [outcome for number, outcome in enumerate(outcomes) if outcome.value != f"page {number}"]
    if wrong or len(outcomes) != count:
        return f"{len(wrong)} pages are missing, the first: {wrong[:1]}"
    told = [o for o in outcomes if len(o.earlier) != o.attempts - 1]
    kinds = Counter(type(attempt.exception).__name__ for o in outcomes for attempt in o.earlier)
    say(f"    attempts that failed: {dict(kinds)}")
    hurt = sum(number % 100 < 17 and (cut_off_told or not 10 <= number % 100 < 15) for number in range(count))
    if told or sum(kinds.values()) < hurt:
        return f"attempts are missing: {sum(kinds.values())} told of at least {hurt}"
    return ""
