"""The same work done by hand, with the standard library, and with alongside: what `alongside guide` shows and times.

Owns the code people read in the guide; what is shown is what runs. Must never print or measure.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import Pool
from urllib.parse import urlsplit

import alongside
from alongside.cli.examples import count_primes, cube, invert, remember, seen, square
from alongside.cli.loopback import SlowServer

# --- squares ------------------------------------------------------------------------------------------------------


def squares_in_a_loop(numbers: list[int]) -> list[int]:
    return [square(x) for x in numbers]


def squares_with_a_pool(numbers: list[int]) -> list[int]:
    with Pool(4) as pool:
        return pool.map(square, numbers)


def squares_in_processes(numbers: list[int]) -> alongside.Run:
    return alongside.run(square, numbers, backend="processes")


def squares_chosen(numbers: list[int]) -> alongside.Run:
    return alongside.run(square, numbers)


# --- cubes --------------------------------------------------------------------------------------------------------


def cubes_in_a_loop(numbers: list[int]) -> list[int]:
    return [cube(x) for x in numbers]


def cubes_with_process_executor(numbers: list[int]) -> list[int]:
    with ProcessPoolExecutor() as executor:
        return list(executor.map(cube, numbers))


def cubes_with_thread_executor(numbers: list[int]) -> list[int]:
    with ThreadPoolExecutor() as executor:
        return list(executor.map(cube, numbers))


def cubes_chosen(numbers: list[int]) -> alongside.Run:
    return alongside.run(cube, numbers)


# --- primes -------------------------------------------------------------------------------------------------------


def primes_in_a_loop(limits: list[int]) -> list[int]:
    return [count_primes(limit) for limit in limits]


def primes_with_threads(limits: list[int]) -> list[int]:
    with ThreadPoolExecutor() as executor:
        return list(executor.map(count_primes, limits))


def primes_with_a_pool(limits: list[int]) -> list[int]:
    with Pool() as pool:
        return pool.map(count_primes, limits)


def primes_chosen(limits: list[int]) -> alongside.Run:
    return alongside.run(count_primes, limits)


# --- pages --------------------------------------------------------------------------------------------------------


async def fetch(url: str) -> str:
    parts = urlsplit(url)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    writer.write(f"GET {parts.path} HTTP/1.0\r\n\r\n".encode())
    answer = await reader.read()
    writer.close()
    return answer.decode().partition("\r\n\r\n")[2]


def pages_one_by_one(urls: list[str]) -> list[str]:
    return [asyncio.run(fetch(url)) for url in urls]


def pages_with_gather(urls: list[str]) -> list[str]:
    async def fetch_all() -> list[str]:
        return await asyncio.gather(*(fetch(url) for url in urls))

    return asyncio.run(fetch_all())


def pages_chosen(urls: list[str]) -> alongside.Run:
    return alongside.run(fetch, urls)


# --- how many at once ---------------------------------------------------------------------------------------------


def primes_so_many(workers: int) -> list[int]:
    limits = [40_000] * 8
    return alongside.map(count_primes, limits, backend="processes", max_workers=workers)


def pages_so_many(workers: int) -> list[str]:
    with SlowServer(0.05) as server:
        urls = server.urls(20)
        return alongside.map(fetch, urls, backend="asyncio", max_workers=workers)


# --- pitfalls -----------------------------------------------------------------------------------------------------


def lambda_with_a_pool(numbers: list[int]) -> list[int]:
    with Pool(2) as pool:
        return pool.map(lambda x: x * x, numbers)


def lambda_in_processes(numbers: list[int]) -> list[int]:
    return alongside.map(lambda x: x * x, numbers, backend="processes")


def failure_with_a_pool(numbers: list[int]) -> list[float]:
    with Pool(2) as pool:
        return pool.map(invert, numbers)


def failure_kept_apart(numbers: list[int]) -> alongside.Run:
    return alongside.run(invert, numbers)


def memory_with_a_pool(numbers: list[int]) -> list[int]:
    seen.clear()
    with Pool(2) as pool:
        pool.map(remember, numbers)
    return list(seen)


def memory_in_threads(numbers: list[int]) -> list[int]:
    seen.clear()
    alongside.map(remember, numbers, backend="threads")
    return sorted(seen)
