"""Free memory is what the system and every limit above the process leave, without the model's own pages."""

from __future__ import annotations

from pathlib import Path

import torch
from janiform.inference.free_memory import free_memory, free_on_cpu

MIB = 1 << 20


def system(root: Path, available: int, groups: str = "", mapped: int = 0, resident: int = 0) -> Path:
    proc = root / "proc" / "self"
    proc.mkdir(parents=True)
    (root / "proc" / "meminfo").write_text(f"MemTotal: 99 kB\nMemAvailable: {available * 1024} kB\n")
    (proc / "status").write_text(f"Name: x\nVmRSS:\t{resident * 1024} kB\nRssFile:\t{mapped * 1024} kB\n")
    (proc / "cgroup").write_text(groups)
    return root


def group(folder: Path, limit: str, used: int, cached: int, version: int = 2) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    names = ("memory.max", "memory.current") if version == 2 else ("memory.limit_in_bytes", "memory.usage_in_bytes")
    prefix = "" if version == 2 else "total_"
    (folder / names[0]).write_text(f"{limit}\n")
    (folder / names[1]).write_text(f"{used * MIB}\n")
    stat = f"anon 1\n{prefix}inactive_file {cached * MIB // 2}\n{prefix}active_file {cached * MIB // 2}\n"
    (folder / "memory.stat").write_text(stat)


def test_what_the_system_says(tmp_path: Path) -> None:
    assert free_on_cpu(root=system(tmp_path, 800)) == 800 * MIB


def test_a_limit_of_a_control_group_above(tmp_path: Path) -> None:
    root = system(tmp_path, 800, "0::/user/job\n")
    group(root / "sys/fs/cgroup/user", str(500 * MIB), used=300, cached=100)
    group(root / "sys/fs/cgroup/user/job", "max", used=300, cached=100)
    assert free_on_cpu(root=root) == 300 * MIB


def test_control_groups_of_the_first_version(tmp_path: Path) -> None:
    root = system(tmp_path, 800, "9:name=systemd:/\n4:cpu,memory:/docker/abc\n")
    # Inside of a container the group is its own root.
    group(root / "sys/fs/cgroup/memory", str(400 * MIB), used=250, cached=50, version=1)
    assert free_on_cpu(root=root) == 200 * MIB


def test_pages_of_the_weights_are_not_free(tmp_path: Path) -> None:
    """Neither those that are mapped already, nor those that are yet to be read from the file."""
    assert free_on_cpu(300 * MIB, root=system(tmp_path / "a", 800, mapped=250, resident=400)) == 550 * MIB
    assert free_on_cpu(300 * MIB, root=system(tmp_path / "b", 800, mapped=50, resident=100)) == 550 * MIB
    assert free_on_cpu(900 * MIB, root=system(tmp_path / "c", 800, mapped=50, resident=100)) == 0


def test_a_system_that_says_nothing_readable(tmp_path: Path) -> None:
    assert free_on_cpu(root=tmp_path) >= 0
    assert free_memory(torch.device("cpu")) > 0
    assert free_memory(torch.device("meta")) > 0
