"""One tool and one fault, in a process of their own: `python -m benchmarks.torture_child TOOL FAULT`.

Owns what is printed: one line of JSON, the last on standard output. Must never judge.
"""

from __future__ import annotations

import json
import os
import sys
import time
from functools import partial
from typing import Any

from benchmarks.torture_faults import FAULTS, ITEMS, endless, square
from benchmarks.torture_tools import TOOLS

CONSTANT = 64 * 1024 * 1024


def with_constant(constant: Any, x: int) -> int:
    return x * x + len(constant) - CONSTANT


def slowly(path: str, x: int) -> int:
    """Says through a pipe that it runs, once, and goes on for a long while."""
    if x == 0:
        with open(path, "w") as pipe:
            pipe.write("running\n")
    time.sleep(30)
    return x


def eight_tasks(tool: Any, name: str) -> object:
    fault = next(fault for fault in FAULTS if fault.name == name)
    outcomes = tool.each(fault.fn, list(fault.items()), fault.timeout)
    return [(kind, value if isinstance(value, (int, str)) else repr(value)) for kind, value in outcomes]


def constant(tool: Any) -> object:
    payload = os.urandom(CONSTANT // 64) * 64
    began = time.perf_counter()
    outcomes = tool.each(partial(with_constant, payload), list(range(4 * ITEMS)), None)
    good = sum(kind == "ok" and value == n * n for n, (kind, value) in enumerate(outcomes))
    return {"good": good, "seconds": time.perf_counter() - began}


def main(arguments: list[str]) -> int:
    """Run it and print what came of it."""
    tool, name = TOOLS[arguments[0]](), arguments[1]
    if name == "endless":
        told: object = tool.lazily(square, endless(), 5)
    elif name == "constant":
        told = constant(tool)
    elif name == "interrupted":
        told = tool.each(partial(slowly, arguments[2]), list(range(ITEMS)), None)
    else:
        told = eight_tasks(tool, name)
    print("\n" + json.dumps(told), flush=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
