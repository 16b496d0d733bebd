"""`alongside doctor`: what this machine offers, and what that means for alongside.

Owns the wording of the table and of the advice. Must never measure: the facts come from `describe_machine`.
"""

from __future__ import annotations

from collections.abc import Iterator

from alongside.runtime.description import Machine, describe_machine

SMALL_SHARED_MEMORY = 256 << 20
"""Bytes of /dev/shm below which other libraries run out of it; a container has 64 MB where nobody asked for more."""

FEW_OPEN_FILES = 1024
"""Open files below which a few hundred connections do not fit beside the rest."""

NAME_WIDTH, VALUE_WIDTH = 22, 46
"""Characters of the table's columns, at the least."""

USES = {
    "numpy": "arrays cross processes without a copy",
    "plotly": "a run's page, with jinja2: the extra report",
    "jinja2": "a run's page; the guide as a page",
    "uvloop": "faster event loops: the extra fast",
    "joblib": "joblib and scikit-learn on alongside: the extra joblib",
}


def command() -> None:
    """Show what this machine offers: Python, CPUs, memory, ways to start workers, libraries, extras.

    **Exit code**: 0.
    """
    from rich.console import Console
    from rich.table import Table

    machine = describe_machine()
    console = Console(highlight=False)
    for title, rows in sections(machine):
        table = Table(title=title, title_justify="left", show_header=False)
        table.add_column(min_width=NAME_WIDTH)
        table.add_column(min_width=VALUE_WIDTH)
        for row in rows:
            table.add_row(*row)
        console.print(table)
    for line in advice(machine):
        console.print(f"• {line}", markup=False)


def sections(machine: Machine) -> Iterator[tuple[str, list[tuple[str, str]]]]:
    """The tables: a title, and rows of name and value."""
    yield "Python", python_rows(machine)
    yield "CPUs and memory", resource_rows(machine)
    yield "Workers", worker_rows(machine)
    yield (
        "Numerical libraries",
        [(f"{blas.name} {blas.version}", f"{_count(blas.threads, 'thread')}") for blas in machine.blas]
        or [("none found", "")],
    )
    yield "Extras", [(name, _extra(name, version)) for name, version in machine.extras.items()]


def python_rows(machine: Machine) -> list[tuple[str, str]]:
    """The interpreter."""
    gil = "on" if machine.gil_enabled else "off: threads run Python code side by side"
    return [
        ("Version", f"{machine.python} ({machine.build})"),
        ("Platform", machine.platform),
        ("Free-threaded build", f"{_yes(machine.free_threaded)}; the global interpreter lock is {gil}"),
        ("Sub-interpreters", _yes(machine.interpreters)),
    ]


def resource_rows(machine: Machine) -> list[tuple[str, str]]:
    """CPUs, memory, open files."""
    found = machine.memory
    quota = "none" if machine.cpu_quota is None else f"{machine.cpu_quota:g} CPUs"
    limit = "none" if found.limit is None else f"{bytes_in_words(found.limit)} ({found.limit_source})"
    found_by = f"there are {machine.cpus_present}; affinity: {machine.cpus_allowed}; quota: {quota}"
    return [
        ("CPUs to use", f"{machine.cpus} ({found_by})"),
        ("Memory", bytes_in_words(found.total)),
        ("Memory limit", limit),
        ("Memory available", bytes_in_words(found.available)),
        ("Open files", "no limit" if machine.open_files is None else f"{machine.open_files:,}"),
    ]


def worker_rows(machine: Machine) -> list[tuple[str, str]]:
    """How worker processes can be started and fed."""
    return [
        ("Start methods", ", ".join(machine.start_methods)),
        ("fork", _yes(machine.fork)),
        ("Anonymous memory files", _yes(machine.memfd)),
        ("/dev/shm", "none" if machine.shm_size is None else bytes_in_words(machine.shm_size)),
    ]


def advice(machine: Machine) -> Iterator[str]:
    """What follows from the facts, one sentence or two each."""
    yield from _advice_on_cpus(machine)
    yield from _advice_on_memory(machine)
    yield from _advice_on_system(machine)
    yield from _advice_on_libraries(machine)


def _advice_on_cpus(machine: Machine) -> Iterator[str]:
    if machine.cpus_chosen:
        yield f"ALONGSIDE_CPU_COUNT={machine.cpus_chosen} overrules what was found."
    if machine.cpu_quota is not None and machine.cpu_quota < machine.cpus_allowed:
        yield (
            f"This container may use {machine.cpu_quota:g} of {_count(machine.cpus_allowed, 'CPU')}: "
            f"alongside starts {_count(machine.cpus, 'worker process', 'worker processes')}, not more."
        )
    if machine.cpus == 1:
        yield "One CPU: nothing makes computing faster here; threads and asyncio still help a function that waits."
    if machine.free_threaded and machine.gil_enabled:
        yield "This build can run without the lock, but it is on: an extension module or PYTHON_GIL=1 switched it on."


def _advice_on_memory(machine: Machine) -> Iterator[str]:
    found = machine.memory
    if found.limit is not None:
        yield f"The limit of {bytes_in_words(found.limit)} counts, not the machine's {bytes_in_words(found.total)}."
    most = found.limit or found.total
    if found.available < most // 10:
        yield f"Only {bytes_in_words(found.available)} are free: large items or results may not fit."


def _advice_on_system(machine: Machine) -> Iterator[str]:
    if machine.shm_size is not None and machine.shm_size < SMALL_SHARED_MEMORY:
        yield f"/dev/shm is {bytes_in_words(machine.shm_size)}: no matter, alongside does not use it."
    if machine.open_files is not None and machine.open_files < FEW_OPEN_FILES:
        yield f"Only {machine.open_files} files may be open at once: for many connections, first `ulimit -n 4096`."
    if not machine.fork:
        yield "No fork here: worker processes are spawned, which takes longer at the start."
    if machine.fork and not machine.memfd:
        yield "No anonymous memory files: large arrays are copied on their way to a process."


def _advice_on_libraries(machine: Machine) -> Iterator[str]:
    if any(blas.threads > machine.cpus for blas in machine.blas):
        most = max(blas.threads for blas in machine.blas)
        yield f"A numerical library would start {most} threads on {_count(machine.cpus, 'CPU')}; workers cap that."


def _extra(name: str, version: str | None) -> str:
    return f"{version or 'not installed'} ({USES[name]})"


def _yes(there: bool) -> str:
    return "yes" if there else "no"


def _count(number: int, noun: str, nouns: str = "") -> str:
    return f"{number:,} {noun if number == 1 else nouns or noun + 's'}"


def bytes_in_words(size: int) -> str:
    """`1.5 GB`: binary units, as memory is sold."""
    amount = float(size)
    for unit in ("B", "kB", "MB", "GB"):
        if amount < 1024:
            return f"{amount:.0f} {unit}" if amount >= 100 or amount == int(amount) else f"{amount:.1f} {unit}"
        amount /= 1024
    return f"{amount:.1f} TB"
