"""The first part of an automatic run: a plain loop, a watcher beside it, and the moment at which something better takes
over, be it while the loop is stuck in one long task.

Owns the loop, the watcher and the hand-over. Must never load the engine by itself (it is given what engages it), nor
weigh facts (the pilot does).
"""

from __future__ import annotations

from _thread import allocate_lock
from sys import _getframe, modules
from time import perf_counter, sleep

from alongside.runtime.callables import may_take_long
from alongside.runtime.loop import AHEAD, PATIENCE, WORTH_IMPORTING, Stopwatch
from alongside.runtime.source import Source

TYPE_CHECKING = False  # the real one costs the import of `typing`, which is longer than most short jobs
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from types import FrameType
    from typing import Any, Protocol

    from alongside.core.choose import Facts, Plan
    from alongside.runtime.watcher import Watcher

    class Beyond(Protocol):
        """What is beyond the loop; each part is loaded when it is asked for."""

        def pilot(self, opening: Opening) -> Any:
            """Who weighs the facts."""

        def at_once(self, opening: Opening) -> Plan | None:
            """A plan to begin with, before anything has run."""

        def imports(self, fn: Callable[..., Any], values: tuple[Any, ...]) -> float:
            """Seconds that workers would take to import what the function, and such values, need; roughly."""

        def begin(self, fn: Callable[..., Any], values: tuple[Any, ...]) -> None:
            """Begin, on a guess, what takes longest of making workers ready. `values`: such as they will be sent."""

        def prepare(self, fn: Callable[..., Any], values: tuple[Any, ...]) -> None:
            """Make workers ready. Returns at once."""

        def let_go(self) -> None:
            """Have what was begun or prepared, and is not there yet, ended."""

        def load(self) -> None:
            """Load what `engage` takes."""

        def engage(self, opening: Opening, plan: Plan) -> Any:
            """The engine for what is left, put together: it has `drive_beside` (called in the watcher's thread while
            the loop is stuck), `hand_over` (which ends that), `abandon` and `close`."""

        def stays(self, fn: Callable[..., Any], facts: Facts) -> None:
            """The loop was found best. In the caller's thread."""

        def learn(self, opening: Opening) -> None:
            """A loop that was looked at has done all there was to do."""


LOADED, NOT_LOADED = 0.004, 0.020
"""Seconds in one stretch from which another thread takes over, if the engine is loaded and if not: about what loading
it costs, so that at worst twice the time is spent that would have been right."""

CONTENDED = 0.1
"""The same where the GIL is held: loading then takes so much longer beside the task in hand than when that has ended.

Why: a module is read in a dozen steps, each of which lets the GIL go, and to get it back takes what is urgent 0.1 ms.
Measured: 20 to 25 ms where nothing else runs, 75 to 135 beside pure Python."""

ARRIVE = 0.030
"""Seconds to wait between two long tasks, at most, for workers that are about to be there: to hand over to them beside
the next task takes longer, for the same reason."""

MANY_LEFT = 0.1
"""Seconds that the other tasks should take for the engine to be loaded while the first one waits; twice as many where
it computes, since the two then take turns."""

MANY_AHEAD = 4096
"""Items that are taken ahead to see how many there are, where all of them will be taken anyway and none can be counted.
Why not for `imap`: it takes its input as its results are taken."""

PAID_FOR = "alongside.compose", "alongside.workers.supervisor"
"""Modules that are there when the engine is loaded, or workers were started: what it costs to look is paid already."""

BRIEF = 0.0001
"""Seconds of computing without the GIL that threads do not overlap (`SWITCH` of core/choose.py)."""

LOOK_AGAIN = 1.5
"""After a look that changed nothing the next one comes when the run is this many times as old, or when a stretch has
lasted this many times as long as the tasks before it would have."""


def within_an_import() -> bool:
    """Whether the calling thread is in the midst of importing a module. Costs some tens of ns for each frame."""
    frame: FrameType | None = _getframe(1)
    while frame is not None and frame.f_code.co_filename != "<frozen importlib._bootstrap>":
        frame = frame.f_back
    return frame is not None


class Opening:
    """The loop of one automatic run, until it ends or is taken over."""

    def __init__(
        self, fn: Callable[..., Any], iterables: tuple[Iterable[Any], ...], beyond: Beyond, eager: bool = False
    ) -> None:
        self.fn = fn
        self.star = len(iterables) > 1
        self.source = Source(iterables)
        self.watch = Stopwatch(fn if not self.star else (lambda item: fn(*item)), self.source)
        self.watcher: Watcher | None = None
        self.pilot: Any = None
        self._beyond = beyond
        self._begins = True
        self._prepared = self._begun = False
        self.guesses = True
        """Whether workers are begun to be made ready before a look has found that they are wanted."""
        self.usual = 0.0
        """Seconds that a task took in an earlier run, where that is known and was brief. One that lasts is then a
        special one: for its sake nothing is done before it has lasted as long as all the others should take."""
        self._looks_ahead = eager and self.source.total is None
        self._deciding = allocate_lock()
        self._next_look = 0.0
        self._idle_from: tuple[float | None, float, float] = (None, 0.0, 0.0)
        """Of which stretch, and since when it was last seen to wait; what the loop's thread had computed by then."""
        self._beside: Any = None
        self._closed = False

    def stretch(self, into: list[Any]) -> Any:
        """Append the next few results; what has taken over, once something has, and None until then."""
        if self._begins:
            self._begins = False
            plan = self._beyond.at_once(self)
            if plan is not None and self.watch.relieve():
                return self._go(plan)
        if self.watcher is None and self._worth_watching():
            self._watch_over()
        self.watch.stretch(into)
        if self.watch.wall >= PATIENCE and not self.watch.relieved:
            self.look_ahead()
        if self.watch.relieved:
            return self._met()
        if self.watch.ended or not self._is_slow() or not self._deciding.acquire(False):
            return None
        try:
            return self._move()
        finally:
            self._deciding.release()

    def _watch_over(self) -> None:
        """Have somebody look at the loop from beside it."""
        from alongside.runtime.watcher import Watcher

        self.watcher = Watcher(lambda: self.watch.since, self._relieve, self.fn)

    def _worth_watching(self) -> bool:
        """At once where the first call may be a long one and there are others; otherwise when the loop turns slow.

        Never while a module is being imported here: the watcher would wait for that import to end, where it has to name
        something of the module, and the import for the watcher.
        """
        if self.watch.done:
            return self.watch.slow() and not within_an_import()
        return self.source.total not in (0, 1) and may_take_long(self.fn) and not within_an_import()

    def _is_slow(self) -> bool:
        """Whether something better than the loop may be worth a look.

        To look for the first time loads the engine. What computes is done faster by processes only, if it holds the GIL
        or lets it go for no longer than to get it back takes; to start those, too, more must be left.
        """
        watch = self.watch
        if not watch.slow() or watch.left() > AHEAD or any(name in modules for name in PAID_FOR):
            return watch.slow()
        if watch.cpu < 0.5 * watch.wall:
            return True
        tasks, wall = watch.usual()
        return wall > BRIEF * tasks and self.watcher is not None and self.watcher.held is not True

    def look_ahead(self) -> None:
        """Where nobody knows how many items there are, see how many there are soon; the second time it does nothing."""
        if self._looks_ahead:
            self._looks_ahead = False
            self.source.look_ahead(MANY_AHEAD)

    def close(self) -> None:
        """Stop the watcher, and whatever was begun beside the loop and not handed over."""
        self._closed = True
        if self._beside is not None:
            self._beside.abandon()
        if self.watcher is not None:
            self.watcher.stop()
        if self._beside is not None:
            self._beside.close()
        elif self.pilot is not None and self.watch.ended:
            self._beyond.learn(self)
        self._beside = self.pilot = None  # they hold this: its items and results would wait for the garbage collector

    # --------------------------------------------------------------------------------- between two stretches: here

    def _move(self) -> Any:
        if self.watch.computes_long():
            self._guess(self.watch.left())
        if not self._is_time() or not self._heard_enough():
            return None
        waits = self._has_waited
        plan = self._look(waits)
        if plan is None and self.pilot.weighed is not None and not self.pilot.awaiting:
            self._beyond.stays(self.fn, self.pilot.weighed)
        if plan is None:
            self._load_if_awaited()
            plan = self._look(waits) if self._arrive() else None
        return self._go(plan) if plan is not None and self.watch.relieve() else None

    def _load_if_awaited(self) -> None:
        """While workers come to be, load what will drive them."""
        if self.pilot.awaiting:
            self._beyond.load()

    def _arrive(self) -> bool:
        """Whether the workers awaited are there. Where a task takes longer than that, they are waited for."""
        if not self._is_awaited():
            return False
        from alongside.runtime.watcher import NAP

        tasks, wall = self.watch.usual()
        until = perf_counter() + (min(wall / tasks, ARRIVE) if wall >= LOADED * tasks else 0.0)
        while self.pilot.awaiting and perf_counter() < until:
            sleep(NAP)
        return not self.pilot.awaiting

    def _go(self, plan: Any) -> Any:
        if self.watcher is not None:
            self.watcher.stop()
        self._beside = self._beyond.engage(self, plan)
        return self._beside

    def _is_time(self) -> bool:
        """Whether to look: not while workers are awaited, and at once when they are there."""
        if self._is_awaited():
            return not self.pilot.awaiting
        return self.watch.wall >= self._next_look

    def _is_awaited(self) -> bool:
        """Whether it was found that workers should take over as soon as they are there."""
        return self.pilot is not None and bool(self.pilot.awaited)

    def _look(self, waits: bool) -> Any:
        self.watch.look_at_delay()
        if self.pilot is None:
            self.pilot = self._beyond.pilot(self)
        plan = self.pilot.look(self.watcher, waits)
        self.watch.leave_out_delay()
        if self.pilot.plan is not None:
            self._next_look = LOOK_AGAIN * self.watch.wall
        return plan

    def _heard_enough(self) -> bool:
        """Whether the GIL's part is known, or plays none. Why it is asked first: a look at the kernel's accounts lets
        the GIL go, and one after every stretch would make the watcher believe that the tasks do."""
        return self._has_waited or self.watcher is None or self.watcher.ended or self.watcher.held is not None

    @property
    def _has_waited(self) -> bool:
        """Whether the tasks seen have waited, most of their time."""
        return self.watch.cpu < 0.2 * self.watch.wall

    def _guess(self, left: float) -> None:
        """Workers will probably be wanted; not where the tasks were heard to let the GIL go, now or in an earlier run:
        then threads will do. Nor where the items cannot be sent to them, or importing takes too much of what is `left`.
        """
        if not self.guesses or self._begun or (self.watcher is not None and self.watcher.held is False):
            return
        if left < WORTH_IMPORTING * self._beyond.imports(self.fn, self.watch.sample or ()):
            return
        self._begun = True
        try:
            self._beyond.begin(self.fn, self.watch.sample or ())
        except Exception:
            return  # it was a guess: where workers are wanted in earnest it is said why there are none
        from alongside.runtime.unsendable import cannot_be_sent  # here, where something is starting already

        if self.watch.sample is not None and cannot_be_sent(*self.watch.sample):
            self._beyond.let_go()

    def get_ahead(self, values: tuple[Any, ...]) -> None:
        """Have workers made ready beside the loop; the second time it does nothing."""
        if not self._prepared:
            self._beyond.prepare(self.fn, values)
            self._prepared = True

    # -------------------------------------------------------------------- in the midst of a stretch: the watcher's

    def _relieve(self) -> bool | None:
        """Take over while the loop is stuck, if that is worth it; True when there is nothing to watch any more, None
        where that will be known in a moment."""
        from alongside.runtime.watcher import brisk

        self.watch.cut()
        since = self.watch.since
        if self.pilot is not None and self.pilot.awaiting:
            return None
        if self._closed or since is None or not self.source.movable or not self._deciding.acquire(False):
            return self._closed
        try:
            with brisk():
                taken_over = self._take_over(perf_counter() - since)
        finally:
            self._deciding.release()
        if taken_over:
            with brisk():
                self._beside.drive_beside()
        return taken_over

    def _take_over(self, stuck: float) -> bool:
        """Have the loop pause after the task in hand, weigh the facts, and engage or let the loop go on.

        Why pause first: to weigh them for the first time loads the engine, which takes the GIL that the loop needs too.
        """
        assert self.watcher is not None
        others = (self.source.total or 0) - self.watch.begun()
        if stuck < min(self.usual * others, AHEAD) or self._is_usual(stuck):
            return False
        if self.watcher.held or (self._computes(stuck) and 2 * stuck * others > AHEAD):
            self._guess(stuck * others)
        if self.watch.noted[0] != self.watch.since:
            self.watch.note(self.watcher.computed())
            return False
        if not (self._is_awaited() or (self._worth_loading(stuck, others) and self._heard_amid(stuck))):
            return False
        if not self.watch.relieve():
            return False
        plan = self._look(self._waits(stuck))
        if plan is None or self._closed:
            self.watch.resume()
            self._load_if_awaited()
            return False
        self._beside = self._beyond.engage(self, plan)
        if self._closed:  # in the meantime, and nobody could know of it then
            self._beside.abandon()
        return True

    def _is_usual(self, stuck: float) -> bool:
        """Whether the stretch in hand lasts no longer than it was to by the tasks before it, and a look has found those
        best where they are: then there is nothing new to see."""
        if self.pilot is None or self._is_awaited():
            return False
        tasks, wall = self.watch.usual()
        in_hand = self.watch.kept() - self.watch.done
        return tasks > 0 and stuck * tasks < LOOK_AGAIN * wall * in_hand

    def _worth_loading(self, stuck: float, others: int) -> bool:
        """Whether it has lasted long enough for the engine to be thought of. Beside a task that waits it loads for
        nothing, if enough others are left."""
        assert self.watcher is not None
        if "alongside.compose" in modules:
            return stuck >= LOADED
        waits = self._waits(stuck)
        if self.watcher.held is not False and not waits:
            return stuck >= CONTENDED
        many = MANY_LEFT if waits else 2 * MANY_LEFT
        return stuck >= (LOADED if others * stuck > many else NOT_LOADED)

    def _computes(self, stuck: float) -> bool:
        """Whether the task in hand has computed most of the time. It will probably last as long again."""
        assert self.watcher is not None
        return self.watcher.computed() - self.watch.cpu_since > 0.5 * stuck

    def _waits(self, stuck: float) -> bool:
        """Whether the loop waits, by what it has done of late: a first call may begin with imports."""
        assert self.watcher is not None
        now, computed = perf_counter(), self.watcher.computed()
        since, then, used = self._idle_from
        if since != self.watch.since:
            since, then, used = self.watch.since, now - stuck, self.watch.cpu_since
        waited = now - then
        waits = computed - used < 0.2 * waited
        self._idle_from = (since, then, used) if waits else (since, now, computed)
        return waits and waited > 0.5 * LOADED

    def _heard_amid(self, stuck: float) -> bool:
        assert self.watcher is not None
        return self._waits(stuck) or self.watcher.ended or self.watcher.held is not None

    def _met(self) -> Any:
        """The loop has come back from its task: what is driven beside it, if anything, is its own from now on."""
        assert self.watcher is not None
        with self._deciding:
            taken_over = self._beside
        if taken_over is not None:
            taken_over.hand_over()
            self.watcher.stop()
        if self.watcher.error is not None:
            raise self.watcher.error
        return taken_over
