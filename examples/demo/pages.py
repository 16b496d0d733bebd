"""Waiting: fetch one page over HTTP, in an ordinary function and in an async one.

Owns what a page must say, so that each one fetched can be checked. Knows nothing of alongside.
"""

import asyncio
import hashlib
import urllib.request
from urllib.parse import urlsplit

LATENCY = 0.05  # seconds the server takes to answer


def page_text(number: int) -> str:
    """The page that the server has under /page/NUMBER: a heading and a hundred lines that no other page has."""
    lines = [hashlib.sha256(f"{number}/{line}".encode()).hexdigest() for line in range(100)]
    return "\n".join([f"Page {number}", *lines])


def fetch(url: str) -> str:
    """Fetch a page, the ordinary way."""
    with urllib.request.urlopen(url, timeout=30) as response:
        content: bytes = response.read()
    return content.decode()


async def fetch_async(url: str) -> str:
    """Fetch a page without holding up the event loop."""
    address = urlsplit(url)
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    try:
        writer.write(f"GET {address.path} HTTP/1.0\r\nHost: {address.netloc}\r\n\r\n".encode())
        answer = await reader.read()
    finally:
        writer.close()
        await writer.wait_closed()
    head, _, body = answer.partition(b"\r\n\r\n")
    if b" 200 " not in head.splitlines()[0]:
        raise OSError(f"{url}: {head.decode()}")
    return body.decode()
