"""The front door: `map`, `imap`, `run`, `gather`, `amap`, `aimap`, `advise`, `compare`,
`cpu_count`.

Owns the signatures people see, and the first milliseconds of an automatic run, which are a plain loop. Everything else
is composed in `alongside.compose`, loaded when it is needed.
"""

from __future__ import annotations

from sys import modules

from alongside.runtime.callables import is_coroutine_function
from alongside.runtime.opening import Opening

TYPE_CHECKING = False  # the real one costs the import of `typing`, which is longer than most short jobs
if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable
    from typing import Any

    from alongside.core.choose import Facts, Plan
    from alongside.observe.advice import Advice
    from alongside.observe.comparison import Comparison
    from alongside.runtime.lazy import Lazy
    from alongside.runtime.results import Run


def map(fn: Callable[..., Any], *iterables: Iterable[Any], **options: Any) -> list[Any]:
    """Call `fn` on every item, side by side on whatever tool suits it; a list of the results, in order.

    Several iterables are walked together, as the built-in `map` does. `fn` may be an async function. Raises the failure
    of the earliest item that fails, as a loop would; `on_error="return"` puts a `Failure` in its place instead and
    `"skip"` leaves it out.

    Options, all by name: `backend`, `max_workers`, `timeout`, `retries`, `retry_on`, `backoff`, `limit`, `on_error`,
    `progress`, `batch_size`, `window`, `memory_limit`, `tasks_per_worker`, `seed`, `initializer`, `initargs`;
    README.md tells what each does. A wrong one raises `OptionError`.

    Costs about as much as a loop for work of a few milliseconds; tens of milliseconds more where processes are started.

    >>> import alongside
    >>> alongside.map(pow, [2, 3, 4], [2, 2, 2])
    [4, 9, 16]
    """
    if options or not _is_plain(fn):
        if options.get("backend") == "processes":
            first = tuple(items[0] for items in iterables if isinstance(items, list) and items)
            _Beyond().begin(fn, first)  # its start overlaps with the loading of the engine
        from alongside.compose import ordinary

        return ordinary.values(fn, iterables, options)
    results: list[Any] = []
    opening = Opening(fn, iterables, _Beyond(), eager=True)
    try:
        while not opening.watch.ended:
            taken_over = opening.stretch(results)
            if taken_over is not None:
                return taken_over.values(results)  # type: ignore[no-any-return]
    finally:
        opening.close()
    if results and hasattr(results[0], "__await__"):  # `lambda url: fetch(url)`, where fetch is async
        from alongside.compose import ordinary

        return ordinary.awaited(results)
    return results


def imap(fn: Callable[..., Any], *iterables: Iterable[Any], ordered: bool = True, **options: Any) -> Lazy:
    """As `map`, but lazily: an iterator that takes input only as its results are taken. Endless input is fine.

    At most `window` items (16,384 where not given) are taken ahead of the results. `ordered=False` gives results in the
    order in which they complete. Leaving the iterator early ends what still runs. Its `plan` tells the backend at work,
    and why.

    >>> import alongside, itertools
    >>> next(alongside.imap(abs, itertools.count(-3)))
    3
    """
    if options or not ordered or not _is_plain(fn):
        from alongside.compose import ordinary

        return ordinary.stream(fn, iterables, options, ordered)
    return _imap_auto(fn, iterables)


def _imap_auto(fn: Callable[..., Any], iterables: tuple[Iterable[Any], ...]) -> Lazy:
    from alongside.runtime.lazy import Lazy, Stretches

    loop = Stretches(Opening(fn, iterables, _BeyondLazily()))
    return Lazy(loop.values(), loop.plan)


def run(fn: Callable[..., Any], *iterables: Iterable[Any], **options: Any) -> Run:
    """As `map`, with everything that is known about it: a `Run` with results, outcomes, failures, plan and stats.

    A task's failure does not raise here (`on_error="return"` is the default): it is in `failures` with its item.

    >>> import alongside
    >>> alongside.run(int, ["1", "x"]).failures[0].item
    'x'
    """
    from alongside.compose import ordinary

    return ordinary.run(fn, iterables, options)


def gather(*thunks: Callable[[], Any], **options: Any) -> tuple[Any, ...]:
    """Call different functions side by side, each without arguments; their results as a tuple, in order.

    >>> import alongside
    >>> alongside.gather(lambda: 1 + 1, lambda: "a" * 3)
    (2, 'aaa')
    """
    from alongside.compose import ordinary

    return ordinary.gather(thunks, options)


async def amap(fn: Callable[..., Any], *iterables: Any, **options: Any) -> list[Any]:
    """As `map`, awaited from async code; takes async iterables too. Cancelling it ends what still runs.

    Coroutines run in the running event loop; an ordinary function runs beside it, so that the loop is never blocked.
    A thread cannot be ended: one that is still in the function half a second after the cancelling is let go.
    """
    from alongside.compose import asynchronous

    return await asynchronous.values(fn, iterables, options)


def aimap(fn: Callable[..., Any], *iterables: Any, ordered: bool = True, **options: Any) -> AsyncIterator[Any]:
    """As `imap`, for `async for`; takes async iterables too. Leaving the loop cancels what still runs.

    An async generator is only closed for certain when it is exhausted or its `aclose` is awaited:
    `async with contextlib.aclosing(alongside.aimap(...)) as results:` makes that certain.
    """
    from alongside.compose import asynchronous

    return asynchronous.stream(fn, iterables, options, ordered)


def advise(fn: Callable[..., Any], *iterables: Iterable[Any], **options: Any) -> Advice:
    """Which tool suits `fn` and these inputs, why, and what each tool would take: print it.

    Runs the first items, in a plain loop, until enough is known (a fraction of a second, or one item where a call takes
    longer); takes no more of the input than that.
    """
    from alongside.compose import advice

    return advice.advise(fn, iterables, options)


def compare(
    fn: Callable[..., Any],
    *iterables: Iterable[Any],
    backends: Iterable[str] | None = None,
    sample: int | None = None,
    **options: Any,
) -> Comparison:
    """Really run `fn` under each backend, on a sample of the input, and measure: print it, or show it in a notebook.

    `backends`: which, None for all that can run it and `"auto"`; the plain loop is always there. `sample`: how many
    items, spread over the input where it is a sequence; None for as many as keep a loop busy for half a second, at
    least two per CPU. Three rounds in turn where one takes less than three seconds, else one. What `fn` raises in the
    loop is raised; where another backend fails, its row says why. Other options as for `run`.

    Costs a few seconds, more where a single call takes long. Everything that `fn` does is done again for every round of
    every backend: mind what it writes or sends.

    >>> import alongside
    >>> print([row.backend for row in alongside.compare(abs, [-1, -2], backends=["threads"]).rows])
    ['serial', 'threads']
    """
    from alongside.compose import compare as comparing

    return comparing.compare(fn, iterables, backends, sample, options)


def cpu_count() -> int:
    """How many CPUs this process may use: the machine's, less what affinity and a container's quota take away.

    >>> import alongside
    >>> alongside.cpu_count() >= 1
    True
    """
    from alongside.runtime import machine

    return machine.cpu_count()


def _is_plain(fn: object) -> bool:
    return callable(fn) and not is_coroutine_function(fn)


class _Beyond:
    """What is beyond the loop of a `map` (`runtime.opening.Beyond`)."""

    def pilot(self, opening: Opening) -> Any:
        from alongside.compose import look

        return look.pilot(opening)

    def at_once(self, opening: Opening) -> Plan | None:
        if "alongside.runtime.known" not in modules:  # then nothing is
            return None
        from alongside.compose import look

        return look.at_once(opening)

    def imports(self, fn: Callable[..., Any], values: tuple[Any, ...]) -> float:
        from alongside.workers.preloads import modules_of, seconds_to_import

        return seconds_to_import(modules_of(fn, values))

    def begin(self, fn: Callable[..., Any], values: tuple[Any, ...]) -> None:
        from alongside.runtime.interrupts import shielded
        from alongside.workers import ahead

        with shielded():
            ahead.begin(fn, values)

    def prepare(self, fn: Callable[..., Any], values: tuple[Any, ...]) -> None:
        from alongside.runtime.interrupts import shielded
        from alongside.workers import ahead

        with shielded():
            ahead.prepare(fn, cpu_count(), values)

    def let_go(self) -> None:
        from alongside.runtime.interrupts import shielded
        from alongside.workers import ahead

        with shielded():
            ahead.let_go()

    def load(self) -> None:
        from alongside.compose import auto  # noqa: F401

    def engage(self, opening: Opening, plan: Plan) -> Any:
        from alongside.compose import auto

        return auto.engage(opening, plan)

    def stays(self, fn: Callable[..., Any], facts: Facts) -> None:
        from alongside.compose import look

        look.stays(fn, facts)

    def learn(self, opening: Opening) -> None:
        from alongside.compose import look

        look.learn(opening)


class _BeyondLazily(_Beyond):
    """The same for an `imap`."""

    def engage(self, opening: Opening, plan: Plan) -> Any:
        from alongside.compose import auto

        return auto.engage_lazily(opening, plan)
