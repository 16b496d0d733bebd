"""What things cost on this machine: the start of workers, copying memory. Measured.

Owns the measured costs, and the small file in the user's cache folder that keeps them from one process to the next.
Must never start anything to measure it (ledger.py watches what runs do anyway), nor fail where the file cannot be read
or written: what a backend declares is then used, and what this process has seen.
"""

from __future__ import annotations

import os
import sys
from _thread import get_ident
from collections.abc import Callable
from time import perf_counter, time

from alongside.core.ports import Capabilities

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

FOLDER_VARIABLE = "ALONGSIDE_CACHE_DIR"
"""Environment variable with another folder for the file; set but empty: no file is read or written."""

STALE = 7 * 86_400.0
"""Seconds after which a cost counts for nothing beside a new one."""

QUIETER, BUSIER = 0.5, 0.1
"""Weight of a new measurement beside a fresh one, if it is lower and if it is higher: what else the machine does can
only add to a cost."""

NEWS = 0.2
"""Share by which a cost must have changed for the file to be written again."""

COPIED = 4 << 20
"""Bytes that are copied to see how fast that goes: a millisecond or two, once for each machine and week."""

WARM_START = 0.002
"""Seconds until a worker that is already there has taken a job, until that has been measured."""


class Cost:
    """Seconds (or bytes per second), and when they were last measured."""

    __slots__ = ("at", "value")

    def __init__(self, value: float, at: float) -> None:
        self.value = value
        self.at = at


class Calibration:
    """Costs by name, from the file and from this process. `now` is a clock that goes on while nothing runs."""

    def __init__(self, path: str | None, now: Callable[[], float] = time) -> None:
        self._path = path
        self._now = now
        self._costs = _read(path) if path else {}
        self._written = {name: cost.value for name, cost in self._costs.items()}

    def get(self, name: str, otherwise: float) -> float:
        """A cost; `otherwise` until it has been measured."""
        cost = self._costs.get(name)
        return otherwise if cost is None else cost.value

    def fresh(self, name: str) -> bool:
        """Whether a cost was measured not long ago."""
        cost = self._costs.get(name)
        return cost is not None and self._now() - cost.at < STALE

    def learn(self, name: str, value: float) -> None:
        """Take a new measurement in."""
        if value <= 0.0:
            return
        if self.fresh(name):
            before = self._costs[name].value
            weight = QUIETER if value < before else BUSIER
            value = (1 - weight) * before + weight * value
        self._costs[name] = Cost(value, self._now())

    def keep(self) -> None:
        """Write the file, if there is news. Whatever goes wrong with that is no concern of the run."""
        path = self._path
        if path is None or not any(map(self._is_news, list(self._costs))):
            return
        lines = [f"{name} {cost.value:.6g} {cost.at:.0f}\n" for name, cost in sorted(self._costs.items())]
        try:
            os.makedirs(os.path.dirname(path), exist_ok=True)
            beside = f"{path}.{os.getpid()}.{get_ident()}"  # another thread may be at it too
            with open(beside, "w", encoding="utf-8") as file:
                file.writelines(lines)
            os.replace(beside, path)
        except OSError:
            self._path = None
        self._written = {name: cost.value for name, cost in list(self._costs.items())}

    def _is_news(self, name: str) -> bool:
        before = self._written.get(name)
        return before is None or abs(self._costs[name].value - before) > NEWS * before


def _read(path: str) -> dict[str, Cost]:
    try:
        with open(path, encoding="utf-8") as file:
            return dict(filter(None, map(_parsed, file)))
    except (OSError, UnicodeDecodeError):
        return {}


def _parsed(line: str) -> tuple[str, Cost] | None:
    """One line of the file; None for what is not one."""
    try:
        name, value, at = line.split()
        cost = Cost(float(value), float(at))
    except ValueError:
        return None
    return (name, cost) if 0.0 < cost.value < float("inf") else None


def cache_file() -> str | None:
    """Where this machine's costs are kept; None where they are not to be."""
    folder = os.environ.get(FOLDER_VARIABLE)
    if folder is None:
        folder = os.path.join(_user_cache(), "alongside")
    return os.path.join(folder, f"costs-{_machine()}.txt") if folder else None


def _user_cache() -> str:
    home = os.path.expanduser("~")
    if sys.platform == "win32":
        return os.environ.get("LOCALAPPDATA") or os.path.join(home, "AppData", "Local")
    if sys.platform == "darwin":
        return os.path.join(home, "Library", "Caches")
    return os.environ.get("XDG_CACHE_HOME") or os.path.join(home, ".cache")


def _machine() -> str:
    """A home folder may be shared by several machines, and used by several versions of Python."""
    node = os.uname().nodename if hasattr(os, "uname") else os.environ.get("COMPUTERNAME", "")
    name = "".join(letter if letter.isalnum() else "-" for letter in node)
    return f"{name}-{os.cpu_count()}-{sys.implementation.cache_tag}"


_found: Calibration | None = None


def calibration() -> Calibration:
    """This machine's."""
    global _found
    if _found is None:
        _found = Calibration(cache_file())
    return _found


def here(name: str, declared: Capabilities, ready: int) -> Capabilities:
    """What a backend declares, with what it costs on this machine; `ready`: how many of its workers are there."""
    costs = calibration()
    start = costs.get(f"{name}.warm", WARM_START) if ready else costs.get(f"{name}.cold", declared.start_seconds)
    return declared._replace(start_seconds=start)


def ready(backend: Any) -> int:
    """How many workers of a backend (or its class) are there before it is opened."""
    count = getattr(backend, "ready", None)
    return count() if count is not None else 0


def copy_bandwidth() -> float:
    """Bytes per second at which memory is copied into memory that is new."""
    costs = calibration()
    if not costs.fresh("copy"):
        source = bytearray(COPIED)
        began = perf_counter()
        bytes(source)
        costs.learn("copy", COPIED / max(perf_counter() - began, 1e-6))
        costs.keep()
    return costs.get("copy", 2e9)
