"""Limits hold on every backend, for calls that share them, and for executors."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterable
from typing import Any

import pytest

import alongside
from alongside.core.limits import SLACK

Visit = tuple[str, float, float]
HOSTS = ["a", "b", "a", "a", "c", "a", "b", "a"] * 4


def visit(host: str) -> Visit:
    began = time.monotonic()
    time.sleep(0.004)
    return host, began, time.monotonic()


async def visit_later(host: str) -> Visit:
    began = time.monotonic()
    await asyncio.sleep(0.004)
    return host, began, time.monotonic()


def at_once(visits: Iterable[Visit]) -> dict[str, int]:
    """For each host how many visits overlapped at the most."""
    visits = list(visits)
    return {
        host: max(
            sum(began <= moment < ended for other, began, ended in visits if other == host)
            for other, moment, _ in visits
            if other == host
        )
        for host in {host for host, _, _ in visits}
    }


@pytest.mark.parametrize("fn", [visit, visit_later])
def test_never_more_at_once_than_allowed(backend: str, fn: Any) -> None:
    limit = alongside.Limit(concurrency=2, per=str)
    visits = alongside.map(fn, HOSTS, backend=backend, limit=limit)
    assert [host for host, _, _ in visits] == HOSTS
    assert max(at_once(visits).values()) <= 2


@pytest.mark.parametrize("fn", [visit, visit_later])
def test_starts_are_spaced(backend: str, fn: Any) -> None:
    limit = alongside.Limit(per_second=100, per=lambda host: host)
    opened = time.monotonic()
    visits = list(alongside.imap(fn, HOSTS[:24], backend=backend, limit=[limit]))
    starts = sorted(began - opened for host, began, _ in visits if host == "a")
    assert all(start >= 0.010 * before - SLACK for before, start in enumerate(starts)), starts


def test_calls_that_share_a_limit_share_it(backend: str) -> None:
    limit = alongside.Limit(concurrency=2)
    found: list[Visit] = []

    def call() -> None:
        found.extend(alongside.map(visit, HOSTS[:12], backend=backend, limit=limit))

    threads = [threading.Thread(target=call) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 36
    assert max(at_once(("all", began, ended) for _, began, ended in found).values()) <= 2


def test_a_thread_and_an_event_loop_share_a_limit() -> None:
    limit = alongside.Limit(concurrency=1)
    found: list[Visit] = []

    async def main() -> None:
        both = asyncio.gather(
            alongside.amap(visit_later, HOSTS[:10], limit=limit),
            asyncio.to_thread(alongside.map, visit, HOSTS[:10], backend="threads", limit=limit),
        )
        for visits in await both:
            found.extend(visits)

    asyncio.run(main())
    assert max(at_once(("all", began, ended) for _, began, ended in found).values()) == 1


def test_leaving_early_gives_back(backend: str) -> None:
    limit = alongside.Limit(concurrency=2)
    results = alongside.imap(visit, HOSTS, backend=backend, limit=limit)
    next(results)
    results.close()
    assert len(alongside.map(visit, HOSTS[:4], backend=backend, limit=limit)) == 4


@pytest.mark.parametrize("named", ["threads", "processes", "asyncio"])
def test_an_executor_s_calls_count_by_their_arguments(named: str) -> None:
    limit = alongside.Limit(concurrency=1, per=lambda host: host)
    with alongside.Executor(named, 4, limit=limit) as executor:
        futures = [executor.submit(visit_later if named == "asyncio" else visit, host) for host in HOSTS[:16]]
        visits = [future.result() for future in futures]
    assert max(at_once(visits).values()) == 1


def test_two_arguments() -> None:
    limit = alongside.Limit(concurrency=1, per=lambda x, y: y)
    assert alongside.map(pow, [2, 3], [2, 2], limit=limit) == [4, 9]
