"""Free memory of a device, as the system reports it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import torch

UNKNOWN = 16 << 30
"""Assumed where the system does not report it: enough not to refuse what may well fit."""

_ROOT = Path("/")


def free_memory(device: torch.device, weights: int = 0) -> int:
    """Bytes that can still be allocated on a device, within the limits (control groups) of the process.

    ``weights``: bytes of a model that is loaded. On the CPU they may be mapped from their file: the system counts such
    pages as available, but if they were taken, the model would be read from the disk again and again.
    """
    if device.type == "cuda":
        # Memory that torch's allocator has reserved is free for new tensors.
        aside = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return int(torch.cuda.mem_get_info(device)[0]) + aside
    if device.type == "mps":
        return int(torch.mps.recommended_max_memory() - torch.mps.driver_allocated_memory())
    return free_on_cpu(weights) if device.type == "cpu" else UNKNOWN


def free_on_cpu(weights: int = 0, root: Path = _ROOT) -> int:
    """``free_memory`` of the CPU; ``root`` is the folder that holds ``proc`` and ``sys``."""
    available = _figure(root / "proc/meminfo", "MemAvailable:", 1024)
    if available is None:
        try:
            # Outside Linux the system reports the total only, of which other programs use some.
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
    """The bytes that each control group above the process leaves free, in versions 1 and 2."""
    try:
        lines = (root / "proc/self/cgroup").read_text(encoding="utf-8", errors="replace").splitlines()
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
            # The page cache is released when memory runs short.
            stat = folder / "memory.stat"
            cached = sum(_figure(stat, f"{names[2]}{kind}_file ") or 0 for kind in ("inactive", "active"))
            yield limit - max(0, used - cached)


def _figure(file: Path, begin: str = "", unit: int = 1) -> int | None:
    """The number on the first line with this beginning; None where there is none, as where a limit is ``max``."""
    try:
        lines = file.read_text(encoding="utf-8", errors="replace").splitlines()
        line = next(line for line in lines if line.startswith(begin))
        return int(line.removeprefix(begin).split()[0]) * unit
    except (OSError, ValueError, IndexError, StopIteration):
        return None
