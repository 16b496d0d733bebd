"""Where the system offers little (no shared memory to speak of, few descriptors, nowhere to write, no standard streams)
alongside works, or says clearly what is missing.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from itertools import combinations
from pathlib import Path

import pytest

from tests.faults.support import Program, ok

LARGE = """
import sys
import numpy
import alongside


def double(array):
    array *= 2
    return array


arrays = [numpy.full(2_000_000, n, dtype=numpy.int64) for n in range(12)]
results = alongside.map(double, arrays, backend="processes", max_workers=2)
assert all((result == 2 * n).all() for n, result in enumerate(results))
print("right")
"""


def _can_unshare() -> bool:
    if os.geteuid() != 0 or shutil.which("unshare") is None:
        return False
    return subprocess.run(["unshare", "-m", "true"], capture_output=True, check=False).returncode == 0


@pytest.mark.skipif(not _can_unshare(), reason="a mount namespace with a tiny /dev/shm needs root and unshare")
def test_a_shared_memory_folder_of_one_megabyte(tmp_path: Path) -> None:
    tiny = ("unshare", "-m", "sh", "-c", 'mount -t tmpfs -o size=1m tmpfs /dev/shm && exec "$@"', "sh")
    with Program(LARGE, folder=tmp_path, prefix=tiny) as program:
        assert ok(program) == "right\n"


@pytest.mark.skipif(not _can_unshare(), reason="a mount namespace without /dev/shm and /tmp needs root and unshare")
def test_nowhere_to_write(tmp_path: Path) -> None:
    nowhere = 'mount -t tmpfs -o ro tmpfs /dev/shm && mount -o bind,ro /etc /var/tmp && exec "$@"'
    prefix = ("unshare", "-m", "sh", "-c", nowhere, "sh")
    environment = {"TMPDIR": "/dev/shm"}
    with Program(LARGE, folder=tmp_path, prefix=prefix, environment=environment) as program:
        assert ok(program) == "right\n"


def test_a_temporary_folder_that_does_not_exist(tmp_path: Path) -> None:
    with Program(LARGE, folder=tmp_path, environment={"TMPDIR": str(tmp_path / "missing")}) as program:
        assert ok(program) == "right\n"


FEW = """
import resource
resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
"""


def test_64_descriptors_are_enough(tmp_path: Path) -> None:
    with Program(FEW + LARGE, folder=tmp_path) as program:
        assert ok(program) == "right\n"


def test_many_large_results_kept_with_64_descriptors(tmp_path: Path) -> None:
    """A thousand results that live on must not hold a thousand descriptors."""
    source = """
        import numpy
        import alongside


        def make(n):
            return numpy.full(20_000, n, dtype=numpy.int64)


        results = alongside.map(make, range(1000), backend="processes", max_workers=2)
        assert all((result == n).all() for n, result in enumerate(results))
        print("right")
    """
    import textwrap

    with Program(FEW + textwrap.dedent(source), folder=tmp_path) as program:
        assert ok(program) == "right\n"


NONE_LEFT = """
import os
import alongside
from alongside import AlongsideError  # here: with no descriptor left not even its name could be loaded

alongside.map(abs, [1], backend="processes", max_workers=1) if {warm} else None
taken = []
try:
    while True:
        taken.append(os.open(os.devnull, os.O_RDONLY))
except OSError:
    pass
for fd in taken[:{spare}]:
    os.close(fd)
try:
    assert alongside.map(abs, range(-100, 0), backend="processes", max_workers=8) == list(range(100, 0, -1))
    print("right")
except (OSError, AlongsideError) as error:
    print("says so" if "open files" in str(error) else repr(error))
for fd in taken[{spare}:]:
    os.close(fd)
assert alongside.map(abs, range(-100, 0), backend="processes", max_workers=2) == list(range(100, 0, -1))
print("right again")
"""


@pytest.mark.parametrize("spare", [0, 1, 2, 3, 4, 5, 6, 8, 12, 20])
@pytest.mark.parametrize("warm", [False, True])
def test_no_descriptor_left(warm: bool, spare: int, tmp_path: Path) -> None:
    with Program(FEW + NONE_LEFT.format(warm=warm, spare=spare), folder=tmp_path) as program:
        lines = ok(program).splitlines()
    assert lines[0] in ("right", "says so")
    assert lines[1:] == ["right again"]


CLOSED = """
import sys
import alongside


def task(x):
    print("printed by a task")
    return x * x


assert alongside.map(task, range(1000), backend="processes", max_workers=2) == [x * x for x in range(1000)]
with open(sys.argv[1], "w") as file:
    file.write("right")
"""

COMBINATIONS = [fds for count in (1, 2, 3) for fds in combinations((0, 1, 2), count)]


@pytest.mark.parametrize("closed", COMBINATIONS, ids=lambda fds: "".join(map(str, fds)))
def test_closed_standard_streams(closed: tuple[int, ...], tmp_path: Path) -> None:
    told = tmp_path / "told"
    with Program(CLOSED, told, folder=tmp_path, close=closed) as program:
        _, _, err = program.ends()
        program.is_gone()
    assert told.exists(), err
    assert told.read_text() == "right"


BROKEN_HELPER = """
import os
os.environ["PYTHONHOME"] = "/nowhere"
import alongside

try:
    alongside.map(abs, range(10), backend="processes", max_workers=2)
except alongside.AlongsideError as error:
    print(type(error).__name__, "helper process" in str(error))
"""


def test_a_helper_that_cannot_start(tmp_path: Path) -> None:
    with Program(BROKEN_HELPER, folder=tmp_path) as program:
        assert ok(program) == "BackendUnavailable True\n"


REMOVED = """
import os
import alongside

os.mkdir("removed")
os.chdir("removed")
os.rmdir("../removed")
print(alongside.map(abs, [-1, -2], backend="processes", max_workers=2))
"""


def test_a_working_directory_that_was_removed(tmp_path: Path) -> None:
    with Program(REMOVED, folder=tmp_path) as program:
        assert ok(program) == "[1, 2]\n"


MANY_WORKERS = """
import alongside

print(sum(alongside.map(abs, range(3000), backend="processes", max_workers=400, batch_size=1)))
"""


def test_more_workers_asked_for_than_the_helpers_socket_holds_requests(tmp_path: Path) -> None:
    with Program(MANY_WORKERS, folder=tmp_path) as program:
        assert ok(program) == f"{sum(range(3000))}\n"
