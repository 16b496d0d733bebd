"""Constants that are kept from one run to the next: sent again only where they hold what the caller holds now."""

from __future__ import annotations

import gc
import os
import pickle
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alongside.transport import constants
from alongside.transport.constants import IDLE, SHARE, Constants, same
from alongside.transport.pickling import dumps, loads
from alongside.transport.segments import FREE, Arena, Leases, size_of

ROOM = 1 << 40


@pytest.fixture
def arena() -> Iterator[Arena]:
    arena = Arena()
    arena.room = lambda: ROOM
    yield arena
    arena.close()


class Run:
    """What a run does with what its workers share: it is read once, and then the run is over."""

    def __init__(self, arena: Arena, *content: Any) -> None:
        buffers: list[Any] = []
        fd, self.lease, body = arena.share(dumps(content, buffers), buffers)
        self.file, self.size = os.fstat(fd).st_ino, size_of(body)
        data, views = Leases().read(fd, body)
        self.content = loads(data, views)
        self._arena = arena

    def over(self) -> int:
        """End it; which file it was."""
        self._arena.keep(self.lease)
        return self.file


def table() -> np.ndarray:
    return np.arange(200_000, dtype=np.float64)


def open_files() -> int:
    return len(os.listdir("/proc/self/fd"))


def test_what_has_not_changed_is_not_written_again(arena: Arena) -> None:
    array = table()
    first = Run(arena, "a", array).over()
    for name in "bcd":
        again = Run(arena, name, array)
        assert again.content[0] == name
        assert (again.content[1] == array).all()
        assert again.over() == first


@pytest.mark.parametrize("place", [0, 7, 800_003, -1])
def test_a_change_of_one_byte_is_seen_and_spares_earlier_readers(arena: Arena, place: int) -> None:
    array = table()
    before = Run(arena, array)
    first = before.over()
    array.view(np.uint8)[place] ^= 1
    after = Run(arena, array)
    assert after.over() != first
    assert (after.content[0] == array).all()
    assert (before.content[0] == table()).all()


def test_what_a_reader_writes_is_its_own(arena: Arena) -> None:
    array = table()
    first = Run(arena, array)
    first.content[0][:] = -1
    first.over()
    again = Run(arena, array)
    assert (again.content[0] == array).all()
    assert again.over() == first.file


@pytest.mark.parametrize(
    "other",
    [lambda array: array.view(np.int64), lambda array: array.reshape(400, 500), lambda array: array.reshape(500, -1).T],
)
def test_the_same_bytes_as_another_array_arrive_as_that_one(arena: Arena, other: Any) -> None:
    array = table()
    Run(arena, array).over()
    come = Run(arena, other(array)).content[0]
    assert (come.dtype, come.shape, come.strides) == (other(array).dtype, other(array).shape, other(array).strides)
    assert (come == other(array)).all()


def test_views_that_are_made_anew_are_known_by_what_they_are_views_of(arena: Arena) -> None:
    array = table()
    first = Run(arena, array[1000:]).over()
    assert Run(arena, array[1000:]).over() == first
    moved = Run(arena, array[:-1000])
    assert moved.over() != first
    assert (moved.content[0] == array[:-1000]).all()


def test_an_array_that_may_not_be_written_is_compared_too(arena: Arena) -> None:
    array = table()
    array.flags.writeable = False
    first = Run(arena, array).over()
    assert Run(arena, array).over() == first


def test_several_buffers_are_one_constant(arena: Arena) -> None:
    arrays = [table(), table() + 1, table() + 2]
    first = Run(arena, *arrays).over()
    assert Run(arena, *arrays).over() == first
    arrays[1][5] = 0
    assert Run(arena, *arrays).over() != first


def test_it_goes_with_the_array(arena: Arena) -> None:
    before = open_files()
    array = table()
    Run(arena, array).over()
    assert arena.constants.size
    del array
    assert not arena.constants.size
    assert open_files() == before


def test_it_goes_with_the_first_of_several_arrays(arena: Arena) -> None:
    one, other = table(), table()
    Run(arena, one, other).over()
    del other
    assert not arena.constants.size
    assert (Run(arena, one).content[0] == one).all()


def test_it_is_not_kept_where_the_array_went_before_the_run_was_over(arena: Arena) -> None:
    run = Run(arena, table())
    gc.collect()
    run.over()
    assert not arena.constants.size


def test_it_is_not_kept_where_nobody_could_tell_that_it_is_gone(arena: Arena) -> None:
    run = Run(arena, pickle.PickleBuffer(bytes(1 << 20)))
    run.over()
    assert not arena.constants.size
    Run(arena, bytes(1 << 20)).over()
    assert not arena.constants.size


def test_it_is_kept_for_a_minute(arena: Arena) -> None:
    now = [100.0]
    arena.constants = Constants(lambda: now[0])
    array, other = table(), table()
    first = Run(arena, array).over()
    now[0] += IDLE
    Run(arena, other).over()
    assert Run(arena, array).over() == first
    now[0] += IDLE + 1
    arena.tidy()
    assert not arena.constants.size


def test_all_together_are_kept_in_a_part_of_the_free_memory(arena: Arena) -> None:
    arrays = [table() for _ in range(3)]
    size = Run(arena, arrays[0]).size
    arena.room = lambda: 2 * SHARE * (size + (1 << 16))
    files = [Run(arena, array).over() for array in arrays]
    assert arena.constants.size // size == 2
    assert [Run(arena, array).over() for array in arrays[1:]] == files[1:]
    arena.room = lambda: 0
    arena.tidy()
    assert not arena.constants.size


def test_it_gives_way_to_what_else_is_written_when_memory_is_short(arena: Arena) -> None:
    array = table()
    Run(arena, array).over()
    arena.room = lambda: 0
    fd, _, _ = arena.write(bytes(1 << 20), [])
    os.close(fd)
    assert not arena.constants.size


def test_what_is_kept_for_the_next_payload_follows_the_memory_that_is_free(arena: Arena) -> None:
    before, size = open_files(), 1 << 20
    for fd, lease, _ in [arena.write(bytes(size), []) for _ in range(4)]:
        os.close(fd)
        arena.release(lease)
    assert open_files() == before + 4
    arena.room = lambda: 2 * FREE * (size + (1 << 16))
    arena.tidy()
    assert open_files() == before + 2
    arena.room = lambda: 0
    arena.tidy()
    assert open_files() == before


def test_two_runs_at_once_have_one_each(arena: Arena) -> None:
    array = table()
    first, second = Run(arena, array), Run(arena, array)
    assert first.file != second.file
    before = open_files()
    first.over()
    second.over()
    assert open_files() == before - 1
    assert Run(arena, array).over() == second.file


def test_a_segment_that_is_kept_is_not_written_by_anybody_else(arena: Arena) -> None:
    array = table()
    run = Run(arena, array)
    run.over()
    for number in range(20):
        fd, lease, _ = arena.write(bytes([number]) * array.nbytes, [])
        os.close(fd)
        arena.release(lease)
    assert (run.content[0] == array).all()
    assert Run(arena, array).over() == run.file


def test_closing_lets_go_of_all() -> None:
    before = open_files()
    arena = Arena()
    arena.room = lambda: ROOM
    arrays = [table(), table()]
    for array in arrays:
        Run(arena, array).over()
    held = Run(arena, table())
    arena.close()
    assert open_files() == before
    arena.keep(held.lease)
    del arrays
    assert open_files() == before


@given(st.binary(max_size=50), st.binary(max_size=50), st.integers(1, 9), st.integers(1, 4))
def test_same_compares_bytes(one: bytes, other: bytes, piece: int, threads: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(constants, "PIECE", piece)
        length = min(len(one), len(other))
        first, second = memoryview(one)[:length], memoryview(bytearray(other))[:length]
        assert same(first, second, threads) == (one[:length] == other[:length])
        assert same(first, memoryview(bytes(first)), threads)


@pytest.mark.parametrize("place", [0, 63, 64, 199])
def test_same_compares_without_help_where_no_thread_can_be_started(place: int, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(constants, "start_new_thread", refuse)
    monkeypatch.setattr(constants, "PIECE", 64)
    one, other = bytearray(200), bytearray(200)
    assert same(memoryview(one), memoryview(other), 3)
    other[place] = 1
    assert not same(memoryview(one), memoryview(other), 3)
