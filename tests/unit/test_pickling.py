"""Pickling: what travels, by reference or by value, with which buffers; and why something does not."""

from __future__ import annotations

import copy
import gc
import pickle
import queue
import re
import socket
import sqlite3
import subprocess
import sys
import textwrap
import threading
import time
import types
from collections import OrderedDict
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alongside.exceptions import NotPicklable
from alongside.transport import byvalue
from alongside.transport import explain as explain_module
from alongside.transport.explain import explain
from alongside.transport.modules import homeless
from alongside.transport.pickling import OUT_OF_BAND, dumps, loads

# -- values ---------------------------------------------------------------------------------------------------------

_atoms = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.binary()
_values = st.recursive(
    _atoms | st.sampled_from(["__main__", "\x08__main__", b"\x8c\x08__main__\x94\x93", int, print, re.compile]),
    lambda inner: st.lists(inner) | st.tuples(inner, inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@given(_values)
def test_what_goes_in_comes_out(value: object) -> None:
    assert loads(dumps(value)) == value


@given(_values)
def test_plain_data_is_plain_pickle(value: object) -> None:
    if b"__main__" not in pickle.dumps(value):
        assert dumps(value) == pickle.dumps(value, 5)


@given(st.lists(st.integers(min_value=0, max_value=2 * OUT_OF_BAND), max_size=4))
def test_large_buffers_travel_beside_the_pickle_in_order(sizes: list[int]) -> None:
    arrays = [np.full(size, size % 251, dtype=np.uint8) for size in sizes]
    buffers: list[pickle.PickleBuffer] = []
    data = dumps(arrays, buffers)

    assert [buffer.raw().nbytes for buffer in buffers] == [size for size in sizes if size >= OUT_OF_BAND]
    assert all(np.array_equal(a, b) for a, b in zip(loads(data, buffers), arrays, strict=True))
    assert all(np.array_equal(a, b) for a, b in zip(loads(dumps(arrays)), arrays, strict=True))


def test_a_buffer_is_not_copied() -> None:
    array = np.zeros(OUT_OF_BAND, dtype=np.uint8)
    buffers: list[pickle.PickleBuffer] = []
    data = dumps(array, buffers)

    assert np.shares_memory(loads(data, buffers), array)
    assert len(data) < 1000


@pytest.mark.parametrize("order", ["strided", "fortran", "read-only"])
def test_unusual_arrays(order: str) -> None:
    array = np.arange(4 * OUT_OF_BAND, dtype=np.uint8).reshape(4, -1)
    if order == "read-only":
        array.flags.writeable = False
    elif order == "fortran":
        array = np.asfortranarray(array)
    else:
        array = array[:, ::2]
    buffers: list[pickle.PickleBuffer] = []
    back = loads(dumps(array, buffers), buffers)

    assert np.array_equal(back, array)
    assert back.flags.writeable is (order != "read-only")


class NonContiguous:
    def __init__(self, view: memoryview) -> None:
        self.view = view

    def __reduce_ex__(self, protocol: object) -> tuple[Any, ...]:
        return bytes, (pickle.PickleBuffer(self.view),)


def test_a_buffer_that_is_not_contiguous_is_refused_like_anything_else() -> None:
    with pytest.raises(NotPicklable):
        dumps(NonContiguous(memoryview(bytearray(4 * OUT_OF_BAND))[::2]), [])


def test_buffers_of_a_value_that_fails_are_dropped_and_earlier_ones_kept() -> None:
    kept = pickle.PickleBuffer(b"kept")
    buffers = [kept]
    with pytest.raises(NotPicklable):
        dumps([np.zeros(OUT_OF_BAND), threading.Lock()], buffers)
    assert buffers == [kept]


def test_buffers_of_a_value_that_travels_by_value_are_collected_once() -> None:
    array = np.arange(OUT_OF_BAND)
    buffers: list[pickle.PickleBuffer] = []
    back = loads(dumps([array, lambda: array.sum()], buffers), buffers)

    assert len(buffers) == 1
    assert back[1]() == array.sum()


def test_lambdas_closures_and_local_classes_travel_by_value() -> None:
    base = 10

    class Local:
        def add(self, number: int) -> int:
            return base + number

    local, add = loads(dumps((Local(), lambda number: base + number)))
    assert (local.add(1), add(2)) == (11, 12)
    assert type(local) is Local


def test_memory_error_and_interrupts_are_not_called_unpicklable() -> None:
    for kind in (MemoryError, KeyboardInterrupt):
        with pytest.raises(kind):
            dumps(RaisesInReduce(kind))


class RaisesInReduce:
    def __init__(self, kind: type[BaseException]) -> None:
        self.kind = kind

    def __reduce__(self) -> str:
        raise self.kind("no")


# -- modules that a fresh interpreter cannot import -----------------------------------------------------------------


_Add: TypeAlias = Callable[..., types.ModuleType]


@pytest.fixture
def modules(monkeypatch: pytest.MonkeyPatch) -> _Add:
    """Let a test add modules, by name and source, that are gone after it."""

    def add(name: str, source: str, path: Path | None = None) -> types.ModuleType:
        if path is None:
            module = types.ModuleType(name)
        else:
            from importlib.util import module_from_spec, spec_from_file_location

            path.write_text(source)
            spec = spec_from_file_location(name, path)
            assert spec is not None
            module = module_from_spec(spec)
        monkeypatch.setitem(sys.modules, name, module)
        exec(source, vars(module))
        return module

    return add


_FUNCTION = "FACTOR = 3\ndef triple(x):\n    return FACTOR * x\n"
_LOAD_AND_CALL = "import sys; from alongside.transport.pickling import loads; print(loads(sys.stdin.buffer.read())(14))"


def _call_in_a_fresh_interpreter(data: bytes) -> str:
    done = subprocess.run([sys.executable, "-c", _LOAD_AND_CALL], input=data, capture_output=True, check=False)
    return done.stdout.decode().strip() or done.stderr.decode()


def test_a_module_made_in_memory_travels_by_value(modules: _Add) -> None:
    module = modules("made_in_memory", _FUNCTION)
    assert _call_in_a_fresh_interpreter(dumps(module.triple)) == "42"


def test_a_module_loaded_from_a_path_travels_by_value(modules: _Add, tmp_path: Path) -> None:
    module = modules("loaded_from_path", _FUNCTION, tmp_path / "loaded_from_path.py")
    assert _call_in_a_fresh_interpreter(dumps(module.triple)) == "42"


def test_that_cloudpickle_cannot_be_loaded_is_no_fault_of_the_object(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise OSError(24, "Too many open files")

    monkeypatch.setattr(byvalue, "value_pickler", fail)
    with pytest.raises(OSError, match="Too many open files"):
        dumps(lambda: None)


_CACHED = """
import functools

@functools.cache
def fib(n):
    return n if n < 2 else fib(n - 1) + fib(n - 2)

def through(n):
    return fib(n)

class Thing:
    def __init__(self, x):
        self.x = x

    @functools.lru_cache(maxsize=7)
    def method(self, y):
        return self.x * y

    @functools.cached_property
    def twice(self):
        return 2 * self.x

thing = Thing(3)

def both(n):
    return thing.twice + thing.method(n)
"""


@pytest.mark.parametrize(("name", "given"), [("fib", "377"), ("through", "377"), ("both", "48")])
def test_functions_with_a_cache_and_cached_properties_travel_by_value(modules: _Add, name: str, given: str) -> None:
    module = modules("made_with_caches", _CACHED)
    assert _call_in_a_fresh_interpreter(dumps(getattr(module, name))) == given


def test_a_cached_function_of_the_main_module_travels_by_value() -> None:
    program = (
        _CACHED
        + """
import subprocess, sys
from alongside.transport.pickling import dumps
load = "import sys; from alongside.transport.pickling import loads; print(loads(sys.stdin.buffer.read())(14))"
for fn in (fib, through, both, thing.method):
    print(subprocess.run([sys.executable, "-c", load], input=dumps(fn), capture_output=True).stdout.decode().strip())
"""
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["377", "377", "48", "42"]


def test_a_module_on_the_path_travels_by_reference(
    modules: _Add, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    module = modules("found_on_path", _FUNCTION, tmp_path / "found_on_path.py")
    assert dumps(module.triple) == pickle.dumps(module.triple, 5)


def test_a_registered_package_travels_by_value_while_it_is_registered(
    modules: _Add, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import cloudpickle

    monkeypatch.syspath_prepend(str(tmp_path))
    package = modules("registered_package", "", tmp_path / "registered_package.py")
    inside = modules("registered_package.inside", _FUNCTION, tmp_path / "inside.py")
    inside.triple.__module__ = "registered_package.inside"
    by_reference = pickle.dumps(inside.triple, 5)

    cloudpickle.register_pickle_by_value(package)
    try:
        assert dumps(inside.triple) != by_reference
        assert loads(dumps(inside.triple))(14) == 42
    finally:
        cloudpickle.unregister_pickle_by_value(package)
    assert dumps(inside.triple) == by_reference


def test_registrations_of_others_are_left_alone(modules: _Add) -> None:
    import cloudpickle

    modules("made_in_memory", _FUNCTION)
    before = cloudpickle.list_registry_pickle_by_value()
    dumps(lambda: 1)
    assert cloudpickle.list_registry_pickle_by_value() == before


def test_a_module_swapped_for_another_is_noticed(modules: _Add, monkeypatch: pytest.MonkeyPatch) -> None:
    modules("first_module", _FUNCTION)
    assert "first_module" in homeless.names()
    monkeypatch.delitem(sys.modules, "first_module")
    modules("second_module", _FUNCTION)

    assert "second_module" in homeless.names()
    assert "first_module" not in homeless.names()


def test_lazy_modules_are_not_woken(monkeypatch: pytest.MonkeyPatch) -> None:
    class Lazy(types.ModuleType):
        def __getattribute__(self, name: str) -> object:
            raise AssertionError(f"{name} was asked for")

    monkeypatch.setitem(sys.modules, "lazy_module", Lazy("lazy_module"))
    assert "lazy_module" in homeless.names()


# -- a real __main__ and a real worker ------------------------------------------------------------------------------

_PREAMBLE = '''
import subprocess, sys
from alongside.transport.pickling import dumps, loads

CHILD = """
import sys
from alongside.transport.pickling import dumps, loads
calls, reply = loads(sys.stdin.buffer.read())
for call in calls:
    function, args = loads(call)
    data = dumps(function(*args), reply=reply)
    sys.stdout.buffer.write(len(data).to_bytes(4, "big") + data)
"""

def there(*calls, reply):
    """Run each (function, *args) in one child, each call pickled on its own; return what came back, and its size."""
    data = dumps(([dumps((function, args)) for function, *args in calls], reply))
    out = subprocess.run([sys.executable, "-c", CHILD], input=data, stdout=subprocess.PIPE, check=True).stdout
    while out:
        size = int.from_bytes(out[:4], "big")
        yield loads(out[4:4 + size])
        out = out[4 + size:]
'''


def _run_as_main(tmp_path: Path, source: str) -> None:
    script = tmp_path / "script.py"
    script.write_text(_PREAMBLE + textwrap.dedent(source))
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


_KINDS = """
import dataclasses, enum, typing
class Point:
    def __init__(self, x): self.x = x
class Slotted:
    __slots__ = ("x", "__hidden")
    def __init__(self, x): self.x = self.__hidden = x
@dataclasses.dataclass(slots=True)
class SlottedData: x: int
class SlottedChild(Slotted): __slots__ = ()
@dataclasses.dataclass(frozen=True)
class Data: x: int
class Colour(enum.Enum): RED = 1
class Pair(typing.NamedTuple): x: int
class Mine(Exception): pass
class Child(Point):
    def __init__(self, x): super().__init__(x)
"""


@pytest.mark.parametrize("reply", [True, False])
def test_objects_of_main_come_back_as_objects_of_the_same_class(tmp_path: Path, reply: bool) -> None:
    source = f"""
    objects = [Point(1), Slotted(1), SlottedData(1), SlottedChild(1), Data(1), Colour.RED, Pair(1), Mine(1), Child(1)]
    for before, after in zip(objects, there(*((lambda x: x, o) for o in objects), reply={reply})):
        assert type(after) is type(before), type(after)
    assert after.x == 1
    made = list(there((lambda: [Point(2), Colour(1), Data(3)],), (Child, 4), (Pair, 5), reply={reply}))
    [has_dict] = there((lambda: hasattr(Slotted(1), "__dict__"),), reply={reply})
    assert not has_dict
    assert [type(x) for x in (*made[0], *made[1:])] == [Point, Colour, Data, Child, Pair]
    assert made[0][1] is Colour.RED and made[0][2] == Data(3) and isinstance(made[1], Point) and made[2] == (5,)
    """
    _run_as_main(tmp_path, _KINDS + textwrap.dedent(source))


@pytest.mark.parametrize("reply", [True, False])
def test_a_class_that_comes_home_is_not_touched(tmp_path: Path, reply: bool) -> None:
    _run_as_main(
        tmp_path,
        f"""
        LEVEL = 1
        class Counter:
            made = 0
            def level(self): return LEVEL
        def work():
            Counter.made = 99
            return Counter()
        method = Counter.level
        [counter] = there((work,), reply={reply})
        LEVEL = 2
        assert type(counter) is Counter and Counter.level is method
        assert Counter.made == 0 and counter.level() == 2
        """,
    )


def test_a_worker_sees_what_became_of_a_class_it_already_has(tmp_path: Path) -> None:
    _run_as_main(
        tmp_path,
        """
        class Config: level = 1
        read = lambda config: config.level
        first = dumps((read, (Config,)))
        Config.level = 2
        second = dumps((read, (Config,)))
        code = '''
        import sys
        from alongside.transport.pickling import loads
        for call in loads(sys.stdin.buffer.read()):
            function, args = loads(call)
            print(function(*args))
        '''
        import textwrap
        out = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], input=dumps([first, second]),
                             stdout=subprocess.PIPE, check=True).stdout
        assert out.split() == [b"1", b"2"], out
        """,
    )


def test_a_reply_names_the_class_instead_of_carrying_it(tmp_path: Path) -> None:
    _run_as_main(
        tmp_path,
        """
        class Large:
            text = "text" * 10_000
        def size():
            from alongside.transport.pickling import dumps
            return len(dumps(Large(), reply=True)), len(dumps(Large()))
        [(named, carried)] = there((size,), reply=True)
        assert named < 300 and carried > 40_000, (named, carried)
        """,
    )


def test_classes_made_in_the_worker_arrive(tmp_path: Path) -> None:
    _run_as_main(
        tmp_path,
        """
        def make():
            class Local:
                def __init__(self): self.x = 5
                def double(self): return 2 * self.x
            return Local()
        [local] = there((make,), reply=True)
        assert local.double() == 10
        """,
    )


def test_a_main_module_that_multiprocessing_imported_travels_by_value(tmp_path: Path) -> None:
    _run_as_main(
        tmp_path,
        """
        import multiprocessing
        class Point:
            def __init__(self, x): self.x = x
        def work():
            assert Point.__module__ == "__mp_main__"
            [point] = there((Point, 5), reply=True)
            assert type(point) is Point and point.x == 5
        if __name__ == "__main__":
            process = multiprocessing.get_context("spawn").Process(target=work)
            process.start()
            process.join()
            sys.exit(process.exitcode)
        """,
    )


def test_threads_that_pickle_by_value_at_once_do_not_disturb_each_other(modules: _Add) -> None:
    module = modules("made_in_memory", _FUNCTION)
    started = threading.Barrier(4)
    by_reference: list[bytes] = []

    def work() -> None:
        started.wait()
        by_reference.extend(data for data in (dumps(module.triple) for _ in range(300)) if len(data) < 200)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert by_reference == []


# -- why not --------------------------------------------------------------------------------------------------------


class Session:
    def __init__(self) -> None:
        self._lock = threading.Lock()


class Item:
    def __init__(self) -> None:
        self.name = "x"
        self.session = Session()

    def method(self) -> None: ...


class Slots:
    __slots__ = ("lock", "unset")

    def __init__(self) -> None:
        self.lock = threading.Lock()


class StateFails:
    def __getstate__(self) -> object:
        raise ValueError("not this\n one")


class ReduceIsWrong:
    def __reduce__(self) -> object:  # type: ignore[override]
        return 7


class KeepsLockInList(list[object]):
    def __init__(self) -> None:
        super().__init__()
        self.append(threading.Lock())


class Named(NamedTuple):
    one: object
    two: object


_connection = sqlite3.connect(":memory:", check_same_thread=False)
_lock = threading.Lock()


@pytest.fixture(scope="module", autouse=True)
def _close_connection() -> Iterator[None]:
    yield
    _connection.close()


def _loads_through_closure() -> Callable[[], object]:
    conn = _connection

    def load() -> object:
        return conn

    return load


def _uses_a_global() -> object:
    namespace = {"lock": threading.Lock()}
    exec("def work():\n    return [lock for _ in range(2)]", namespace)
    return namespace["work"]


def _has_a_default(guard: object = _lock) -> None: ...


def _local_class_with_lock() -> type:
    class Local:
        guard = threading.Lock()

    return Local


def _nested_default() -> Callable[..., object]:
    return lambda guard=_lock: guard


def _generator() -> Iterator[int]:
    yield 1


_CULPRITS = [
    (lambda: threading.Lock(), "item", "a _thread.lock", "inside the function"),
    (Item, "item.session._lock", "a _thread.lock", "__getstate__"),
    (lambda: [1, {"a": (0, Item())}], "item[1]['a'][1].session._lock", "a _thread.lock", "threads"),
    (lambda: {"a", threading.Lock()}, "item{...}", "a _thread.lock", "threads"),
    (lambda: {threading.Lock(): 1}, "item.keys()[<lock>]", "a _thread.lock", "threads"),
    (lambda: OrderedDict(a=threading.Lock()), "item['a']", "a _thread.lock", "threads"),
    (lambda: Named(1, Item()), "item.two.session._lock", "a _thread.lock", "threads"),
    (Slots, "item.lock", "a _thread.lock", "threads"),
    (KeepsLockInList, "item[0]", "a _thread.lock", "threads"),
    (_loads_through_closure, "closure variable 'conn' of function load", "a sqlite3.Connection", "initializer="),
    (_uses_a_global, "global variable 'lock' of function work", "a _thread.lock", "inside the function"),
    (_nested_default, "default argument '<lock>' of function <lambda>", "a _thread.lock", "threads"),
    (_local_class_with_lock, "attribute 'guard' of class Local", "a _thread.lock", "threads"),
    (lambda: partial(print, 1, file=Item()), "item.keywords['file'].session._lock", "a _thread.lock", "threads"),
    (lambda: partial(_has_a_default, Item()), "item.args[0].session._lock", "a _thread.lock", "threads"),
    (lambda: Item().method, "item.__self__.session._lock", "a _thread.lock", "threads"),
    (lambda: ValueError("no", threading.Lock()), "item.args[1]", "a _thread.lock", "threads"),
    (_generator, "item", "a generator", "list(...)"),
    (queue.Queue, "item", "a queue.Queue", "Return the values"),
    (queue.SimpleQueue, "item", "a _queue.SimpleQueue", "Return the values"),
    (threading.Event, "item", "a threading.Event", "inside the function"),
    (threading.local, "item", "a _thread._local", "initializer="),
    (lambda: re.match("a", "a"), "item", "a re.Match", "the text"),
    (StateFails, "item", "StateFails whose pickling raised ValueError: not this one", "__getstate__"),
    (ReduceIsWrong, "item", "ReduceIsWrong whose __reduce__ returns an int", "threads"),
]


@pytest.mark.parametrize(("make", "path", "reason", "remedy"), _CULPRITS, ids=[row[1] for row in _CULPRITS])
def test_the_culprit_is_named(make: Callable[[], object], path: str, reason: str, remedy: str) -> None:
    with pytest.raises(NotPicklable) as caught:
        dumps(make(), what="item")
    error = caught.value

    assert error.path == path
    assert reason in error.reason
    assert remedy in error.remedy
    assert error.__cause__ is not None
    assert str(error).startswith(f"item cannot be sent to another process: {path} is {error.reason}. ")


def test_files_and_sockets() -> None:
    with open(__file__, "rb") as file, pytest.raises(NotPicklable, match=r"Pass the path and open"):
        dumps(file)
    with socket.socket() as connection, pytest.raises(NotPicklable, match=r"a socket\.socket.*initializer="):
        dumps({"connection": connection})


def test_a_coroutine_is_explained() -> None:
    async def work() -> None: ...

    coroutine = work()
    with pytest.raises(NotPicklable, match=r"is a coroutine\. Pass the async function itself"):
        dumps(coroutine)
    coroutine.close()


def test_a_cycle_around_the_culprit() -> None:
    item: list[object] = [{}]
    item[0] = {"back": item, "lock": threading.Lock()}
    assert explain(item, "item").path == "item[0]['lock']"


def test_deep_nesting_is_explained_and_does_not_crash() -> None:
    nested: list[object] = []
    for _ in range(100_000):
        nested = [nested]
    with pytest.raises(NotPicklable, match=r"nested too deeply for pickle\. Flatten it"):
        dumps(nested)
    with pytest.raises(NotPicklable, match=r"nested too deeply for pickle\. Flatten it"):
        dumps([nested, lambda: 1])


def test_the_search_is_bounded() -> None:
    endless: list[object] = [[i, str(i)] for i in range(500_000)]
    endless.append(threading.Lock())
    gc.collect()
    started = time.thread_time()
    explanation = explain(endless, "item", TypeError("cannot pickle that"))

    assert explanation.path == "item"
    assert "cannot pickle that" in explanation.reason
    assert time.thread_time() - started < 4 * explain_module.MAX_SECONDS


class Hostile:
    """Raises whatever is asked of it."""

    def __reduce_ex__(self, protocol: object) -> tuple[Any, ...]:
        raise RuntimeError("no reduce")

    def __repr__(self) -> str:
        raise RuntimeError("no repr")

    def __eq__(self, other: object) -> bool:
        raise RuntimeError("no equality")

    __hash__ = object.__hash__


class HostileError(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no text")


class FailsWithoutText:
    def __reduce__(self) -> object:  # type: ignore[override]
        raise HostileError


@pytest.mark.parametrize(
    "item", [Hostile(), {Hostile(): Hostile()}, [FailsWithoutText()], Hostile, types.new_class("X")]
)
def test_explaining_never_raises(item: object) -> None:
    assert all(isinstance(part, str) for part in explain(item))


@given(_values)
def test_explaining_what_can_be_pickled_does_no_harm(value: object) -> None:
    before = copy.deepcopy(value)
    assert explain(value, "item").path == "item"
    assert value == before


def test_what_only_speaks_of_main_travels_by_reference(tmp_path: Path) -> None:
    """As scikit-learn does: it sends Python's warning filters with each task, and one of those is for `__main__`."""
    _run_as_main(
        tmp_path,
        """
        import argparse, pickle, typing, warnings
        from concurrent.futures import Future
        class Job: pass
        class Outer:
            class Inner: pass
        def work(x): return x
        Kind = typing.TypeVar("Kind")
        filters = list(warnings.filters)
        assert any("__main__" in each for each in filters)
        for mentions in (["__main__", Future], [filters, argparse.Namespace], ["__main__", Future, "wor"]):
            assert dumps(mentions) == pickle.dumps(mentions, 5), mentions
        assert "cloudpickle" not in sys.modules
        for names in (Job, Job(), Outer.Inner, [filters, work], [Kind], ["__main__", {"Job": Job}]):
            assert dumps(names) != pickle.dumps(names, 5), names
        for large in (b"__main__\\x8c\\x04work" * 20_000, bytearray(200_000), "work" * 100_000, "\\u00e9" * 100_000):
            for place in range(4):
                around = [large, "__main__", large, large]
                assert dumps([Future, *around]) == pickle.dumps([Future, *around], 5), "names are not looked for there"
                around.insert(place, work)
                assert dumps(around) != pickle.dumps(around, 5), place
        """,
    )
