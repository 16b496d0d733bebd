"""What a function leaves changed in its item is found; what has its use in the call, or is the call's own, is not."""

from __future__ import annotations

import json
import logging
import threading
from collections import Counter, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from alongside.runtime.harmless import is_harmless
from alongside.runtime.reading import read
from alongside.runtime.reading_items import read_item

log = logging.getLogger(__name__)
kept: list[Any] = []


class Model:
    def __init__(self) -> None:
        self.weights: Any = None
        self.steps: list[int] = []
        self._name = ""

    @property
    def name(self) -> str:
        return self._name

    @name.setter
    def name(self, value: str) -> None:
        kept.append(value)

    def fit(self) -> None:
        self.weights = [1]

    def fitted(self) -> Model:
        self.weights = [1]
        return self

    def step(self) -> None:
        self.steps.append(1)

    def twice(self) -> None:
        self.step()
        self.step()

    def save(self) -> None:
        json.dumps(self.weights)


class Guarded(dict[str, Any]):
    def __setattr__(self, name: str, value: Any) -> None:
        kept.append(value)


@dataclass(slots=True)
class Point:
    x: int = 0


class Closed:
    """A file, a socket, a logger: told things, not changed."""

    def write(self, text: str) -> None:
        kept.append(text)

    def add(self, text: str) -> None:
        kept.append(text)


def appends(row: list[int]) -> None:
    row.append(1)


def assigns_key(row: dict[str, int]) -> None:
    row["y"] = row["x"] + 1


def deletes_key(row: dict[str, int]) -> None:
    del row["x"]


def clears_all(a: Any) -> None:
    a[:] = 0


def clips(a: Any) -> None:
    a[a < 0] = 0


def clips_one_by_one(a: Any) -> None:
    for i in range(len(a)):
        if a[i] < 0:
            a[i] = 0


def strips(row: dict[str, str]) -> None:
    for key, value in row.items():
        row[key] = value.strip()


def fills_up(row: list[int]) -> None:
    while len(row) < 3:
        row.append(0)


def adds_one(a: Any) -> None:
    a += 1


def changes_part(row: dict[str, list[int]]) -> None:
    row["tags"].append(1)


def counts_up(row: Any) -> None:
    row["n"] += 1


def sets_attribute(obj: Any) -> None:
    obj.x = 1


def adds_to_attribute(obj: Any) -> None:
    obj.x += 1


def appends_to_attribute(obj: Any) -> None:
    obj.steps.append(1)


def drops(frame: Any) -> None:
    frame.dropna(inplace=True)


def adds_column(frame: Any) -> None:
    frame["b"] = frame["a"] * 2


def by_the_second(n: int, row: list[int]) -> None:
    row.append(n)


def returns_early(row: dict[str, int]) -> None:
    if "x" not in row:
        return
    row["y"] = 1


def drops_a_key(row: dict[str, int]) -> None:
    row.pop("x")


async def awaited(row: dict[str, int]) -> None:
    row["y"] = 1


CHANGED: list[tuple[Any, tuple[Any, ...], str]] = [
    (appends, ([],), "appends to the list row"),
    (appends, (deque(),), "appends to the deque row"),
    (assigns_key, ({},), "changes the dict row"),
    (deletes_key, ({},), "changes the dict row"),
    (clears_all, ([1],), "changes the list a"),
    (clears_all, (np.zeros(3),), "changes the ndarray a"),
    (clears_all, (np.zeros((3, 3))[1],), "changes the ndarray a"),
    (clips, (np.zeros(3),), "changes the ndarray a"),
    (clips_one_by_one, ([1],), "changes the list a"),
    (strips, ({},), "changes the dict row"),
    (fills_up, ([],), "appends to the list row"),
    (adds_one, (np.zeros(3),), "changes the ndarray a"),
    (changes_part, ({},), "changes the dict row"),
    (counts_up, (Counter(),), "changes the Counter row"),
    (sets_attribute, (Model(),), "changes obj.x"),
    (sets_attribute, (Point(),), "changes obj.x"),
    (sets_attribute, (SimpleNamespace(),), "changes obj.x"),
    (adds_to_attribute, (SimpleNamespace(x=1),), "changes obj.x"),
    (appends_to_attribute, (Model(),), "appends to the list obj.steps"),
    (lambda a: a.fill(0), (np.zeros(3),), "changes the ndarray a"),
    (lambda row: row.append(1), ([],), "appends to the list row"),
    (by_the_second, (1, []), "appends to the list row"),
    (partial(by_the_second, 1), ([],), "appends to the list row"),
    (returns_early, ({},), "changes the dict row"),
    (drops_a_key, ({},), "takes from the dict row"),
    (awaited, ({},), "changes the dict row"),
    (Model.fit, (Model(),), "changes self.weights"),
    (Model.twice, (Model(),), "appends to the list self.steps"),
    (lambda model: model.fit(), (Model(),), "changes self.weights"),
]


def named(value: Any) -> str:
    return value if isinstance(value, str) else getattr(value, "__name__", "")


@pytest.mark.parametrize(("fn", "arguments", "told"), CHANGED, ids=named)
def test_an_item_left_changed_is_found_with_its_line(fn: Any, arguments: tuple[Any, ...], told: str) -> None:
    left = read_item(fn, arguments)
    assert left is not None
    assert left.silent
    assert str(left.change).startswith(f"{told} (test_reading_items.py:")


@pytest.mark.parametrize(("fn", "arguments", "told"), CHANGED, ids=named)
def test_the_first_look_does_not_spare_it(fn: Any, arguments: tuple[Any, ...], told: str) -> None:
    assert not is_harmless(fn) or hasattr(arguments[0], "__dict__")


def changes_a_copy(row: list[int]) -> None:
    mine = list(row)
    mine.append(1)


def bound_to_another(row: list[int]) -> None:
    row = [*row]
    row.append(1)


def bound_to_another_if_need_be(row: list[int]) -> None:
    if row:
        row = sorted(row)
    row.append(1)


def written(row: dict[str, int]) -> None:
    row["y"] = 1
    with open("/dev/null", "w") as file:
        json.dump(row, file)


def handed_on(row: list[int], hand: Callable[[Any], None] = print) -> None:
    row.append(1)
    hand(row)


def part_handed_on(row: dict[str, int], hand: Callable[[Any], None] = print) -> None:
    row["y"] = 1
    hand(row["y"])


def saved(model: Model) -> None:
    model.fit()
    model.save()


def frame_written(frame: Any) -> None:
    frame["b"] = 1
    frame.to_csv("/dev/null")


def written_each_time(row: dict[str, int]) -> None:
    for n in range(3):
        print(row)
        row["n"] = n


def taken_from(rows: list[int]) -> None:
    while rows:
        print(rows.pop())


def adds_a_number(n: int) -> None:
    n += 1


def logs(item: Any) -> None:
    log.info("%s", item)


def within_a_thread(row: list[int]) -> None:
    def later() -> None:
        print(row)

    row.append(1)
    threading.Timer(0, later).cancel()


def generates(row: list[int]) -> Iterator[int]:
    row.append(1)
    yield 1


def frame_dropped(frame: Any) -> None:
    frame.dropna(inplace=False)


def sets_name(obj: Any) -> None:
    obj.name = "x"


UNCHANGED: list[tuple[Any, Any]] = [
    (changes_a_copy, []),
    (bound_to_another, []),
    (bound_to_another_if_need_be, []),
    (written, {}),
    (handed_on, []),
    (part_handed_on, {}),
    (saved, Model()),
    (written_each_time, {}),
    (taken_from, []),
    (adds_a_number, 1),
    (adds_one, (1,)),
    (logs, []),
    (within_a_thread, []),
    (generates, []),
    (sets_name, Model()),
    (sets_attribute, Guarded()),
    (sets_attribute, threading.local()),
    (sets_attribute, Model),
    (clears_all, np.frombuffer(bytearray(8), np.uint8)),
    (lambda file: file.write("x"), Closed()),
    (lambda file: file.add("x"), Closed()),
    (appends, "not a list"),
    (print, []),
    (json.dumps, {}),
    (list.append, []),
    (len, []),
]


@pytest.mark.parametrize(("fn", "item"), UNCHANGED, ids=lambda value: getattr(value, "__name__", ""))
def test_no_false_alarm(fn: Any, item: Any) -> None:
    assert read_item(fn, (item,)) is None


def gives_it_back(row: list[int]) -> list[int]:
    row.append(1)
    return row


def gives_it_back_or_nothing(row: list[int]) -> Any:
    if not row:
        return None
    row.append(1)
    return True


@pytest.mark.parametrize("fn", [gives_it_back_or_nothing, lambda row: row.extend([1]) or len([1])])
def test_code_that_may_give_something_back_is_not_silent(fn: Any) -> None:
    left = read_item(fn, ([],))
    assert left is not None
    assert not left.silent


@pytest.mark.parametrize("fn", [gives_it_back, Model.fitted])
def test_what_is_given_back_has_had_its_use(fn: Any) -> None:
    assert read_item(fn, ([] if fn is gives_it_back else Model(),)) is None


def test_a_view_of_an_array_is_its_memory() -> None:
    grid = np.zeros(16).reshape(4, 4)

    def marks(x: int) -> None:
        grid[x] = 1

    assert [str(change)[:24] for change in read(marks).changes] == ["changes the ndarray grid"]


def marks_with_two_names(x: int, into: list[int] = [0]) -> None:  # noqa: B006  (the very slip that is to be noticed)
    into[x] = x


def test_a_name_that_is_loaded_together_with_another_is_followed() -> None:
    assert [change.name for change in read(marks_with_two_names).changes] == ["into"]


def test_frames_are_changed_by_their_parts_and_in_place() -> None:
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"a": [1]})
    for fn in (drops, adds_column):
        left = read_item(fn, (frame,))
        assert left is not None
        assert str(left.change).startswith("changes the DataFrame frame (")
        assert not is_harmless(fn)
    assert read_item(frame_written, (frame,)) is None
    assert read_item(frame_dropped, (frame,)) is None
