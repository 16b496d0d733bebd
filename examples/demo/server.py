"""A small web server for the demonstration, in a process of its own: /page/NUMBER, after 50 ms.

Run by demo.py as `python server.py`. Prints its port on the first line, listens on loopback only, and ends when its
standard input closes, so that it never outlives the one who started it.
"""

import asyncio
import sys

from pages import LATENCY, page_text


async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer one request, then close."""
    request = (await reader.readuntil(b"\r\n\r\n")).split(maxsplit=2)
    await asyncio.sleep(LATENCY)
    content = page_text(int(request[1].removeprefix(b"/page/"))).encode()
    head = f"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {len(content)}\r\nConnection: close\r\n\r\n"
    writer.write(head.encode() + content)
    await writer.drain()
    writer.close()


async def serve() -> None:
    """Serve until standard input closes."""
    server = await asyncio.start_server(answer, "127.0.0.1", 0, backlog=512)
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.to_thread(sys.stdin.read)


asyncio.run(serve())
