"""`alongside map`: a function over every item of the input, results as JSON lines.

Owns the options of the command and its exit codes. Must never hold more than a window of the input: items are read as
the run takes them and results are written as they come.
"""

from __future__ import annotations

import os
import sys
import time
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Annotated, Any, NamedTuple

import typer

from alongside.cli.arguments import Files, Func, Glob, InputFormat, Inputs, opened
from alongside.cli.functions import load
from alongside.cli.inputs import BadInput
from alongside.cli.output import FailedTask, Failures, NotJson, ReaderGone, Results, means, shortened
from alongside.cli.report import refuse_without_plotly
from alongside.runtime.callables import name_of

MOST_FAILURES = 200
"""Failures that a report can tell in full."""

SUCCEEDED, FAILED, USAGE, INTERRUPTED = 0, 1, 2, 130

HELP = """Call FUNC on every item of INPUT and write the results as JSON lines, in order.

FUNC is **module:function** or **path.py:function**; the current directory is importable. An item is a line of text
(files, standard input), a JSON value (.jsonl, .ndjson), a dictionary (.csv, by the header line) or a file's path
(--files, --glob). An async function works just as well.

A task that fails is reported on standard error and the rest goes on; --failures FILE keeps index, item, error and
attempts of each as JSON lines, so that they can be run again.

**Examples**

    seq 5 | alongside map math:sqrt --input-format jsonl

    alongside map clean.py:clean data.csv --output clean.jsonl

    alongside map pages.py:fetch urls.txt --timeout 10 --retries 3 --failures failed.jsonl

    alongside map photo.py:thumbnail --glob 'photos/**/*.jpg'

**Exit codes**: 0 all tasks succeeded (or the reader of the output had enough, as with `| head`); 1 some tasks failed;
2 the command cannot be run so (function, file or option), or the input is broken; 130 interrupted by Ctrl-C."""


class OnError(StrEnum):
    """What a failed task does to the rest."""

    skip = "skip"
    return_ = "return"
    raise_ = "raise"


@dataclass
class Job:
    """What is followed from the first result to the last."""

    on_error: OnError
    ordered: bool
    results: Results
    failures: Failures
    items: Iterable[Any] = ()
    kept: list[Any] = field(default_factory=list)
    """The first failures, for a report."""
    written: int = 0
    began: float = field(default_factory=time.perf_counter)


@dataclass(frozen=True)
class Unwritable:
    """A task that succeeded with a result that has no JSON form: to the reader of the output, a failure."""

    index: int | None
    item: Any
    exception: BaseException
    attempts: int = 1


class Pages(NamedTuple):
    """Where the run is to be shown: a page, a trace."""

    report: str | None
    trace: str | None

    def __bool__(self) -> bool:
        return self.report is not None or self.trace is not None

    def write(self, job: Job, results: Any, function: str) -> None:
        """Write what is wanted of a run that has begun."""
        if results is None or not self:
            return
        from alongside.cli import report as page

        failed = job.failures.count
        counts = job.written + failed, job.written, failed, results.timeline.retried
        took = time.perf_counter() - job.began
        record = page.record(results.timeline, results.plan, function, counts, job.kept, took)
        if self.report is not None:
            page.write_page(record, self.report, "--report")
        if self.trace is not None:
            page.write_trace(record, self.trace, "--trace")


def command(
    func: Func,
    inputs: Inputs = None,
    input_format: InputFormat = None,
    files: Files = False,
    glob: Glob = None,
    output: Annotated[
        str | None, typer.Option("--output", "-o", metavar="FILE", help="Results here; - or nothing: standard output.")
    ] = None,
    failures: Annotated[str | None, typer.Option(metavar="FILE", help="Failures here, as JSON lines.")] = None,
    unordered: Annotated[bool, typer.Option("--unordered", help="Write results as they come.")] = False,
    on_error: Annotated[
        OnError,
        typer.Option(
            help="When a task fails: skip goes on, return goes on and writes null in its place, raise stops there."
        ),
    ] = OnError.skip,
    backend: Annotated[
        str, typer.Option(help="auto measures and chooses; or serial, threads, processes, asyncio.")
    ] = "auto",
    workers: Annotated[
        int | None, typer.Option("--workers", "-w", min=1, help="At most so many at once; found by measurement.")
    ] = None,
    timeout: Annotated[float | None, typer.Option(metavar="SECONDS", help="For one attempt at a task.")] = None,
    retries: Annotated[int, typer.Option(min=0, help="Further attempts for a task that failed.")] = 0,
    batch_size: Annotated[int | None, typer.Option(min=1, help="Tasks sent to a worker together; adapts.")] = None,
    window: Annotated[
        int | None, typer.Option(min=1, help="Tasks read ahead; 1: each result is written before more is read.")
    ] = None,
    report: Annotated[str | None, typer.Option(metavar="FILE", help="A page of the run here (HTML).")] = None,
    trace: Annotated[str | None, typer.Option(metavar="FILE", help="A trace of the run here, for Perfetto.")] = None,
    progress: Annotated[
        bool | None, typer.Option("--progress/--no-progress", help="A bar on standard error; shown in a terminal.")
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No closing line on standard error.")] = False,
) -> None:
    output = None if output == "-" else output
    _refuse_overwriting(inputs or [], output=output, failures=failures, report=report, trace=trace)
    if report is not None:
        refuse_without_plotly("--report")
    fn = load(func)
    items = opened(inputs, input_format, files, glob)
    bar = _bar_is_welcome(output) if progress is None else progress
    options: dict[str, Any] = {"backend": backend, "timeout": timeout, "retries": retries, "max_workers": workers}
    options |= {"batch_size": batch_size, "window": window, "progress": bar}
    with ExitStack() as stack:
        job = Job(
            on_error,
            not unordered,
            stack.enter_context(Results(output)),
            stack.enter_context(Failures(failures, beside_progress=bar)),
        )
        code = _run(job, fn, items, options, quiet, Pages(report, trace))
    raise typer.Exit(code)


command.__doc__ = HELP


def _bar_is_welcome(output: str | None) -> bool:
    """In a terminal, unless the results run through the same terminal and would tear the bar apart."""
    return sys.stderr.isatty() and (output is not None or not sys.stdout.isatty())


def _refuse_overwriting(inputs: list[str], **written: str | None) -> None:
    """Opening an output empties it: that must not happen to an input, nor to one file twice."""
    seen = [name for name in inputs if name != "-"]
    for option, path in written.items():
        if path is None:
            continue
        if any(_same_file(path, other) for other in seen):
            raise typer.BadParameter(f"{path!r} is already read or written by this command.", param_hint=f"--{option}")
        seen.append(path)


def _same_file(one: str, other: str) -> bool:
    return os.path.realpath(one) == os.path.realpath(other) and not one.startswith("/dev/")


def _run(job: Job, fn: Any, items: Iterable[Any], options: dict[str, Any], quiet: bool, pages: Pages) -> int:
    """Follow the run to its end; the exit code."""
    import alongside
    from alongside.compose import ordinary

    job.items = Remembered(items) if job.ordered and not isinstance(items, list) else items
    results: Any = None
    try:
        results = ordinary.stream(fn, (job.items,), {"on_error": "return", **options}, job.ordered, watched=bool(pages))
        code = _follow(job, results)
    except ReaderGone:
        code, quiet = SUCCEEDED, True
    except KeyboardInterrupt:
        code = INTERRUPTED
    except BadInput as error:
        job.failures.say(str(error))
        code = USAGE
    except (alongside.OptionError, alongside.BackendUnavailable, alongside.NotPicklable) as error:
        raise typer.BadParameter(str(error)) from error
    except alongside.InternalError:
        raise
    except alongside.AlongsideError as error:
        job.failures.say(str(error))
        code = FAILED
    finally:
        if results is not None:
            results.close()
    if not quiet:
        _close(job, getattr(results, "plan", None), code)
    pages.write(job, results, name_of(fn))
    return code


def _follow(job: Job, results: Iterable[Any]) -> int:
    """Write every result and report every failure."""
    import alongside

    for index, value in enumerate(results):
        failure: FailedTask | None = value if isinstance(value, alongside.Failure) else None
        if failure is not None and len(job.kept) < MOST_FAILURES:
            job.kept.append(failure)
        item = _item(job, index)
        if failure is None:
            failure = _write(job, index, item, value)
        if failure is not None and not _goes_on(job, failure):
            break
    return FAILED if job.failures.count else SUCCEEDED


def _item(job: Job, index: int) -> Any:
    """The item of the result that came as number `index`; None where results come as they are ready."""
    if isinstance(job.items, Remembered):
        return job.items.take()
    return job.items[index] if job.ordered and isinstance(job.items, list) else None


def _write(job: Job, index: int, item: Any, value: Any) -> Unwritable | None:
    try:
        job.results.write(value)
    except NotJson as error:
        return Unwritable(index if job.ordered else None, item, error)
    job.written += 1
    return None


def _goes_on(job: Job, failure: FailedTask) -> bool:
    job.failures.add(failure)
    if job.on_error is OnError.return_:
        job.results.write(None)
    return job.on_error is not OnError.raise_


def _close(job: Job, plan: Any, code: int) -> None:
    job.failures.say(_closing_line(job, plan, code))
    first = job.failures.first
    if not job.written and first and isinstance(first.item, str) and type(first.exception) is TypeError:
        job.failures.say("The items are text here. For numbers, lists or objects: --input-format jsonl")


def _closing_line(job: Job, plan: Any, code: int) -> str:
    """How many, how they ended, how long it took, with what and why."""
    total = job.written + job.failures.count
    counts = f"{total:,} {'task' if total == 1 else 'tasks'}" + (
        f", {job.failures.count:,} failed," if job.failures.count else ""
    )
    stopped = {INTERRUPTED: "Interrupted after ", USAGE: "Stopped after "}.get(code, "")
    return f"{stopped}{counts} in {time.perf_counter() - job.began:.2f} s{_how(plan)}"


def _how(plan: Any) -> str:
    if plan is None:
        return "."
    reason = f": {shortened(plan.reasons[0], 160)}" if plan.reasons else "."
    return f" with {means(plan)}{reason}"


# --- the items of results that come in order ----------------------------------------------------------------------


class Remembered:
    """The items of a stream, kept from when they are read until their results come: at most a window of them."""

    def __init__(self, items: Iterable[Any]) -> None:
        self._items = items
        self._waiting: deque[Any] = deque()

    def __iter__(self) -> Iterator[Any]:
        for item in self._items:
            self._waiting.append(item)
            yield item

    def take(self) -> Any:
        """The item of the next result; to be asked once for each."""
        return self._waiting.popleft()
