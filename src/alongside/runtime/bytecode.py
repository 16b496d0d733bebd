"""Instructions of a function's code as source has them, whatever the version of Python.

Owns what differs between versions: how instructions are named, put together and placed. Must never know what a name
stands for, nor what is looked for (reading.py, reading_items.py).

Instructions belong together where their source begins at the same place: `groups[key].append(x)`, all of it, begins
where `groups` does. That holds from Python 3.11 on, whatever else differs between its versions.
"""

from __future__ import annotations

import dis
from collections.abc import Iterator
from types import CodeType

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TypeAlias

Place: TypeAlias = "tuple[int, int]"

ATTRIBUTE = ("LOAD_ATTR", "LOAD_METHOD")

_OUTER = ("LOAD_GLOBAL", "LOAD_DEREF", "LOAD_NAME", "LOAD_CLOSURE")
_NOISE = ("PUSH_NULL", "PRECALL", "NOP")


def steps_of(code: CodeType) -> list[dis.Instruction]:
    """Its instructions, without those that do nothing."""
    return [ins for ins in dis.get_instructions(code) if ins.opname not in _NOISE]


def loads(steps: list[dis.Instruction], at: int) -> Iterator[tuple[str, Place | None]]:
    """The variables that an instruction loads, and where in the source; newer Pythons put two loads in one, or a store
    and a load. Where the second stands is told by what is done with it."""
    ins, names = steps[at], names_of(steps[at])
    if ins.opname.startswith("STORE_FAST_LOAD_FAST"):
        names = names[1:]
    elif not ins.opname.startswith(("LOAD_FAST", *_OUTER)) or ins.opname == "LOAD_FAST_AND_CLEAR":
        return
    for name in names[:-1]:
        yield name, place_of(ins)
    yield names[-1], _place_of_use(steps, at) if isinstance(ins.argval, tuple) else place_of(ins)


def _place_of_use(steps: list[dis.Instruction], at: int) -> Place | None:
    """Where the first thing stands that is done with what was loaded last; None where that is not known."""
    above = 0
    for ins in steps[at + 1 :]:
        loading = ins.opname.startswith(("LOAD_FAST", "LOAD_CONST", "LOAD_SMALL_INT", *_OUTER))
        taken = 0 if loading else _TAKEN.get(ins.opname)
        if ins.opname in ("CALL", "BUILD_TUPLE", "BUILD_SLICE", "COPY"):
            taken = (ins.arg or 0) + 2 * (ins.opname == "CALL")
        if taken is None or taken > above:
            return None if taken is None else place_of(ins)
        above += dis.stack_effect(ins.opcode, ins.arg)
    return None


_TAKEN = {"LOAD_ATTR": 1, "DELETE_ATTR": 1, "STORE_ATTR": 2, "BINARY_OP": 2, "COMPARE_OP": 2, "CONTAINS_OP": 2}
_TAKEN |= {"BINARY_SUBSCR": 2, "DELETE_SUBSCR": 2, "STORE_SUBSCR": 3, "BINARY_SLICE": 3, "STORE_SLICE": 4}
"""How many values some instructions take from the stack."""


def stores(ins: dis.Instruction) -> tuple[str, ...]:
    """The local variables that an instruction assigns."""
    if ins.opname.startswith("STORE_FAST_LOAD_FAST"):
        return names_of(ins)[:1]
    ours = ins.opname.startswith(("STORE_FAST", "DELETE_FAST", "STORE_DEREF")) or ins.opname == "LOAD_FAST_AND_CLEAR"
    return names_of(ins) if ours else ()


def names_of(ins: dis.Instruction) -> tuple[str, ...]:
    """The variables an instruction names."""
    return ins.argval if isinstance(ins.argval, tuple) else (str(ins.argval),)


def is_part(ins: dis.Instruction) -> bool:
    """A part is taken: `x[i]`."""
    return ins.opname in ("BINARY_SUBSCR", "BINARY_SLICE") or (ins.opname == "BINARY_OP" and ins.argrepr == "[]")


def is_in_place(ins: dis.Instruction) -> bool:
    """A step of `x[i] += y` between its load and its store."""
    return ins.opname in ("COPY", "SWAP", "STORE_FAST") or adds(ins)


def adds(ins: dis.Instruction) -> bool:
    """The operator itself: `+=`, and its like."""
    return ins.opname == "BINARY_OP" and ins.argrepr.endswith("=")


def place_of(ins: dis.Instruction) -> Place | None:
    """Where the source of an instruction begins; None where Python was told to forget (`-X no_debug_ranges`)."""
    where = ins.positions
    if where is None or where.lineno is None or where.col_offset is None:
        return None
    return where.lineno, where.col_offset


def line_of(ins: dis.Instruction, code: CodeType) -> int:
    """The line it belongs to."""
    line = ins.positions.lineno if ins.positions is not None else None
    return line or code.co_firstlineno
