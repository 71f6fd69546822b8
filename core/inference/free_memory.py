"""How many bytes can still be allocated, as the system says it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import torch

UNKNOWN = 16 << 30
"""Taken for free where the system does not say: enough not to turn away what may well fit."""

_ROOT = Path("/")


def free_memory(device: torch.device, weights: int = 0) -> int:
    """Bytes that can still be allocated on a device, without what its limits (control groups) keep from the process.

    ``weights``: bytes of a model that is loaded. On the CPU they may be mapped from their file: the system counts such
    pages as available, and whoever took them would have the model read from the disk again and again.
    """
    if device.type == "cuda":
        # What torch's allocator has put aside is free to whoever asks torch for it.
        aside = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return int(torch.cuda.mem_get_info(device)[0]) + aside
    if device.type == "mps":
        return int(torch.mps.recommended_max_memory() - torch.mps.driver_allocated_memory())
    return free_on_cpu(weights) if device.type == "cpu" else UNKNOWN


def free_on_cpu(weights: int = 0, root: Path = _ROOT) -> int:
    """``free_memory`` of the CPU; ``root`` is where the system's own files are found."""
    available = _figure(root / "proc/meminfo", "MemAvailable:", 1024)
    if available is None:
        try:
            # Outside of Linux the system tells what there is, of which others have some.
            available = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2
        except (ValueError, OSError, AttributeError):
            return UNKNOWN
    free = min([available, *_within_groups(root)])
    status = root / "proc/self/status"
    mapped = _figure(status, "RssFile:", 1024) or 0
    resident = _figure(status, "VmRSS:", 1024)
    unread = 0 if resident is None else max(0, weights - resident)
    return max(0, free - mapped - unread)


def _within_groups(root: Path) -> Iterator[int]:
    """What each control group above the process leaves, in both versions of them."""
    try:
        lines = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, path = (*line.split(":", 2), "", "")[:3]
        if controllers == "":
            base, names = root / "sys/fs/cgroup", ("memory.max", "memory.current", "")
        elif "memory" in controllers.split(","):
            base = root / "sys/fs/cgroup/memory"
            names = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_")
        else:
            continue
        for group in (PurePosixPath(path), *PurePosixPath(path).parents):
            folder = base / str(group).lstrip("/")
            limit, used = _figure(folder / names[0]), _figure(folder / names[1])
            if limit is None or used is None:
                continue
            # The cache of files is given back when memory runs short.
            stat = folder / "memory.stat"
            cached = sum(_figure(stat, f"{names[2]}{kind}_file ") or 0 for kind in ("inactive", "active"))
            yield limit - max(0, used - cached)


def _figure(file: Path, begin: str = "", unit: int = 1) -> int | None:
    """The number on the first line that begins so; None where there is none, as where a limit is ``max``."""
    try:
        line = next(line for line in file.read_text().splitlines() if line.startswith(begin))
        return int(line.removeprefix(begin).split()[0]) * unit
    except (OSError, ValueError, IndexError, StopIteration):
        return None
