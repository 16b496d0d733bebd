"""What all commands have in common: an option that wants a value takes no other option for it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from alongside.cli.app import app
from tests.cli.conftest import Call

COMMANDS: dict[str, Any] = get_command(app).commands  # type: ignore[attr-defined]  # it is a group
WITH_A_VALUE = [
    (command, name)
    for command, made in COMMANDS.items()
    for option in made.params
    if option.param_type_name == "option" and not option.is_flag
    for name in option.opts
]


def test_there_are_such_options() -> None:
    assert ("guide", "--html") in WITH_A_VALUE
    assert ("map", "-o") in WITH_A_VALUE


@pytest.mark.parametrize(("command", "option"), WITH_A_VALUE)
@pytest.mark.parametrize("taken", ["--help", "-h", "--no-such-thing"])
def test_an_option_is_no_value(command: str, option: str, taken: str, inside: Call, folder: Path) -> None:
    before = set(folder.rglob("*"))
    done = inside(command, option, taken)
    said = " ".join(done.err.replace("│", " ").split())
    assert done.code == 2
    assert f"{taken} looks like an option" in said
    assert set(folder.rglob("*")) == before


def test_nor_is_it_behind_flags_in_one_word(inside: Call) -> None:
    done = inside("map", "tools:square", "-qo", "--help")
    assert (done.code, "looks like an option" in done.err) == (2, True)


def test_what_is_meant_can_be_said(inside: Call, folder: Path) -> None:
    assert inside("map", "tools:square", "--output=--help", stdin="3\n").code == 0
    assert (folder / "--help").read_text() == "9\n"
    assert inside("map", "tools:square", "-o-", stdin="3\n").out == "9\n"
    assert inside("map", "tools:square", "-o", "-", stdin="3\n").out == "9\n"


def test_a_negative_number_is_a_value(inside: Call) -> None:
    done = inside("map", "tools:square", "--retries", "-1", stdin="3\n")
    assert (done.code, "looks like an option" in done.err) == (2, False)
