"""What a run gives back: `Run`, its `Stats`, and the collectors that gather outcomes.

Owns finished outcomes. Must never influence what is still running.
"""

from __future__ import annotations

from collections.abc import Sequence

from alongside.core.choose import Plan
from alongside.core.model import Block, Delivery, Failure, Job, Outcome, size
from alongside.core.options import OnError
from alongside.exceptions import OptionError
from alongside.light import dataclass, field

TYPE_CHECKING = False
if TYPE_CHECKING:
    from os import PathLike
    from typing import Any

    from alongside.observe.record import Record
    from alongside.observe.timeline import Timeline


@dataclass(slots=True)
class Stats:
    """The run in numbers.

    `seconds` is wall time from the call to its return, `workers` how many did something, `concurrency` how many tasks
    could run side by side in the end. `planned` is how much of the time had gone when the plan was made with which the
    run ended: its predictions are for what was left then.
    """

    tasks: int = 0
    succeeded: int = 0
    failed: int = 0
    retried: int = 0
    seconds: float = 0.0
    workers: int = 0
    concurrency: int = 0
    planned: float = 0.0


@dataclass(slots=True)
class Run:
    """Everything one call of `alongside.run` brought.

    `results`: what `map` would give under the same `on_error` ("return" puts a `Failure` in a failed task's place,
    "skip" leaves it out). `outcomes`: one `Outcome` per task, made when asked for. `failures`: the failed ones; their
    `item`s can be run again. `plan`: the backend and why. `stats`: the run in numbers. `timeline`: what every worker
    did when.

    >>> import alongside
    >>> run = alongside.run(int, ["1", "x", "3"])
    >>> run.stats.succeeded, [failure.item for failure in run.failures], run.outcomes[2].value
    (2, ['x'], 3)
    """

    plan: Plan
    stats: Stats
    _job: Job
    _on_error: OnError
    timeline: Timeline
    _deliveries: list[Delivery] = field(default_factory=list)

    @property
    def results(self) -> list[Any]:
        """The values, in the order of the input."""
        results: list[Any] = []
        for delivery in self._deliveries:
            results.extend(values_of(delivery, self._on_error))
        return results

    @property
    def outcomes(self) -> list[Outcome]:
        """What each task ended in, in the order of the input."""
        outcomes: list[Outcome] = []
        for delivery in self._deliveries:
            outcomes.extend(delivery.outcomes() if isinstance(delivery, Block) else [delivery])
        return outcomes

    @property
    def failures(self) -> list[Failure]:
        """The tasks that failed, in the order of the input."""
        return [delivery for delivery in self._deliveries if isinstance(delivery, Failure)]

    def replay(self, index: int, debug: bool = False) -> Any:
        """Run the task with this index again, here, in this process and thread; with its `seed`, if the run had one.

        Returns what the function returns and raises what it raises. `debug`: under the debugger (IPython's in IPython),
        which stops at the function's first line, and again where it raises. An `initializer` is not called.
        """
        from alongside.runtime import replay

        return replay.replay(self._job, index, self._item(index), debug)

    def report(self, path: str | PathLike[str]) -> None:
        """Write the run as one HTML file that opens without a network: lanes, durations, failures, reasons.

        Takes 5 MB and about a second, whatever the number of tasks (for coroutines some 7 s per million). Needs
        `pip install 'alongside[report]'`; raises `ImportError` where that is missing.
        """
        from alongside.observe import report

        report.write(self._record(), path)

    def trace(self, path: str | PathLike[str]) -> None:
        """Write the run as a trace for Perfetto or `chrome://tracing`; `alongside report` makes a page of it.

        About 200 bytes a span, at most 65,536 spans.
        """
        from alongside.observe import trace

        trace.write(self._record(), path)

    def _record(self) -> Record:
        from alongside.observe.record import record_of
        from alongside.runtime.callables import name_of

        s = self.stats
        counts = s.tasks, s.succeeded, s.failed, s.retried
        return record_of(self.timeline, self.plan, name_of(self._job.fn), counts, s.seconds, self.failures, self._item)

    def _repr_html_(self) -> str:
        from alongside.observe import display

        return display.run(self._record())

    def _item(self, index: int) -> Any:
        if not hasattr(index, "__index__"):
            raise OptionError(
                f"a task is named by its index, a whole number (run.failures[0].index, say); not {index!r}."
            )
        for delivery in self._deliveries:
            if isinstance(delivery, Failure):
                if delivery.index == index:
                    return delivery.item
            elif delivery.start <= index < delivery.start + len(delivery):
                return delivery.items[index - delivery.start]
        raise IndexError(f"this run has no task {index}; it has {sum(map(size, self._deliveries))} of them.")

    def __repr__(self) -> str:
        s = self.stats
        ended = f"{s.succeeded} succeeded, {s.failed} failed"
        return f"<Run of {s.tasks} tasks: {ended}, {s.seconds:.3g} s on {self.plan.backend}>"


def values_of(delivery: Delivery, on_error: OnError) -> Sequence[Any]:
    """What `map` and its kin give for a delivery: its values; for a failure itself, or nothing where it is skipped."""
    if isinstance(delivery, Block):
        return delivery.values
    return (delivery,) if on_error == "return" else ()


class Values:
    """Collects what `map` returns, and nothing else."""

    def __init__(self, on_error: OnError) -> None:
        self.values: list[Any] = []
        self._on_error = on_error

    def taken(self) -> list[Any]:
        """What was collected; nothing of it is kept here, so that it goes when the caller lets go of it."""
        values, self.values = self.values, []
        return values

    def __call__(self, deliveries: Sequence[Delivery]) -> None:
        for delivery in deliveries:
            self.values.extend(values_of(delivery, self._on_error))
