"""What the figures were measured on: the machine, the interpreter, the libraries' versions.

Owns: one line of facts. Must never: name a path or a host.
"""

from __future__ import annotations

import os
import platform
from importlib import metadata
from pathlib import Path

LIBRARIES = (
    "alongside", "joblib", "loky", "mpire", "pebble", "distributed", "ray", "aiomultiprocess", "aiometer", "pqdm",
    "p_tqdm", "numpy", "cloudpickle",
)  # fmt: skip


def processor() -> str:
    """The processor's name as the kernel gives it, or the platform's word for it."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or "unknown processor"
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def usable_cpus() -> int:
    """The CPUs this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def versions() -> str:
    """The installed libraries with their versions."""
    return ", ".join(f"{name} {version}" for name in LIBRARIES if (version := _version(name)))


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return ""


def line() -> str:
    """The machine in one line, with how busy it was at the start."""
    load = f"load {os.getloadavg()[0]:.2f} at the start"
    python = f"{platform.python_implementation()} {platform.python_version()}"
    system = f"{platform.system()} {platform.release()}"
    return f"{processor()}, {usable_cpus()} cores; {system}; {python}; {versions()}; {load}"
