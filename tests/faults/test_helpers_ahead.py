"""The helper that is started on a guess: it becomes the workers' own, or ends; nobody else's fork or end keeps it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from alongside.workers.helper import possible
from tests.faults.support import IN_CHILD, Program, exists, ok, until

pytestmark = pytest.mark.skipif(not possible(), reason="no helper is started ahead where none can be forked from")

BEGUN = """
import json, sys
from alongside.workers import ahead

ahead.begin(json.dumps)
helper = ahead._helper
"""


def ran(program: str) -> str:
    done = subprocess.run([sys.executable, "-c", BEGUN + program], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_it_is_started_with_little_loaded_and_becomes_the_workers_own() -> None:
    told = ran("""
loaded = "alongside.workers.supervisor" in sys.modules
import alongside
print(loaded, alongside.map(abs, [-1, 2], backend="processes", max_workers=2))
from alongside.workers.supervisor import supervisor
print(supervisor._nursery._helper is helper, ahead.taken())
""")
    assert told == "False [1, 2]\nTrue None\n"


def test_a_second_guess_starts_no_second_one() -> None:
    told = ran("ahead.begin(json.dumps); print(ahead._helper is helper, helper.news(('json',)))")
    assert told == "True []\n"


def test_let_go_it_ends_and_the_next_run_has_one_of_its_own() -> None:
    told = ran("""
import os
ahead.let_go()
try:
    os.kill(helper._pid, 0)
except ProcessLookupError:
    print("gone")
import alongside
print(ahead.ready(), ahead.coming(), alongside.map(abs, [-1, 2], backend="processes", max_workers=2))
""")
    assert told == "gone\n0 False [1, 2]\n"


def test_an_interrupt_amid_its_start_leaves_no_descriptor_open() -> None:
    told = ran("""
import os, signal
import alongside

ahead.let_go()
create = os.memfd_create


def interrupted(*given):
    fd = create(*given)
    signal.raise_signal(signal.SIGINT)
    return fd


def files():
    return len(os.listdir("/proc/self/fd"))


before = files()
os.memfd_create = interrupted
try:
    alongside.map(abs, [-1], backend="processes", max_workers=2)
except KeyboardInterrupt:
    print("interrupted")
os.memfd_create = create
ahead.let_go()
print(files() - before)
""")
    assert told == "interrupted\n0\n"


def test_a_signal_handler_may_fork_and_run_something_amid_its_start() -> None:
    told = ran("""
import os, signal
import alongside

ahead.let_go()
create = os.memfd_create


def interrupted(*given):
    os.memfd_create = create
    signal.raise_signal(signal.SIGALRM)
    return create(*given)


def handler(*_):
    child = os.fork()
    if child == 0:
        os._exit(0)
    os.waitpid(child, 0)
    print(alongside.map(abs, [-1], backend="processes", max_workers=2))


signal.signal(signal.SIGALRM, handler)
os.memfd_create = interrupted
print(alongside.map(abs, [-2], backend="processes", max_workers=2))
""")
    assert told == "[1]\n[2]\n"


def test_files_that_were_opened_under_its_numbers_are_not_written_to(tmp_path: Path) -> None:
    told = ran(f"""
import os
import alongside

os.closerange(3, 256)
kept = [open({str(tmp_path)!r} + f"/{{number}}", "w+b") for number in range(8)]
for file in kept:
    file.write(b"x" * 400_000)
    file.flush()
print(alongside.map(abs, [-1], backend="processes", max_workers=2))
for file in kept:
    file.seek(0)
print({{file.read() == b"x" * 400_000 for file in kept}})
""")
    assert told == "[1]\n{True}\n"


def test_amid_a_long_import_it_ends_with_the_program_that_never_wanted_it(tmp_path: Path) -> None:
    (tmp_path / "endless.py").write_text("import os\nif 'ALONGSIDE_WORKER' in os.environ:\n    sum(range(10**12))\n")
    pid = int(
        ran(f"""
import sys
ahead.let_go()
sys.path.insert(0, {str(tmp_path)!r})
import endless
ahead.begin(type("Named", (), {{"__module__": "endless"}})())
print(ahead._helper._pid)
""")
    )
    assert not exists(pid)  # and nothing of it had to be waited for


@pytest.mark.parametrize("executable", ["/nonexistent", ""])
def test_where_no_helper_can_be_had_an_automatic_run_stays_in_its_loop(executable: str) -> None:
    told = ran(f"""
import alongside
ahead.let_go()


def compute(x):
    return sum(range(200_000)) * 0 + x


sys.executable = {executable!r}
run = alongside.run(compute, range(60))
print(run.results == list(range(60)), run.plan.backend in ("serial", "threads"))
print(alongside.map(compute, range(60)) == list(range(60)))
""")
    assert told == "True True\nTrue\n"


def test_it_ends_with_the_program_that_never_wanted_it() -> None:
    pid = int(ran("print(helper._pid)"))
    until(lambda: not exists(pid), "the helper is gone")


def test_a_child_of_a_fork_does_not_keep_it_and_has_one_of_its_own(tmp_path: Path) -> None:
    program = (
        IN_CHILD
        + BEGUN
        + """
import alongside


def afresh():
    assert ahead.taken() is None
    assert helper.channel.closed and helper.page == -1
    assert alongside.map(abs, [-1, 2], backend="processes", max_workers=2) == [1, 2]


in_child(lambda: in_child(afresh))
assert alongside.map(abs, [-3], backend="processes", max_workers=2) == [3]
from alongside.workers.supervisor import supervisor
assert supervisor._nursery._helper is helper
print("both")
"""
    )
    with Program(program, folder=tmp_path) as running:
        assert ok(running) == "both\n"


def test_what_the_items_are_made_of_is_imported_there_once() -> None:
    told = ran("""
from fractions import Fraction
from decimal import Decimal
from alongside.workers.preloads import modules_of
print(modules_of(json.dumps, (Fraction(1), [{"a": (Decimal(1), 2)}], 3, "x", [], object())))


class Own:
    pass


print(modules_of(lambda x: x, (Own(), [Own()])))
""")
    assert told == "('json', 'fractions', 'decimal')\n('cloudpickle',)\n"


def test_what_a_function_brings_with_it_is_imported_there_once() -> None:
    told = ran("""
import string
from decimal import Decimal
from fractions import Fraction
from functools import partial
from alongside.workers.preloads import modules_of


def call(fn, *values, **more):
    return fn(*values)


class Own:
    def __init__(self):
        self.fn, self.number = string.capwords, Fraction(1)

    def __call__(self, x):
        return x

    def method(self, x):
        return x


def closed(number):
    return lambda x: x + number


print(modules_of(partial(json.dumps, string.capwords, default=Decimal(1))))
print(modules_of(partial(partial(call, string.capwords), 1, 2)))
print(modules_of(Own()))
print(modules_of(Own().method))
print(modules_of(closed(Fraction(1))))
print(modules_of(len), modules_of(Fraction), modules_of(Fraction(1).limit_denominator))
""")
    assert (
        told
        == """\
('json', 'string', 'decimal')
('cloudpickle', 'string')
('cloudpickle', 'string', 'fractions')
('cloudpickle', 'string', 'fractions')
('cloudpickle', 'fractions')
('cloudpickle',) ('fractions',) ('fractions',)
"""
    )
