"""The same crawler in ordinary code: a level of links at a time, in threads.

    python crawl_sync.py http://127.0.0.1:8000/ pages.jsonl

Needs httpx.
"""

from __future__ import annotations

import json
import re
import sys
from urllib.parse import urljoin, urlsplit

import httpx

import alongside

POLITE = alongside.Limit(concurrency=20, per=lambda url: urlsplit(url).netloc)
"""At most so many requests at once to one host, however many hosts there are."""


def crawl(start: str, into: str) -> list[alongside.Failure]:
    """Visit every page that can be reached; what could not be had."""
    known, level, failures = {start}, [start], []
    # Every request has its own limits: a thread that waits for an answer cannot be stopped from outside.
    with httpx.Client(timeout=httpx.Timeout(1, pool=None)) as client, open(into, "w") as file:

        def visit(url: str) -> dict[str, object]:
            response = client.get(url)
            response.raise_for_status()
            (title,) = re.findall("<title>(.*?)</title>", response.text)
            return {"url": url, "title": title, "links": re.findall('href="(.*?)"', response.text)}

        while level:
            run = alongside.run(visit, level, backend="threads", limit=POLITE, retries=5, retry_on=worth_another_try)
            failures += run.failures
            pages = [outcome.value for outcome in run.outcomes if outcome.ok]
            file.writelines(json.dumps(page) + "\n" for page in pages)
            found = {urljoin(start, link) for page in pages for link in page["links"]}
            level = sorted(found - known)
            known |= found
    return failures


def worth_another_try(error: BaseException) -> bool:
    """A page that is not there will not be there the next time; anything else may be."""
    return not (isinstance(error, httpx.HTTPStatusError) and error.response.status_code in (403, 404, 410))


if __name__ == "__main__":
    for failure in crawl(*sys.argv[1:]):
        print(f"not had: {failure.item}: {str(failure.exception).splitlines()[0]} (tried {failure.attempts} times)")
