"""A run as a trace: the JSON that Chrome (`chrome://tracing`) and Perfetto open, with the run's record inside.

Owns that format. What it writes, `alongside report` reads again. Must never look at a run, only at its record.

The format: "Trace Event Format", the JSON object form; complete events ("X") in microseconds, a thread per lane,
counters ("C") for the workers that are busy and for memory. Readers ignore keys they do not know, such as ours.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from typing import Any

from alongside.observe.lanes import Span
from alongside.observe.record import Record

OURS = "alongside"


def write(record: Record, path: str | os.PathLike[str]) -> None:
    """Write the trace, an event per line."""
    with open(path, "w", encoding="utf-8") as file:
        file.write('{"displayTimeUnit": "ms", "traceEvents": [\n')
        file.writelines((",\n" if place else "") + json.dumps(event) for place, event in enumerate(events(record)))
        file.write(f'\n], "{OURS}": {json.dumps(record.as_dict())}}}\n')


def read(path: str | os.PathLike[str]) -> Record:
    """The record in a trace that `write` wrote; `ValueError` where there is none."""
    with open(path, encoding="utf-8") as file:
        try:
            data = json.load(file)
        except ValueError as error:
            raise ValueError(f"{path!r} is not JSON: {error}") from error
    try:
        return Record.from_dict(data[OURS] if isinstance(data, dict) else None)
    except (KeyError, TypeError, ValueError) as error:
        reason = error if isinstance(error, ValueError) else "there is no record of a run in it"
        raise ValueError(f"{path!r} was not written by run.trace or --trace: {reason}") from error


def events(record: Record) -> Iterator[dict[str, Any]]:
    """The trace's events."""
    yield _named("process_name", 0, f"{record.function} on {record.backend}")
    for lane, (name, spans) in enumerate(record.lanes, 1):
        yield _named("thread_name", lane, name)
        yield {"ph": "M", "pid": 1, "tid": lane, "name": "thread_sort_index", "args": {"sort_index": lane}}
        for fields in spans:
            yield _complete(lane, Span(*fields))
    for at, backend in record.moves[1:]:
        yield {"ph": "i", "s": "g", "pid": 1, "tid": 0, "ts": at * 1e6, "name": f"moved to {backend}"}
    for at, busy in record.utilisation:
        yield _counter("busy workers", at, {"workers": round(busy, 3)})
    for at, own, workers, _ in record.memory:
        yield _counter("memory", at, {"this process": own, "workers": workers})


def _complete(lane: int, span: Span) -> dict[str, Any]:
    name = f"task {span.first}" if span.tasks == 1 else f"{span.tasks} tasks from {span.first}"
    event: dict[str, Any] = {"ph": "X", "pid": 1, "tid": lane, "name": name + (" failed" if span.failed else "")}
    event |= {"ts": span.start * 1e6, "dur": (span.end - span.start) * 1e6, "cat": "failed" if span.failed else "task"}
    event["args"] = {"first": span.first, "tasks": span.tasks, "attempt": span.attempt, "failed": span.failed}
    if span.failed:
        event["cname"] = "terrible"
    return event


def _named(kind: str, lane: int, name: str) -> dict[str, Any]:
    return {"ph": "M", "pid": 1, "tid": lane, "name": kind, "args": {"name": name}}


def _counter(name: str, at: float, values: dict[str, float]) -> dict[str, Any]:
    return {"ph": "C", "pid": 1, "name": name, "ts": at * 1e6, "args": values}
