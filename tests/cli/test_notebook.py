"""A real notebook, executed: what a data scientist sees of advice, a comparison and a warning."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

CELLS = """
import alongside, random
random.seed(7)
found = []
def score(x):
    found.append(x)
    return random.random() + sum(range(20_000))
---
alongside.advise(score, range(500))
---
alongside.compare(score, range(40), backends=["threads"], sample=8)
---
_ = alongside.map(score, range(8), backend="processes", max_workers=2)
---
async def later(x):
    import asyncio
    await asyncio.sleep(0.001)
    return x
alongside.advise(later, range(50))
"""


@pytest.fixture(scope="module")
def outputs(tmp_path_factory: pytest.TempPathFactory) -> list[list[Any]]:
    folder: Path = tmp_path_factory.mktemp("notebook")
    v4: Any = nbformat.v4
    notebook = v4.new_notebook(cells=[v4.new_code_cell(cell.strip()) for cell in CELLS.split("---")])
    NotebookClient(notebook, timeout=90, kernel_name="python3", resources={"metadata": {"path": str(folder)}}).execute()
    return [cell.outputs for cell in notebook.cells]


def shown(cell: list[Any]) -> dict[str, str]:
    (result,) = [output for output in cell if output.output_type == "execute_result"]
    data: dict[str, str] = result.data
    return data


def test_advice_is_a_table_and_text(outputs: list[list[Any]]) -> None:
    data = shown(outputs[1])
    assert "<table>" in data["text/html"]
    assert data["text/plain"].startswith("For score:")
    assert "ten times as many" in data["text/plain"]


def test_a_comparison_is_a_table_with_bars(outputs: list[list[Any]]) -> None:
    data = shown(outputs[2])
    assert 'class="bar"' in data["text/html"]
    assert "serial" in data["text/plain"]


def test_a_warning_appears_below_its_cell_and_knows_of_the_seed_in_an_earlier_one(outputs: list[list[Any]]) -> None:
    text = "".join(output.text for output in outputs[3] if output.output_type == "stream")
    assert text.count("AlongsideWarning: changes lost: score appends to the list found") == 1
    assert text.count("AlongsideWarning: shared seed: random.seed was called") == 1


def test_advice_on_an_async_function_where_the_notebooks_own_loop_runs(outputs: list[list[Any]]) -> None:
    assert shown(outputs[4])["text/plain"].startswith("For later: use ")
