"""The ticker of a worker process: what it does while a task runs, and what it lets go of when none does."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from threading import Event
from typing import Any
from weakref import ref

import pytest

from alongside.workers.ticker import Ticker
from tests.conftest import wait_until


class Told:
    """Stands for the voice and the runner: notes that it was asked to hand over; ends the thread when told to."""

    def __init__(self) -> None:
        self.busy = True
        self.ends = False
        self.handed_over = Event()

    def flush_amid(self) -> None:
        if self.ends:
            raise SystemExit
        self.handed_over.set()

    def send(self) -> None:
        """What was said goes along."""


@pytest.fixture
def ticker() -> Iterator[Ticker]:
    voice: Any = Told()
    ticker = Ticker(voice)
    yield ticker
    last = Told()
    last.ends = True
    ticker.watch(last)


def test_it_hands_over_while_a_task_runs_and_rests_when_none_does(ticker: Ticker) -> None:
    first, second = Told(), Told()
    ticker.watch(first)
    assert first.handed_over.wait(20)
    first.busy = False
    assert wait_until(lambda: ticker._parked, 20)
    ticker.watch(second)
    assert second.handed_over.wait(20)


def test_at_rest_it_holds_nothing_of_a_job_that_has_ended(ticker: Ticker) -> None:
    """With its runner the function would stay, and what that holds: a large constant, until the worker's next batch."""
    runner = Told()
    gone = ref(runner)
    ticker.watch(runner)
    assert runner.handed_over.wait(20)
    runner.busy = False
    assert wait_until(lambda: ticker._parked, 20)
    ticker.forget()
    del runner
    gc.collect()
    assert wait_until(lambda: gone() is None, 20)
