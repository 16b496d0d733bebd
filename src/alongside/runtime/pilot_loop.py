"""The pilot of a plain loop: reads its stopwatch, also from beside it.

Owns what the tasks seen say of those to come. Must never decide when to look (opening.py does), nor weigh facts by
itself (core/choose.py).
"""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter, process_time

from alongside.core.choose import Candidates, Facts, Plan, Wishes
from alongside.core.known import Phase
from alongside.runtime.loop import LOOK_EVERY, Spent, Stopwatch
from alongside.runtime.pilot import Pilot, Tally
from alongside.runtime.watcher import Watcher

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

SURPRISE, SLOWER = 5, 1.5
"""Times as long as it was made to last from which a stretch is a surprise, and as the tasks before it from which its
tasks may be of another kind."""


class LoopPilot(Pilot):
    """As `Pilot`, for the loop of a `Stopwatch`; may be asked from another thread while the loop is stuck in a task."""

    def __init__(
        self,
        candidates: Callable[..., Candidates],
        base: Facts,
        fn: Callable[..., Any],
        watch: Stopwatch,
        prepare: Callable[[tuple[Any, ...]], None],
        coming: Callable[[str], bool],
    ) -> None:
        super().__init__(candidates, Wishes(), base, fn, watch.source.total, prepare, coming)
        self._watch = watch
        self._waits = False

    def look(self, watcher: Watcher | None, waits: bool) -> Plan | None:
        """The plan to move to, if the facts say so. `waits`: the loop was seen to wait, so that it did not want what
        the watcher computed meanwhile."""
        self._watcher, self._waits = watcher, waits
        self._sample = self._watch.sample
        if self._sample is None and self._watch.relieved:  # the loop is stuck in its first task
            self._weigh_next(self._watch.source.peek)
        return self._better(self.facts())

    def done(self) -> tuple[Phase | None, Phase | None]:
        """As ever; to be asked when the loop has no task in hand any more."""
        watch, first = self._watch, self._watch.first
        if first is None:
            return None, None
        rest, wall, cpu = watch.done - first.tasks, watch.wall - first.wall, watch.cpu - first.cpu
        others = Phase(rest, wall, wall, cpu, min(watch.delayed, max(0.0, wall - cpu)), True) if rest else None
        return Phase(first.tasks, first.wall, first.wall, first.cpu, 0.0, True), others

    def _left(self, seen: int) -> int | None:
        return self._watch.source.left(seen)

    def _tally(self) -> Tally:
        watch = self._watch
        whole = Tally(watch.done, watch.wall, watch.cpu, watch.process_cpu, watch.delayed)
        tally = _by_the_newest(_without_the_first(whole, watch), self._newest(), watch.begun())
        watchers = self._watcher.used() if self._watcher else 0.0
        return _without(tally, watchers, 0.0 if self._waits else watchers)

    def _newest(self) -> Spent:
        """The stretch in hand, if there is one, or what of it came after a note was taken, if that is slower. The task
        in hand takes at least as long as it has taken."""
        watch, watcher, since = self._watch, self._watcher, self._watch.since
        if watch.ended:
            return Spent(0, 0.0, 0.0, 0.0)  # none will come that could be like it
        if since is None or watcher is None:
            return watch.last
        now, cpu, process = perf_counter(), watcher.computed(), process_time()
        whole = Spent(watch.begun() - watch.done, now - since, cpu - watch.cpu_since, process - watch.process_since)
        noted, begun, then, cpu_then, process_then = watch.noted
        if noted != since or now - then < SURPRISE * LOOK_EVERY:
            return whole
        part = Spent(watch.begun() - begun + 1, now - then, cpu - cpu_then, process - process_then)
        return max(whole, part, key=lambda spent: spent.wall / max(spent.tasks, 1))

    def _leave_out(self, before: Tally) -> None:
        """A stopwatch does not run between two stretches."""


def _without_the_first(tally: Tally, watch: Stopwatch) -> Tally:
    """The tally, as if the first task had been like the others, where it was a special one."""
    tasks, wall = watch.usual()
    if watch.first is None or tasks == tally.seen or not tally.wall:  # the loop goes on while it is read
        return tally
    share, first = tally.seen / tasks, watch.first
    cpu, process_cpu = tally.cpu - first.cpu, tally.process_cpu - first.process_cpu
    return Tally(tally.seen, wall * share, cpu * share, process_cpu * share, tally.delayed * wall / tally.wall)


def _without(tally: Tally, watchers: float, hindering: float) -> Tally:
    """The tally without the seconds that the watcher has computed. In so many of them a loop that computes may have had
    to wait for the GIL, which is no waiting of the tasks'."""
    idle = max(0.0, tally.wall - tally.cpu)
    process_cpu = max(tally.cpu, tally.process_cpu - watchers)
    return tally._replace(process_cpu=process_cpu, delayed=min(idle, tally.delayed + min(hindering, tally.cpu)))


def _by_the_newest(tally: Tally, newest: Spent, begun: int) -> Tally:
    """The tally, as if all that was begun had been like the newest stretch, where that tells of slower tasks.

    A stretch is made to last half a millisecond by what was seen before. One that lasts much longer has come to tasks
    of another kind, and those that follow are more likely to be of this kind than of the other.
    """
    tasks = newest.tasks
    before = tally.wall / tally.seen if tally.seen else 0.0
    if tasks < 1 or newest.wall < SURPRISE * LOOK_EVERY or newest.wall / tasks < SLOWER * before:
        return tally
    share = begun / tasks
    part = newest.wall / max(tally.wall, newest.wall)
    delayed = max(0.0, min(part * tally.delayed, newest.wall - newest.cpu))
    return Tally(begun, newest.wall * share, newest.cpu * share, newest.process_cpu * share, delayed * share)
