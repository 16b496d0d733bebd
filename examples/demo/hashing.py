"""Reading files: the SHA-256 of one. Reading and hashing both release the interpreter lock.

Knows nothing of alongside.
"""

import hashlib
from pathlib import Path


def digest(path: Path) -> str:
    """The SHA-256 of the file at `path`, in hexadecimal."""
    return hashlib.sha256(path.read_bytes()).hexdigest()
