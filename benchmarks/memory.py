"""How much memory a tree of processes holds: proportional set sizes and memory files, sampled from outside.

Owns: the sampling process. Must never: run inside the process it measures (it would take its GIL and its memory).

Run as `python memory.py PID`: it prints the tree's size in bytes, samples until its input closes, prints the peak.
"""

from __future__ import annotations

import os
import select
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

INTERVAL = 0.01  # seconds
SHARED = ("/memfd:", "/dev/shm/", "/dev/zero", "/SYSV")


def tree(root: int) -> list[int]:
    """`root` and all processes below it, also those whose parent has changed but whose session has not."""
    parents = {pid: _status(pid) for pid in _pids()}
    session = parents.get(root, (0, 0))[1]
    found = {root}
    while more := {pid for pid, (parent, _) in parents.items() if parent in found and pid not in found}:
        found |= more
    return sorted(found | {pid for pid, (_, its) in parents.items() if its == session})


def _pids() -> list[int]:
    return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]


def _status(pid: int) -> tuple[int, int]:
    """(parent, session) of a process; zeros when it has gone."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0, 0
    return int(fields[1]), int(fields[3])


def private(pid: int) -> int:
    """Bytes of a process that are in no shared memory file; pages shared otherwise count by their share."""
    sizes = dict.fromkeys(("Pss:", "Pss_Shmem:"), 0)
    for words in (line.split() for line in _read(f"/proc/{pid}/smaps_rollup").splitlines()):
        if words[0] in sizes:
            sizes[words[0]] = int(words[1]) * 1024
    return sizes["Pss:"] - sizes["Pss_Shmem:"]


def shared_files(pid: int) -> dict[tuple[int, int], int]:
    """Bytes in each memory file that a process has open or mapped, by device and inode.

    Why not the obvious way: a page written to a memory file is held although no process has mapped it, so the sum of
    proportional set sizes alone would not see it.
    """
    found: dict[tuple[int, int], int] = {}
    for link in _open_links(pid) + _mapped_links(pid):
        with suppress(OSError):
            if os.readlink(link).startswith(SHARED):
                status = os.stat(link)
                found[status.st_dev, status.st_ino] = status.st_blocks * 512
    return found


def _open_links(pid: int) -> list[str]:
    folder = f"/proc/{pid}/fd"
    try:
        return [f"{folder}/{name}" for name in os.listdir(folder)]
    except OSError:
        return []


def _mapped_links(pid: int) -> list[str]:
    lines = [line.split(maxsplit=5) for line in _read(f"/proc/{pid}/maps").splitlines()]
    return [f"/proc/{pid}/map_files/{line[0]}" for line in lines if len(line) == 6 and line[5].startswith(SHARED)]


def _read(path: str) -> str:
    try:
        return Path(path).read_text()
    except OSError:
        return ""


def held(root: int, without: int = 0) -> int:
    """Bytes held by the whole tree, one process left out; each memory file counts once."""
    files: dict[tuple[int, int], int] = {}
    members = [pid for pid in tree(root) if pid != without]
    for pid in members:
        files |= shared_files(pid)
    return sum(files.values()) + sum(private(pid) for pid in members)


def peak_of(work: Callable[[], object], root: int) -> tuple[int, int, object]:
    """(bytes before, peak bytes while working, the work's answer) of the tree below `root`."""
    command = [sys.executable, "-S", __file__, str(root)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as sampler:
        assert sampler.stdin is not None
        assert sampler.stdout is not None
        before = int(sampler.stdout.readline())
        answer = work()
        sampler.stdin.close()
        peak = int(sampler.stdout.readline())
    return before, peak, answer


def main() -> None:
    """Sample until standard input closes."""
    root, own = int(sys.argv[1]), os.getpid()
    print(held(root, own), flush=True)
    peak = 0
    while not select.select([sys.stdin], [], [], INTERVAL)[0]:
        peak = max(peak, held(root, own))
    print(max(peak, held(root, own)), flush=True)


if __name__ == "__main__":
    main()
