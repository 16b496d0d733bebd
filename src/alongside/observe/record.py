"""The record of a run: everything a page, a trace or a notebook shows of it, as plain data.

Owns what is kept of a run for people, and its bounds: failures and items become text here, cut to a length, so that a
record is small, can be written to a file, and holds nothing of the user's. Must never format anything for a medium.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field
from re import findall
from typing import TYPE_CHECKING, Any

from alongside.core.telling import Told, clean, text_of, told

if TYPE_CHECKING:
    from alongside.core.choose import Plan
    from alongside.core.model import Failure
    from alongside.observe.lanes import Lane
    from alongside.observe.timeline import Timeline

MOST_FAILURES = 200
"""Failures that are told in full; the others are counted."""

VERSION = 1
"""Of the format in which a record is written."""


@dataclass(slots=True)
class Record:
    """A run as plain data. Times are seconds since it began, memory is bytes."""

    function: str
    backend: str
    workers: int
    reasons: list[str]
    predictions: dict[str, float]
    seconds: float
    tasks: int
    succeeded: int
    failed: int
    retried: int
    began: str = ""
    machine: str = ""
    moves: list[tuple[float, str]] = field(default_factory=list)
    lanes: list[tuple[str, list[tuple[Any, ...]]]] = field(default_factory=list)
    """For each lane its name and its spans: the fields of `Span`, in their order."""
    grain: float = 0.0
    utilisation: list[tuple[float, float]] = field(default_factory=list)
    durations: list[tuple[float, int]] = field(default_factory=list)
    slowest: list[tuple[Any, ...]] = field(default_factory=list)
    """The fields of `Slow`, and the item as text where it is known."""
    memory: list[tuple[Any, ...]] = field(default_factory=list)
    """The fields of `Sample`."""
    failures: list[Told] = field(default_factory=list)
    peak_memory: int = 0
    version: int = VERSION

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: Any) -> Record:
        """From what `as_dict` gave and JSON has carried; `ValueError` where it is something else."""
        try:
            if data["version"] != VERSION:
                raise ValueError(f"it was written as version {data['version']} of this format, not {VERSION}")
            data = dict(data, failures=[Told(**failure) for failure in data["failures"]])
            return cls(**data)
        except (KeyError, TypeError) as error:
            raise ValueError("it is not a record of a run of alongside's") from error


def record_of(
    timeline: Timeline,
    plan: Plan,
    function: str,
    counts: tuple[int, int, int, int],
    seconds: float,
    failures: Iterable[Failure],
    item_of: Callable[[int], Any] | None = None,
) -> Record:
    """The record of a run. `counts`: tasks, succeeded, failed, retried. `item_of`: from an index to its item."""
    tasks, succeeded, failed, retried = counts
    return Record(
        function=clean(function),
        backend=plan.backend,
        workers=plan.max_workers or len(timeline.lanes),
        reasons=[clean(reason) for reason in plan.reasons],
        predictions=dict(plan.predictions),
        seconds=seconds,
        tasks=tasks,
        succeeded=succeeded,
        failed=failed,
        retried=retried,
        began=_began(seconds),
        machine=f"{os.cpu_count()} CPUs, Python {platform.python_version()}, {platform.system()}",
        moves=list(timeline.moves),
        lanes=[(lane.name, [tuple(span) for span in lane.spans]) for lane in sorted(timeline.lanes, key=_by_number)],
        grain=timeline.lanes.grain,
        utilisation=timeline.utilisation(),
        durations=list(timeline.durations.items()),
        slowest=[(*slow, _item(item_of, slow.task)) for slow in timeline.slowest],
        memory=[tuple(sample) for sample in timeline.memory],
        failures=[told(failure) for failure, _ in zip(failures, range(MOST_FAILURES), strict=False)],
        peak_memory=max((sample.own + sample.workers for sample in timeline.memory), default=0),
    )


def _by_number(lane: Lane) -> tuple[bool, list[int]]:
    """In the order in which the workers were hired; a lane that several share comes last."""
    numbers = [int(digits) for digits in findall(r"\d+", lane.name)]
    return not numbers, numbers


def _item(item_of: Callable[[int], Any] | None, index: int) -> str:
    if item_of is None:
        return ""
    try:
        return text_of(item_of(index))
    except IndexError:
        return ""  # its outcome was dropped: a failure before it was raised


def _began(seconds: float) -> str:
    from datetime import UTC, datetime, timedelta

    began = datetime.now(UTC).astimezone() - timedelta(seconds=seconds)
    return began.strftime("%Y-%m-%d %H:%M:%S %Z")
