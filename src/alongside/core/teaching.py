"""Warnings that teach: what is said about a function, and what to do.

Owns the words: facts in, a `Lesson` out. Must never look at code, count, or say anything itself
(runtime/reading.py reads, runtime/teaching.py says).
"""

from __future__ import annotations

from collections.abc import Sequence

from alongside.core.choose import PARALLEL_INSIDE, Facts, span
from alongside.light import NamedTuple

SENDING = 5e-7
"""Seconds it costs to hand over one task, however many go together: pickling, unpickling, and putting in order."""

TINY = 2 * SENDING
"""Seconds of a call below which handing it over is most of the cost on any number of CPUs."""

BANDWIDTH = 1e9
"""Bytes per second that reach a worker process and come back, pickled and unpickled; an estimate."""


class Lesson(NamedTuple):
    """One thing worth telling. `topic` is one of `TOPICS` and opens the warning, so that a filter can name it."""

    topic: str
    text: str

    def __str__(self) -> str:
        return f"{self.topic}: {self.text}"


TOPICS = (
    "changes lost",
    "left behind",
    "shared seed",
    "already parallel",
    "cannot be sent",
    "small items",
    "heavy items",
    "blocked loop",
)
"""What there are lessons about."""


class Change(NamedTuple):
    """What a function does to something outside itself: `how` is a method's name, or `assigns`, `changes`, `adds`."""

    how: str
    name: str
    kind: str
    file: str
    line: int

    def __str__(self) -> str:
        if self.how == "assigns":
            what = f"assigns the global {self.name}" if self.kind == "global" else f"assigns the outer {self.name}"
        elif self.how == "adds":
            what = f"changes {self.name}"
        else:
            what = f"{_DOING.get(self.how, 'changes')} the {self.kind} {self.name}"
        return f"{what} ({where(self.file, self.line)})"


_DOING = {
    "append": "appends to",
    "appendleft": "appends to",
    "extend": "extends",
    "add": "adds to",
    "insert": "adds to",
}
_DOING |= {
    "next": "takes from",
    "pop": "takes from",
    "popleft": "takes from",
    "popitem": "takes from",
    "remove": "takes from",
}


class Draw(NamedTuple):
    """A generator of random numbers that a function draws from, made outside it.

    `source` is its name, `common` says that it is the one behind the module's functions, `library` is `random` or
    `numpy.random`, and `seeds` that the function sets its seed rather than drawing.
    """

    source: str
    common: bool
    library: str
    file: str
    line: int
    seeds: bool = False


def where(file: str, line: int) -> str:
    """A place in code, short: the file's name without its folders."""
    return f"{file.replace(chr(92), '/').rpartition('/')[2]}:{line}"


def changes_lost(function: str, changes: Sequence[Change]) -> Lesson:
    """Worker processes change copies."""
    told = [str(change) for change in changes[:3]]
    listed = ", ".join(told[:-1]) + (" and " if len(told) > 1 else "") + told[-1]
    more = f", and {len(changes) - 3} more" if len(changes) > 3 else ""
    return Lesson(
        "changes lost",
        f"{function} {listed}{more}. Each worker process has a copy of its own, so what a task changes there does not "
        "come back. Return the values instead: the results are given back in order. Or use backend='threads', which "
        "shares memory. (A cache is fine so: each worker fills its own.)",
    )


def item_changed(function: str, change: Change) -> Lesson:
    """Worker processes change copies of their items too, and the call gives nothing else."""
    return Lesson(
        "changes lost",
        f"{function} changes its item and returns nothing: it {change}. A worker process has a copy of the item, so "
        "the change does not come back. Return the item: the results are then the changed items, in order. Or use "
        "backend='threads', which shares memory.",
    )


def left_behind(function: str, reads: str) -> Lesson:
    """It reads what was set after an import, which workers do anew. `reads`: what, as the reader of it says."""
    return Lesson("left behind", f"{function} {reads.removeprefix('it ')}.")


def cannot_be_sent(function: str, facts: Facts) -> Lesson:
    """More CPUs could share the computing, but for one thing."""
    return Lesson(
        "cannot be sent",
        f"{function} computes and holds the GIL, so that only processes could share the work among {facts.cpus} CPUs, "
        f"and they cannot be used: {facts.unpicklable.rstrip('.')}.",
    )


def shared_seed(function: str, draw: Draw, seeded: str, processes: bool) -> Lesson:
    """Random numbers that are not what the seed promised; `seeded` is where it was set."""
    place = where(draw.file, draw.line)
    if not draw.common:
        what = (
            f"{function} draws from {draw.source} ({place}). Each worker process begins with the same copy of it, so "
        )
        what += "several tasks draw the same numbers."
    elif processes:
        what = f"{seeded}, and {function} draws from {draw.library} ({place}). Worker processes do not get that seed: "
        what += "their numbers differ from run to run."
    else:
        what = f"{seeded}, and {function} draws from {draw.library} ({place}). All threads draw from that one "
        what += "generator in the order they happen to run, so results differ from run to run."
    if draw.common:
        return Lesson(
            "shared seed", f"{what} Give the call a seed=: each task then has its own numbers, always the same."
        )
    make = "random.Random" if draw.library == "random" else "numpy.random.default_rng"
    return Lesson(
        "shared seed",
        f"{what} Make the generator in the function, and give the call a seed=: {make}(alongside.task_seed()) is then "
        "each task's own, and always the same.",
    )


def already_parallel(function: str, facts: Facts) -> Lesson:
    """It keeps several CPUs busy by itself, and the loop is right."""
    return Lesson(
        "already parallel",
        f"{function} keeps {facts.process_cpu / facts.wall:.1f} CPUs busy by itself, as numerical libraries do. "
        "Running several calls at once would only make them wait for each other, so they run one after another. "
        "Nothing needs to be changed. To see what one thread per call would bring: alongside.compare.",
    )


def small_items(function: str, seconds: float) -> Lesson:
    """Handing a task over costs about as much as the task."""
    return Lesson(
        "small items",
        f"a call of {function} takes {span(seconds)}, and handing an item to a worker costs about {span(SENDING)}. "
        "Give each call more to do: let the function take a list or an array of many items, and return as many "
        "results.",
    )


def heavy_items(function: str, seconds: float, nbytes: float, sending: float) -> Lesson:
    """Sending costs more than computing."""
    return Lesson(
        "heavy items",
        f"an item of {function} and its result are {weight(nbytes)}: sending them to a process and back takes "
        f"{span(sending)}, the call itself {span(seconds)}. Send less: give the function a path, a key or a range, and "
        "have it load the data itself and return only what you need. Or use backend='threads', where nothing is sent.",
    )


def blocked_loop(function: str, file: str, line: int, seconds: float) -> Lesson:
    """A coroutine held its event loop without awaiting."""
    return Lesson(
        "blocked loop",
        f"{function} held the event loop for {span(seconds)} at {where(file, line)}; no other coroutine could go on "
        "meanwhile. Await something that waits instead (asyncio.sleep, an async client), move the computing to "
        "`await asyncio.to_thread(...)`, or make it an ordinary function: alongside then runs it in threads or "
        "processes.",
    )


def staying(function: str, facts: Facts) -> Lesson | None:
    """Why a long run stays in the plain loop, where its owner could change that."""
    if facts.parallel_inside:
        # Where other programs have the CPUs, a library's threads that look for each other pass for computing.
        seen = facts.process_cpu > PARALLEL_INSIDE * facts.wall
        return already_parallel(function, facts) if seen else None
    if facts.cpus < 2 or facts.gil_held is False:
        return None
    if facts.unpicklable:
        return cannot_be_sent(function, facts) if facts.gil_held and facts.waiting < 0.5 * facts.wall else None
    nbytes = (facts.item_bytes or 0) + (facts.result_bytes or 0)
    return sent(function, facts.wall, nbytes, facts.pickle_seconds)


def sent(function: str, seconds: float, nbytes: float, sending: float | None = None) -> Lesson | None:
    """What there is to say about tasks of so many seconds and bytes each, when they are sent to processes."""
    carrying = nbytes / BANDWIDTH if sending is None else sending
    if seconds < TINY and nbytes < SMALL:
        return small_items(function, seconds)
    if nbytes >= SMALL and carrying > seconds:
        return heavy_items(function, seconds, nbytes, carrying)
    return None


SMALL = 4096
"""Bytes below which it is not the weight of an item that makes sending it dear."""


def weight(nbytes: float) -> str:
    """Bytes in the unit a person would use.

    >>> weight(812), weight(8.1e6)
    ('812 bytes', '8.1 MB')
    """
    for unit, factor in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if nbytes >= factor:
            return f"{nbytes / factor:.2g} {unit}" if nbytes < 99.5 * factor else f"{nbytes / factor:,.0f} {unit}"
    return f"{nbytes:.0f} bytes"
