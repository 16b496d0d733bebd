"""What the tests of the faces share: functions for their workers, and one that takes its worker with it.

Owns no test.
"""

from __future__ import annotations

import os
import signal
from pathlib import Path


def square(x: int) -> int:
    return x * x


def square_or_die(x: int) -> int:
    """As `square`; 7 ends the process it is in."""
    if x == 7:
        os.kill(os.getpid(), signal.SIGKILL)
    return x * x


def die_once(path: str, x: int) -> int:
    """As `square_or_die`, where there is no file of that name yet."""
    if x == 7 and not Path(path).exists():
        Path(path).touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return x * x
