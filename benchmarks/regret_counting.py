"""Functions whose executions are counted outside of any process.

Owns: the counting. Must never: know the workloads.
"""

from __future__ import annotations

from inspect import iscoroutinefunction
from typing import Any


def add_to(path: str) -> None:
    """A byte more, whoever else adds one at the same time."""
    with open(path, "ab", buffering=0) as file:
        file.write(b".")


class Counted:
    """Calls `fn`, and adds a byte to a file for every call: executions are counted outside of any process."""

    def __init__(self, fn: Any, path: str) -> None:
        self.fn = fn
        self.path = path
        self.__name__ = getattr(fn, "__name__", "work")

    def __call__(self, item: Any) -> Any:
        add_to(self.path)
        return self.fn(item)


def counted(fn: Any, path: str) -> Any:
    """`fn` with its calls counted in the file; an async function stays one."""
    if not iscoroutinefunction(fn):
        return Counted(fn, path)

    async def call(item: Any) -> Any:
        add_to(path)
        return await fn(item)

    return call
