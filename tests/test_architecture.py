"""The house keeps its rules: what loads what, who may import whom, every module says what it is, examples run."""

from __future__ import annotations

import ast
import doctest
import importlib
import json
import pkgutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

import alongside

ROOT = Path(alongside.__file__).parent
DEPENDENCIES = {"cloudpickle", "psutil", "rich", "threadpoolctl", "tqdm", "typer", "numpy", "click"}
SLOW = {"asyncio", "multiprocessing", "concurrent.futures", "inspect", "dataclasses", "logging", "socket", "threading"}


def loaded_by(program: str) -> set[str]:
    """The modules a fresh interpreter has loaded after a program."""
    tell = "import json, sys\nprint(json.dumps(sorted(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", f"{program}\n{tell}"], capture_output=True, text=True, check=True, timeout=60
    )
    return set(json.loads(done.stdout)) - loaded_by("") if program else set(json.loads(done.stdout))


def modules() -> list[str]:
    return [
        info.name for info in pkgutil.walk_packages([str(ROOT)], "alongside.") if not info.name.endswith("__main__")
    ]


def test_importing_alongside_loads_next_to_nothing() -> None:
    loaded = loaded_by("import alongside")
    assert {name.partition(".")[0] for name in loaded} <= {"alongside", "__future__"}


def test_a_brief_map_loads_nothing_but_its_loop() -> None:
    loaded = loaded_by("import alongside; alongside.map(lambda number: number * number, [1, 2, 3])")
    front = {"alongside", *(f"alongside.{name}" for name in ("api", "clocks", "exceptions", "runtime"))}
    runtime = {f"alongside.runtime.{name}" for name in ("callables", "loop", "opening", "source")}
    assert loaded <= front | runtime | {"__future__"}


def test_an_error_is_named_without_loading_anything() -> None:
    assert not loaded_by("import alongside; alongside.AlongsideError; alongside.TaskTimeout") - loaded_by(
        "import alongside"
    )


def test_a_look_at_a_loop_loads_no_events() -> None:
    loaded = loaded_by("from alongside.compose import candidates, coming, let_go, look; candidates(); let_go()")
    assert "alongside.core.choose" in loaded
    assert not loaded & {"alongside.core.events", "alongside.core.model", "_pickle"}
    assert not {name for name in loaded if name.startswith(("alongside.workers", "alongside.transport"))}


def test_a_small_map_loads_no_engine() -> None:
    loaded = loaded_by("import alongside; alongside.map(abs, range(10)); next(alongside.imap(abs, [1]))")
    assert not loaded & (DEPENDENCIES | {"asyncio", "multiprocessing", "concurrent.futures", "inspect", "logging"})
    assert not {name for name in loaded if name.startswith(("alongside.backends", "alongside.workers"))}


@pytest.mark.parametrize("backend", ["serial", "threads", "processes"])
def test_an_ordinary_run_loads_no_asyncio(backend: str) -> None:
    loaded = loaded_by(f"import alongside; alongside.map(abs, range(10), backend={backend!r})")
    assert not loaded & {"asyncio", "multiprocessing", "tqdm", "rich", "typer", "psutil", "numpy"}
    assert not loaded & {"typing", "re", "dataclasses", "inspect", "logging", "cloudpickle"}


def test_every_public_name_is_there_and_documented() -> None:
    assert sorted(alongside.__all__) == sorted(set(alongside.__all__))
    for name in alongside.__all__:
        assert getattr(alongside, name).__doc__, f"{name} has no docstring"
        assert name in dir(alongside)
    assert not {"TYPE_CHECKING", "annotations", "environ", "api"} & set(dir(alongside))
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        alongside.nothing  # noqa: B018  # the access is the test


def test_the_import_rules_hold() -> None:
    from importlinter.cli import lint_imports

    assert lint_imports(config_filename=str(ROOT.parents[1] / "pyproject.toml"), no_cache=True) == 0


@pytest.mark.parametrize("path", sorted(ROOT.rglob("*.py")), ids=lambda path: str(path.relative_to(ROOT)))
def test_every_module_says_what_it_is_and_stays_short(path: Path) -> None:
    text = path.read_text()
    assert ast.get_docstring(ast.parse(text)), "a module opens with a docstring"
    assert text.count("\n") <= 400, "a file stays at or under 400 lines"


FORBIDDEN = {"threading", "multiprocessing", "asyncio", "concurrent", "subprocess", "socket", "time", "os", "logging"}


@pytest.mark.parametrize("path", sorted((ROOT / "core").glob("*.py")), ids=lambda path: path.name)
def test_the_core_is_pure(path: Path) -> None:
    """The contract reads import statements at the top; this one finds them inside functions too, and calls to open."""
    for node in ast.walk(ast.parse(path.read_text())):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        assert not {name.partition(".")[0] for name in names} & (FORBIDDEN | {"random", "_thread"}), path.name
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            assert node.func.id not in {"open", "print", "input", "exec", "eval"}


def documented() -> list[str]:
    return [name for name in ["alongside", *modules()] if ">>>" in _text_of(name)]


def _text_of(name: str) -> str:
    base = ROOT.parent.joinpath(*name.split("."))
    return (base / "__init__.py" if base.is_dir() else base.with_suffix(".py")).read_text()


@pytest.mark.parametrize("name", documented())
def test_examples_in_docstrings_run(name: str) -> None:
    module: ModuleType = importlib.import_module(name)
    failed, tried = doctest.testmod(module)
    assert tried > 0
    assert failed == 0


def test_the_front_door_has_examples() -> None:
    for name in ("map", "imap", "run", "gather", "cpu_count"):
        assert ">>>" in (getattr(alongside, name).__doc__ or "")
