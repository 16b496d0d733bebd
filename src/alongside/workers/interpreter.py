"""How a helper interpreter is started: the same interpreter, the same options, the modules where the parent finds them.

Owns the command. Must never start anything itself.
"""

from __future__ import annotations

import os
import sys

_ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

CODE = f"import sys; sys.path.insert(0, {_ROOT!r}); from alongside.workers.{{module}} import main; main({{arguments}})"
"""What the helper runs; its module path is put right by its first message."""


def flags() -> list[str]:
    """Interpreter options. Without site where nothing but the standard finders finds modules: 5 ms less."""
    chosen = ["-s"]
    if sys.flags.optimize:
        chosen.append("-" + "O" * sys.flags.optimize)
    if sys.flags.dont_write_bytecode:
        chosen.append("-B")
    chosen += [item for option in sys.warnoptions for item in ("-W", option)]
    for key, value in sys._xoptions.items():
        chosen += ["-X", key if value is True else f"{key}={value}"]
    standard = {"BuiltinImporter", "FrozenImporter", "PathFinder"}
    if all(getattr(finder, "__name__", "") in standard for finder in sys.meta_path):
        chosen.append("-S")
    return chosen
