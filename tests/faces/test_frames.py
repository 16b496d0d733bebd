"""Frames of pandas and polars as items: group by group, and in blocks of rows, without being copied through a pipe."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import alongside

ROWS = 400_000


def test_pandas_group_by_group() -> None:
    pandas: Any = pytest.importorskip("pandas", reason="pandas is not installed")
    frame = pandas.DataFrame({"key": np.arange(ROWS) % 7, "value": np.arange(ROWS, dtype=float)})
    keys, groups = zip(*frame.groupby("key"), strict=True)
    means = alongside.map(lambda group: group["value"].mean(), groups, backend="processes", max_workers=2)
    expected = frame.groupby("key")["value"].mean()
    assert dict(zip(keys, means, strict=True)) == expected.to_dict()


def test_pandas_in_blocks_of_rows() -> None:
    pandas: Any = pytest.importorskip("pandas", reason="pandas is not installed")
    frame = pandas.DataFrame({"a": np.arange(ROWS, dtype=float), "b": np.ones(ROWS)})
    blocks = [frame.iloc[start : start + 100_000] for start in range(0, ROWS, 100_000)]
    parts = alongside.map(lambda block: block.assign(c=block["a"] + block["b"]), blocks, backend="processes")
    pandas.testing.assert_frame_equal(pandas.concat(parts), frame.assign(c=frame["a"] + frame["b"]))


def test_polars_group_by_group() -> None:
    polars: Any = pytest.importorskip("polars", reason="polars is not installed")
    frame = polars.DataFrame({"key": np.arange(ROWS) % 7, "value": np.arange(ROWS, dtype=float)})
    groups = frame.partition_by("key", maintain_order=True)
    sums = alongside.map(lambda group: group["value"].sum(), groups, backend="processes", max_workers=2)
    assert sums == [float(np.arange(key, ROWS, 7, dtype=float).sum()) for key in range(7)]


def test_polars_in_blocks_of_rows() -> None:
    polars: Any = pytest.importorskip("polars", reason="polars is not installed")
    frame = polars.DataFrame({"a": np.arange(ROWS, dtype=float)})
    blocks = list(frame.iter_slices(100_000))
    parts = alongside.map(lambda block: block.with_columns(b=block["a"] * 2), blocks, backend="processes")
    doubled = np.concatenate([part["b"].to_numpy() for part in parts])
    np.testing.assert_array_equal(doubled, np.arange(ROWS) * 2.0)


def test_a_pandas_frame_travels_beside_its_pickle() -> None:
    pandas: Any = pytest.importorskip("pandas", reason="pandas is not installed")
    from alongside.transport import pickling

    frame = pandas.DataFrame({"a": np.arange(ROWS, dtype=float), "b": np.arange(ROWS)})
    beside: list[Any] = []
    data = pickling.dumps(frame, beside)
    assert len(data) < 4096
    assert sum(buffer.raw().nbytes for buffer in beside) == 2 * 8 * ROWS
