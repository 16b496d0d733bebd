"""All that `alongside doctor` shows of a machine: the interpreter, the ways to start workers, libraries and extras.

Owns the looking, some of which is slow: it imports numpy, to see its threads. Must never be part of a run, nor start a
worker.
"""

from __future__ import annotations

import os
import sys

from alongside.runtime.loop import gil_enabled
from alongside.runtime.machine import CPU_COUNT_VARIABLE, cpu_count, cpu_quota, memory, schedulable_cpus

EXTRAS = ("uvloop", "numpy", "plotly", "jinja2", "joblib")


class Blas:
    """One numerical library that brings threads of its own: its name, version, threads and file."""

    __slots__ = ("file", "name", "threads", "version")

    def __init__(self, name: str, version: str, threads: int, file: str) -> None:
        self.name = name
        self.version = version
        self.threads = threads
        self.file = file


class Machine:
    """All that `describe_machine` found; sizes in bytes, None where the operating system does not tell."""

    def __init__(self, root: str = "/") -> None:
        self.python = ".".join(str(part) for part in sys.version_info[:3])
        self.build = f"{sys.implementation.name}, {sys.version.split('(', 1)[-1].split(')')[0]}"
        self.platform = _platform()
        self.free_threaded = is_free_threaded()
        self.gil_enabled = gil_enabled()
        self.interpreters = has_interpreters()
        self.cpus = cpu_count(root)
        self.cpus_present = os.cpu_count() or 1
        self.cpus_allowed = schedulable_cpus()
        self.cpu_quota = cpu_quota(root)
        self.cpus_chosen = os.environ.get(CPU_COUNT_VARIABLE, "").strip()
        self.memory = memory(root)
        self.start_methods = _start_methods()
        self.fork = hasattr(os, "fork")
        self.memfd = _makes_memfd()
        self.shm_size = _shm_size(root)
        self.open_files = _open_files()
        self.blas = _blas()
        self.extras = {name: _installed_version(name) for name in EXTRAS}


def describe_machine(root: str = "/") -> Machine:
    """Everything `alongside doctor` shows: the interpreter, CPUs, memory, workers' means, libraries and extras.

    Args:
        root: the directory that holds `proc`, `sys` and `dev`; another one than `/` is for tests.

    Costs tens of milliseconds and more: it imports numpy (where installed) to see its threads. Not for a hot path.

    Example:
        >>> describe_machine().cpus == cpu_count()
        True
    """
    return Machine(root)


def is_free_threaded() -> bool:
    """Whether this Python was built to run without a global interpreter lock."""
    import sysconfig

    return bool(sysconfig.get_config_var("Py_GIL_DISABLED"))


def has_interpreters() -> bool:
    """Whether the public sub-interpreter API (`concurrent.interpreters`, Python 3.14) is there."""
    return _is_importable("concurrent.interpreters")


def _is_importable(name: str) -> bool:
    import importlib.util

    return importlib.util.find_spec(name) is not None


def _platform() -> str:
    import platform

    return f"{platform.system()} {platform.release()} ({platform.machine()})"


def _start_methods() -> tuple[str, ...]:
    import multiprocessing

    return tuple(multiprocessing.get_all_start_methods())


def _makes_memfd() -> bool:
    """Tried rather than looked up: a sandbox may have the call and refuse it."""
    if sys.platform != "linux":
        return False
    try:
        os.close(os.memfd_create("alongside-doctor", os.MFD_CLOEXEC))
    except OSError:
        return False
    return True


def _shm_size(root: str) -> int | None:
    if sys.platform == "win32":
        return None
    try:
        found = os.statvfs(os.path.join(root, "dev/shm"))
    except OSError:
        return None
    return found.f_blocks * found.f_frsize


def _open_files() -> int | None:
    """The soft limit on open files (`ulimit -n`); None where there is none."""
    if sys.platform == "win32":
        return None
    import resource

    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return None if soft == resource.RLIM_INFINITY else soft


def _blas() -> tuple[Blas, ...]:
    import threadpoolctl

    _load_numpy()
    found = threadpoolctl.threadpool_info()
    return tuple(
        Blas(str(one["internal_api"]), str(one["version"] or ""), int(one["num_threads"]), str(one["filepath"]))
        for one in found
    )


def _load_numpy() -> None:
    """Loaded so that its BLAS can be seen; a broken or missing one is not the doctor's failure."""
    import contextlib
    import importlib

    with contextlib.suppress(ImportError):
        importlib.import_module("numpy")


def _installed_version(name: str) -> str | None:
    from importlib import metadata

    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None
