"""The documents' site says everything there is to say: every public name, command and option; the drawn parts are true.

That it builds without a warning is `./scripts/docs`'s to check; its code blocks are run by test_documents.py.
"""

from __future__ import annotations

import dataclasses
import importlib.util
import inspect
import re
from pathlib import Path
from typing import Any

import pytest

import alongside
from alongside.core import coordinator, events, model
from alongside.core.options import Options
from alongside.core.policy import Policy

DOCS = Path(__file__).parents[1] / "docs"


def load_drawn() -> Any:
    spec = importlib.util.spec_from_file_location("drawn", DOCS / "drawn.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def drawn() -> Any:
    """docs/drawn.py, fresh."""
    return load_drawn()


def reference() -> str:
    return "\n".join(path.read_text(encoding="utf-8") for path in sorted((DOCS / "reference").glob("*.md")))


def test_every_public_name_is_in_the_reference() -> None:
    from alongside import exceptions

    text = reference()
    assert ".. automodule:: alongside.exceptions\n   :members:" in text
    told = {name for name in alongside.__all__ if re.search(rf"::? alongside\.{name}\b", text)}
    assert not set(alongside.__all__) - told - set(exceptions.__all__)


@pytest.mark.parametrize("name", alongside.__all__)
def test_every_public_method_and_property_has_a_docstring(name: str) -> None:
    of = getattr(alongside, name)
    assert inspect.getdoc(of)
    for member, value in vars(of).items() if inspect.isclass(of) else ():
        if not member.startswith("_") and (inspect.isroutine(value) or isinstance(value, property)):
            assert inspect.getdoc(value), f"{name}.{member}"


def test_every_command_and_each_of_its_options_is_explained(drawn: Any) -> None:
    import typer.main

    from alongside.cli.app import app

    group: Any = typer.main.get_command(app)
    shown = drawn.command_line()
    for name, command in group.commands.items():
        assert f"## alongside {name}\n" in shown
        assert command.help, name
        for param in command.params:
            assert getattr(param, "help", None), f"alongside {name}: {param.name} has no help text"
            assert f"`{param.opts[0]}`" in shown or f"`{param.metavar}`" in shown


def test_every_option_is_in_the_reference_by_way_of_the_readme() -> None:
    page = (DOCS / "reference" / "options.md").read_text(encoding="utf-8")
    start, end = re.findall(r':(?:start-after|end-before): "(.*)"', page)
    part = (DOCS.parent / "README.md").read_text(encoding="utf-8").partition(start)[2].partition(end)[0]
    assert not [field.name for field in dataclasses.fields(Options) if f"| `{field.name}` |" not in part]


def test_every_table_of_benchmarks_is_on_the_site() -> None:
    told = "".join((DOCS / name).read_text(encoding="utf-8") for name in ("benchmarks.md", "torture.md"))
    made = {path.name for path in (DOCS.parent / "benchmarks").glob("*.md")}
    assert made == set(re.findall(r"\.\./benchmarks/(\w+\.md)", told))


# --- what is drawn ---------------------------------------------------------------------------------------------------


def test_the_table_of_events_has_every_handler_event_and_command(drawn: Any) -> None:
    told = dict(drawn.commands_after())
    assert told.keys() == {event.__name__ for event in coordinator._HANDLERS} | {drawn.ALWAYS}
    assert told.keys() - {drawn.ALWAYS} <= {event.__name__ for event in events.Event.__args__}
    assert {name for names in told.values() for name in names} == {each.__name__ for each in events.Command.__args__}


def test_the_table_of_events_is_what_the_coordinator_does(drawn: Any) -> None:
    """Against the machine itself: the commands that follow each event are among those the table names for it."""
    told = dict(drawn.commands_after())
    machine = coordinator.Coordinator(Policy(), events.Crew(max_workers=2))
    happened: list[Any] = [
        events.Tick(),
        events.InputArrived(["a", "b", "c"]),
        events.InputEnded(),
        events.Finished(worker=2, batch=2, parts=[model.Part(0, ["B"], 0.1)], seconds=0.1),
        events.Lost(worker=1),
    ]
    brought = {
        (type(event).__name__, type(command).__name__)
        for event in happened
        for command in machine.handle(event, now=0.0)
    }
    assert ("Tick", "Pull") in brought
    assert not {(event, command) for event, command in brought if command not in told[event] + told[drawn.ALWAYS]}


def test_the_picture_shows_every_state_and_every_move(drawn: Any) -> None:
    picture = drawn.task_states()
    moves = drawn.moves()
    assert set(moves) == set(drawn.MOVES.values())
    assert moves["in flight", "settled"] == ["Finished", "Lost"]
    assert moves["in flight", "ready"] == ["Lost", "Returned"]
    assert moves["ready", "settled"] == [drawn.ALWAYS]
    assert all(f">{state}</text>" in picture for state in drawn.STATES)
    assert picture.count("marker-end") == len(moves)


def test_a_move_that_is_gone_from_the_source_breaks_the_build(drawn: Any) -> None:
    drawn.MOVES["_backlog.no_such_thing"] = ("delivered", "ready")
    with pytest.raises(LookupError, match="no_such_thing|delivered"):
        drawn.moves()
