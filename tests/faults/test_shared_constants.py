"""A large constant that every task uses: written once for calls that follow each other, as it is at each of them."""

from __future__ import annotations

import functools
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

import alongside
from alongside.workers.supervisor import supervisor
from tests.faults.support import IN_CHILD, Program, ok, until

LENGTH = 1 << 17


def files() -> dict[int, int]:
    """The segments that this process and its workers have open or mapped, and the bytes of each."""
    found: dict[int, int] = {}
    own = psutil.Process()
    for process in [own, *own.children(recursive=True)]:
        for folder in ("fd", "map_files"):
            for link in Path(f"/proc/{process.pid}/{folder}").iterdir():
                try:
                    if os.readlink(link).startswith("/memfd:alongside (") and (status := link.stat()).st_blocks:
                        found[status.st_ino] = status.st_blocks * 512
                except OSError:
                    continue
    return found


@pytest.fixture(autouse=True)
def fresh_supervisor() -> None:
    """What earlier tests have left to be used again would be counted."""
    supervisor.close()


def look_up(table: np.ndarray, place: int) -> float:
    return float(table[place])


def told(table: np.ndarray, _: int) -> tuple[str, tuple[int, ...], float]:
    return table.dtype.str, table.shape, float(table.sum())


def overwrite(table: np.ndarray, _: int) -> float:
    before = float(table.sum())
    table[:] = -1
    return before


def processes(fn: Callable[..., Any], table: np.ndarray, places: Any, **options: Any) -> list[Any]:
    return alongside.map(functools.partial(fn, table), places, backend="processes", max_workers=2, **options)


def test_calls_that_follow_each_other_write_it_once() -> None:
    table = np.arange(LENGTH, dtype=np.float64)
    assert processes(look_up, table, range(20)) == list(range(20))
    once = files()
    for _ in range(3):
        assert processes(look_up, table, range(20)) == list(range(20))
        assert files() == once
    assert sum(once.values()) <= 1.2 * table.nbytes


def test_a_closure_made_anew_for_each_call_is_known_by_what_it_holds() -> None:
    table = np.arange(LENGTH, dtype=np.float64)
    seen = []
    for _ in range(3):
        found = alongside.map(lambda place: float(table[place]), range(20), backend="processes", max_workers=2)
        assert found == list(range(20))
        seen.append(files())
    assert seen[0] == seen[1] == seen[2]


@pytest.mark.parametrize("place", [0, LENGTH // 2, LENGTH - 1])
def test_the_next_call_sees_what_the_caller_has_changed(place: int) -> None:
    table = np.arange(LENGTH, dtype=np.float64)
    assert processes(look_up, table, [place] * 4) == [place] * 4
    table.view(np.uint8)[8 * place + 7] ^= 0x80
    assert processes(look_up, table, [place] * 4) == [-place] * 4


def test_the_next_call_sees_another_dtype_and_another_shape() -> None:
    table = np.ones(LENGTH, dtype=np.float64)
    for array in (table, table.view(np.int32), table.reshape(2, -1), table.reshape(-1, 4).T):
        assert processes(told, array, range(4)) == [(array.dtype.str, array.shape, float(array.sum()))] * 4


@pytest.mark.filterwarnings("ignore:changes lost")  # that they are is what this is about
def test_tasks_that_write_into_it_change_neither_the_callers_nor_the_next_calls() -> None:
    table = np.ones(LENGTH)
    for _ in range(3):
        found = processes(overwrite, table, range(2), batch_size=1, tasks_per_worker=1)
        assert found == [LENGTH, LENGTH]
        assert (table == 1).all()


_kept: list[np.ndarray] = []


def keep(table: np.ndarray, _: int) -> list[float]:
    """Put the constant aside, and look at all that were put aside before."""
    _kept.append(table)
    return [float(kept[0]) if (kept == kept[0]).all() else -1.0 for kept in _kept]


@pytest.mark.filterwarnings("ignore:changes lost")  # what is kept in the workers is what this is about
def test_what_a_worker_has_put_aside_does_not_change() -> None:
    table = np.zeros(LENGTH)
    for call in range(4):
        table[:] = call
        (seen,) = alongside.map(functools.partial(keep, table), [0], backend="processes", max_workers=1)
        assert seen == list(range(call + 1))


def test_it_survives_its_workers() -> None:
    table = np.arange(LENGTH, dtype=np.float64)
    processes(look_up, table, range(20))
    for child in psutil.Process().children(recursive=True):
        child.send_signal(signal.SIGKILL)
    assert processes(look_up, table, range(20)) == list(range(20))


def die_at(table: np.ndarray, place: int) -> float:
    if place == 7:
        os._exit(3)
    return float(table[place])


def test_a_call_that_loses_a_worker_leaves_it_as_it_is() -> None:
    table = np.arange(LENGTH, dtype=np.float64)
    for _ in range(2):
        found = processes(die_at, table, range(20), on_error="skip")
        assert found == [place for place in range(20) if place != 7]
    assert processes(look_up, table, range(20)) == list(range(20))


def test_its_memory_returns_with_the_array() -> None:
    before = files().keys()
    table = np.arange(LENGTH, dtype=np.float64)
    processes(look_up, table, range(20))
    assert len(files().keys() - before) == 1
    del table
    until(lambda: files().keys() <= before, "the segment is gone, here and in the workers")


def test_constants_one_after_the_other_do_not_add_up() -> None:
    before = files().keys()
    for number in range(10):
        assert processes(look_up, np.full(LENGTH, float(number)), range(4)) == [number] * 4
    until(lambda: files().keys() <= before, "nothing is left of arrays that are gone")


FORKS = (
    IN_CHILD
    + """
import alongside, functools, numpy


def look_up(table, place):
    return float(table[place])


def ours():
    links = []
    for fd in os.listdir("/proc/self/fd"):
        try:
            links.append(os.readlink(f"/proc/self/fd/{fd}"))
        except OSError:
            continue
    return sum(link.startswith("/memfd:alongside (") for link in links)


def call():
    return alongside.map(functools.partial(look_up, table), range(20), backend="processes", max_workers=2)


def child():
    assert not ours()
    table[3] = 33
    assert call()[2:5] == [2, 33, 4]


table = numpy.arange(200_000, dtype=float)
call()
assert ours() == 1
in_child(child)
assert call()[2:5] == [2, 3, 4]
"""
)


def test_a_forked_child_holds_nothing_of_it(tmp_path: Path) -> None:
    with Program(FORKS, folder=tmp_path) as program:
        ok(program)
