"""Saying lessons as warnings: to the place that called alongside, once, and only where it matters.

Owns who is told, when and how often. Must never word anything (core/teaching.py does), and never raise anything but
what the user's own warning filters ask for. Lessons about wrong results are said whenever they hold; lessons about
speed only of runs that take longer than `LONG`. Inside a worker nothing is said.
"""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Iterable, Iterator, Sequence
from types import CodeType, FrameType, FunctionType

from alongside.core import teaching
from alongside.core.choose import Facts
from alongside.core.events import Blocked, Command, Dispatch, Event, Finished
from alongside.core.ports import Capabilities
from alongside.core.teaching import Draw, Lesson
from alongside.exceptions import AlongsideWarning
from alongside.light import NamedTuple
from alongside.runtime.callables import name_of
from alongside.runtime.harmless import is_harmless, is_the_users, may_change_its_item

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

LONG = 1.0
"""Seconds of a run before anything is said about its speed."""

MOST_SAID = 10_000
"""Lessons remembered at most; then all are forgotten, and may be said again."""

_PACKAGE = os.path.dirname(os.path.dirname(__file__)) + os.sep
_HEAP = 1 << 9
"""The flag of types that were made by a `class` statement, and of few others."""
_said: set[tuple[str, str, str, int]] = set()


class Site(NamedTuple):
    """The place in the user's code that called alongside."""

    file: str = "sys"
    line: int = 1
    module: str = "sys"


def call_site() -> Site:
    """The innermost frame that is not alongside's own."""
    for frame in _frames():
        if not frame.f_code.co_filename.startswith(_PACKAGE):
            return Site(frame.f_code.co_filename, frame.f_lineno, frame.f_globals.get("__name__") or "sys")
    return Site()


def say(lesson: Lesson, function: str, site: Site) -> None:
    """Give the lesson as an `AlongsideWarning`, unless that place has had it about this function.

    Raises it where the user's filters make errors of warnings; it then counts as not said.
    """
    key = (lesson.topic, function, site.file, site.line)
    if key in _said:
        return
    warnings.warn_explicit(str(lesson), AlongsideWarning, site.file, site.line, site.module)
    if len(_said) >= MOST_SAID:
        _said.clear()
    _said.add(key)


def lost(fn: Any, item: Any, value: Any, star: bool) -> Lesson | None:
    """What of a call's doing would be lost in worker processes, by its code, an item of its own and what it gave."""
    from alongside.runtime.reading import read

    changes = read(fn).changes
    if changes:
        return teaching.changes_lost(name_of(fn), changes)
    return _item_changed(fn, item, star, value is None)


def _item_changed(fn: Any, item: Any, star: bool, gives_nothing: bool) -> Lesson | None:
    from alongside.runtime.reading_items import read_item

    try:
        left = read_item(fn, item if star else (item,))
    except Exception:  # an item may answer any question with an error of its own: no reason to end a run
        return None
    told = left is not None and (left.silent or gives_nothing)
    return teaching.item_changed(name_of(fn), left.change) if left is not None and told else None


class _Items:
    """Whether a function changes its items, and leaves it at that: asked once, of the first item that is seen.

    `lossy`: they are copies. Where it is not seen in the code that a call gives nothing, what the calls give tells. Why
    is what seems harmless asked for an object's sake: its methods may change it.
    """

    def __init__(self, fn: Any, star: bool) -> None:
        self._fn, self._star = fn, star
        self._item: Any = None
        self._seen = self._asked = self.lossy = False

    def see(self, items: Sequence[Any]) -> None:
        if not self._seen:
            self._seen, self._item = True, items[0]

    def given(self, values: Iterable[Any]) -> None:
        if self._item is not None and any(value is not None for value in values):
            self.forget()

    def forget(self) -> None:
        self._item, self._asked = None, True

    def at_first(self) -> Lesson | None:
        """What the code alone tells."""
        if not self.lossy or self._item is None or self._asked:
            return None
        self._asked = True
        arguments = self._item if self._star else (self._item,)
        is_object = any(type(argument).__flags__ & _HEAP for argument in arguments)
        if not is_object and isinstance(self._fn, FunctionType) and not may_change_its_item(self._fn.__code__):
            self.forget()
            return None
        if is_harmless(self._fn) and not is_object:
            return None
        lesson = _item_changed(self._fn, self._item, self._star, False)
        if lesson is not None:
            self.forget()
        return lesson

    def at_last(self) -> Lesson | None:
        """What it tells together with the calls, which have given nothing."""
        item, self._item = self._item, None
        return _item_changed(self._fn, item, self._star, True) if self._asked and item is not None else None


class Teacher:
    """What there is to say about one run. Also watches what its workers report, as an observer.

    `counts`: whether what is sent to its workers is worth counting.
    """

    def __init__(
        self,
        fn: Any,
        seeded: bool = False,
        beside: bool = False,
        star: bool = False,
        asked: bool = True,
        initialized: bool = False,
    ) -> None:
        """`seeded`: its tasks have randomness of their own. `beside`: this is not the caller's thread, whose frames
        tell where alongside was called and seeds were set: what there is to say waits until `arrive`. `star`: an item
        is several arguments. `asked`: the caller has named the backend. `initialized`: an initializer sets up its
        workers."""
        self._seeded, self._asked, self._initialized = seeded, asked, initialized
        self._items = _Items(fn, star)
        self._fn = fn
        self._name = name_of(fn)
        self._site = None if beside else call_site()
        self._begun: list[tuple[Capabilities, int | None]] = []
        self._silent = "ALONGSIDE_WORKER" in os.environ
        self._tasks = self._bytes = 0
        self._seconds = 0.0
        self.counts = False
        self._blocked: Blocked | None = None

    def begins(self, able: Capabilities, workers: int | None) -> None:
        """Tasks are about to run there: is anything lost or shared that should not be?"""
        self.counts = self._asked and able.needs_pickling
        if self._site is None:
            self._begun.append((able, workers))
            return
        if self._silent or able.in_caller or able.in_event_loop or (workers == 1 and able.shares_memory):
            return
        self._items.lossy = not able.shares_memory
        if not able.shares_memory and not self._initialized:
            self._say_what_is_left_behind()
        if is_harmless(self._fn):
            return
        from alongside.runtime.reading import read

        found = read(self._fn)
        if found.changes and not able.shares_memory:
            self._items.forget()
            self._say(teaching.changes_lost(self._name, found.changes))
        for draw in found.draws:
            self._about_seeds(draw, processes=not able.shares_memory)

    def _say_what_is_left_behind(self) -> None:
        from alongside.runtime.leftbehind import left_behind

        if reads := left_behind(self._fn):
            self._say(teaching.left_behind(self._name, reads))

    def arrive(self) -> None:
        """In the caller's thread at last: say what there is to say of where tasks have begun to run meanwhile."""
        self._site = call_site()
        for able, workers in self._begun:
            self.begins(able, workers)

    def stays(self, facts: Facts) -> None:
        """It stays in the loop, by these facts."""
        long = facts.tasks_seen * facts.wall > LONG
        if long and not self._silent and (lesson := teaching.staying(self._name, facts)):
            self._say(lesson)

    def speak(self) -> None:
        """Say what was noted since the last time: in the thread of the caller, who may have made errors of warnings."""
        blocked, self._blocked = self._blocked, None
        if blocked is not None and not self._silent:
            self._say(teaching.blocked_loop(blocked.name, blocked.file, blocked.line, blocked.seconds))
        if lesson := self._items.at_first():
            self._say(lesson)

    def ended(self) -> None:
        """The run is over: were its tasks worth sending?"""
        self.speak()
        if lesson := self._items.at_last():
            self._say(lesson)
        if self._silent or self._seconds + self._bytes / teaching.BANDWIDTH + self._tasks * teaching.SENDING < LONG:
            return
        if lesson := teaching.sent(self._name, self._seconds / self._tasks, self._bytes / self._tasks):
            self._say(lesson)

    def on_event(self, event: Event, now: float) -> None:
        if isinstance(event, Blocked):
            self._blocked = event
        elif isinstance(event, Finished):
            if self.counts:
                self._tasks += sum(len(part.values) for part in event.parts)
                self._seconds += event.seconds
                self._bytes += event.nbytes
            self._items.given(value for part in event.parts for value in part.values)

    def on_command(self, command: Command, now: float) -> None:
        if isinstance(command, Dispatch):
            self._items.see(command.batch.items)

    def close(self) -> None:
        """Nothing is held."""

    def _about_seeds(self, draw: Draw, processes: bool) -> None:
        if draw.common and self._seeded:
            return
        seeded = _seeded(draw.library) if draw.common else ""
        if seeded or (processes and not draw.common):
            self._say(teaching.shared_seed(self._name, draw, seeded, processes))

    def _say(self, lesson: Lesson) -> None:
        assert self._site is not None
        say(lesson, self._name, self._site)


# ------------------------------------------------------------------------------------------------ was a seed set?


def _seeded(library: str) -> str:
    """Where the library's common generator was given a seed, in words; empty if it was not, or cannot be known.

    numpy remembers it. `random` does not: whoever called alongside is read instead, and the cells of a notebook.
    """
    if library == "numpy.random":
        get = getattr(sys.modules.get(library), "get_bit_generator", None)
        forgotten = get is not None and getattr(get(), "seed_seq", True) is None
        return "numpy.random.seed was called" if forgotten else ""
    from alongside.runtime.reading import seeded_places

    for code in _users_code():
        for file, line in seeded_places(library, code):
            return f"{library}.seed was called ({teaching.where(file, line)})"
    return ""


def _users_code() -> Iterator[CodeType]:
    for frame in _frames():
        if is_the_users(frame.f_code.co_filename):
            yield frame.f_code
    cells = getattr(sys.modules.get("__main__"), "In", None)
    for cell in cells if isinstance(cells, list) else ():
        if isinstance(cell, str) and "random.seed(" in cell:
            try:
                yield compile(cell, "an earlier cell", "exec")
            except SyntaxError:  # it has commands of the notebook's own in it
                continue


def _frames() -> Iterator[FrameType]:
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        yield frame
        frame = frame.f_back
