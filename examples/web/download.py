"""A downloader: a large file in pieces side by side, with a bar that counts bytes.

    python download.py http://127.0.0.1:8000/file/large large.bin

Pieces are written where they belong as they come, so memory holds a few of them at most. Needs httpx.
"""

from __future__ import annotations

import sys

import httpx
from tqdm import tqdm

import alongside

PIECE = 1 << 18


def download(url: str, into: str) -> int:
    """Fetch the file; its size in bytes."""
    with httpx.Client(timeout=httpx.Timeout(1, pool=None)) as client, open(into, "wb") as file:
        size: int
        (size,) = alongside.map(lambda url: length(client, url), [url], backend="threads", retries=5)

        def fetch(start: int) -> tuple[int, bytes]:
            response = client.get(url, headers={"Range": f"bytes={start}-{min(start + PIECE, size) - 1}"})
            response.raise_for_status()
            return start, response.content

        pieces = alongside.imap(
            fetch, range(0, size, PIECE), backend="threads", max_workers=8, retries=5, ordered=False, window=32
        )
        with tqdm(total=size, unit="B", unit_scale=True, unit_divisor=1024) as bar:
            for start, data in pieces:
                file.seek(start)
                file.write(data)
                bar.update(len(data))
    return size


def length(client: httpx.Client, url: str) -> int:
    """How many bytes there are, without having them sent."""
    response = client.head(url)
    response.raise_for_status()
    return int(response.headers["Content-Length"])


if __name__ == "__main__":
    download(*sys.argv[1:])
