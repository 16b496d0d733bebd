"""INPUT on the command line: from files, standard input and patterns to a lazy stream of items.

Owns the formats. Must never hold more than one line of an input in memory, nor know what is done with the items.
"""

from __future__ import annotations

import csv
import glob
import itertools
import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from enum import StrEnum
from typing import IO, Any

import typer

STANDARD_INPUT = "-"


class Format(StrEnum):
    """How an input is cut into items."""

    lines = "lines"
    jsonl = "jsonl"
    csv = "csv"
    files = "files"


ENDINGS = {".jsonl": Format.jsonl, ".ndjson": Format.jsonl, ".csv": Format.csv}


class BadInput(Exception):
    """The input itself is broken at a place that was only reached while the run was under way."""


def open_items(names: list[str], format: Format | None = None, patterns: list[str] | None = None) -> Iterable[Any]:
    """The items of all inputs, one after the other, read as they are asked for.

    Args:
        names: files; `-` is standard input, which is also read where nothing is named.
        format: how to cut them; None guesses from each file's ending, and takes lines where that says nothing.
        patterns: glob patterns (`**` crosses folders); their matches come after `names`, sorted. With patterns and no
            format, each item is a file's path.

    Raises:
        typer.BadParameter: a file does not exist or cannot be read, or nothing matches a pattern.
    """
    names = [*names, *_matches(patterns or [])]
    as_paths = format is Format.files or (format is None and bool(patterns))
    for name in names:
        _check(name, folder_is_fine=as_paths)
    if as_paths and STANDARD_INPUT not in names and names:
        return names
    reader = Format.lines if as_paths else format
    return itertools.chain.from_iterable(_read(name, reader) for name in names or [STANDARD_INPUT])


def _matches(patterns: list[str]) -> Iterator[str]:
    for pattern in patterns:
        found = sorted(glob.glob(pattern, recursive=True))
        if not found:
            raise typer.BadParameter(
                f"Nothing matches {pattern!r} in {os.getcwd()}. Quote the pattern, so that the shell leaves it.",
                param_hint="--glob",
            )
        yield from found


def _check(name: str, folder_is_fine: bool) -> None:
    if name == STANDARD_INPUT:
        return
    if not os.path.exists(name):
        raise _bad(f"There is no file {name!r}. Paths count from the current directory, {os.getcwd()}.")
    if os.path.isdir(name) and not folder_is_fine:
        raise _bad(f"{name!r} is a folder. For the files in it: --glob '{name.rstrip('/')}/*'")
    if not os.access(name, os.R_OK):
        raise _bad(f"{name!r} cannot be read: permission denied.")


def _bad(message: str) -> typer.BadParameter:
    return typer.BadParameter(message, param_hint="INPUT")


def _read(name: str, format: Format | None) -> Iterator[Any]:
    if name == STANDARD_INPUT:
        _say_that_lines_are_awaited()
        yield from _cut(sys.stdin, "standard input", format or Format.lines)
        return
    # `utf-8-sig`: files from spreadsheets begin with a mark that belongs to no item.
    with open(name, encoding="utf-8-sig", newline="" if _format_of(name, format) is Format.csv else None) as stream:
        yield from _cut(stream, name, _format_of(name, format))


def _format_of(name: str, format: Format | None) -> Format:
    return format or ENDINGS.get(os.path.splitext(name)[1].lower(), Format.lines)


def _say_that_lines_are_awaited() -> None:
    if sys.stdin.isatty():
        typer.echo("Reading lines from the terminal: one item each, Ctrl-D ends.", err=True)


def _cut(stream: IO[str], name: str, format: Format) -> Iterator[Any]:
    cutter: Callable[[IO[str], str], Iterator[Any]] = {Format.jsonl: _json_lines, Format.csv: _csv_rows}.get(
        format, _lines
    )
    try:
        yield from cutter(stream, name)
    except UnicodeDecodeError as error:
        raise BadInput(f"{name} is not UTF-8 text: {error.reason} at byte {error.start}.") from error


def _lines(stream: IO[str], name: str) -> Iterator[str]:
    for line in stream:
        yield line.rstrip("\r\n")


def _json_lines(stream: IO[str], name: str) -> Iterator[Any]:
    for number, line in enumerate(stream, 1):
        if line.strip():
            yield _from_json(line, name, number)


def _from_json(line: str, name: str, number: int) -> Any:
    try:
        return json.loads(line)
    except json.JSONDecodeError as error:
        why = f"{error.msg}, at column {error.colno}"
        raise BadInput(f"Line {number} of {name} is not JSON ({why}). Plain lines: --input-format lines") from error


def _csv_rows(stream: IO[str], name: str) -> Iterator[dict[str, Any]]:
    rows = csv.DictReader(stream)
    try:
        yield from rows
    except csv.Error as error:
        raise BadInput(f"Line {rows.line_num} of {name} is not CSV: {error}.") from error
