"""What the commands write: results as JSON lines, failures on standard error and in a file.

Owns the formats of output. Must never decide what is run, nor what the exit code is.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Iterator
from types import TracebackType
from typing import IO, Any, Protocol, Self

import typer

MOST_REPORTED = 20
"""Failures that are told one by one on standard error."""

ITEM_LENGTH, ERROR_LENGTH = 80, 300
"""Characters of an item and of an error that are shown."""

AS_ESCAPES = "backslashreplace"
"""How half a surrogate pair is written: as the escape that JSON has for it."""


class ReaderGone(Exception):
    """Whoever read the results has closed the pipe (`| head`)."""


class NotJson(TypeError):
    """A result has no JSON form."""


class FailedTask(Protocol):
    """What is told of a failure: an `alongside.Failure`, or a result that could not be written."""

    @property
    def index(self) -> int | None: ...
    @property
    def item(self) -> Any: ...
    @property
    def exception(self) -> BaseException | None: ...
    @property
    def attempts(self) -> int: ...


class Results:
    """Results as JSON lines, to a file or to standard output; each line is flushed: a reader sees it at once."""

    def __init__(self, path: str | None) -> None:
        self._closing = contextlib.ExitStack()
        self._stream = self._closing.enter_context(open_to_write(path, "--output") if path else reserved_stdout())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *failure: object) -> None:
        self._closing.close()

    def write(self, value: Any) -> None:
        """Write one result.

        Raises:
            NotJson: the value has no JSON form; nothing was written.
            ReaderGone: nobody reads any more.
        """
        line = to_json(value)
        try:
            self._stream.write(line + "\n")
            self._stream.flush()
        except BrokenPipeError as error:
            discard(self._stream)
            raise ReaderGone from error


@contextlib.contextmanager
def reserved_stdout() -> Iterator[IO[str]]:
    """Standard output for results alone: what the function prints, here or in a worker, goes to standard error.

    Why the descriptor too and not only `sys.stdout`: workers inherit the descriptor, and so do C code and programs that
    the function starts.
    """
    own = sys.stdout
    with contextlib.redirect_stdout(sys.stderr):
        try:
            number = own.fileno()
        except OSError:  # not a real file: a test has replaced it
            yield own
            return
        own.flush()
        aside = os.dup(number)
        os.dup2(sys.stderr.fileno(), number)
        try:
            with open(aside, "w", encoding="utf-8", errors=AS_ESCAPES, closefd=False) as stream:
                yield stream
        finally:
            os.dup2(aside, number)
            os.close(aside)


def to_json(value: Any) -> str:
    """One line of JSON.

    Raises:
        NotJson: says which type is in the way and what to return instead.
    """
    try:
        return json.dumps(value, ensure_ascii=False, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise NotJson(
            f"the result, {a(type(value).__name__)}, is not JSON ({error}): return a dict, list, text, number, "
            "true, false or None, or write a file in the function and return its path"
        ) from error


def a(noun: str) -> str:
    """The noun with its article."""
    return f"{'an' if noun[:1].lower() in 'aeiou' else 'a'} {noun}"


def open_to_write(path: str, option: str) -> IO[str]:
    """The file, emptied.

    Raises:
        typer.BadParameter: it cannot be written.
    """
    try:
        return open(path, "w", encoding="utf-8", errors=AS_ESCAPES)
    except OSError as error:
        raise typer.BadParameter(f"Cannot write {path!r}: {error.strerror}.", param_hint=option) from error


def discard(stream: IO[str]) -> None:
    """Let what is still buffered go nowhere, so that Python does not complain about the closed pipe when it ends."""
    with contextlib.suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)


class Failures:
    """Counts failures, tells the first of them on standard error, and all of them to a file as JSON lines."""

    def __init__(self, path: str | None, beside_progress: bool) -> None:
        self.count = 0
        self.first: FailedTask | None = None
        self._beside_progress = beside_progress
        self._stream = open_to_write(path, "--failures") if path else None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._stream:
            self._stream.close()

    def add(self, failure: FailedTask) -> None:
        """Count it, record it, tell it."""
        self.count += 1
        self.first = self.first or failure
        if self._stream:
            self._stream.write(failure_line(failure) + "\n")
            self._stream.flush()
        if self.count <= MOST_REPORTED:
            self.say(describe(failure))
        elif self.count == MOST_REPORTED + 1:
            self.say(
                f"Further failures are counted but not shown{'' if self._stream else '; --failures FILE keeps all'}."
            )

    def say(self, line: str) -> None:
        """One line on standard error, above the progress bar where there is one."""
        if self._beside_progress:
            from tqdm import tqdm

            tqdm.write(line, file=sys.stderr)
        else:
            typer.echo(line, err=True)


def failure_line(failure: FailedTask) -> str:
    """A failure as one line of JSON: index, item, error, attempts."""
    record = {
        "index": failure.index,
        "item": failure.item,
        "error": told(failure.exception),
        "attempts": failure.attempts,
    }
    return json.dumps(record, ensure_ascii=False, default=repr)


def describe(failure: FailedTask) -> str:
    """A failure in one line for people."""
    tried = f" after {failure.attempts} attempts" if failure.attempts > 1 else ""
    which = "a task" if failure.index is None else f"task {failure.index}, {shortened(repr(failure.item), ITEM_LENGTH)}"
    return f"Failed{tried}: {which}: {shortened(told(failure.exception), ERROR_LENGTH)}"


def told(error: BaseException | None) -> str:
    """`ValueError: what it says`."""
    text = str(error)
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def means(plan: Any) -> str:
    """A plan's backend and workers: `processes, 2 at once`."""
    return plan.backend if plan.max_workers is None else f"{plan.backend}, {plan.max_workers} at once"


def shortened(text: str, limit: int) -> str:
    """The text on one line, with an ellipsis where it was cut."""
    line = " ".join(text.split())
    return line if len(line) <= limit else line[: limit - 1] + "…"
