"""A crawler: from a start page along its links to every page of a site, into a file of JSON lines.

    python crawl.py http://127.0.0.1:8000/ pages.jsonl

What is asked for next depends on what came back, so the addresses are an async iterable that grows as pages arrive.
Needs httpx.
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
from collections.abc import AsyncIterator, Iterable
from contextlib import aclosing
from typing import Any, NamedTuple
from urllib.parse import urljoin, urlsplit

import httpx

import alongside

POLITE = alongside.Limit(concurrency=20, per=lambda url: urlsplit(url).netloc)
"""At most so many requests at once to one host, however many hosts there are."""


class Page(NamedTuple):
    url: str
    title: str
    links: list[str]


class Frontier:
    """Addresses to visit: each once, until all that were found have been dealt with."""

    def __init__(self, start: str) -> None:
        self._known: set[str] = set()
        self._waiting: asyncio.Queue[str | None] = asyncio.Queue()
        self._open = 1
        self.found([start])
        self.dealt_with()

    def found(self, urls: Iterable[str]) -> None:
        for url in urls:
            if url not in self._known:
                self._known.add(url)
                self._open += 1
                self._waiting.put_nowait(url)

    def dealt_with(self) -> None:
        self._open -= 1
        if self._open == 0:
            self._waiting.put_nowait(None)

    async def __aiter__(self) -> AsyncIterator[str]:
        while (url := await self._waiting.get()) is not None:
            yield url


async def crawl(start: str, into: str) -> list[alongside.Failure]:
    """Visit every page that can be reached; what could not be had."""
    failures = []
    frontier = Frontier(start)
    async with httpx.AsyncClient(timeout=None) as client:

        async def visit(url: str) -> Page:
            response = await client.get(url)
            response.raise_for_status()
            (title,) = re.findall("<title>(.*?)</title>", response.text)
            return Page(url, title, [urljoin(url, link) for link in re.findall('href="(.*?)"', response.text)])

        pages: Any = alongside.aimap(
            visit,
            frontier,
            ordered=False,
            limit=POLITE,
            timeout=2,
            retries=5,
            retry_on=worth_another_try,
            on_error="return",
        )
        with open(into, "w") as file:  # noqa: ASYNC230  (a local file, a line at a time)
            async with aclosing(pages):
                async for page in pages:
                    if isinstance(page, Page):
                        file.write(json.dumps(page._asdict()) + "\n")
                        frontier.found(page.links)
                    else:
                        failures.append(page)
                    frontier.dealt_with()
    return failures


def worth_another_try(error: BaseException) -> bool:
    """A page that is not there will not be there the next time; anything else may be."""
    return not (isinstance(error, httpx.HTTPStatusError) and error.response.status_code in (403, 404, 410))


if __name__ == "__main__":
    for failure in asyncio.run(crawl(*sys.argv[1:])):
        print(f"not had: {failure.item}: {str(failure.exception).splitlines()[0]} (tried {failure.attempts} times)")
