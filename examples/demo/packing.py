"""Reading files, and work that C code does: how small one would be. Compressing releases the interpreter lock.

Knows nothing of alongside.
"""

import zlib
from pathlib import Path


def packed(path: Path) -> tuple[int, int]:
    """The size of the file at `path` in bytes, and what it would be when compressed."""
    content = path.read_bytes()
    return len(content), len(zlib.compress(content))
