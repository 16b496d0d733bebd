"""The chapters of `alongside guide`: parallel Python for beginners, each claim tried on the reader's machine.

Owns the texts and what each chapter runs. Must never hold a number that was not measured while the reader waits.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import alongside
from alongside.cli import contenders as by
from alongside.cli.examples import count_primes, cube, invert, remember, square
from alongside.cli.loopback import SlowServer
from alongside.cli.stage import Bar, Contender, Stage, in_words

FIVE = [1, 2, 3, 4, 5]
LIMITS = [60_000] * 8
LATENCY, PAGES = 0.05, 20
"""Seconds that the server takes for each answer, and how many pages are fetched from it."""

COMPUTING, WAITING = (1, 2, 4), (1, 2, 5, 20)
"""Workers to try out."""
BUSY = 0.25
"""Share of the time with the CPU from which on a call is said to compute; not more, since other programs take turns."""


@dataclass(frozen=True)
class Chapter:
    """A title and what is shown under it; as a script: what is tried on which items, and the functions it needs."""

    title: str
    show: Callable[[Stage], None]
    tries: tuple[Callable[..., Any], ...] = ()
    items: str = "[1, 2, 3, 4, 5]"
    functions: tuple[Callable[..., Any], ...] = ()


def why(stage: Stage) -> None:
    """Computing and waiting."""
    cpus = alongside.cpu_count()
    stage.say(
        f"""
        A Python program does one thing after the other. This process may use {cpus} CPU{"s" if cpus != 1 else ""}, and
        a plain loop uses one of them at a time.
        """
    )
    _say_if_busy(stage, cpus)
    stage.say(
        """
        Before anything is run side by side, one question decides: does the function compute, or does it wait? A
        function that computes keeps a CPU busy, so it needs more CPUs: processes. One that waits (for a server, a
        disk, a timer) leaves the CPU idle, so that one CPU can look after many waits: threads or asyncio. Compare the
        time on the clock with the time the CPU was busy:
        """
    )
    stage.code(count_primes, by.fetch)
    with SlowServer(LATENCY) as server:
        rows = [
            _clock_and_cpu(f"count_primes({LIMITS[0]:_})", lambda: count_primes(LIMITS[0])),
            _clock_and_cpu("fetch(url)", lambda: by.pages_one_by_one(server.urls(1))),
        ]
    stage.table(("call", "on the clock", "CPU busy", "so it mostly"), rows)


def _say_if_busy(stage: Stage, cpus: int) -> None:
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
    if load > cpus / 2:
        stage.say(
            f"""
            Just now other programs keep this machine busy (a load of {load:.1f} on {cpus} CPUs). Times in this guide
            will vary more than usual, and there is less to gain.
            """
        )


def _clock_and_cpu(name: str, call: Callable[[], object]) -> tuple[str, str, str, str]:
    wall, cpu = time.perf_counter(), time.thread_time()
    call()
    wall, cpu = time.perf_counter() - wall, time.thread_time() - cpu
    return name, in_words(wall), in_words(cpu), "computes" if cpu > wall * BUSY else "waits"


def squares(stage: Stage) -> None:
    """multiprocessing.Pool."""
    stage.say(
        """
        multiprocessing starts further Python processes, cuts the input into pieces, sends each process some, and
        gathers the results. Each process has its own interpreter and its own memory. Starting them and sending things
        back and forth takes time, which has to be earned back.
        """
    )
    stage.code(square)
    stage.race(
        (
            Contender("plain loop", by.squares_in_a_loop),
            Contender("multiprocessing.Pool(4)", by.squares_with_a_pool),
            Contender('alongside, backend="processes"', by.squares_in_processes, ours=True),
            Contender("alongside", by.squares_chosen, ours=True),
        ),
        FIVE,
    )
    stage.say("run gives the results together with the plan; alongside.map gives just the list.")


def cubes(stage: Stage) -> None:
    """concurrent.futures."""
    stage.say(
        """
        concurrent.futures puts threads and processes behind one interface, an executor with a map method. Which of the
        two executors is right is left to you. alongside measures the function and decides.
        """
    )
    stage.code(cube)
    stage.race(
        (
            Contender("plain loop", by.cubes_in_a_loop),
            Contender("ProcessPoolExecutor", by.cubes_with_process_executor),
            Contender("ThreadPoolExecutor", by.cubes_with_thread_executor),
            Contender("alongside", by.cubes_chosen, ours=True),
        ),
        FIVE,
    )


def primes(stage: Stage) -> None:
    """Work worth sharing."""
    stage.say(
        """
        Squares and cubes of five numbers are too little work to share. Counting primes is not. In the usual Python
        only one thread at a time may run Python code (the global interpreter lock), so threads cannot speed this up;
        processes can, as far as there are CPUs.
        """
    )
    stage.code(count_primes)
    stage.race(
        (
            Contender("plain loop", by.primes_in_a_loop),
            Contender("ThreadPoolExecutor", by.primes_with_threads),
            Contender("multiprocessing.Pool()", by.primes_with_a_pool),
            Contender("alongside", by.primes_chosen, ours=True),
        ),
        LIMITS,
    )


def pages(stage: Stage) -> None:
    """asyncio."""
    stage.say(
        f"""
        asyncio runs many waits in one thread: where a coroutine says await, another one goes on. Here {PAGES} pages are
        fetched from a small server that this guide has just started on this machine; it answers each request after
        {in_words(LATENCY)}. alongside takes the same async function from ordinary code, without an event loop of yours.
        """
    )
    stage.code(by.fetch)
    with SlowServer(LATENCY) as server:
        stage.race(
            (
                Contender("one after the other", by.pages_one_by_one),
                Contender("asyncio.gather", by.pages_with_gather),
                Contender("alongside", by.pages_chosen, ours=True),
            ),
            server.urls(PAGES),
        )


def crowds(stage: Stage) -> None:
    """How many at once."""
    stage.say(
        """
        How many at once? For work that computes: as many as there are CPUs; more take turns. For work that waits: as
        many as the other side bears, since each further wait costs almost nothing. The same work with more and more
        workers:
        """
    )
    stage.code(by.primes_so_many, by.pages_so_many)
    for_computing = [(workers, _seconds(lambda w=workers: by.primes_so_many(w))) for workers in COMPUTING]  # type: ignore[misc]
    stage.bars(f"Counting primes, {alongside.cpu_count()} CPUs", [_crowd(*one) for one in for_computing])
    for_waiting = [(workers, _seconds(lambda w=workers: by.pages_so_many(w))) for workers in WAITING]  # type: ignore[misc]
    stage.bars(f"Fetching {PAGES} pages that take {in_words(LATENCY)} each", [_crowd(*one) for one in for_waiting])
    stage.say(
        """
        Where max_workers is not given, alongside takes one per CPU for computing and a few dozen for waiting. Give it
        where you know better: because a server should not be pressed, or because each task takes much memory.
        """
    )


def _crowd(workers: int, seconds: float) -> Bar:
    return Bar(f"{workers} at once", seconds, in_words(seconds))


def _seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


TOOLS = (
    (
        "multiprocessing",
        "functions that compute in Python",
        "transforming data, simulations, parsing",
        'backend="processes": the function holds the interpreter lock and the work repays the start',
    ),
    (
        "concurrent.futures",
        "threads or processes behind one interface",
        "blocking calls to files and servers (threads); computing (processes)",
        'backend="threads" where the function waits or releases the lock, as numpy and hashlib do',
    ),
    (
        "asyncio",
        "thousands of waits in one thread",
        "web pages, services, sockets",
        'backend="asyncio": the function is async',
    ),
    (
        "a plain loop",
        "little work",
        "anything done in a few milliseconds",
        'backend="serial": sharing would cost more than it saves',
    ),
)


def choosing(stage: Stage) -> None:
    """The table."""
    stage.say("Which tool for which job, and what it is called in alongside:")
    stage.table(("Method", "Use it for", "Best for", "As alongside sees it"), TOOLS)
    stage.say("Asked about the functions of this guide, on this machine, alongside.advise says:")
    stage.code(advised)
    with SlowServer(LATENCY) as server:
        asked: tuple[tuple[Any, list[Any]], ...] = (
            (square, FIVE),
            (count_primes, LIMITS),
            (by.fetch, server.urls(PAGES)),
        )
        rows = [advised(fn, items) for fn, items in asked]
    stage.table(("function", "backend", "why"), rows)


def advised(fn: Callable[..., Any], items: list[Any]) -> tuple[str, str, str]:
    plan = alongside.advise(fn, items).plan
    return fn.__name__, plan.backend, plan.why


def pitfalls(stage: Stage) -> None:
    """What goes wrong."""
    stage.say("Four things that beginners run into. Each is tried here, by hand and with alongside.")
    _lambdas(stage)
    _separate_memory(stage)
    _one_failure(stage)
    stage.say(
        """
        4. if __name__ == "__main__". Where processes are spawned, the standard library's workers import your script
        again, so that a script without this guard starts itself over and over. alongside's workers do not import your
        script: scripts, notebooks and the prompt work without the guard.
        """
    )


def _lambdas(stage: Stage) -> None:
    stage.say("1. Functions have to travel. A pool sends a function by its name, and a lambda has none.")
    stage.code(by.lambda_with_a_pool, by.lambda_in_processes)
    _outcomes(
        stage,
        ("multiprocessing.Pool", lambda: by.lambda_with_a_pool(FIVE)),
        ("alongside", lambda: by.lambda_in_processes(FIVE)),
    )


def _separate_memory(stage: Stage) -> None:
    stage.say(
        """
        2. Processes share nothing. What a function changes in another process stays there: return what you need.
        Threads share everything, for better and worse.
        """
    )
    stage.code(remember, by.memory_with_a_pool, by.memory_in_threads)
    _outcomes(
        stage,
        ("multiprocessing.Pool", lambda: by.memory_with_a_pool(FIVE)),
        ("alongside, threads", lambda: by.memory_in_threads(FIVE)),
    )


def _one_failure(stage: Stage) -> None:
    stage.say("3. One failure loses everything: pool.map raises the error, and the results that were fine are gone.")
    stage.code(invert, by.failure_with_a_pool, by.failure_kept_apart)
    _outcomes(
        stage,
        ("multiprocessing.Pool", lambda: by.failure_with_a_pool([1, 0, 2])),
        ("alongside", lambda: by.failure_kept_apart([1, 0, 2]).results),
    )


def _outcomes(stage: Stage, *tries: tuple[str, Callable[[], Any]]) -> None:
    stage.table(("Tried here", "outcome"), [(label, _outcome(attempt)) for label, attempt in tries])


def _outcome(attempt: Callable[[], Any]) -> str:
    try:
        return repr(attempt())
    except Exception as error:
        return f"{type(error).__name__}: {error}"


CHAPTERS = (
    Chapter("Why side by side", why),
    Chapter(
        "Squares: multiprocessing",
        squares,
        (by.squares_in_a_loop, by.squares_with_a_pool, by.squares_in_processes, by.squares_chosen),
        functions=(square,),
    ),
    Chapter(
        "Cubes: concurrent.futures",
        cubes,
        (by.cubes_in_a_loop, by.cubes_with_process_executor, by.cubes_with_thread_executor, by.cubes_chosen),
        functions=(cube,),
    ),
    Chapter(
        "Primes: work worth sharing",
        primes,
        (by.primes_in_a_loop, by.primes_with_threads, by.primes_with_a_pool, by.primes_chosen),
        "[60_000] * 8",
        (count_primes,),
    ),
    Chapter(
        "Pages: asyncio",
        pages,
        (by.pages_one_by_one, by.pages_with_gather, by.pages_chosen),
        "server.urls(20)",
        (by.fetch,),
    ),
    Chapter("How many at once", crowds, (by.pages_so_many, by.primes_so_many), "4", (by.fetch, count_primes)),
    Chapter("Which tool for which job", choosing),
    Chapter(
        "Pitfalls",
        pitfalls,
        (
            by.lambda_with_a_pool,
            by.lambda_in_processes,
            by.memory_with_a_pool,
            by.memory_in_threads,
            by.failure_with_a_pool,
            by.failure_kept_apart,
        ),
        "[1, 0, 2]",
        (remember, invert),
    ),
)
