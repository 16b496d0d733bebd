"""Work that waits behind a slow task is done by others, once."""

from __future__ import annotations

import os
import time
from functools import partial
from pathlib import Path

import pytest

import alongside
from tests.faults.support import count, executions


def waits_for_the_others(tally: str, others: int, x: int) -> int:
    """The first task ends when all others have: it would hang if they waited behind it."""
    time.sleep(0.001)  # tasks that take so long are begun one by one, smaller ones some at a time
    count(tally, x)
    while x == 0 and len(executions(tally)) <= others:
        time.sleep(0.001)
    return os.getpid()


@pytest.mark.parametrize(("tasks", "batch_size"), [(40, 10), (30, 30)], ids=["two at work", "one not needed before"])
def test_the_rest_of_a_batch_is_taken_from_a_worker_that_is_stuck(tasks: int, batch_size: int, tmp_path: Path) -> None:
    tally = str(tmp_path / "tally")
    stuck = partial(waits_for_the_others, tally, tasks - 1)
    pids = alongside.map(stuck, range(tasks), backend="processes", max_workers=2, batch_size=batch_size)
    assert len(set(pids)) == 2
    assert set(executions(tally).values()) == {1}


def test_batches_sent_ahead_are_taken_from_a_worker_that_is_stuck(tmp_path: Path) -> None:
    tally = str(tmp_path / "tally")
    stuck = partial(waits_for_the_others, tally, 5)
    alongside.map(stuck, range(6), backend="processes", max_workers=2, batch_size=1)
    assert set(executions(tally).values()) == {1}


def test_large_items_that_were_sent_ahead_come_back_too(tmp_path: Path) -> None:
    tally = str(tmp_path / "tally")
    items = [(number, bytearray(1 << 20)) for number in range(12)]

    def stuck(item: tuple[int, bytearray]) -> int:
        waits_for_the_others(tally, 11, item[0])
        item[1][0] = 1
        return item[0]

    for _ in range(5):  # what was given back unread must be free to be written again
        Path(tally).unlink(missing_ok=True)
        assert alongside.map(stuck, items, backend="processes", max_workers=2, batch_size=3) == list(range(12))
        assert set(executions(tally).values()) == {1}
