"""What this machine offers this process: CPUs and memory.

Owns the reading of affinity, cgroup limits (v1 and v2) and `/proc`. Every reader takes the root of the file system, so
that tests can hand in a made-up machine. Must never cache (limits change while a process runs), nor import anything
heavy.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator

CPU_COUNT_VARIABLE = "ALONGSIDE_CPU_COUNT"


# --- CPUs ---------------------------------------------------------------------------------------------------------


def cpu_count(root: str = "/") -> int:
    """How many CPUs this process may use at once: affinity and cgroup quota counted, never less than 1.

    A quota of two and a half CPUs counts as 3. The environment variable `ALONGSIDE_CPU_COUNT` overrules what was found.

    Args:
        root: the directory that holds `proc` and `sys`; another one than `/` is for tests.

    Raises:
        OptionError: `ALONGSIDE_CPU_COUNT` is set to something that is not a whole number of at least 1.

    Costs a few small file reads (well under a millisecond). Not cached: quota and affinity may change.

    Example:
        >>> cpu_count() >= 1
        True
    """
    chosen = os.environ.get(CPU_COUNT_VARIABLE, "").strip()
    if chosen:
        return _whole_number(chosen)
    allowed = schedulable_cpus()
    quota = cpu_quota(root)
    return allowed if quota is None else max(1, min(allowed, _rounded_up(quota)))


def _whole_number(text: str) -> int:
    if text.isascii() and text.isdigit() and int(text) >= 1:
        return int(text)
    from alongside.exceptions import OptionError

    raise OptionError(
        f"{CPU_COUNT_VARIABLE}={text!r} is not a number of CPUs. Set it to a whole number of at least 1, or unset it."
    )


def schedulable_cpus() -> int:
    """The CPUs the operating system lets this process run on, quotas not counted."""
    if hasattr(os, "process_cpu_count"):
        return os.process_cpu_count() or 1
    if sys.platform == "linux":
        return len(os.sched_getaffinity(0)) or 1
    return os.cpu_count() or 1


def cpu_quota(root: str = "/") -> float | None:
    """The smallest cgroup CPU quota above this process, in CPUs, or None where nothing limits it."""
    quotas = [_quota_v2(folder) for folder in _cgroup_folders(root, "")]
    quotas += [_quota_v1(folder) for folder in _cgroup_folders(root, "cpu")]
    return min((quota for quota in quotas if quota is not None), default=None)


def _quota_v2(folder: str) -> float | None:
    words = _text(folder + "/cpu.max").split()
    return _ratio(words[0], words[1]) if len(words) == 2 else None


def _quota_v1(folder: str) -> float | None:
    quota = _text(folder + "/cpu.cfs_quota_us")
    return _ratio(quota, _text(folder + "/cpu.cfs_period_us")) if quota else None


def _ratio(quota: str, period: str) -> float | None:
    """Microseconds of CPU per microseconds of wall time; `max` and -1 mean unlimited."""
    if not (quota.isdigit() and period.isdigit()) or int(quota) == 0 or int(period) == 0:
        return None
    return int(quota) / int(period)


def _rounded_up(number: float) -> int:
    return -int(-number // 1)


# --- memory -------------------------------------------------------------------------------------------------------


class Memory:
    """Memory in bytes: of the machine, and of what this process may still take.

    Attributes:
        total: physical memory of the machine.
        available: what can be taken now without swapping and without hitting the limit.
        limit: the smallest cgroup limit below `total`, or None.
        limit_source: the file that sets `limit`, or "" where there is none.
    """

    __slots__ = ("available", "limit", "limit_source", "total")

    def __init__(self, total: int, available: int, limit: int | None = None, limit_source: str = "") -> None:
        self.total = total
        self.available = available
        self.limit = limit
        self.limit_source = limit_source

    def __repr__(self) -> str:
        return (
            f"Memory(total={self.total}, available={self.available}, "
            f"limit={self.limit}, limit_source={self.limit_source!r})"
        )


class _MemoryGroup:
    """One cgroup that limits memory: its limit, what is in use that cannot be dropped, and the file that says so."""

    __slots__ = ("limit", "source", "used")

    def __init__(self, limit: int, used: int, source: str) -> None:
        self.limit = limit
        self.used = used
        self.source = source


def memory(root: str = "/") -> Memory:
    """The machine's memory and what is left of it for this process, cgroup limits and their usage counted.

    Page cache that the kernel can drop does not count as used.

    Args:
        root: the directory that holds `proc` and `sys`; another one than `/` is for tests.

    Costs a few small file reads; imports psutil only where there is no `/proc/meminfo`.

    Example:
        >>> found = memory()
        >>> 0 < found.available <= found.total
        True
    """
    total, available = _physical_memory(root)
    groups = [group for group in _memory_groups(root) if group.limit < total]
    if not groups:
        return Memory(total, available)
    tightest = min(groups, key=lambda group: group.limit)
    left = min(max(0, group.limit - group.used) for group in groups)
    return Memory(total, min(available, left), tightest.limit, tightest.source)


def _physical_memory(root: str) -> tuple[int, int]:
    kilobytes = _fields(os.path.join(root, "proc/meminfo"))
    total = kilobytes.get("MemTotal", 0)
    if total == 0:
        return _physical_memory_by_psutil()
    available = kilobytes.get("MemAvailable", kilobytes.get("MemFree", 0) + kilobytes.get("Cached", 0))
    return total * 1024, min(total, available) * 1024


def _physical_memory_by_psutil() -> tuple[int, int]:
    import psutil

    found = psutil.virtual_memory()
    return int(found.total), int(found.available)


def _memory_groups(root: str) -> Iterator[_MemoryGroup]:
    for folder in _cgroup_folders(root, ""):
        for name in ("memory.max", "memory.high"):
            yield from _memory_group(folder, name, "memory.current", "inactive_file")
    for folder in _cgroup_folders(root, "memory"):
        yield from _memory_group(folder, "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")


def _memory_group(folder: str, limit_file: str, usage_file: str, droppable: str) -> Iterator[_MemoryGroup]:
    limit = _text(f"{folder}/{limit_file}")
    if not limit.isdigit():
        return
    usage = _text(f"{folder}/{usage_file}")
    used = int(usage) - _fields(folder + "/memory.stat").get(droppable, 0) if usage.isdigit() else 0
    yield _MemoryGroup(int(limit), max(0, used), f"{folder}/{limit_file}")


# --- cgroups and small files --------------------------------------------------------------------------------------


def _cgroup_folders(root: str, controller: str) -> list[str]:
    """This process's cgroup and all above it, innermost first; `controller` is "" for the one tree of cgroup v2.

    Why not only the innermost: any ancestor's limit binds as well. Why missing folders are passed over: inside a
    container `/proc/self/cgroup` may name a path of the host, and then the container's own group is the mount's root.
    """
    path = _cgroup_path(root, controller)
    if path is None:
        return []
    mounts = (controller, "cpu,cpuacct") if controller == "cpu" else (controller or "unified", "")
    bases = [os.path.join(root, "sys/fs/cgroup", mount).rstrip("/") for mount in mounts]
    base = next((base for base in bases if os.path.isdir(base)), None)
    if base is None:
        return []
    parts = [part for part in path.split("/") if part]
    if ".." in parts:
        parts = []
    return [folder for folder in _upwards(base, parts) if os.path.isdir(folder)]


def _upwards(base: str, parts: list[str]) -> Iterator[str]:
    for depth in range(len(parts), -1, -1):
        yield "/".join([base, *parts[:depth]])


def _cgroup_path(root: str, controller: str) -> str | None:
    for line in _text(os.path.join(root, "proc/self/cgroup")).splitlines():
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if controller in controllers.split(","):
            return path
    return None


def _text(path: str) -> str:
    """The stripped text of a small file, or "" where it cannot be read."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except OSError:
        return ""
    try:
        return os.read(descriptor, 1 << 16).decode("utf-8", "replace").strip()
    except OSError:
        return ""
    finally:
        os.close(descriptor)


def _fields(path: str) -> dict[str, int]:
    """`name value` or `name: value kB` lines as a dictionary."""
    found: dict[str, int] = {}
    for line in _text(path).splitlines():
        words = line.split()
        if len(words) >= 2 and words[1].isdigit():
            found[words[0].rstrip(":")] = int(words[1])
    return found
