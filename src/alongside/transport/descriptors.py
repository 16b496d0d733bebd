"""Descriptors that a program with closed standard streams cannot take for one of those.

Owns that one rule. Must stay light: the start of the helper process loads it.
"""

from __future__ import annotations

import os


def above_standard(fd: int) -> int:
    """The same file as a descriptor that is not 0, 1 or 2, where a program with closed standard streams prints."""
    if fd > 2:
        return fd
    import fcntl

    higher = fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 3)
    os.close(fd)
    return higher
