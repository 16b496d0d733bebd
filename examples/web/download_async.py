"""The same downloader in async code, with aiohttp.

python download_async.py http://127.0.0.1:8000/file/large large.bin
"""

from __future__ import annotations

import asyncio
import sys
from contextlib import aclosing
from typing import Any

import aiohttp
from tqdm import tqdm

import alongside

PIECE = 1 << 18


async def download(url: str, into: str) -> int:
    """Fetch the file; its size in bytes."""
    async with aiohttp.ClientSession(raise_for_status=True) as session:

        async def length(url: str) -> int:
            async with session.head(url) as response:
                return int(response.headers["Content-Length"])

        size: int
        (size,) = await alongside.amap(length, [url], retries=5, timeout=2)

        async def fetch(start: int) -> tuple[int, bytes]:
            piece = {"Range": f"bytes={start}-{min(start + PIECE, size) - 1}"}
            async with session.get(url, headers=piece) as response:
                return start, await response.read()

        pieces: Any = alongside.aimap(
            fetch,
            range(0, size, PIECE),
            backend="asyncio",
            max_workers=8,
            retries=5,
            timeout=2,
            ordered=False,
            window=32,
        )
        with (
            open(into, "wb") as file,  # noqa: ASYNC230  (a local file)
            tqdm(total=size, unit="B", unit_scale=True) as bar,
        ):
            async with aclosing(pieces):
                async for start, data in pieces:
                    file.seek(start)
                    file.write(data)
                    bar.update(len(data))
    return size


if __name__ == "__main__":
    asyncio.run(download(*sys.argv[1:]))
