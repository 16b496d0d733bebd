"""Arrays and buffers: writable and private at every size, valid as long as they are used, gone when they are not."""

from __future__ import annotations

import gc
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

import alongside
from alongside.workers.supervisor import supervisor

SIZES = [1 << 10, 1 << 14, (1 << 16) - 64, 1 << 16, 1 << 18, (1 << 18) + 1, 1 << 20, 8 << 20, 50 << 20]


def processes(task: Callable[[Any], Any], items: list[Any], **options: Any) -> list[Any]:
    return alongside.map(task, items, backend="processes", max_workers=2, **options)


def overwrite(array: np.ndarray) -> tuple[int, bool]:
    before = int(array[0])
    array[:] = 99
    return before, bool(array.flags.writeable)


@pytest.mark.parametrize("size", SIZES)
def test_an_argument_is_writable_and_private(size: int) -> None:
    arrays = [np.full(size, 7, dtype=np.uint8) for _ in range(6)]
    assert processes(overwrite, arrays) == [(7, True)] * 6
    assert all((array == 7).all() for array in arrays)


def overwrite_bytes(data: bytearray) -> int:
    before = data[0]
    data[:] = b"\x63" * len(data)
    return before


@pytest.mark.parametrize("size", SIZES)
def test_a_bytearray_is_private(size: int) -> None:
    items = [bytearray(b"\x07") * size for _ in range(6)]
    assert processes(overwrite_bytes, items) == [7] * 6
    assert all(item == bytearray(b"\x07") * size for item in items)


def overwrite_nested(value: dict[str, Any]) -> list[int]:
    arrays = [value["a"], *value["more"], value["deep"][0]["x"]]
    before = [int(array.flat[0]) for array in arrays]
    for array in arrays:
        array[...] = 99
    return before


def test_nested_containers_of_arrays_are_private() -> None:
    def full(n: int, *shape: int) -> np.ndarray:
        return np.full(shape, n, dtype=np.float64)

    def value() -> dict[str, Any]:
        deep = ({"x": full(4, 3, 200_000)},)
        return {"a": full(1, 300_000), "more": [full(2, 10), full(3, 400, 400)], "deep": deep}

    items = [value() for _ in range(5)]
    assert processes(overwrite_nested, items) == [[1, 2, 3, 4]] * 5
    for item in items:
        assert [int(item["a"][0]), int(item["more"][1][0, 0]), int(item["deep"][0]["x"][0, 0])] == [1, 3, 4]


def make(n: int) -> np.ndarray:
    return np.full(1 << 17, n, dtype=np.int64)


def identity(array: np.ndarray) -> np.ndarray:
    return array


@pytest.mark.parametrize("size", SIZES)
def test_a_result_is_writable(size: int) -> None:
    (result,) = processes(identity, [np.zeros(size, dtype=np.uint8)])
    result[:] = 5
    assert result.flags.writeable
    assert (result == 5).all()


def test_a_read_only_array_arrives_read_only() -> None:
    array = np.zeros(1 << 20)
    array.flags.writeable = False
    (result,) = processes(identity, [array])
    assert not result.flags.writeable


def test_results_stay_valid_after_the_workers_are_gone() -> None:
    first = processes(make, list(range(20)))
    supervisor.close()
    second = processes(make, list(range(100, 120)))
    assert all((array == n).all() for n, array in enumerate(first))
    assert all((array == n).all() for n, array in enumerate(second, 100))


_kept: list[np.ndarray] = []


def keep(array: np.ndarray) -> list[int]:
    """Keep the argument, and look at all that were kept before."""
    _kept.append(array)
    return [int(kept[0]) if (kept == kept[0]).all() else -1 for kept in _kept]


@pytest.mark.filterwarnings("ignore:changes lost")  # what is kept in the workers is what this is about
def test_an_argument_that_a_worker_keeps_does_not_change() -> None:
    """Segments are used again: not while somebody still looks at them."""
    for call in range(3):
        arrays = [np.full(1 << 17, 10 * call + n, dtype=np.int64) for n in range(8)]
        seen = alongside.map(keep, arrays, backend="processes", max_workers=1, batch_size=1)[-1]
        assert -1 not in seen
        assert seen == [10 * c + n for c in range(call + 1) for n in range(8)]
    supervisor.close()


def test_results_do_not_change_when_later_ones_come() -> None:
    kept = processes(make, [1, 2, 3])
    for _ in range(5):
        processes(make, list(range(10)))
    assert [int(array[0]) for array in kept] == [1, 2, 3]
    assert all((array == array[0]).all() for array in kept)


def test_a_view_keeps_its_memory_and_no_more() -> None:
    (result,) = processes(make, [7])
    view = result[1000:2000]
    del result
    gc.collect()
    processes(make, list(range(10)))
    assert (view == 7).all()


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child_that_writes_into_a_result_does_not_change_ours() -> None:
    (result,) = processes(make, [7])
    pid = os.fork()
    if pid == 0:
        result[:] = 0
        os._exit(0)
    os.waitpid(pid, 0)
    assert (result == 7).all()


def mapped() -> int:
    """Bytes of this process's mappings of memory files that belong to alongside."""
    total = 0
    for line in Path("/proc/self/maps").read_text().splitlines():
        if "/memfd:alongside" in line and "page" not in line:
            first, last = line.split()[0].split("-")
            total += int(last, 16) - int(first, 16)
    return total


def test_memory_returns_when_the_last_view_dies() -> None:
    supervisor.close()
    gc.collect()  # what earlier tests have left in cycles
    process = psutil.Process()
    before, resident = mapped(), process.memory_info().rss
    results = processes(make, list(range(100)))
    assert mapped() - before >= 100 << 20
    del results
    gc.collect()
    assert mapped() - before < 1 << 20
    supervisor.close()
    assert process.memory_info().rss - resident < 30 << 20


def test_the_same_large_argument_many_times() -> None:
    array = np.arange(1 << 20)
    assert processes(np.sum, [array] * 40) == [array.sum()] * 40


def test_strange_arrays() -> None:
    base = np.arange(1 << 18, dtype=np.float64)
    strange = [base[::2], base.reshape(512, 512).T, base[:0], base.reshape(512, 512)[5:9, 3:], base.astype(">f8")]
    strange += [np.array([object(), None])[1:], np.rec.fromarrays([[1, 2], [3.0, 4.0]])]
    for sent, come in zip(strange, processes(identity, strange), strict=True):
        assert (sent == come).all()
        assert sent.dtype == come.dtype
        assert sent.shape == come.shape


def _full_of(number: int) -> np.ndarray:
    return np.full(1 << 18, float(number))


def test_what_a_forked_child_reads_is_not_written_again() -> None:
    """A segment whose views are gone here is used again; but not while a child that was forked before may read it."""
    results = alongside.map(_full_of, range(6), backend="processes", max_workers=2)
    go_read, go_write = os.pipe()
    told_read, told_write = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.read(go_read, 1)
        unchanged = all(bool((array == number).all()) for number, array in enumerate(results))
        os.write(told_write, b"unchanged" if unchanged else b"changed")
        os._exit(0)
    try:
        del results
        for _ in range(4):
            alongside.map(_full_of, range(100, 112), backend="processes", max_workers=2)
        os.write(go_write, b"!")
        assert os.read(told_read, 100) == b"unchanged"
    finally:
        os.waitpid(pid, 0)
        for fd in (go_read, go_write, told_read, told_write):
            os.close(fd)
