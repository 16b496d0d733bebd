"""The light `NamedTuple` and `dataclass` do what those of the standard library do."""

from __future__ import annotations

import dataclasses
import pickle
import typing
from typing import Any

import pytest

from alongside import light


class Point(typing.NamedTuple):
    """A place."""

    x: float
    y: float = 0.0

    def far(self) -> float:
        return abs(self.x) + abs(self.y)


theirs_tuple = Point


class Point(light.NamedTuple):  # type: ignore[no-redef]
    """A place."""

    x: float
    y: float = 0.0

    def far(self) -> float:
        return abs(self.x) + abs(self.y)


@dataclasses.dataclass(slots=True)
class Basket:
    """What is carried."""

    owner: str
    things: list[str] = dataclasses.field(default_factory=list)

    def __repr__(self) -> str:
        return f"<{self.owner}'s>"


theirs_class = Basket


@light.dataclass(slots=True)
class Basket:  # type: ignore[no-redef]
    """What is carried."""

    owner: str
    things: list[str] = light.field(default_factory=list)

    def __repr__(self) -> str:
        return f"<{self.owner}'s>"


@dataclasses.dataclass(frozen=True, slots=True)
class Key:
    name: str
    number: int = 1


theirs_frozen = Key


@light.dataclass(frozen=True, slots=True)
class Key:  # type: ignore[no-redef]
    name: str
    number: int = 1


@pytest.mark.parametrize("kind", [theirs_tuple, Point])
def test_a_named_tuple(kind: Any) -> None:
    one = kind(3, y=4)
    assert (repr(one), tuple(one), one.x, one.y, one.far()) == ("Point(x=3, y=4)", (3, 4), 3, 4, 7)
    assert kind(3) == (3, 0.0) and kind(1)._replace(y=2) == kind(1, 2)
    assert one._asdict() == {"x": 3, "y": 4}
    assert (kind._fields, kind._field_defaults, kind.__doc__) == (("x", "y"), {"y": 0.0}, "A place.")
    match one:
        case kind(3, why):
            assert why == 4
    for wrong in ({}, {"x": 1, "z": 2}):
        with pytest.raises(TypeError):
            kind(**wrong)
    with pytest.raises(AttributeError):
        one.x = 1
    with pytest.raises(AttributeError):
        one.new = 1


@pytest.mark.parametrize("kind", [theirs_class, Basket])
def test_a_dataclass(kind: Any) -> None:
    one, other = kind("a"), kind(owner="a")
    assert (repr(one), one == other, one != kind("b")) == ("<a's>", True, True)
    one.things.append("egg")
    assert other.things == [] and one != other and one != ("a", ["egg"])
    assert dataclasses.asdict(one) == {"owner": "a", "things": ["egg"]}
    owner, things = dataclasses.fields(kind)
    assert (owner.name, owner.default, things.name, things.default_factory) == (
        "owner",
        dataclasses.MISSING,
        "things",
        list,
    )
    with pytest.raises(AttributeError):
        one.new = 1
    with pytest.raises(TypeError):
        hash(one)
    with pytest.raises(TypeError):
        kind()


@pytest.mark.parametrize("kind", [theirs_frozen, Key])
def test_a_frozen_dataclass(kind: Any) -> None:
    one = kind("a")
    assert repr(one) == "Key(name='a', number=1)"
    assert [field.default for field in dataclasses.fields(kind)] == [dataclasses.MISSING, 1]
    assert (hash(one) == hash(kind("a", 1)), {one: 1}[kind("a")]) == (True, 1)
    with pytest.raises(AttributeError):
        one.name = "b"
    with pytest.raises(AttributeError):
        del one.name


def test_they_can_be_pickled() -> None:
    for one in (Point(1, 2), Basket("a", ["egg"]), Key("a", 2)):
        again = pickle.loads(pickle.dumps(one))
        assert (again, type(again)) == (one, type(one))


def test_replace() -> None:
    assert light.replace(Key("a"), number=3) == Key("a", 3)
