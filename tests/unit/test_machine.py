"""What the machine offers: made-up file systems in, CPUs and bytes out; and a look at the real machine."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from alongside.exceptions import OptionError
from alongside.runtime import machine
from alongside.runtime.description import EXTRAS, describe_machine

MB = 1 << 20


@pytest.fixture(autouse=True)
def four_cpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(machine.CPU_COUNT_VARIABLE, raising=False)
    monkeypatch.setattr(machine, "schedulable_cpus", lambda: 4)


class Tree:
    """A made-up file system root."""

    def __init__(self, root: Path) -> None:
        self.root = str(root)
        self.write("proc/meminfo", "MemTotal: 8388608 kB\nMemFree: 1048576 kB\nMemAvailable: 4194304 kB")
        self.write("proc/self/cgroup", "0::/")

    def write(self, path: str, text: str) -> str:
        file = Path(self.root, path)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text + "\n")
        return str(file)


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    return Tree(tmp_path)


# --- CPUs ---


def test_without_cgroups_affinity_counts(tree: Tree) -> None:
    assert machine.cpu_count(tree.root) == 4


@pytest.mark.parametrize(
    ("cpu_max", "expected"),
    [
        ("max 100000", 4),
        ("200000 100000", 2),
        ("150000 100000", 2),
        ("10000 100000", 1),
        ("900000 100000", 4),
        ("nonsense", 4),
        ("100000 0", 4),
    ],
)
def test_quota_of_cgroup_v2_is_rounded_up_and_never_below_one(tree: Tree, cpu_max: str, expected: int) -> None:
    tree.write("sys/fs/cgroup/cpu.max", cpu_max)
    assert machine.cpu_count(tree.root) == expected


def test_an_ancestors_quota_binds(tree: Tree) -> None:
    tree.write("proc/self/cgroup", "0::/pod/box")
    tree.write("sys/fs/cgroup/pod/box/cpu.max", "max 100000")
    tree.write("sys/fs/cgroup/pod/cpu.max", "300000 100000")
    assert machine.cpu_count(tree.root) == 3


def test_a_neighbours_quota_does_not_bind(tree: Tree) -> None:
    tree.write("proc/self/cgroup", "0::/pod/box")
    tree.write("sys/fs/cgroup/pod/other/cpu.max", "100000 100000")
    assert machine.cpu_count(tree.root) == 4


@pytest.mark.parametrize("mount", ["cpu", "cpu,cpuacct"])
def test_quota_of_cgroup_v1(tree: Tree, mount: str) -> None:
    tree.write("proc/self/cgroup", "4:memory:/box\n3:cpu,cpuacct:/box")
    tree.write(f"sys/fs/cgroup/{mount}/box/cpu.cfs_quota_us", "200000")
    tree.write(f"sys/fs/cgroup/{mount}/box/cpu.cfs_period_us", "100000")
    assert machine.cpu_count(tree.root) == 2


def test_unlimited_cgroup_v1(tree: Tree) -> None:
    tree.write("proc/self/cgroup", "3:cpu:/")
    tree.write("sys/fs/cgroup/cpu/cpu.cfs_quota_us", "-1")
    tree.write("sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000")
    assert machine.cpu_count(tree.root) == 4


def test_in_a_container_the_hosts_path_is_missing_and_the_mounts_root_counts(tree: Tree) -> None:
    tree.write("proc/self/cgroup", "3:cpu:/docker/0123abc")
    tree.write("sys/fs/cgroup/cpu/cpu.cfs_quota_us", "100000")
    tree.write("sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000")
    assert machine.cpu_count(tree.root) == 1


def test_a_path_outside_the_namespace_never_leads_above_the_mount(tree: Tree) -> None:
    tree.write("proc/self/cgroup", "0::/../../elsewhere")
    tree.write("sys/fs/cgroup/cpu.max", "300000 100000")
    tree.write("sys/elsewhere/cpu.max", "100000 100000")
    assert machine.cpu_count(tree.root) == 3


def test_the_smaller_of_v1_and_v2_counts_on_a_hybrid_machine(tree: Tree) -> None:
    tree.write("proc/self/cgroup", "3:cpu:/\n0::/box")
    tree.write("sys/fs/cgroup/cpu/cpu.cfs_quota_us", "300000")
    tree.write("sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000")
    tree.write("sys/fs/cgroup/unified/box/cpu.max", "200000 100000")
    assert machine.cpu_quota(tree.root) == 2.0


def test_the_variable_overrules(tree: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    tree.write("sys/fs/cgroup/cpu.max", "100000 100000")
    monkeypatch.setenv(machine.CPU_COUNT_VARIABLE, " 7 ")
    assert machine.cpu_count(tree.root) == 7


@pytest.mark.parametrize("value", ["0", "-2", "two", "1.5", "٣"])
def test_a_senseless_variable_is_refused(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv(machine.CPU_COUNT_VARIABLE, value)
    with pytest.raises(OptionError, match=r"ALONGSIDE_CPU_COUNT=.* at least 1"):
        machine.cpu_count()


def test_an_empty_variable_is_no_choice(tree: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(machine.CPU_COUNT_VARIABLE, "")
    assert machine.cpu_count(tree.root) == 4


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="affinity can be set on Linux only")
def test_real_affinity_is_counted_in_a_real_process() -> None:
    code = (
        "import os; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})\n"
        "from alongside.runtime.machine import cpu_count; print(cpu_count())"
    )
    environment = {name: value for name, value in os.environ.items() if name != machine.CPU_COUNT_VARIABLE}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    assert done.stdout.strip() == "1"


def test_importing_it_is_light() -> None:
    code = (
        "import sys, alongside.runtime.machine as m; m.cpu_count(); m.memory()\n"
        "print([n for n in ('psutil', 'numpy', 'threadpoolctl', 'multiprocessing', 'dataclasses') if n in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


# --- memory ---


def test_without_limits_the_machines_memory_counts(tree: Tree) -> None:
    found = machine.memory(tree.root)
    assert (found.total, found.available) == (8192 * MB, 4096 * MB)
    assert (found.limit, found.limit_source) == (None, "")


def test_limit_of_cgroup_v2_less_what_is_used_and_cannot_be_dropped(tree: Tree) -> None:
    source = tree.write("sys/fs/cgroup/memory.max", str(1000 * MB))
    tree.write("sys/fs/cgroup/memory.current", str(700 * MB))
    tree.write("sys/fs/cgroup/memory.stat", f"anon {400 * MB}\ninactive_file {200 * MB}")
    found = machine.memory(tree.root)
    assert (found.limit, found.limit_source, found.available) == (1000 * MB, source, 500 * MB)


def test_the_throttling_limit_counts_too(tree: Tree) -> None:
    tree.write("sys/fs/cgroup/memory.max", str(1000 * MB))
    source = tree.write("sys/fs/cgroup/memory.high", str(800 * MB))
    tree.write("sys/fs/cgroup/memory.current", str(300 * MB))
    found = machine.memory(tree.root)
    assert (found.limit, found.limit_source, found.available) == (800 * MB, source, 500 * MB)


def test_the_fullest_ancestor_decides_what_is_available(tree: Tree) -> None:
    tree.write("proc/self/cgroup", "0::/pod/box")
    tree.write("sys/fs/cgroup/pod/box/memory.max", str(1000 * MB))
    tree.write("sys/fs/cgroup/pod/box/memory.current", str(100 * MB))
    tree.write("sys/fs/cgroup/pod/memory.max", str(2000 * MB))
    tree.write("sys/fs/cgroup/pod/memory.current", str(1900 * MB))
    found = machine.memory(tree.root)
    assert (found.limit, found.available) == (1000 * MB, 100 * MB)


def test_limit_of_cgroup_v1(tree: Tree) -> None:
    tree.write("proc/self/cgroup", "4:memory:/box")
    source = tree.write("sys/fs/cgroup/memory/box/memory.limit_in_bytes", str(512 * MB))
    tree.write("sys/fs/cgroup/memory/box/memory.usage_in_bytes", str(500 * MB))
    tree.write("sys/fs/cgroup/memory/box/memory.stat", f"total_inactive_file {100 * MB}")
    tree.write("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712")
    found = machine.memory(tree.root)
    assert (found.limit, found.limit_source, found.available) == (512 * MB, source, 112 * MB)


def test_a_group_over_its_limit_leaves_nothing(tree: Tree) -> None:
    tree.write("sys/fs/cgroup/memory.max", str(100 * MB))
    tree.write("sys/fs/cgroup/memory.current", str(120 * MB))
    assert machine.memory(tree.root).available == 0


def test_a_limit_above_the_machine_is_none(tree: Tree) -> None:
    tree.write("sys/fs/cgroup/memory.max", str(99_999 * MB))
    assert machine.memory(tree.root).limit is None


def test_without_proc_psutil_is_asked(tmp_path: Path) -> None:
    import psutil

    assert machine.memory(str(tmp_path)).total == psutil.virtual_memory().total


def test_an_old_kernel_without_memavailable(tree: Tree) -> None:
    tree.write("proc/meminfo", "MemTotal: 4096 kB\nMemFree: 1024 kB\nCached: 512 kB")
    assert machine.memory(tree.root).available == 1536 * 1024


# --- everything ---


def test_the_description_of_this_machine_agrees_with_the_interpreter() -> None:
    found = describe_machine()
    assert found.python == sys.version.split()[0].rstrip("+")
    assert sys.implementation.name in found.build
    assert found.fork == hasattr(os, "fork")
    assert ("fork" in found.start_methods) == found.fork
    assert found.cpus_present == os.cpu_count()
    assert set(found.extras) == set(EXTRAS)
    assert found.gil_enabled or found.free_threaded


def test_the_description_sees_blas_threads_where_numpy_is() -> None:
    pytest.importorskip("numpy", reason="numpy brings the BLAS to be seen")
    found = describe_machine()
    assert found.extras["numpy"]
    assert [blas for blas in found.blas if blas.threads >= 1 and blas.file]


def test_a_missing_shared_memory_folder_is_said_as_none(tree: Tree) -> None:
    assert describe_machine(tree.root).shm_size is None
