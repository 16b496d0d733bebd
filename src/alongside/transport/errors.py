"""How an exception crosses from one process to another and arrives as itself.

Owns: the form in which exceptions travel, the remote traceback that comes along as a note, and what arrives when an
exception cannot travel. Must never: raise because of the exception in hand, call an exception's `__init__`, wrap an
exception that could have come as itself, or let the size of a chain, traceback or text go unbounded.

An exception is taken apart (transport/parts.py) and put together again with `__new__` alone. *Why not the obvious way*:
pickle calls the class with `args`, which fails for every class whose `__init__` takes something else, and quietly
doubles the message of those that build one. A class that brings its own `__reduce__` and the like is asked first; what
it gives is tried out before it is sent. What cannot travel of its parts is left behind, and a note says so: an
exception of the right type without its socket is worth more than another one.
"""

from __future__ import annotations

import linecache
import pickle
import re
from collections.abc import Callable, Iterator
from os import getpid
from time import time
from types import FrameType, SimpleNamespace, TracebackType

from alongside.core.retry_after import told_by
from alongside.exceptions import InternalError, NotPicklable
from alongside.light import dataclass
from alongside.transport.explain import explain
from alongside.transport.parts import Parts, fields_of, has_own_pickling, lightened, name_of, put, skeleton
from alongside.transport.pickling import dumps, loads

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Final

MAX_EXCEPTIONS: Final = 64
"""Exceptions that travel together: the raised one, its causes and contexts, the members of groups."""
MAX_FRAMES: Final = 60
"""Frames of a traceback."""
MAX_TEXT: Final = 8_000
"""Characters of a traceback, and of a message that is quoted in another one."""


@dataclass(frozen=True, slots=True)
class _Ref:
    """Stands for another exception that travels along, by its place among them."""

    place: int


@dataclass(frozen=True, slots=True)
class _Refusal:
    """Why an exception does not come as itself: the fields of the `NotPicklable` that comes instead."""

    path: str
    reason: str
    remedy: str


@dataclass(frozen=True, slots=True)
class _Node:
    """One exception on its way. Everything but `body` can be read whatever becomes of the exception's class."""

    name: str
    text: str
    trace: str
    notes: tuple[str, ...]
    body: bytes | _Refusal
    left_behind: tuple[str, ...]
    retry_after: float | None
    """What the server asked for, as told by an exception of which something is left behind."""
    members: tuple[int, ...]
    cause: int | None
    context: int | None
    suppress: bool
    left_out: int


def encode(error: BaseException, *, reply: bool = False, where: str = "") -> bytes:
    """Return `error` as bytes for `decode` in another process, with its causes, contexts and group members.

    `reply`: as for `dumps`. `where`: what to call this process in the traceback's heading; default "worker" and its
    process id. Never raises, except `KeyboardInterrupt`. Costs about 0.1 ms, and as much again for each linked one.

    >>> decode(encode(KeyError("missing")))
    KeyError('missing')
    """
    try:
        nodes = _Packer(reply, where or f"worker {getpid()}").pack(error)
    except KeyboardInterrupt:
        raise
    except BaseException as failure:
        nodes = [_refused(error, failure)]
    return pickle.dumps(nodes, 5)


def decode(data: bytes | bytearray | memoryview) -> BaseException:
    """Return the exception that `encode` made `data` from: same type, args, attributes and notes, plus one note with
    the remote traceback. `__init__` is not called.

    What could not be pickled of its attributes is None, of its args a text, and a note names them. How long a server
    asked to be left alone is then in `retry_after`, where it was in something left behind. One that cannot be rebuilt
    here comes as `NotPicklable`, with its type, text and traceback. Never raises, except `KeyboardInterrupt`.
    """
    try:
        return _Unpacker(pickle.loads(data)).unpack()
    except KeyboardInterrupt:
        raise
    except BaseException as failure:
        return InternalError(f"an error from a worker could not be read ({name_of(type(failure))}: {_text(failure)})")


# -- packing --------------------------------------------------------------------------------------------------------


class _Packer:
    def __init__(self, reply: bool, where: str) -> None:
        self._reply = reply
        self._where = where
        self._all: list[BaseException] = []
        self._places: dict[int, int] = {}
        self._left_out = 0

    def pack(self, error: BaseException) -> list[_Node]:
        self._place(error)
        nodes: list[_Node] = []
        while len(nodes) < len(self._all):
            nodes.append(self._node(self._all[len(nodes)]))
        return nodes

    def _place(self, error: BaseException | None) -> int | None:
        if error is None:
            return None
        place = self._places.get(id(error))
        if place is None and len(self._all) < MAX_EXCEPTIONS:
            place = self._places[id(error)] = len(self._all)
            self._all.append(error)
        elif place is None:
            self._left_out += 1
        return place

    def _node(self, error: BaseException) -> _Node:
        self._left_out = 0
        body, left_behind = self._body(error)
        return _Node(
            name=name_of(type(error)),
            text=_text(error),
            trace=_trace(error, self._where),
            notes=_notes(error),
            body=body,
            left_behind=left_behind,
            retry_after=told_by(error, time()) if left_behind else None,
            members=self._members(error),
            cause=self._place(error.__cause__),
            context=self._place(error.__context__),
            suppress=error.__suppress_context__,
            left_out=self._left_out,
        )

    def _members(self, error: BaseException) -> tuple[int, ...]:
        if not isinstance(error, BaseExceptionGroup):
            return ()
        places = (self._place(member) for member in error.exceptions)
        return tuple(place for place in places if place is not None)

    def _body(self, error: BaseException) -> tuple[bytes | _Refusal, tuple[str, ...]]:
        """The exception in the first form that can travel; what of it is left behind."""
        failure: BaseException | None = None
        for form, left_behind in self._forms(error):
            try:
                return self._tried(form, type(error)), left_behind
            except KeyboardInterrupt:
                raise
            except BaseException as problem:
                failure = failure or problem
        return _refusal(error, failure), ()

    def _forms(self, error: BaseException) -> Iterator[tuple[object, tuple[str, ...]]]:
        if has_own_pickling(type(error)):
            yield error, ()
        parts = self._parts(error)
        yield parts, ()
        yield lightened(parts)

    def _tried(self, form: object, kind: type[BaseException]) -> bytes:
        """Return `form` pickled, after trying whether it can be read.

        The trial names received classes instead of carrying them: reading them here would set their attributes anew.
        """
        named = dumps(form, reply=True, what="exception")
        back = loads(named)
        member = Exception() if issubclass(kind, Exception) else BaseException()
        made = skeleton(back, [member]) if isinstance(back, Parts) else back
        if type(made) is not kind:
            raise TypeError(f"it comes back as {name_of(type(made))}")
        return named if self._reply else dumps(form, what="exception")

    def _parts(self, error: Any) -> Parts:
        group = isinstance(error, BaseExceptionGroup)
        return Parts(
            type(error),
            (error.message,) if group else tuple(map(self._referring, error.args)),
            {name: self._referring(value) for name, value in vars(error).items()},
            {name: self._referring(value) for name, value in fields_of(error)},
        )

    def _referring(self, value: object) -> object:
        if isinstance(value, BaseException):
            place = self._place(value)
            return value if place is None else _Ref(place)
        return _with_each(value, BaseException, self._referring)


def _with_each(value: Any, kind: type, change: Callable[[object], object]) -> Any:
    """Return a list, tuple or dict with its elements of that kind changed, as a new one; anything else as it is."""
    if type(value) in (list, tuple) and any(isinstance(element, kind) for element in value):
        return type(value)(change(element) if isinstance(element, kind) else element for element in value)
    if type(value) is dict and any(isinstance(element, kind) for element in value.values()):
        return {key: change(element) if isinstance(element, kind) else element for key, element in value.items()}
    return value


def _refusal(error: BaseException, failure: BaseException | None) -> _Refusal:
    kind = type(error)
    stand_in = SimpleNamespace(**{**dict(fields_of(error)), **vars(error), "args": error.args, "__class__": kind})
    found = explain(stand_in, "exception", failure.__cause__ if isinstance(failure, NotPicklable) else failure)
    return _Refusal(*found)


def _refused(error: BaseException, failure: BaseException) -> _Node:
    refusal = _Refusal("exception", f"one that could not be taken apart ({name_of(type(failure))})", "")
    return _Node(name_of(type(error)), _text(error), "", (), refusal, (), None, (), None, None, False, 0)


def _text(error: BaseException) -> str:
    try:
        return _bounded(str(error))
    except KeyboardInterrupt:
        raise
    except BaseException:
        return "(its text could not be made)"


def _notes(error: BaseException) -> tuple[str, ...]:
    notes = vars(error).get("__notes__")
    return tuple(_bounded(note) for note in notes if isinstance(note, str)) if isinstance(notes, list) else ()


def _bounded(text: str) -> str:
    if len(text) <= MAX_TEXT:
        return text
    half = MAX_TEXT // 2
    return f"{text[:half]}\n... {len(text) - 2 * half} characters left out ...\n{text[-half:]}"


def _trace(error: BaseException, where: str) -> str:
    """The traceback as text; none of an error of ours about a value, where no code of the user's was in it."""
    frames = _frames(error.__traceback__)
    if not frames or (isinstance(error, NotPicklable) and _is_ours(frames[0][0])):
        return ""
    from traceback import StackSummary

    left_out = max(0, len(frames) - MAX_FRAMES)
    half = MAX_FRAMES // 2
    first = StackSummary.extract(iter(frames[:half] if left_out else frames)).format()
    last = StackSummary.extract(iter(frames[-half:] if left_out else ())).format()
    gap = [f"  ... {left_out} frames left out ...\n"] if left_out else []
    lines = "".join([*first, *gap, *last]).rstrip()
    return _bounded(f"Traceback in {where} (most recent call last):\n{lines}")


def _frames(trace: TracebackType | None) -> list[tuple[FrameType, int]]:
    """The frames from the user's first one on: those of alongside that called it say nothing about the error. Where
    there is none of the user's, all."""
    frames: list[tuple[FrameType, int]] = []
    while trace is not None:
        frames.append((trace.tb_frame, trace.tb_lineno))
        trace = trace.tb_next
    first = next((place for place, (frame, _) in enumerate(frames) if not _is_ours(frame)), 0)
    return frames[first:]


def _is_ours(frame: FrameType) -> bool:
    return str(frame.f_globals.get("__name__", "")).startswith("alongside.")


# -- unpacking ------------------------------------------------------------------------------------------------------


class _Unpacker:
    def __init__(self, nodes: list[_Node]) -> None:
        self._nodes = nodes
        self._parts: dict[int, Parts] = {}
        self._made: dict[int, BaseException] = {}

    def unpack(self) -> BaseException:
        for place in range(len(self._nodes)):
            self._make(place)
        for place, node in enumerate(self._nodes):
            error = self._made[place]
            if place in self._parts and not isinstance(node.body, _Refusal):
                self._fill(error, self._parts[place])
            self._link(error, node)
            if node.retry_after is not None and told_by(error, time()) is None:
                put(error, "retry_after", node.retry_after)
            _annotate(error, node)
        return self._made[0]

    def _make(self, place: int) -> BaseException:
        made = self._made.get(place)
        if made is None:
            node = self._nodes[place]
            try:
                made = self._rebuilt(place, node)
            except KeyboardInterrupt:
                raise
            except BaseException as failure:
                reason = f"one that could not be rebuilt here ({name_of(type(failure))}: {_text(failure)})"
                made = _stand_in(node, _Refusal("exception", reason, _REBUILD))
            self._made[place] = made
        return made

    def _rebuilt(self, place: int, node: _Node) -> BaseException:
        if isinstance(node.body, _Refusal):
            return _stand_in(node, node.body)
        form = loads(node.body)
        if isinstance(form, Parts):
            self._parts[place] = form
            form = skeleton(form, [self._make(member) for member in node.members])
        if not isinstance(form, BaseException):
            raise TypeError(f"it came back as {name_of(type(form))}")
        return form

    def _fill(self, error: BaseException, parts: Parts) -> None:
        if not isinstance(error, BaseExceptionGroup):
            put(error, "args", tuple(self._resolved(value) for value in parts.args))
        for name, value in (*parts.fields.items(), *parts.attributes.items()):
            put(error, name, self._resolved(value))

    def _resolved(self, value: object) -> object:
        return self._made[value.place] if isinstance(value, _Ref) else _with_each(value, _Ref, self._resolved)

    def _link(self, error: BaseException, node: _Node) -> None:
        put(error, "__cause__", None if node.cause is None else self._made[node.cause])
        put(error, "__context__", None if node.context is None else self._made[node.context])
        put(error, "__suppress_context__", node.suppress)


def _annotate(error: BaseException, node: _Node) -> None:
    left_out = f"{node.left_out} linked exceptions were left out on the way from the worker" if node.left_out else ""
    behind = _bounded(f"{_BEHIND}: {', '.join(node.left_behind)}") if node.left_behind else ""
    added = [note for note in (_with_source(node.trace), left_out, behind) if note]
    notes = vars(error).get("__notes__") or list(node.notes)
    if isinstance(notes, list) and (notes or added):
        vars(error)["__notes__"] = [*notes, *added]


def _with_source(trace: str) -> str:
    """The traceback with the code that only this process knows: a notebook's cells, what was typed at the prompt."""
    lines = trace.splitlines()
    for place in range(len(lines) - 1, 0, -1):
        frame = _FRAME.match(lines[place])
        if frame and not "".join(lines[place + 1 : place + 2]).startswith("    "):
            code = linecache.getline(frame[1], int(frame[2])).strip()
            lines[place + 1 : place + 1] = [f"    {code}"] if code else []
    return "\n".join(lines)


def _stand_in(node: _Node, refusal: _Refusal) -> NotPicklable:
    text = f"{node.name}: {node.text}" if node.text else node.name
    return NotPicklable(f"exception {text!r}", refusal.path, refusal.reason, refusal.remedy)


_FRAME: Final = re.compile(r'  File "(.+)", line (\d+), in ')
_BEHIND: Final = "left behind in the worker, since it cannot be pickled (an attribute is None here)"
_REBUILD: Final = "Make its class importable for both sides, or give it a __reduce__ that fits its __init__."
