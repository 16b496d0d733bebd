"""What an exception consists of: its class, args, attributes and fields; which of them can travel.

Owns how it is taken apart and put together again, and what is left out of the parts on purpose. Must never call an
exception's `__init__`, and never change the exception in hand.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from copyreg import dispatch_table
from types import GetSetDescriptorType, MemberDescriptorType

from alongside.exceptions import AlongsideError
from alongside.light import dataclass
from alongside.transport.pickling import dumps, loads

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Final

_OWN_PICKLING: Final = frozenset(
    {"__reduce__", "__reduce_ex__", "__getstate__", "__setstate__", "__getnewargs__", "__getnewargs_ex__"}
)
_HEAP_TYPE: Final = 1 << 9
_DESCRIPTORS: Final = (MemberDescriptorType, GetSetDescriptorType)
_NOT_SENT: Final[dict[type, tuple[str, ...]]] = {
    BaseException: ("args",),
    BaseExceptionGroup: ("message", "exceptions"),
    AttributeError: ("obj",),  # the interpreter puts the object there whose attribute was missing, of whatever size
}


@dataclass(frozen=True, slots=True)
class Parts:
    """An exception taken apart. `fields`: slots, and what C classes keep, by name."""

    kind: type[BaseException]
    args: tuple[object, ...]
    attributes: dict[str, object]
    fields: dict[str, object]


def has_own_pickling(kind: type) -> bool:
    """Whether the class, or one it is made of, says itself how it is pickled."""
    own = (base for base in kind.__mro__ if base.__flags__ & _HEAP_TYPE)
    return kind in dispatch_table or any(not _OWN_PICKLING.isdisjoint(vars(base)) for base in own)


def fields_of(error: BaseException) -> Iterator[tuple[str, object]]:
    """Yield slots and the fields of C classes that are set, by name."""
    for base in type(error).__mro__:
        passed_over = _NOT_SENT.get(base, ())
        for name, descriptor in vars(base).items():
            if isinstance(descriptor, _DESCRIPTORS) and not name.startswith("__") and name not in passed_over:
                with suppress(AttributeError):  # not set
                    value = descriptor.__get__(error)
                    if value is not None:
                        yield name, value


def lightened(parts: Parts) -> tuple[Parts, tuple[str, ...]]:
    """The parts that can travel, each tried by itself; and the names of the others, with what they are.

    An attribute that cannot is None rather than missing: code that looks at it may expect that it is there.
    """
    args = [_Part(f"args[{place}]", value) for place, value in enumerate(parts.args)]
    attributes = [_Part(name, value) for name, value in parts.attributes.items()]
    fields = [_Part(name, value) for name, value in parts.fields.items()]
    light = Parts(
        parts.kind,
        tuple(one.value if one.travels else f"<{name_of(type(one.value))}, left in the worker>" for one in args),
        {one.name: one.value if one.travels else None for one in attributes},
        {one.name: one.value for one in fields if one.travels},
    )
    behind = (one for one in (*args, *attributes, *fields) if not one.travels)
    return light, tuple(f"{one.name} ({name_of(type(one.value))})" for one in behind)


class _Part:
    """An argument or attribute of an exception, and whether it can be pickled and read again."""

    def __init__(self, name: str, value: object) -> None:
        self.name, self.value = name, value
        try:
            loads(dumps(value, reply=True))
        except KeyboardInterrupt:
            raise
        except BaseException:
            self.travels = False
        else:
            self.travels = True


def skeleton(parts: Parts, members: list[BaseException]) -> BaseException:
    """A new exception of the class, with nothing in it but, where it is a group, its members."""
    made_by: type[Any] = parts.kind
    while made_by.__flags__ & _HEAP_TYPE and made_by.__base__ is not None:
        made_by = made_by.__base__
    arguments = (parts.args[0], members or [AlongsideError("left out")]) if made_by is BaseExceptionGroup else ()
    error: BaseException = made_by.__new__(parts.kind, *arguments)
    return error


def put(error: BaseException, name: str, value: object) -> None:
    """Set an attribute, whatever `__setattr__` the exception's class has."""
    with suppress(AttributeError, TypeError):  # a field that nobody may set: what `__new__` made of it stays
        object.__setattr__(error, name, value)


def name_of(kind: type) -> str:
    """The class as it is shown: with its module, unless it is built in."""
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
