"""`alongside advise` prints the advice; `alongside doctor` prints what the machine really offers."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

import alongside
from alongside.cli import doctor
from alongside.runtime.description import Blas, Machine, describe_machine
from alongside.runtime.machine import Memory
from tests.cli.conftest import Call

GB = 1 << 30


def test_advice_is_what_advise_says(inside: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, object]] = []

    def advise(fn: object, items: object) -> str:
        asked.append((getattr(fn, "__name__", ""), items))
        return "a plain loop, because it is told so"

    monkeypatch.setattr(alongside, "advise", advise)
    done = inside("advise", "tools:shout", stdin="a\nb\n")
    assert (done.code, done.out) == (0, "a plain loop, because it is told so\n")
    assert asked == [("shout", ["a", "b"])]


def test_real_advice_names_a_backend_and_says_why(outside: Call) -> None:
    done = outside("advise", "tools.py:square", stdin="1\n2\n3\n")
    assert done.code == 0, done.err
    assert "serial" in done.out


def test_advice_on_a_wrong_function_or_input(inside: Call, folder: Path) -> None:
    assert inside("advise", "tools:sqare", stdin="1\n").code == 2
    (folder / "bad.jsonl").write_text("{oops\n")
    done = inside("advise", "tools:square", "bad.jsonl")
    assert done.code == 2
    assert "Line 1 of bad.jsonl is not JSON" in done.err


def test_advice_on_a_function_that_fails_shows_the_failure(inside: Call) -> None:
    done = inside("advise", "tools:square", stdin="x\n")
    assert done.code == 1
    assert "ValueError: invalid literal" in done.err
    assert "Traceback" not in done.err


def test_the_doctor_tells_this_machine(inside: Call) -> None:
    done = inside("doctor")
    facts = describe_machine()
    assert done.code == 0
    assert f"{facts.cpus} (there are {facts.cpus_present};" in done.out
    assert sys.version.split()[0] in done.out
    assert doctor.bytes_in_words(facts.memory.total) in done.out
    for name in doctor.USES:
        version = facts.extras[name]
        row = next(line for line in done.out.splitlines() if f" {name} " in line)
        assert (version or "not installed") in row


@pytest.fixture
def machine() -> Machine:
    """A roomy machine on which nothing is to be advised."""
    found = describe_machine()
    found.cpus = found.cpus_present = found.cpus_allowed = 8
    found.cpu_quota, found.cpus_chosen = None, ""
    found.free_threaded, found.gil_enabled = False, True
    found.memory = Memory(64 * GB, 32 * GB)
    found.shm_size, found.open_files, found.fork, found.memfd = 32 * GB, 4096, True, True
    found.blas = ()
    found.extras = dict.fromkeys(found.extras, "1.0")
    return found


def advice(machine: Machine) -> str:
    return "\n".join(doctor.advice(machine))


def test_nothing_to_advise(machine: Machine) -> None:
    assert advice(machine) == ""


def test_small_shared_memory_does_not_matter(machine: Machine) -> None:
    machine.shm_size = 64 << 20
    assert advice(machine) == "/dev/shm is 64 MB: no matter, alongside does not use it."


def test_a_quota_is_told(machine: Machine) -> None:
    machine.cpu_quota, machine.cpus = 1.5, 2
    assert "may use 1.5 of 8 CPUs" in advice(machine)
    assert "2 worker processes" in advice(machine)


def test_one_cpu_is_told(machine: Machine) -> None:
    machine.cpus = 1
    assert advice(machine).startswith("One CPU:")


def test_a_memory_limit_is_told(machine: Machine) -> None:
    machine.memory = Memory(64 * GB, GB // 8, 2 * GB, "/sys/fs/cgroup/memory.max")
    assert "The limit of 2 GB counts, not the machine's 64 GB." in advice(machine)
    assert "Only 128 MB are free" in advice(machine)


def test_few_open_files_are_told(machine: Machine) -> None:
    machine.open_files = 256
    assert "Only 256 files" in advice(machine)


def test_missing_means_are_told(machine: Machine) -> None:
    machine.memfd = False
    assert "anonymous memory files" in advice(machine)
    machine.fork = False
    assert "spawned" in advice(machine)


def test_too_many_numerical_threads_are_told(machine: Machine) -> None:
    machine.blas = (Blas("openblas", "0.3", 64, "libopenblas.so"),)
    assert "64 threads on 8 CPUs" in advice(machine)


def test_what_is_looked_for_is_shown_with_its_use(machine: Machine) -> None:
    machine.extras["uvloop"] = None
    assert advice(machine) == ""
    offered = {name for title, rows in doctor.sections(machine) if title == "Extras" for name, _ in rows}
    assert offered == set(machine.extras) == set(doctor.USES)


@pytest.mark.parametrize(
    ("size", "words"),
    [(0, "0 B"), (1536, "1.5 kB"), (64 << 20, "64 MB"), (GB + GB // 2, "1.5 GB"), (5000 * GB, "4.9 TB")],
)
def test_sizes_in_words(size: int, words: str) -> None:
    assert doctor.bytes_in_words(size) == words
