"""Choosing the tool: facts in, a plan with its reasons out.

Owns the cost model. Must never know a backend by name: it scores what each declares it can do. Pure, so that every
decision can be tested without a process.

The model, per task: `wall` seconds of which `cpu` are computed and the rest waited. What holds the GIL can only be
computed once at a time in a backend that does not escape it; what waits overlaps in any backend that overlaps waiting;
what is computed needs a CPU. Starting, sending and fetching cost what is measured or declared.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from alongside.core.batching import BATCH_SECONDS
from alongside.core.lanes import SLOTS, lanes, rounds
from alongside.core.ports import Capabilities
from alongside.light import NamedTuple

WAITERS = 32
"""Workers for tasks that mostly wait, where the user gave no number."""

MARGIN = 0.9
"""Leave the loop only for a plan predicted to take less than this share of its time: predictions are not exact."""

MARGIN_INSIDE = 0.6
"""The same for functions that are parallel inside: their own threads and ours get in each other's way."""

MARGIN_IN_TURNS = 0.75
"""The same for threads that mostly compute with the GIL: what a call waits beside that is hard to measure."""

ANOTHER = 0.2
"""What each further worker costs to start, as a share of the first one, which starts what all are forked from."""

SWITCH = 0.0001
"""Seconds of waiting, or of computing without the GIL, that threads do not overlap: to let the GIL go, and to get it
back from another one, takes as long as opening a file that is in memory."""

LONG_WAIT, WAKING = 0.0005, 0.00004
"""Seconds from which what is waited is a wait for something, and what each of those costs all threads: 500 waits of a
millisecond in 32 threads take 21 ms (benchmarks/REGRET.md)."""

BEGINNING = 0.00001
"""Seconds to begin a coroutine at the least."""

PARALLEL_INSIDE = 1.3
"""CPU seconds of the process per CPU second of the thread from which the function counts as parallel inside."""

SOME = 0.1
"""Share of its time that a call must wait for that to be told of one that mostly computes."""

AWAKE = 0.9
"""Share of its time that a task computes or wants to from which it never waited."""

HINDERED = 3
"""A task counts as kept from computing by other programs for at most so many times what it computes. What it was kept
beyond that is the time to be woken after a wait, and that passes for all who wait at once."""


class Facts(NamedTuple):
    """What was measured about a function and where it runs. Seconds and bytes, per task where not said otherwise."""

    tasks_seen: int = 0
    """Tasks that were measured."""
    tasks_left: int | None = None
    """Tasks still to do; None where the input does not tell its length."""
    wall: float = 0.0
    """Seconds by the clock."""
    cpu: float = 0.0
    """Seconds of CPU that the thread of the task has used."""
    process_cpu: float = 0.0
    """Seconds of CPU that all threads of the process have used meanwhile."""
    delayed: float = 0.0
    """Seconds in which its thread was ready to run and had no CPU, because of other programs."""
    gil_held: bool | None = None
    """Whether it holds the GIL while it computes; None where that is not known."""
    lateness: float | None = None
    """Seconds (median) by which another thread woke late beside it: what `gil_held` is told by."""
    item_bytes: int | None = None
    result_bytes: int | None = None
    """How large an item and a result are when pickled; None where nothing was weighed."""
    pickle_seconds: float = 0.0
    """Seconds to pickle and unpickle an item and its result."""
    unpicklable: str = ""
    """Why the function, an item or a result cannot be pickled; empty where nothing is in the way."""
    coroutine: bool = False
    """Whether the function is async."""
    kept: float = 0.0
    """Seconds for which a coroutine keeps its event loop from the others, computing or blocking."""
    cpus: int = 1
    """CPUs that this process may use."""
    in_worker: bool = False
    """Whether this process is itself a worker."""

    @property
    def hindered(self) -> float:
        """Seconds of a task in which it could have computed but had no CPU, since others had it: other programs or,
        where it did nothing else than to compute or to want to, the other threads of its process."""
        beside = self.process_cpu - self.cpu if self.cpu + self.delayed > AWAKE * self.wall else 0.0
        return min(self.delayed, max(HINDERED * self.cpu, beside))

    @property
    def waiting(self) -> float:
        """Seconds of a task spent waiting; not those in which it was kept from computing."""
        return max(0.0, self.wall - self.cpu - self.hindered)

    @property
    def busy(self) -> float:
        """Seconds of a task in which it computes or could: what has to take turns for a CPU, or for the GIL."""
        return max(self.wall - self.waiting, self.kept)

    @property
    def parallel_inside(self) -> bool:
        """Whether the function already uses several CPUs (a BLAS, for instance). What the process computes beside a
        task that waits is taken to be others': if it was the task's after all, threads are seen to bring nothing."""
        several = self.cpu > 0 and self.process_cpu > max(PARALLEL_INSIDE * self.cpu, 0.5 * self.wall)
        return several and self.waiting <= 0.5 * self.wall

    @property
    def left(self) -> int:
        """Tasks still to do; of an input of unknown length as many again as have been seen."""
        return max(self.tasks_seen, 1) if self.tasks_left is None else self.tasks_left


class Plan(NamedTuple):
    """What is to be done: the backend, how many workers, why, and what each backend was predicted to take (seconds).

    `slots`: how many coroutines each worker runs side by side. `grows_to`: where `max_workers` is only what it begins
    with, and how many are right is found while they run, the most it may come to; else 0.
    """

    backend: str
    max_workers: int | None = None
    reasons: tuple[str, ...] = ()
    predictions: Mapping[str, float] = MappingProxyType({})
    slots: int = 1
    grows_to: int = 0

    @property
    def why(self) -> str:
        """The reasons, as sentences."""
        return " ".join(reason[:1].upper() + reason[1:] for reason in self.reasons)

    def __str__(self) -> str:
        workers = f" with {self.max_workers} workers" if (self.max_workers or 0) > 1 else ""
        workers += f" to begin with, {self.grows_to} at the most" if workers and self.grows_to else ""
        workers += f", {self.slots} coroutines at once in each" if self.slots > 1 else ""
        return "\n  - ".join([f"{self.backend}{workers}", *self.reasons])


class Wishes(NamedTuple):
    """What of the options narrows the choice."""

    max_workers: int | None = None
    timeout: bool = False
    memory_limit: bool = False


Candidates = Mapping[str, Capabilities]


def choose(facts: Facts, candidates: Candidates, wishes: Wishes = Wishes()) -> Plan:
    """The plan with the least predicted time; a loop in the caller unless something beats it clearly."""
    able = {name: caps for name, caps in candidates.items() if not why_not(facts, caps, wishes)}
    sizes = {name: _size(facts, caps, wishes) for name, caps in able.items()}
    predictions = {name: predict(facts, caps, *sizes[name], _most(facts, caps, wishes)) for name, caps in able.items()}
    home = next(
        (name for name, caps in able.items() if caps.in_caller or (facts.coroutine and caps.in_event_loop)), None
    )
    best = min(predictions, key=lambda name: predictions[name])
    if home is not None and predictions[best] > _margin(facts, able[best]) * predictions[home]:
        best = home
    reasons = _reasons(facts, best, able, predictions, home)
    workers, slots = sizes[best]
    grows_to = _most(facts, able[best], wishes)
    return Plan(best, workers, (*reasons, *excluded(facts, candidates, wishes)), predictions, slots, grows_to)


def _most(facts: Facts, caps: Capabilities, wishes: Wishes) -> int:
    """What the number of workers may come to while they run, where that is found then; else 0."""
    return caps.grows_to if wishes.max_workers is None and waits(facts) else 0


def _margin(facts: Facts, caps: Capabilities) -> float:
    """The share of the loop's time that a plan may take at the most."""
    if facts.parallel_inside:
        return MARGIN_INSIDE
    return MARGIN_IN_TURNS if _in_turns(facts, caps) else MARGIN


def _in_turns(facts: Facts, caps: Capabilities) -> bool:
    """Whether its workers would mostly take turns with the GIL."""
    return facts.gil_held is True and not caps.escapes_gil and not waits(facts)


def predict(facts: Facts, caps: Capabilities, workers: int, slots: int = 1, most: int = 0) -> float:
    """Seconds the tasks left would take with this many workers, and so many coroutines side by side in each.

    Of one loop for many coroutines and of threads that wait `workers` are what it begins with, `most` what it may come
    to.
    """
    left, wall = facts.left, facts.wall
    if caps.in_caller:
        return left * wall
    begun = _begun_at_once(facts) if facts.coroutine else 0
    at_once = max(workers, min(most, begun)) if caps.runs_coroutines_together else workers * slots
    side_by_side = max(1, min(at_once, left))
    busy = side_by_side if caps.overlaps_waiting or caps.escapes_gil or caps.runs_coroutines_together else 1
    if facts.coroutine:
        busy = min(busy, begun)  # more of them could wait in one loop just as well
    here, there = _sending(facts, caps)
    bounds = [
        rounds(left, busy, 0 if facts.coroutine else most) * (wall + there),
        left * (_cpu_use(facts) + here + there) / min(side_by_side, facts.cpus),
        left * here,  # one thread sends and receives
    ]
    if not caps.escapes_gil and facts.gil_held is not False:
        bounds.append(left * (facts.busy + _not_overlapped(facts)))  # one thread computes at a time
    elif not caps.escapes_gil:
        bounds.append(left * min(facts.busy, SWITCH))  # to let the GIL go and get it back is done in turns
    others = min(workers, side_by_side) - 1
    return caps.start_seconds * (1 + ANOTHER * others) + max(bounds)


def _begun_at_once(facts: Facts) -> int:
    """How many coroutines one loop begins before any has come back: twice as many, as long as that is quickly done
    (core/growth.py). To begin one takes half of what it keeps the loop for."""
    from alongside.core.growth import OPENING

    each, at_once = max(0.5 * facts.kept, BEGINNING), SLOTS
    while at_once * each <= OPENING:
        at_once *= 2
    return at_once


def _not_overlapped(facts: Facts) -> float:
    """Seconds of a task's waiting that pass for all threads: what only looks like waiting, and the way back from it. Of
    coroutines that way is part of what keeps their loop."""
    if facts.coroutine:
        return 0.0
    return WAKING if facts.waiting >= LONG_WAIT else min(facts.waiting, SWITCH)


def _cpu_use(facts: Facts) -> float:
    """CPU seconds of a task. Where it was kept from a CPU, so were the threads inside it, for as large a share of their
    time: of CPUs that are taken already nothing is to be had."""
    if not facts.parallel_inside:
        return facts.busy
    free = max(facts.wall - facts.hindered, facts.cpu)
    return max(facts.busy, facts.process_cpu * facts.wall / free)


def _sending(facts: Facts, caps: Capabilities) -> tuple[float, float]:
    """Seconds per task for sending and receiving, here and at the worker; small tasks share the cost of a batch."""
    batch = max(1.0, min(BATCH_SECONDS / facts.wall, 1000.0)) if facts.wall > 0 else 1000.0
    pickling = facts.pickle_seconds / 2 if caps.needs_pickling else 0.0
    return caps.task_seconds / batch + pickling, pickling


def _size(facts: Facts, caps: Capabilities, wishes: Wishes) -> tuple[int, int]:
    """Workers, and coroutines side by side in each."""
    if facts.coroutine and caps.loops_apart:
        return lanes(wishes.max_workers, facts.cpus)
    return _workers(facts, caps, wishes), 1


def _workers(facts: Facts, caps: Capabilities, wishes: Wishes) -> int:
    if caps.in_caller:
        return 1
    if wishes.max_workers is not None:
        return wishes.max_workers
    if caps.runs_coroutines_together:
        return 100
    if not caps.escapes_gil:
        return WAITERS if waits(facts) else facts.cpus
    busy = max(facts.wall - facts.waiting, 1e-9)
    return max(facts.cpus, min(4 * facts.cpus, round(facts.cpus * facts.wall / busy)))


def waits(facts: Facts) -> bool:
    """Whether a task waits for most of its time."""
    return facts.waiting > 0.5 * facts.wall or facts.coroutine


def why_not(facts: Facts, caps: Capabilities, wishes: Wishes) -> str:
    """Why a backend cannot be taken at all; empty if it can."""
    if caps.runs_coroutines_together and not facts.coroutine:
        return "it runs coroutines, and this is an ordinary function"
    if facts.coroutine and not (caps.runs_coroutines_together or caps.loops_apart):
        return "it would run this async function's coroutines one at a time per worker"
    if caps.needs_pickling and facts.unpicklable:
        return facts.unpicklable
    if wishes.timeout and not (caps.killable or caps.cancellable or caps.overlaps_waiting):
        return "a timeout cannot interrupt a task there"
    if wishes.memory_limit and not caps.killable:
        return "a task cannot be ended there when it exceeds its memory limit"
    return ""


def excluded(facts: Facts, candidates: Candidates, wishes: Wishes) -> tuple[str, ...]:
    """Which backends cannot be taken, and why, a sentence each; only where that is the tasks' own affair."""
    found = ((name, caps, why_not(facts, caps, wishes)) for name, caps in candidates.items())
    own = [(name, why) for name, caps, why in found if why and caps.needs_pickling and facts.unpicklable]
    return tuple(f"{name} cannot be used: {why.rstrip('.')}." for name, why in own)


# ------------------------------------------------------------------------------------------------ in plain words


def _reasons(
    facts: Facts, best: str, able: Candidates, predictions: Mapping[str, float], home: str | None
) -> tuple[str, ...]:
    caps = able[best]
    if facts.coroutine and (best == home or not facts.kept):
        return ("the function is async: while one call waits, the others go on in the same event loop.", *_kept(facts))
    told = [_nature(facts)] if not facts.coroutine else list(_kept(facts))
    if caps.in_caller:
        told.append(_why_stay(facts, predictions, home))
    else:
        told.append(_why_go(facts, caps, best, predictions, home))
    if facts.in_worker:
        told.append("this already runs inside a worker, so only the CPUs that are left are used.")
    return tuple(told)


def _kept(facts: Facts) -> tuple[str, ...]:
    """What a coroutine does to the others in its loop, where that is worth a word."""
    if facts.kept < 0.0002:
        return ()
    doing = "computing" if facts.cpu > 0.5 * facts.kept else "blocking"
    return (f"each call keeps its event loop from the others for {span(facts.kept)}, {doing}.",)


def _nature(facts: Facts) -> str:
    each = f"a call takes {span(facts.wall)}"
    if facts.wall and facts.waiting > 0.5 * facts.wall:
        return f"{each}, {100 * facts.waiting / facts.wall:.0f} % of it waiting."
    if facts.parallel_inside:
        cores = facts.process_cpu / facts.cpu
        return f"{each} and keeps {cores:.1f} CPUs busy: it is already parallel inside."
    if facts.gil_held is True and facts.waiting > SOME * facts.wall:
        share = 100 * facts.waiting / facts.wall
        return (
            f"{each}, {share:.0f} % of it waiting and the rest computing that holds the GIL, where threads take turns."
        )
    if facts.gil_held is True:
        return f"{each} of computing that holds the GIL, so threads would take turns."
    if facts.gil_held is False and facts.busy <= SWITCH:
        return f"{each} of computing that releases the GIL, too brief for threads to gain by it."
    if facts.gil_held is False:
        return f"{each} of computing that releases the GIL, so threads can compute side by side."
    return f"{each} of computing."


def _why_stay(facts: Facts, predictions: Mapping[str, float], home: str | None) -> str:
    others = [(seconds, name) for name, seconds in predictions.items() if name != home]
    rest = facts.left * facts.wall
    if facts.cpus < 2 and facts.waiting < 0.5 * facts.wall:
        return "there is one CPU to compute on, so nothing is gained by sharing the work."
    if not others:
        return "no other way of executing can be used."
    seconds, name = min(others)
    sure = "not worth it" if seconds > MARGIN * rest else "too little of a gain to be sure of"
    what = "all of it" if facts.tasks_left == facts.tasks_seen else "the rest"
    return f"{what} takes about {span(rest)} in a plain loop; {name} would take about {span(seconds)}: {sure}."


def _why_go(facts: Facts, caps: Capabilities, best: str, predictions: Mapping[str, float], home: str | None) -> str:
    ahead = f"{best} should take about {span(predictions[best])}"
    if home is not None:
        here = "one event loop" if facts.coroutine else "a plain loop"
        ahead += f" for the {facts.left:,} tasks left, {here} {span(predictions[home])}"
    if facts.coroutine:
        return f"{facts.cpus} loops, one in each process, can do so side by side: {ahead}."
    if facts.waiting > 0.5 * facts.wall:
        return f"waiting can overlap: {ahead}."
    if _in_turns(facts, caps):
        return f"while one call waits, another can compute: {ahead}."
    if facts.parallel_inside:
        return f"calls side by side should use the CPUs better than the threads inside each: {ahead}."
    return f"{facts.cpus} CPUs can share the computing: {ahead}."


def span(seconds: float) -> str:
    """Seconds in the unit a person would use.

    >>> span(0.0021), span(0.0000032), span(75)
    ('2.1 ms', '3.2 µs', '75 s')
    """
    for unit, factor in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)):
        if seconds >= factor:
            return f"{seconds / factor:.2g} {unit}" if seconds < 99.5 * factor else f"{seconds / factor:,.0f} {unit}"
    return f"{max(seconds, 0.0) * 1e9:.0f} ns"
