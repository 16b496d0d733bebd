"""Why an object cannot be pickled: the way to the first culprit inside it, what the culprit is, what to do instead.

Owns: the walk through an object in the order in which pickle goes, and the table of known culprits with remedies.
Must never: raise, change the object, look at more than `MAX_OBJECTS` objects or at another after `MAX_SECONDS`.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import chain
from pickle import PickleBuffer
from time import perf_counter
from types import FunctionType, MethodType, ModuleType

from alongside.light import NamedTuple
from alongside.transport.modules import homeless
from alongside.transport.names import names_in

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Final, TypeAlias

MAX_OBJECTS: Final = 200_000
MAX_DEPTH: Final = 500
MAX_SECONDS: Final = 0.25
"""How many objects are looked at, how far inside one another, and for how long, before the search is given up."""

_ATOMS: Final = frozenset(
    {int, float, complex, str, bytes, bytearray, bool, type(None), type(Ellipsis), type(NotImplemented), PickleBuffer}
)
_PASSED_OVER: Final = frozenset({"__dict__", "__weakref__", "_abc_impl", "__doc__", "__module__", "__qualname__"})


class Explanation(NamedTuple):
    """`path`: the way to the culprit, as in `item.session._lock`; `reason`: what it is; `remedy`: what to do."""

    path: str
    reason: str
    remedy: str


class _Place(NamedTuple):
    expression: str
    kind: str = ""
    owner: str = ""

    def then(self, step: str) -> _Place:
        return self._replace(expression=self.expression + step)

    def __str__(self) -> str:
        return f"{self.kind} {self.expression!r} of {self.owner}" if self.kind else self.expression


_Found: TypeAlias = "tuple[_Place, object]"
_Children: TypeAlias = "Callable[[_Place, Any], Iterable[_Found]]"


class _Refused(Exception):
    """The object in hand is itself what cannot be pickled. The text is what its own code raised, or ""."""


def explain(obj: object, root: str = "value", error: BaseException | None = None) -> Explanation:
    """Say why `obj` cannot be pickled. `root`: the word for `obj`, start of the path. `error`: what pickling raised.

    Never raises. Looks at up to `MAX_OBJECTS` objects, `MAX_DEPTH` deep, and starts on no other after `MAX_SECONDS`
    seconds. Where that finds no culprit, the reason is the error's text.

    >>> import threading
    >>> explain({"guard": threading.Lock()}, "item").path
    "item['guard']"
    """
    if isinstance(error, RecursionError) or isinstance(getattr(error, "__cause__", None), RecursionError):
        return Explanation(root, "nested too deeply for pickle", _FLATTEN)
    try:
        found = _search(_Place(root), obj)
    except Exception as failure:
        found, error = None, error or failure
    return found or Explanation(root, f"{_a(obj)} that pickle refuses{_said(error)}", _ELSE)


def _search(root: _Place, obj: object) -> Explanation | None:
    deadline = perf_counter() + MAX_SECONDS
    seen: dict[int, object] = {}
    pending: list[Iterator[_Found]] = [iter([(root, obj)])]
    for looked, (place, child) in enumerate(_deepest(pending)):
        if looked > MAX_OBJECTS or (looked % 64 == 0 and perf_counter() > deadline):
            return None
        if type(child) in _ATOMS or id(child) in seen:
            continue
        seen[id(child)] = child
        try:
            if len(pending) < MAX_DEPTH:
                pending.append(iter(_inside(place, child)))
        except _Refused as refusal:
            return Explanation(str(place), f"{_a(child)}{refusal}", _remedy(child))
    return None


def _deepest(pending: list[Iterator[_Found]]) -> Iterator[_Found]:
    while pending:
        found = next(pending[-1], None)
        if found is None:
            pending.pop()
        else:
            yield found


# -- where pickle goes from an object -------------------------------------------------------------------------------


def _inside(place: _Place, obj: Any) -> Iterable[_Found]:
    if _name(type(obj)) in _WHOLE_CULPRITS:
        raise _Refused
    return _children(obj)(place, obj)


def _children(obj: object) -> _Children:
    return _EXACT.get(type(obj)) or (_in_class if isinstance(obj, type) else _in_reduced)


def _in_dict(place: _Place, obj: dict[Any, Any]) -> Iterator[_Found]:
    for key, value in obj.items():
        if type(key) not in _ATOMS:
            yield place.then(f".keys()[{_short(key)}]"), key
        yield place.then(f"[{_short(key)}]"), value


def _in_sequence(place: _Place, obj: Iterable[object]) -> Iterator[_Found]:
    return ((place.then(f"[{index}]"), element) for index, element in enumerate(obj) if type(element) not in _ATOMS)


def _in_set(place: _Place, obj: Iterable[object]) -> Iterator[_Found]:
    return ((place.then("{...}"), element) for element in obj)


def _in_partial(place: _Place, obj: partial[Any]) -> Iterator[_Found]:
    yield place.then(".func"), obj.func
    yield from _in_sequence(place.then(".args"), obj.args)
    yield from _in_dict(place.then(".keywords"), obj.keywords)
    yield from _in_attributes(place, obj.__dict__)


def _in_method(place: _Place, obj: MethodType) -> Iterator[_Found]:
    yield place.then(".__self__"), obj.__self__
    yield place.then(".__func__"), obj.__func__


def _in_module(place: _Place, obj: ModuleType) -> Iterator[_Found]:
    return _in_attributes(place, {}) if obj.__name__ in sys.modules else _in_attributes(place, vars(obj))


def _in_function(place: _Place, obj: FunctionType) -> Iterator[_Found]:
    if _by_reference(obj):
        return
    owner = f"function {obj.__name__}"
    for name, cell in zip(obj.__code__.co_freevars, obj.__closure__ or (), strict=False):
        yield from ((_Place(name, "closure variable", owner), value) for value in _contents(cell))
    names = dict.fromkeys(names_in(obj.__code__))
    yield from ((_Place(n, "global variable", owner), obj.__globals__[n]) for n in names if n in obj.__globals__)
    defaults = chain(obj.__defaults__ or (), (obj.__kwdefaults__ or {}).values())
    yield from ((_Place(_short(value), "default argument", owner), value) for value in defaults)
    yield from ((_Place(name, "attribute", owner), value) for name, value in obj.__dict__.items())


def _contents(cell: Any) -> tuple[object, ...]:
    try:
        return (cell.cell_contents,)
    except ValueError:  # not filled yet
        return ()


def _in_class(place: _Place, obj: type) -> Iterator[_Found]:
    if _by_reference(obj):
        return
    owner = f"class {obj.__name__}"
    yield from ((_Place(base.__name__, "base", owner), base) for base in obj.__bases__)
    for name, value in tuple(vars(obj).items()):
        if name not in _PASSED_OVER:
            yield _Place(name, "attribute", owner), value


def _in_attributes(place: _Place, attributes: dict[str, Any]) -> Iterator[_Found]:
    return ((place.then(f".{name}"), value) for name, value in tuple(attributes.items()))


def _in_reduced(place: _Place, obj: Any) -> Iterable[_Found]:
    reduced = _reduce(obj)
    if isinstance(reduced, str):
        return ()
    parts: list[Any] = [*reduced, None, None, None]
    make, arguments, state, elements, pairs = parts[:5]
    return chain(
        [(place.then(".__reduce__()[0]"), make)],
        _in_arguments(place, obj, arguments),
        _in_state(place, state),
        _in_sequence(place, elements or ()),
        ((place.then(f"[{_short(key)}]"), value) for key, value in pairs or ()),
    )


def _reduce(obj: Any) -> str | tuple[Any, ...]:
    from copyreg import dispatch_table

    from cloudpickle import Pickler

    reducer = Pickler.dispatch_table.get(type(obj)) or dispatch_table.get(type(obj))
    try:
        reduced = reducer(obj) if reducer else obj.__reduce_ex__(5)
    except Exception as error:
        plain = isinstance(error, TypeError) and str(error).startswith("cannot pickle")
        raise _Refused("" if plain else f" whose pickling raised{_said(error)[1:]}") from error
    if isinstance(reduced, str) or (isinstance(reduced, tuple) and 2 <= len(reduced) <= 6):
        return reduced
    raise _Refused(f" whose __reduce__ returns {_a(reduced)}")


def _in_arguments(place: _Place, obj: object, arguments: Any) -> Iterator[_Found]:
    if isinstance(obj, BaseException):
        return _in_sequence(place.then(".args"), arguments)
    if isinstance(obj, tuple):
        names = getattr(obj, "_fields", ())
        return ((place.then(f".{names[i]}" if i < len(names) else f"[{i}]"), element) for i, element in enumerate(obj))
    return _in_sequence(place.then(".__reduce__()[1]"), arguments)


def _in_state(place: _Place, state: Any) -> Iterable[_Found]:
    if isinstance(state, dict):
        return _in_attributes(place, state)
    if isinstance(state, tuple) and len(state) == 2 and isinstance(state[1], dict):
        return chain(_in_attributes(place, state[0] or {}), _in_attributes(place, state[1]))
    return [(place.then(".__getstate__()"), state)]


_EXACT: Final[dict[type, _Children]] = {
    dict: _in_dict,
    list: _in_sequence,
    tuple: _in_sequence,
    set: _in_set,
    frozenset: _in_set,
    FunctionType: _in_function,
    MethodType: _in_method,
    ModuleType: _in_module,
    partial: _in_partial,
}


def _by_reference(obj: Any) -> bool:
    module = sys.modules.get(obj.__module__)
    if module is None or module.__name__ == "__main__" or module.__name__ in homeless.names():
        return False
    found: Any = module
    for name in obj.__qualname__.split("."):
        found = getattr(found, name, None)
    return found is obj


# -- words ----------------------------------------------------------------------------------------------------------

_THREADS: Final = "or use backend='threads', where nothing is pickled."
_OPEN: Final = f"Open it inside the function, or once per worker in initializer=, {_THREADS}"
_ELSE: Final = f"Leave it out of what is sent (see __getstate__ in the documentation of pickle), {_THREADS}"
_FLATTEN: Final = f"Flatten it, for example into a list, {_THREADS}"
_LOCK: Final = f"Make the lock inside the function, leave it out with __getstate__, {_THREADS}"
_FILE: Final = f"Pass the path and open the file inside the function, {_THREADS}"
_LIST: Final = f"Pass its values, for example list(...), {_THREADS}"
_AWAIT: Final = "Pass the async function itself and its arguments, not what it returned when called."
_QUEUE: Final = f"Return the values instead of putting them in a queue, {_THREADS}"
_WINDOW: Final = "Keep the window in the main thread: send plain data, and show the results that come back."
_TEXT: Final = f"Pass the text or number that you need of it, {_THREADS}"
_POOL: Final = "Call alongside once for all the items, rather than passing a pool or a future to the tasks."

_REMEDIES: Final[tuple[tuple[tuple[str, ...], str], ...]] = (
    (("_thread.lock", "_thread.RLock", "threading.Condition", "threading.Event", "threading.Semaphore"), _LOCK),
    (("threading.BoundedSemaphore", "threading.Barrier", "threading._RLock"), _LOCK),
    (("multiprocessing.synchronize.", "asyncio.locks."), _LOCK),
    (("threading.Thread", "threading.Timer", "subprocess.Popen", "asyncio.events.", "asyncio.unix_events."), _OPEN),
    (("_thread._local", "threading.local", "_contextvars.", "select.", "mmap.mmap", "ctypes.", "_ctypes."), _OPEN),
    (("socket.", "_socket.", "ssl.", "_ssl.", "sqlite3.", "psycopg", "pymysql.", "MySQLdb.", "pymongo."), _OPEN),
    (("redis.", "oracledb.", "pyodbc.", "asyncpg.", "sqlalchemy.engine.", "sqlalchemy.orm.session.", "duckdb."), _OPEN),
    (("grpc.", "botocore.", "boto3.", "httpx.", "aiohttp.", "urllib3.", "http.client.", "ftplib.", "smtplib."), _OPEN),
    (("_io.", "io.", "tempfile.", "zipfile.", "tarfile.", "gzip.", "h5py."), _FILE),
    (("builtins.generator", "builtins.dict_", "builtins.map", "builtins.filter", "builtins.zip", "itertools."), _LIST),
    (("builtins.enumerate", "builtins.reversed", "_csv.", "os.ScandirIterator", "posix.ScandirIterator"), _LIST),
    (("builtins.coroutine", "builtins.async_generator", "_asyncio.Task"), _AWAIT),
    (("queue.", "_queue.", "multiprocessing.queues.", "asyncio.queues.", "multiprocessing.connection."), _QUEUE),
    (("_tkinter.", "tkinter.", "PyQt", "PySide"), _WINDOW),
    (("re.Match", "_hashlib.", "zlib.", "builtins.frame", "builtins.traceback", "weakref.", "lxml."), _TEXT),
    (("concurrent.futures.", "_asyncio.Future", "multiprocessing.pool."), _POOL),
)

_WHOLE_CULPRITS: Final = frozenset(
    {"threading.Thread", "threading.Timer", "threading.Event", "threading.Condition", "threading.Semaphore"}
    | {"threading.BoundedSemaphore", "threading.Barrier", "subprocess.Popen", "multiprocessing.pool.Pool"}
    | {"queue.Queue", "queue.LifoQueue", "queue.PriorityQueue", "concurrent.futures._base.Future"}
    | {"concurrent.futures.thread.ThreadPoolExecutor", "concurrent.futures.process.ProcessPoolExecutor"}
)
"""Types named as the culprit themselves, rather than the lock inside them."""


def _remedy(obj: object) -> str:
    for kind in type(obj).__mro__:
        for prefixes, remedy in _REMEDIES:
            if _name(kind).startswith(prefixes):
                return remedy
    return _ELSE


def _name(kind: type) -> str:
    return f"{kind.__module__}.{kind.__qualname__}"


def _a(obj: object) -> str:
    name = _name(type(obj)).removeprefix("builtins.")
    return f"{'an' if name[0] in 'aeiouAEIOU' else 'a'} {name}"


def _said(error: BaseException | None) -> str:
    if error is None:
        return ""
    try:
        text = " ".join(str(error).split())[:200]
    except Exception:
        text = ""
    return f": {type(error).__name__}: {text}" if text else f": {type(error).__name__}"


def _short(obj: object) -> str:
    text = repr(obj) if type(obj) in _ATOMS else f"<{type(obj).__name__}>"
    return text if len(text) <= 40 else f"{text[:37]}..."
