"""Values to bytes and back: by reference with plain pickle where the reader can follow it, by value where it cannot.

Owns: the choice between the two, and the threshold from which a buffer travels beside the pickle. Must never: load what
pickles by value before it is needed (byvalue.py), run Python code per pickled object on the fast path, or let an object
that cannot be pickled raise anything but `NotPicklable`. Loaded by every worker before it says that it is there: must
stay light to import.
"""

from __future__ import annotations

import _pickle as pickle  # `pickle` itself takes milliseconds to import
import sys
from functools import lru_cache
from types import FunctionType

from alongside.transport.modules import homeless, newest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any, Final, TypeAlias

Buffers: TypeAlias = list[pickle.PickleBuffer] | None

PROTOCOL: Final = 5
OUT_OF_BAND: Final = 64 * 1024
"""Bytes from which a buffer is handed over beside the pickle instead of inside it."""

SEARCHED: Final = 1 << 20
"""Bytes that are searched for names of `__main__` at the most: half a millisecond."""

_ATOMS: Final = frozenset({int, float, str, bytes, bool, complex, type(None)})
_STACK_GLOBAL: Final = b"\x93"
_MAIN: Final = b"\x08__main__"
_FRAMED: Final = 64 * 1024
"""Bytes from which a string is written outside of the frames."""
_FRAME: Final = 0x95
_LENGTHS: Final = {_FRAME: 8, ord("B"): 4, 0x8E: 8, 0x96: 8, ord("X"): 4, 0x8D: 8}
"""What may stand at the end of a frame: the next one, bytes, a bytearray, or a string; and the width of its length."""

CACHED: Final = type(lru_cache(len))
"""What `functools.cache` and `lru_cache` make of a function: it is named in a pickle, as a function is."""

homes_of_received: Final[set[str]] = set()
"""The modules of the classes that have come here by value."""


def dumps(obj: object, buffers: Buffers = None, *, reply: bool = False, what: str = "value") -> bytes:
    """Return `obj` as bytes that another process can load.

    `buffers`: contiguous buffers of at least `OUT_OF_BAND` bytes (arrays) are appended here, without a copy, and must
    be given to `loads` in the same order; None keeps everything in the bytes. `reply`: the reader is the process from
    which the classes of its `__main__` came, so they are named instead of being sent back. `what`: the word for `obj`
    in an error ("item", "result", "function").
    Raises `NotPicklable`, with the path to the culprit; `buffers` is then as it was.
    Costs what `pickle.dumps` costs plus 0.8 microseconds and a search of the bytes (0.2 ms per megabyte), unless
    something has to travel by value: that starts at 50 microseconds.

    >>> loads(dumps([1, 2]))
    [1, 2]
    >>> loads(dumps(lambda x: 3 * x))(14)
    42
    """
    if type(obj) not in _ATOMS and (homeless.some_unfinished() or (homes_of_received and _some_not_here())):
        return _dumps_by_value(obj, buffers, reply, what)
    mark = 0 if buffers is None else len(buffers)
    try:
        if buffers is None:
            data = pickle.dumps(obj, PROTOCOL)
        else:
            data = pickle.dumps(obj, PROTOCOL, buffer_callback=collector(buffers))
        if type(obj) in _ATOMS or _STACK_GLOBAL not in data or not _needs_value(_without_payloads(data)):
            return data
    except MemoryError:
        raise
    except Exception as error:
        _drop(buffers, mark)
        if isinstance(error, RecursionError):
            raise _not_picklable(obj, what, error) from error
    else:
        _drop(buffers, mark)
    return _dumps_by_value(obj, buffers, reply, what)


def _drop(buffers: Buffers, mark: int) -> None:
    if buffers is not None:
        del buffers[mark:]


def loads(data: bytes | bytearray | memoryview, buffers: Iterable[Any] = ()) -> Any:
    """Return the object that `dumps` made `data` from. `buffers`: its buffers, in the same order, or copies of them.

    Raises whatever the object's own code raises while it is rebuilt.
    """
    return pickle.loads(data, buffers=buffers)


def _dumps_by_value(obj: object, buffers: Buffers, reply: bool, what: str) -> bytes:
    from alongside.transport.byvalue import dumped, value_pickler

    mark = 0 if buffers is None else len(buffers)
    pickler = value_pickler()  # where it cannot be loaded that is no fault of the object's
    try:
        return dumped(obj, pickler, None if buffers is None else collector(buffers), reply)
    except MemoryError:
        raise
    except Exception as error:
        _drop(buffers, mark)
        raise _not_picklable(obj, what, error) from error


def _some_not_here() -> bool:
    """Whether a class was received whose module is not loaded here."""
    return any(name not in sys.modules for name in tuple(homes_of_received))


def collector(buffers: list[pickle.PickleBuffer]) -> Callable[[pickle.PickleBuffer], bool]:
    """What puts the buffers that are large enough to travel beside the pickle into this list."""

    def stays_inside(buffer: pickle.PickleBuffer) -> bool:
        try:
            if buffer.raw().nbytes < OUT_OF_BAND:
                return True
        except BufferError:  # not contiguous
            return True
        buffers.append(buffer)
        return False

    return stays_inside


# -- which modules a reader could not import ------------------------------------------------------------------------
#
# *Why not the obvious way* (asking for each class and function as it is pickled): that is a Python call per object.
# A pickle of protocol 5 names the module of each thing it refers to as a whole short string, so a search of the
# bytes for the few names that a reader could not import finds all of them; a datum that happens to be such a string
# only costs time. "__main__" is a datum often (Python's own warning filters have it, and scikit-learn sends those with
# each task), so there the names of what is defined in it are looked for too.
#
# *Why not so where a module is being imported* (or, in a worker, was when a class of it came): plain pickle imports
# what it names. That would wait for the import to end, or begin it anew.


def _without_payloads(data: bytes) -> bytes:
    """A pickle without its long strings and bytes, which the C pickler writes between its frames; names are in frames.

    What is not understood stays.
    """
    if len(data) < 2 * _FRAMED:
        return data
    view, parts, place = memoryview(data), [], 2
    while place < len(data):
        operation, head = data[place], _LENGTHS.get(data[place])
        if head is None:
            break
        behind = place + 1 + head + int.from_bytes(view[place + 1 : place + 1 + head], "little")
        if operation == _FRAME:
            parts.append(view[place + 1 + head : behind])
        place = behind
    return b"".join([*parts, view[place:]])


def _needs_value(data: bytes) -> bool:
    if data.rfind(_MAIN) >= 0 and _names_some_of_main(data):
        return True
    return any(data.rfind(_as_pickled(name)) >= 0 for name in _names_by_value())


def _names_some_of_main(data: bytes) -> bool:
    """Whether a function or class of `__main__` may be named: plain pickle names only what is found there by its name.

    Not looked for where that would cost more than to send by value what need not be.
    """
    names = [named for name, thing in list(vars(sys.modules["__main__"]).items()) for named in _named_in(name, thing)]
    return len(names) * len(data) > SEARCHED or any(data.find(name) >= 0 for name in names)


def _named_in(name: str, thing: object) -> list[bytes]:
    """How a function or class of `__main__`, or a class within one, would be named in a pickle; nothing for others."""
    kind = type(thing)  # `isinstance` would ask objects that stand for others
    if not (issubclass(kind, type | FunctionType) or kind is CACHED or kind.__module__ == "typing"):
        return []
    if getattr(thing, "__module__", None) != "__main__":
        return []
    return [_as_pickled(name), f"{name}.".encode("utf-8", "surrogatepass")][: 1 + issubclass(kind, type)]


def is_homeless(thing: Any) -> bool:
    """Whether the module it says it is from is one that a reader could not import."""
    home = getattr(thing, "__module__", None)
    return home == "__main__" or home in _names_by_value()


def _as_pickled(name: str) -> bytes:
    encoded = name.encode("utf-8", "surrogatepass")
    return bytes([len(encoded)]) + encoded if len(encoded) < 256 else encoded


def _names_by_value() -> frozenset[str]:
    cloudpickle = sys.modules.get("cloudpickle")
    registered = cloudpickle.list_registry_pickle_by_value() if cloudpickle is not None else None
    return homeless.names() | _inside(frozenset(registered), newest()) if registered else homeless.names()


@lru_cache(maxsize=1)
def _inside(packages: frozenset[str], newest: tuple[int, str]) -> frozenset[str]:
    prefixes = tuple(f"{name}." for name in packages)
    return packages | {name for name in tuple(sys.modules) if name.startswith(prefixes)}


def _not_picklable(obj: object, what: str, error: Exception) -> Exception:
    from alongside.exceptions import NotPicklable
    from alongside.transport.explain import explain

    return NotPicklable(what, *explain(obj, what, error))
