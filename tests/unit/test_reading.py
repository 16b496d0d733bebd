"""Reading a function's code: what it changes outside itself is found, and what is its own is left alone."""

from __future__ import annotations

import itertools
import random
import sys
import threading
from collections import Counter, defaultdict, deque
from collections.abc import Callable
from functools import partial, wraps
from types import FunctionType, SimpleNamespace
from typing import Any

import numpy as np
import pytest

from alongside.core.teaching import Change
from alongside.runtime.harmless import is_the_users
from alongside.runtime.reading import read, seeded_places

results: list[Any] = []
seen: set[Any] = set()
counts: Counter[str] = Counter()
groups: defaultdict[int, list[int]] = defaultdict(list)
queue: deque[int] = deque()
table = np.zeros(8)
state = SimpleNamespace(total=0, found=[])
local = threading.local()
total = 0
connection: Any = None
ids = itertools.count()
rng = np.random.default_rng(1)
dice = random.Random(1)


def assigns(x: int) -> None:
    global total
    total += x


def deletes(x: int) -> None:
    global connection
    del connection


def numbers(x: int) -> int:
    return next(ids) + next(iter([x]))


def appends(x: int) -> None:
    results.append(x)


def appends_below(x: int) -> None:
    (results
        .append(x))  # fmt: skip


def adds_to_set(x: int) -> None:
    if x not in seen:
        seen.add(x)


def counts_up(x: str) -> None:
    counts[x] += 1


def assigns_part(x: int) -> None:
    table[x] = 1


def assigns_stretch(x: int) -> None:
    results[x:] = [x]


def deletes_part(x: int) -> None:
    del results[x]


def appends_to_part(x: int) -> None:
    groups[x % 3].append(x)


def adds_to_attribute(x: int) -> None:
    state.total += x


def appends_to_attribute(x: int) -> None:
    state.found.append(x)


def in_a_comprehension(xs: list[int]) -> None:
    _ = [results.append(x) for x in xs]  # type: ignore[func-returns-value]  # the slip that is to be noticed


def in_a_function_inside(x: int) -> None:
    def inner() -> None:
        results.append(x)

    inner()


def in_a_function_called(x: int) -> None:
    appends(x)


def decorated(fn: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(fn)
    def wrapper(*args: Any) -> Any:
        return fn(*args)

    return wrapper


class Tally:
    def __init__(self) -> None:
        self.n = 0
        self.items: list[int] = []
        self.by_key: dict[int, int] = {}
        self._connection: Any = None

    def add(self, x: int) -> None:
        self.n += x

    def keep(self, x: int) -> None:
        self.items.append(x)

    def index(self, x: int) -> None:
        self.by_key[x] = x

    def through_another(self, x: int) -> None:
        self.keep(x)

    def __call__(self, x: int) -> None:
        self.n += x

    def connects(self, x: int) -> int:
        if self._connection is None:
            self._connection = object()
        return x


def nested() -> Callable[[int], None]:
    n, kept = 0, []

    def counts_outside(x: int) -> None:
        nonlocal n
        n += x
        kept.append(x)

    return counts_outside


def fills(into: list[int], x: int) -> None:
    into.append(x)


def fills_default(x: int, into: list[int] = []) -> None:  # noqa: B006  (the very slip that is to be noticed)
    into.append(x)


CHANGED = [
    (assigns, "assigns the global total"),
    (deletes, "assigns the global connection"),
    (numbers, "takes from the count ids"),
    (appends, "appends to the list results"),
    (appends_below, "appends to the list results"),
    (adds_to_set, "adds to the set seen"),
    (counts_up, "changes the Counter counts"),
    (assigns_part, "changes the ndarray table"),
    (assigns_stretch, "changes the list results"),
    (deletes_part, "changes the list results"),
    (appends_to_part, "changes the defaultdict groups"),
    (adds_to_attribute, "changes state.total"),
    (appends_to_attribute, "appends to the list state.found"),
    (in_a_comprehension, "appends to the list results"),
    (in_a_function_inside, "appends to the list results"),
    (in_a_function_called, "appends to the list results"),
    (decorated(appends), "appends to the list results"),
    (lambda x: results.append(x), "appends to the list results"),
    (Tally().add, "changes self.n"),
    (Tally().keep, "appends to the list self.items"),
    (Tally().index, "changes the dict self.by_key"),
    (Tally().through_another, "appends to the list self.items"),
    (Tally(), "changes self.n"),
    (nested(), "assigns the outer n"),
    (nested(), "appends to the list kept"),
    (partial(fills, []), "appends to the list into"),
    (fills_default, "appends to the list into"),
]


@pytest.mark.parametrize(("fn", "told"), CHANGED, ids=lambda value: value if isinstance(value, str) else "")
def test_what_is_changed_outside_is_found_with_its_line(fn: Callable[..., Any], told: str) -> None:
    found = [str(change) for change in read(fn).changes]
    assert any(text.startswith(f"{told} (test_reading.py:") for text in found), found


def test_the_line_is_that_of_the_change() -> None:
    (change,) = read(appends).changes
    assert change == Change("append", "results", "list", __file__, appends.__code__.co_firstlineno + 1)


def makes_its_own(x: int) -> list[int]:
    results = []
    results.append(x)
    counts = {}
    counts[x] = x
    total = 0
    total += x
    return [*results, *counts, total]


def makes_its_own_for_a_function_inside(x: int) -> int:
    kept, n = [], 0

    def inner() -> int:
        nonlocal n
        kept.append(x)
        n += 1
        return n

    return inner() + len([kept.append(i) for i in range(3)])  # type: ignore[func-returns-value]


def reads_only(x: int) -> Any:
    return results[x], len(seen), counts["a"] + 1, state.total + 1, state.found == [x], [*results, x], table[x] * 2


def copies_first(x: int) -> Any:
    mine = results.copy()
    mine.append(x)
    return sorted(results), list(seen), mine, np.append(table, x)


def takes_an_argument(results: list[int], x: int) -> None:
    results.append(x)


def argument_made_anew(x: int, into: Any = []) -> None:  # noqa: B006  (assigned before it is used)
    into = []
    into.append(x)


def connects_once(x: int) -> Any:
    global connection
    if connection is None:
        connection = object()
    return connection


def connects_once_otherwise(x: int) -> Any:
    global connection
    if not connection:
        connection = object()
    return connection


def keeps_by_thread(x: int) -> None:
    local.total += x


def calls_a_library(x: int) -> Any:
    import json

    return json.dumps([x]), np.random.default_rng(x).random(), threading.current_thread()


def prepares_its_process(x: int) -> None:
    sys.path.insert(0, str(x))
    sys.argv.append(str(x))


OWN = [
    prepares_its_process,
    makes_its_own,
    makes_its_own_for_a_function_inside,
    reads_only,
    copies_first,
    takes_an_argument,
    argument_made_anew,
    connects_once,
    connects_once_otherwise,
    keeps_by_thread,
    calls_a_library,
    Tally().connects,
    abs,
    "abc".join,
    str,
    threading.Thread.start,
    partial(pow, 2),
]


@pytest.mark.parametrize("fn", OWN, ids=lambda fn: getattr(fn, "__name__", "partial"))
def test_no_false_alarm(fn: Any) -> None:
    assert read(fn) == ((), ())


def test_code_without_positions_is_read_as_far_as_it_goes() -> None:
    code = appends.__code__
    bare = code.replace(co_linetable=b"")
    fn = FunctionType(bare, globals())
    assert [change.name for change in read(fn).changes] == ["results"]


@pytest.mark.parametrize(
    ("fn", "draws"),
    [
        (lambda x: random.random(), [("random", True, "random")]),
        (lambda x: random.Random(x).random(), []),
        (lambda x: np.random.rand(), [("numpy.random", True, "numpy.random")]),
        (lambda x: np.random.default_rng(x).random(), []),
        (lambda x: rng.normal(), [("rng", False, "numpy.random")]),
        (lambda x: dice.choice([x]), [("dice", False, "random")]),
        (lambda x: (random.seed(x), random.random()), []),
        (lambda x: random.SystemRandom().random(), []),
        (lambda x: [rng.normal() for _ in range(x)], [("rng", False, "numpy.random")]),
    ],
)
def test_shared_generators_are_found(fn: Any, draws: list[Any]) -> None:
    assert [(draw.source, draw.common, draw.library) for draw in read(fn).draws] == draws


def test_where_a_seed_was_set_is_found() -> None:
    code = compile("import random\ndef main():\n    random.seed(3)\nmain()", "job.py", "exec")
    assert list(seeded_places("random", code)) == [("job.py", 3)]
    assert list(seeded_places("random", compile("import random; random.random()", "job.py", "exec"))) == []


def test_library_code_is_not_the_users() -> None:
    assert is_the_users(__file__)
    assert is_the_users("<stdin>")
    assert not is_the_users(threading.__file__)
    assert not is_the_users(np.__file__)
    assert not is_the_users("<frozen importlib._bootstrap>")
