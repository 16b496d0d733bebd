"""The demonstration: one call, three kinds of work, each against a plain loop on the same input.

Run it with ./scripts/demo. It uses alongside's public names only. There is no `if __name__ == "__main__"` anywhere:
it is not needed. Exit code 1 means that a result differed from the plain loop's; a poor ratio is printed, not hidden.
"""

import asyncio
import os
import subprocess
import sys
import sysconfig
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from computing import Figures, figures
from packing import packed
from pages import LATENCY, fetch, fetch_async, page_text
from rich.console import Console
from rich.table import Table

import alongside

PAGES = 300
HERE = Path(__file__).parent
LIBRARY = Path(sysconfig.get_path("stdlib"))
INSTALLED = Path(sysconfig.get_path("purelib"))
console = Console(highlight=False)


@dataclass(frozen=True)
class Comparison:
    """One kind of work, done by a plain loop and by alongside."""

    name: str
    run: Any
    loop_seconds: float
    scaled: bool
    equal: bool

    @property
    def ratio(self) -> float:
        """How many times sooner alongside was done."""
        return self.loop_seconds / float(self.run.stats.seconds)


def plain_loop(fn: Callable[[Any], Any], items: Sequence[Any]) -> list[Any]:
    """What anybody writes first. An exception takes its value's place, so that the loop can go on."""
    results: list[Any] = []
    for item in items:
        try:
            results.append(fn(item))
        except Exception as error:
            results.append(error)
    return results


def plain_async_loop(fn: Callable[[Any], Any], items: Sequence[Any]) -> list[Any]:
    """The same for an async function: each awaited before the next begins."""

    async def one_after_another() -> list[Any]:
        return [await fn(item) for item in items]

    return asyncio.run(one_after_another())


def compare(
    name: str,
    fn: Callable[[Any], Any],
    items: Sequence[Any],
    loop: Callable[..., list[Any]] = plain_loop,
    part: int | None = None,
) -> Comparison:
    """Do the work both ways, and say what alongside chose and why. With `part`, the loop does that many, scaled."""
    done_by_loop = items[:part]
    begun = time.perf_counter()
    expected = loop(fn, done_by_loop)
    scale = len(items) / len(done_by_loop)
    seconds = (time.perf_counter() - begun) * scale
    note = f"   ({len(done_by_loop)} of {len(items)} measured, and scaled)" if scale > 1 else ""
    console.print(f"  plain loop  {seconds:6.2f} s{note}")

    run = alongside.run(fn, items)
    console.print(f"  alongside   {run.stats.seconds:6.2f} s   {tool(run)}")
    for reason in run.plan.reasons:
        console.print(f"    why: {reason}", markup=False, soft_wrap=True)
    equal = all(same(outcome, thing) for outcome, thing in zip(run.outcomes, expected, strict=scale == 1))
    return Comparison(name, run, seconds, scale > 1, equal)


def same(outcome: Any, expected: Any) -> bool:
    """The value that the loop got, or an exception of the same type with the same message."""
    if isinstance(expected, Exception):
        return type(outcome.exception) is type(expected) and str(outcome.exception) == str(expected)
    return bool(outcome.ok and outcome.value == expected)


def tool(run: Any) -> str:
    """The backend and how many work at a time."""
    return f"{run.plan.backend} x {run.plan.max_workers}"


def heading(text: str) -> None:
    """Begin a part."""
    console.print(f"\n[bold]{text}")


def read_once(paths: Iterator[Path]) -> list[Path]:
    """The files among `paths`, in order. Each is read now, so that neither side of a comparison pays for the disk."""
    files = sorted(path for path in paths if path.is_file())
    for file in files:
        file.read_bytes()
    return files


def library_files(pattern: str) -> Iterator[Path]:
    """The standard library's own files."""
    return (path for path in LIBRARY.rglob(pattern) if not {"site-packages", "dist-packages"} & set(path.parts))


def computing() -> Comparison:
    """Parse the standard library."""
    files = read_once(library_files("*.py"))
    heading(f"Computing: parse and measure the {len(files)} files of the standard library")
    done = compare("Computing", figures, files)
    console.print(busiest([outcome.value for outcome in done.run.outcomes if outcome.ok]))
    if done.run.failures:
        names = ", ".join(failure.item.name for failure in done.run.failures[:3])
        console.print(f"  {len(done.run.failures)} files are not valid Python; they stopped nothing: {names}, ...")
    return done


def busiest(found: list[Figures]) -> Table:
    """The files with the most complex functions."""
    table = Table(box=None, collapse_padding=True, pad_edge=False)
    table.add_column("file", no_wrap=True, max_width=22)
    for name in ("busiest function", "branches", "nesting", "lines", "defs", "classes"):
        table.add_column(name, justify="right", no_wrap=True, min_width=len(name))
    for file in sorted(found, key=lambda figures: figures.branches, reverse=True)[:8]:
        counts = (file.branches, file.nesting, file.lines, file.functions, file.classes)
        table.add_row("/".join(file.path.relative_to(LIBRARY).parts[-2:]), f"{file.busiest}()", *map(str, counts))
    return table


@contextmanager
def web_server() -> Iterator[list[str]]:
    """Start the server in a process of its own; give the addresses of its pages. It ends with its standard input."""
    command = [sys.executable, str(HERE / "server.py")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdin is not None
        assert server.stdout is not None
        port = int(server.stdout.readline())
        try:
            yield [f"http://127.0.0.1:{port}/page/{number}" for number in range(PAGES)]
        finally:
            server.stdin.close()


def waiting(part: int | None) -> list[Comparison]:
    """Fetch pages from a web server, with an ordinary function and with an async one."""
    what = f"{PAGES} pages, {LATENCY * 1000:.0f} ms each"
    with web_server() as urls:
        heading(f"Waiting, an ordinary function: {what}")
        ordinary = checked(compare("Waiting (def)", fetch, urls, part=part))
        heading(f"Waiting, an async function: {what}")
        return [ordinary, checked(compare("Waiting (async)", fetch_async, urls, plain_async_loop, part))]


def checked(comparison: Comparison) -> Comparison:
    """Look at what every page says, also those that the loop left out."""
    right = [outcome.value for outcome in comparison.run.outcomes] == [page_text(number) for number in range(PAGES)]
    console.print("  every page says what it must" if right else "  [red]a page does not say what it must")
    return replace(comparison, equal=comparison.equal and right)


def reading() -> Comparison:
    """How much smaller the standard library and the packages installed would be, compressed file by file."""
    files = read_once(library_files("*.py")) + read_once(INSTALLED.rglob("*.py"))
    heading(f"Reading and compressing: how small {len(files)} files would be")
    done = compare("Compressing", packed, files)
    before, after = (sum(sizes) / 1e6 for sizes in zip(*(outcome.value for outcome in done.run.outcomes), strict=True))
    console.print(f"  {before:.1f} MB of them would be {after:.1f} MB")
    return done


def summary(comparisons: list[Comparison]) -> Table:
    """The whole of it in one table."""
    table = Table("work", "tool chosen")
    for name in ("plain loop", "alongside", "ratio", "results"):
        table.add_column(name, justify="right")
    for done in comparisons:
        loop = f"{'≈ ' if done.scaled else ''}{done.loop_seconds:.2f} s"
        seconds = f"{done.run.stats.seconds:.2f} s"
        equal = "equal" if done.equal else "[red]DIFFER"
        table.add_row(done.name, tool(done.run), loop, seconds, f"{done.ratio:.1f} x", equal)
    return table


part = None if "--full" in sys.argv else 60
console.print(f"Python {sys.version.split()[0]}, {alongside.cpu_count()} CPUs")
console.print("Every part is one call: alongside.run(function, items)")
if os.getloadavg()[0] > alongside.cpu_count() / 2:
    console.print(
        f"Other programs keep this machine busy (load {os.getloadavg()[0]:.1f}): ratios will be lower than at rest."
    )
comparisons = [computing(), *waiting(part), reading()]
console.print()
console.print(summary(comparisons))
if part:
    console.print(f"≈ the loop was timed on {part} of {PAGES} pages, and scaled; --full fetches them all.")
sys.exit(0 if all(done.equal for done in comparisons) else 1)
