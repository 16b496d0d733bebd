"""`compare`: really runs a sample under each backend, and measures.

Owns which items are taken, how often each backend runs them, and in which order. Must never let one backend's failure
hide the others' figures: it becomes a row with its reason. What is shown of it is in observe/comparison.py.

The backends take turns, one round after the other, so that what else the machine does falls on all of them.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from math import gcd
from statistics import median

from alongside import backends
from alongside.compose import candidates
from alongside.compose.composition import Fn
from alongside.compose.ordinary import checked, run
from alongside.core.options import is_whole
from alongside.core.ports import Capabilities
from alongside.exceptions import OptionError
from alongside.light import NamedTuple
from alongside.observe.comparison import AUTO, Comparison, Row
from alongside.runtime import machine
from alongside.runtime.callables import is_coroutine_function, name_of
from alongside.runtime.meter import Meter
from alongside.runtime.results import Run
from alongside.runtime.source import count, iterate

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

LOOP = 0.5
"""Seconds that the plain loop should take on the sample, where the caller gave no number of items."""

MANY, LONGEST = 64, 3.0
"""Of tasks that wait so many are wanted, since dozens of them overlap; but no loop longer than so many seconds."""

ROUNDS, CHEAP = 3, 3.0
"""Rounds altogether, as long as one of them takes less than so many seconds; otherwise one."""


def compare(
    fn: Fn,
    iterables: tuple[Iterable[Any], ...],
    wanted: Iterable[str] | None,
    sample: int | None,
    given: Mapping[str, Any],
) -> Comparison:
    """What `alongside.compare` returns."""
    if "backend" in given:
        raise OptionError("compare runs several backends: give backends=[…], or leave it out for all that can run it.")
    checked(fn, given)
    names = _wanted(fn, wanted)
    items = _Items(iterables, sample)
    looked = _looked(fn, items, given) if sample is None else None
    if not items.taken:
        raise OptionError("there is nothing to compare: the input has no items.")
    loop = _Trial(names[0], fn, items, given)
    trials = [loop, *(_Trial(name, fn, items, given, loop) for name in names[1:])]
    if looked is not None and looked.seconds > CHEAP:
        loop.take(looked)
    _rounds(trials)
    return Comparison(name_of(fn), len(items.taken), items.total, tuple(_row(trial, loop) for trial in trials))


def _wanted(fn: Fn, wanted: Iterable[str] | None) -> list[str]:
    """The backends to run: the loop first, the one that chooses last."""
    able = candidates()
    home = next(name for name, caps in able.items() if caps.in_caller)
    if isinstance(wanted, str):
        raise OptionError(f"backends is a list of names: [{wanted!r}].")
    if wanted is None:
        coroutine = is_coroutine_function(fn)
        named = [*(name for name, caps in able.items() if coroutine or not caps.runs_coroutines_together), AUTO]
    else:
        named = list(wanted)
        for name in named:
            if name != AUTO and not backends.exists(name):
                backends.find(name)
    return [home, *(name for name in dict.fromkeys(named) if name != home)]


# ------------------------------------------------------------------------------------------------------ the sample


class _Items:
    """The items that are run: of sequences an even spread, of anything else the first ones."""

    def __init__(self, iterables: tuple[Iterable[Any], ...], sample: int | None) -> None:
        if sample is not None and not is_whole(sample, 1):
            raise OptionError(
                f"sample={sample!r}: give a whole number of items, at least 1, or None to have it chosen."
            )
        self._left = iterate(iterables)
        self.star = len(iterables) > 1
        self.total = total = count(iterables)
        self.taken: list[Any] = []
        if total and all(isinstance(iterable, Sequence) for iterable in iterables):
            rows = [iterable for iterable in iterables if isinstance(iterable, Sequence)]
            self._left = iter(_spread(rows, total, min(sample or total, total)))
        self.more(sample or 0)

    def more(self, wanted: int) -> list[Any]:
        """Take so many more of the input; fewer where it ends."""
        new = list(islice(self._left, wanted))
        self.taken += new
        return new

    def columns(self, items: Sequence[Any]) -> tuple[Sequence[Any], ...]:
        """The items as the iterables they came from."""
        return tuple(zip(*items, strict=True)) if self.star else (items,)


def _spread(rows: Sequence[Sequence[Any]], total: int, wanted: int) -> Iterable[Any]:
    """Items from all over the input: any number of the first ones is spread about evenly."""
    places: Iterable[int] = (place * total // wanted for place in range(wanted))
    if wanted == total:
        step = max(1, round(total * 0.618))  # a step of the golden section leaves no large gaps, wherever one stops
        while gcd(step, total) > 1:
            step += 1
        places = (place * step % total for place in range(total))
    for place in places:
        yield rows[0][place] if len(rows) == 1 else tuple(row[place] for row in rows)


class _Looked(NamedTuple):
    """A plain loop over the sample, from when it was not yet known how large that should be."""

    seconds: float
    cpu_seconds: float
    values: list[Any]


def _looked(fn: Fn, items: _Items, given: Mapping[str, Any]) -> _Looked:
    """Take items and run them in a loop until it has taken long enough to compare."""
    seconds = cpu = 0.0
    values: list[Any] = []
    wanted, least = 1, 2 * machine.cpu_count()
    while new := items.more(wanted):
        with Meter() as meter:
            ended = run(fn, items.columns(new), {**given, "backend": "serial", "on_error": "raise"})
        values += ended.results
        seconds, cpu, done = seconds + meter.seconds, cpu + meter.cpu_seconds, len(items.taken)
        waits = cpu < 0.5 * seconds
        goal = LONGEST if waits and done < MANY else LOOP
        if seconds >= goal and done >= least:
            break
        wanted = max(1, min(done, round(goal * done / max(seconds, 1e-6)) - done))
    return _Looked(seconds, cpu, values)


# ------------------------------------------------------------------------------------------------------ the rounds


class _Trial:
    """One backend and what was measured of it; `loop` is the trial of the plain loop, for all but itself."""

    def __init__(self, name: str, fn: Fn, items: _Items, given: Mapping[str, Any], loop: _Trial | None = None) -> None:
        self.name = name
        self._loop = loop
        self._fn = fn
        self._items = items
        self._given = given
        self.timings: list[float] = []
        self.start_seconds: float | None = None
        self.cpus: float | None = None
        self.peak_memory: int | None = None
        self.values: list[Any] = []
        self.same: bool | None = None
        self.workers: int | None = None
        self.chosen = ""
        self.reason = ""
        self._again = True

    def take(self, looked: _Looked) -> None:
        """What is known already, and took so long that it is not done again."""
        self.timings, self.values, self.workers = [looked.seconds], looked.values, 1
        self.cpus = looked.cpu_seconds / looked.seconds
        self._again = False

    def start(self) -> None:
        """Have its workers started, and take the time until the first of them has answered."""
        if self.name == AUTO or self._able().in_caller:
            return
        job = _answer_async if self._able().runs_coroutines_together else _answer
        with Meter() as meter:
            self._ended(job, ([0],))
        self.start_seconds = meter.seconds

    def once(self) -> None:
        """Run the sample; the first time its memory is looked at too."""
        if self.reason or not self._again:
            return
        auto = self.name == AUTO
        apart = auto or not self._able().shares_memory
        with Meter(memory=not self.timings and not auto, children=apart) as meter:
            ended = self._ended(self._fn, self._items.columns(self._items.taken))
        if ended is None:
            return
        if not self.timings:
            self.peak_memory = meter.peak_memory
            self.workers = ended.stats.workers
            if self._loop is None:
                self.values = ended.results
            else:
                self.same = _same(ended.results, self._loop.values)
        self.chosen = ended.plan.backend if auto else ""
        self.timings.append(meter.seconds)
        self.cpus = meter.cpu_seconds / meter.seconds

    def _ended(self, fn: Fn, columns: tuple[Iterable[Any], ...]) -> Run | None:
        if self._loop is None:  # what fails in a plain loop is no backend's fault
            return run(fn, columns, {**self._given, "backend": self.name, "on_error": "raise"})
        try:
            ended = run(fn, columns, {**self._given, "backend": self.name})
        except Exception as error:  # of this backend: the others have their turn all the same
            self.reason = _in_a_line(error)
            return None
        if not ended.failures:
            return ended
        first = ended.failures[0].exception
        several = f"{len(ended.failures)} of {ended.stats.tasks} tasks failed: " if ended.stats.tasks > 1 else ""
        self.reason = several + _in_a_line(first)
        return None

    def _able(self) -> Capabilities:
        return backends.capabilities(self.name)


def _rounds(trials: Sequence[_Trial]) -> None:
    for trial in trials:
        trial.start()
    for _ in range(ROUNDS):
        began = time.perf_counter()
        for trial in trials:
            trial.once()
        if time.perf_counter() - began > CHEAP:
            return


def _row(trial: _Trial, loop: _Trial) -> Row:
    seconds = median(trial.timings) if trial.timings else None
    return Row(
        backend=trial.name,
        seconds=seconds,
        rounds=tuple(trial.timings),
        speedup=median(loop.timings) / seconds if seconds and loop.timings else None,
        cpus=trial.cpus,
        peak_memory=trial.peak_memory,
        start_seconds=trial.start_seconds,
        workers=trial.workers,
        chosen=trial.chosen,
        same=trial.same,
        reason=trial.reason,
    )


def _same(values: list[Any], loop: list[Any]) -> bool | None:
    """Whether a backend gave what the loop gave; None where that cannot be told by `==`."""
    try:
        return bool(values == loop)
    except Exception:  # the user's own `==`: arrays have no single answer
        return None


def _in_a_line(error: BaseException | None) -> str:
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _answer(number: int) -> int:
    return number


async def _answer_async(number: int) -> int:
    return number
