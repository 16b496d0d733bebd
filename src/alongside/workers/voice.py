"""What a worker process says: prints, log records and warnings, on their way to the parent.

Owns what has been said and not sent yet, and what takes the place of `sys.stdout` and `sys.stderr`. Must never decide
where it is shown: the parent does (observe/said.py), which is why it also appears where the parent's own streams were
exchanged, as in a notebook. Loaded by each worker: stays light.

Guarantees
  - Each line says which task it comes from: the one in hand when it was written. Lines of one worker stay in order, and
    come before the result of their task.
  - Nothing is held for longer than two ticks of the ticker (10 ms), unless C code holds the GIL. What was flushed
    (`print(..., flush=True)`) has left the worker when `flush` returns, if the parent reads. So a worker that is
    killed loses at most what it said in its last 10 ms.
  - Saying something never waits for the parent. What the parent does not read is kept up to `MOST` characters; of what
    comes then the lines are counted and dropped.
What bypasses `sys.stdout` (C code, programs that a task starts, `sys.stdout.buffer`) goes where the worker's
descriptors go, as ever.
"""

from __future__ import annotations

import io
import sys
from _thread import RLock
from collections import deque

from alongside.workers import surroundings
from alongside.workers.page import ONE_OF_THEM
from alongside.workers.runner import BATCH, OFFSET

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

OUT, ERR, LOG, WARNING, DROPPED = range(5)
"""What a piece is: a line for standard output or error, a log record, a warning, a count of lines that were dropped."""

MOST = 1 << 20
"""Characters that are kept for the parent."""

AT_ONCE, LONGEST = 1 << 14, 1 << 15
"""Characters that are sent at a time, unless one line is longer, and of a line at most (longer ones are broken): so few
that a socket which takes anything takes all of it."""

BATCHES = 4096
"""Batches whose first index is remembered."""


class Voice:
    """Collects what is said, and sends it: `[(kind, index of the task or None, what), …]`."""

    def __init__(self, page: Any, send: Callable[[list[Any]], None], can_send: Callable[[], bool]) -> None:
        self.page = page
        self.heard: Callable[[], None] = _nothing
        """Called when something was said, so that somebody sees to the sending while a task goes on."""
        self._send = send
        self._can_send = can_send
        self._lock, self._sending = RLock(), RLock()
        self._said: deque[tuple[int, int | None, Any]] = deque()
        self._size = self._dropped = 0
        self._begun: dict[int, tuple[int | None, str]] = {}
        self._firsts: dict[int, int] = {}
        self._mouths = sys.stdout, sys.stderr

    def begins(self, batch: int, first: int) -> None:
        """A batch has come whose first task has this index."""
        self._firsts[batch] = first
        if len(self._firsts) > BATCHES:
            del self._firsts[next(iter(self._firsts))]

    def take_streams(self) -> None:
        """From here on `sys.stdout` and `sys.stderr` are this."""
        sys.stdout = Mouth(self, OUT, sys.stdout)
        sys.stderr = Mouth(self, ERR, sys.stderr)

    def forsake(self) -> None:
        """In a child that a task forked: it has a voice of its own."""
        sys.stdout, sys.stderr = self._mouths
        self._said, self._begun = deque(), {}

    def write(self, kind: int, text: str) -> None:
        """Part of a line, or several."""
        with self._lock:
            task = self._task()
            begun_by, begun = self._begun.pop(kind, (task, ""))
            if begun and begun_by != task:
                self._add(kind, begun_by, begun)  # a task ends its line: the next one is another's
                begun = ""
            *whole, rest = (begun + text).split("\n")
            while len(rest) > LONGEST:
                whole.append(rest[:LONGEST])
                rest = rest[LONGEST:]
            for line in whole:
                self._add(kind, task, line)
            if rest:
                self._begun[kind] = task, rest
        self.heard()

    def say(self, kind: int, what: tuple[Any, ...], size: int) -> None:
        """A log record or a warning, of about so many characters."""
        with self._lock:
            if self._has_room(size, 1):
                self._said.append((kind, self._task(), what))
        self.heard()

    @property
    def waits(self) -> bool:
        """Whether there is something to send."""
        return bool(self._said or self._dropped)

    def end_lines(self) -> None:
        """The task, or the batch, is over, and so are the lines it has begun."""
        with self._lock:
            for kind, (task, begun) in self._begun.items():
                self._add(kind, task, begun)
            self._begun = {}

    def send(self, everything: bool = False) -> None:
        """Send what there is: as far as the parent takes it now, or `everything`, before a result that follows it."""
        if not self.waits:
            return
        with self._sending:  # two threads that send must not overtake each other
            while (everything or self._can_send()) and (pieces := self._next_pieces()):
                self._send(pieces)

    def _next_pieces(self) -> list[Any]:
        with self._lock:
            pieces, size = [], 0
            while self._said and size < AT_ONCE:
                pieces.append(self._said.popleft())
                size += _size(pieces[-1])
            self._size -= size
            if self._dropped and not self._said:
                pieces.append((DROPPED, self._task(), self._dropped))
                self._dropped = 0
            return pieces

    def _add(self, kind: int, task: int | None, line: str) -> None:
        if not self._has_room(len(line) + 1, 1):
            return
        line += "\n"
        if self._said and self._said[-1][:2] == (kind, task) and len(self._said[-1][2]) < AT_ONCE:
            self._said[-1] = kind, task, self._said[-1][2] + line
        else:
            self._said.append((kind, task, line))

    def _has_room(self, size: int, lines: int) -> bool:
        if self._size + size > MOST:
            self._dropped += lines
            return False
        self._size += size
        return True

    def _task(self) -> int | None:
        """The index of the task in hand; None where none is, or it is not known which."""
        offset, first = self.page[OFFSET], self._firsts.get(self.page[BATCH])
        return None if not offset or offset == ONE_OF_THEM or first is None else int(first + offset - 1)


def _size(piece: tuple[int, int | None, Any]) -> int:
    return len(piece[2]) if piece[0] in (OUT, ERR) else int(piece[2][0])


class Mouth(io.TextIOBase):
    """A standard stream of a worker. All but text goes to the stream it stands for."""

    def __init__(self, voice: Voice, kind: int, stream: Any) -> None:
        self._voice = voice
        self._kind = kind
        self._stream = stream

    def write(self, text: str) -> int:
        if not isinstance(text, str):
            raise TypeError(f"write() argument must be str, not {type(text).__name__}")
        if self.closed:
            raise ValueError("I/O operation on closed file.")
        self._voice.write(self._kind, text)
        return len(text)

    def flush(self) -> None:
        if self._stream is not None:
            self._stream.flush()
        self._voice.send()

    def fileno(self) -> int:
        if self._stream is None:
            raise io.UnsupportedOperation("fileno")
        return int(self._stream.fileno())

    def writable(self) -> bool:
        return True

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return str(getattr(self._stream, "encoding", "utf-8"))

    @property
    def errors(self) -> str | None:  # type: ignore[override]
        return getattr(self._stream, "errors", "strict")

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)  # `buffer`, `reconfigure`: whoever asks for them wants the stream itself

    def close(self) -> None:
        """A task that closes its standard output closes the stream behind it; the worker is then replaced."""
        if self._stream is not None:
            self._stream.close()

    def __del__(self) -> None:
        """Why: the one that is inherited would close the stream."""

    @property
    def closed(self) -> bool:
        return self._stream is not None and bool(self._stream.closed)


# ---------------------------------------------------------------------------------------------- logs and warnings


def take_over(voice: Voice) -> None:
    """Have log records and warnings said, where this process has what they are made with."""
    if "logging" in sys.modules:
        _take_over_logging(voice)
        surroundings.adopt_levels()
    if "warnings" in sys.modules:
        _take_over_warnings(voice)
        surroundings.adopt_filters()


def _take_over_logging(voice: Voice) -> None:
    import logging

    class Heard(logging.Handler):
        """In the place of the root logger's handlers, which are the parent's affair."""

        def handle(self, record: logging.LogRecord) -> bool:
            try:
                told = _told(record)
                voice.say(LOG, (len(told["msg"]) + 200, told), len(told["msg"]) + 200)
            except Exception:
                self.handleError(record)
            return True

    root = logging.getLogger()
    if len(root.handlers) != 1 or type(root.handlers[0]).__name__ != "Heard":
        root.handlers[:] = [Heard()]


_PLAIN = (str, int, float, bool, type(None))


def _told(record: Any) -> dict[str, Any]:
    """A log record as what can be sent: its message made, its traceback as text."""
    told = {name: value for name, value in record.__dict__.items() if isinstance(value, _PLAIN)}
    told["msg"], told["args"] = record.getMessage(), None
    if record.exc_info:
        import logging

        told["exc_text"] = record.exc_text or logging.Formatter().formatException(record.exc_info)
    told["exc_info"] = None
    return told


def _take_over_warnings(voice: Voice) -> None:
    import warnings

    def heard(message: Any, category: Any, filename: str, lineno: int, file: Any = None, line: Any = None) -> None:
        text = str(message)
        said = len(text) + 200, text, category.__module__, category.__qualname__, filename, lineno
        voice.say(WARNING, said, said[0])

    warnings.showwarning = heard


def _nothing() -> None:
    """What hears where nobody listens."""
