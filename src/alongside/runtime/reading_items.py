"""What a function does to its own item, and leaves at that: read from its code.

Owns the question whether a change of the item is all that a call comes to, so that it is lost where the item was a
copy. Must never call the function, evaluate a property, or say anything itself (core/teaching.py has the words).

A change counts where nothing is done with the item after it: what is changed and then written to a file, sent or handed
on has had its use. What stands for the item is a parameter that is never given another value, and the item itself tells
what can be changed. In doubt there was no change.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from types import CodeType, FunctionType, MethodType

from alongside.core.teaching import Change
from alongside.light import NamedTuple
from alongside.runtime import bytecode as bc
from alongside.runtime import reading
from alongside.runtime.harmless import CHANGING, CHANGING_TABLES, is_the_users
from alongside.runtime.reading import CONTAINERS, UNKNOWN, is_table

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

TAKING = {"pop", "popitem", "popleft", "setdefault"}
"""Methods that change and are called for what they give: a change only where that is not used."""

LOOKING = {
    "all",
    "any",
    "enumerate",
    "isinstance",
    "len",
    "list",
    "max",
    "min",
    "set",
    "sorted",
    "sum",
    "tuple",
    "type",
}
"""Functions that an item can be given without anything coming of it."""

DEEP = 3
"""Methods of the item's that call each other and are read."""

_STORING = ("STORE_SUBSCR", "DELETE_SUBSCR", "STORE_SLICE")
_GENERATOR = 0x20 | 0x200
"""Flags of the code of a generator, and of an async one."""


class Left(NamedTuple):
    """An item is left changed, and the code can give nothing back but None where `silent`."""

    change: Change
    silent: bool


class _End(NamedTuple):
    """A change, and the step with which it is made. `silent`: it is a call that gives None."""

    change: Change
    step: int
    silent: bool = False


def read_item(fn: Any, arguments: Sequence[Any]) -> Left | None:
    """How a call of `fn` leaves one of its arguments changed, if it does. Costs some tens of µs."""
    function, bound = reading.unwrapped(partial(fn, *arguments))
    for name, value in bound.items():
        if any(value is item for item in arguments) and (left := _left(function, name, value, DEEP)):
            return left
    return None


def _left(function: Any, name: str, value: Any, deep: int) -> Left | None:
    code = getattr(function, "__code__", None)
    if not isinstance(code, CodeType) or not is_the_users(code.co_filename) or code.co_flags & _GENERATOR:
        return None
    return _Body(code, name, value, deep).left()


class _Body:
    """The steps of one function, and the name in it that stands for the item."""

    def __init__(self, code: CodeType, name: str, value: Any, deep: int) -> None:
        self._code = code
        self._steps = bc.steps_of(code)
        self._name, self._value, self._deep = name, value, deep

    def left(self) -> Left | None:
        """The last change, if nothing is done with the item after it, nor may be by a function inside."""
        if self._name in self._code.co_cellvars:
            return None
        loads = [
            (step, place)
            for step in range(len(self._steps))
            for name, place in bc.loads(self._steps, step)
            if name == self._name
        ]
        ends = [self._change(step, place) for step, place in loads]
        last = max((end for end in ends if end is not None), key=lambda end: end.step, default=None)
        if last is None or self._is_given_another_value({end.step for end in ends if end is not None}):
            return None
        others = [load for load, end in zip(loads, ends, strict=True) if end is None]
        loop = self._loop_around(last.step)
        if any(self._is_of_use(step, place, last.step, loop) for step, place in others):
            return None
        return Left(last.change, self._gives_nothing(last))

    # ----------------------------------------------------------------------------------------------- what follows

    def _is_given_another_value(self, ends: set[int]) -> bool:
        return any(self._name in bc.stores(ins) and step not in ends for step, ins in enumerate(self._steps))

    def _is_of_use(self, step: int, place: bc.Place | None, last: int, loop: int) -> bool:
        """Whether this load, which changes nothing, does something with an item that has been changed: it comes later,
        or the next time round."""
        before = self._steps[step - 1] if step else None
        if before is not None and before.opname.startswith("LOAD_GLOBAL") and before.argval in LOOKING:
            return False
        return step > last or (step >= loop and not self._looks(step, place))

    def _looks(self, step: int, place: bc.Place | None) -> bool:
        """Whether it only reads a part of the item."""
        after = self._after(step, place)
        if not after:
            return False
        first, calls = self._steps[after[0]], any(self._steps[at].opname.startswith("CALL") for at in after)
        reads = first.opname in bc.ATTRIBUTE and (not calls or isinstance(self._value, CONTAINERS))
        return bc.is_part(first) or reads

    def _loop_around(self, step: int) -> int:
        """The step at which the outermost loop around this one begins; behind the last step where there is none."""
        here = self._steps[step].offset
        back = [ins.argval for ins in self._steps[step:] if "JUMP" in ins.opname and "BACKWARD" in ins.opname]
        begins = min((offset for offset in back if offset <= here), default=None)
        found = (at for at, ins in enumerate(self._steps) if begins is not None and ins.offset >= begins)
        return next(found, len(self._steps))

    def _gives_nothing(self, last: _End) -> bool:
        """Whether the code can give nothing but None."""
        for step, ins in enumerate(self._steps):
            if ins.opname == "RETURN_CONST" and ins.argval is not None:
                return False
            if ins.opname == "RETURN_VALUE" and not (last.silent and step == last.step + 1):
                given = self._steps[step - 1]
                if not given.opname.startswith(("LOAD_CONST", "LOAD_COMMON_CONSTANT")) or given.argval is not None:
                    return False
        return True

    # ------------------------------------------------------------------------------------------------- one change

    def _after(self, step: int, place: bc.Place | None) -> list[int]:
        """The steps that belong to what is loaded there."""
        later = range(step + 1, len(self._steps))
        return [at for at in later if place is not None and bc.place_of(self._steps[at]) == place]

    def _change(self, load: int, place: bc.Place | None) -> _End | None:
        """The change that begins with this load of the item, if one does."""
        line = bc.line_of(self._steps[load], self._code)
        name, value, parts = self._name, self._value, False
        after = self._after(load, place)
        if after and (added := self._added(after[0])):
            return self._made("changes", name, value, line, added)
        for count, step in enumerate(after):
            ins = self._steps[step]
            if ins.opname in bc.ATTRIBUTE and self._steps[step - 1].opname == "COPY":
                continue  # `item.x += 1` reads it before it is stored
            if ins.opname in bc.ATTRIBUTE:
                end = self._called(after[count:], name, value, parts, line)
                if end is not None:
                    return end
                name, value = f"{name}.{ins.argval}", UNKNOWN if parts else reading.attribute(value, str(ins.argval))
            elif "STORE_" in ins.opname or "DELETE_" in ins.opname:
                return self._stored(step, name, value, parts, line)
            elif not bc.is_part(ins) and not bc.is_in_place(ins):
                return None
            parts = parts or bc.is_part(ins)
        return None

    def _stored(self, step: int, name: str, value: Any, parts: bool, line: int) -> _End | None:
        ins = self._steps[step]
        if ins.opname in _STORING:
            return self._made("changes", name, value, line, step) if _is_changeable(value) else None
        if ins.opname in ("STORE_ATTR", "DELETE_ATTR") and not parts and _takes(value, str(ins.argval)):
            return self._made("adds", f"{name}.{ins.argval}", value, line, step)
        return None

    def _made(self, how: str, name: str, value: Any, line: int, step: int, silent: bool = False) -> _End:
        return _End(Change(how, name, reading.kind_of(value), self._code.co_filename, line), step, silent)

    def _added(self, step: int) -> int:
        """The step with which `item += x` is done; 0 where it is not."""
        done = bc.adds(self._steps[step]) and self._name in bc.stores(self._steps[step + 1])
        return step + 1 if done and _is_changeable(self._value) else 0

    def _called(self, after: list[int], name: str, value: Any, parts: bool, line: int) -> _End | None:
        """The change by a method: a container's own, a frame's in place, or one of the user's."""
        called = str(self._steps[after[0]].argval)
        end = next((step for step in after if self._steps[step].opname.startswith("CALL")), None)
        if end is None:
            return None
        if isinstance(value, CONTAINERS) and called in CHANGING:
            if called in TAKING and self._steps[end + 1].opname != "POP_TOP":
                return None
            how = "changes" if parts else called
            return self._made(how, name, value, line, end, called not in TAKING)
        if parts:
            return None
        if is_table(value) and (called in CHANGING_TABLES or self._is_in_place(after[0], end)):
            return self._made("changes", name, value, line, end, True)
        return self._called_own(reading.attribute(value, called), value, end)

    def _called_own(self, method: Any, value: Any, end: int) -> _End | None:
        if not self._deep or not isinstance(method, MethodType) or not isinstance(method.__func__, FunctionType):
            return None
        own = method.__func__.__code__.co_varnames[:1]
        left = _left(method.__func__, own[0], value, self._deep - 1) if own else None
        return None if left is None else _End(left.change, end, left.silent)

    def _is_in_place(self, begins: int, end: int) -> bool:
        """A call with `inplace=True`, which frames have."""
        steps = self._steps[begins : end + 1]
        named = [self._code.co_consts[ins.arg or 0] for ins in steps if ins.opname in ("KW_NAMES", "LOAD_CONST")]
        asked = any(isinstance(names, tuple) and "inplace" in names for names in named)
        return asked and any(ins.opname == "LOAD_CONST" and ins.argval is True for ins in steps)


def _is_changeable(value: Any) -> bool:
    return isinstance(value, CONTAINERS) or is_table(value)


def _takes(value: Any, name: str) -> bool:
    """Whether assigning that attribute does no more than to keep a value in the object."""
    kind = type(value)
    if not reading.keeps(value) or isinstance(value, type) or isinstance(kind.__setattr__, FunctionType):
        return False
    declared = getattr(kind, name, None)
    return not hasattr(type(declared), "__set__") or type(declared) is _SLOT


class _Slotted:
    __slots__ = ("slot",)


_SLOT = type(_Slotted.__dict__["slot"])
