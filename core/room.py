"""How many sequences fit into memory at once, planned from the model's sizes instead of found out by running out."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from .model import UnifiedModel

MOST = 64
"""Enough rows to keep a device busy with a small model; a large one meets the limit of memory first."""

_SHARE = 0.5
"""Of the free memory, for the cache; the other half is for activations and for everybody else."""

_UNKNOWN = 4 << 30
"""Taken for free where the system does not say."""


def rows_at_once(model: UnifiedModel, length: int, *, twice: bool = False) -> int:
    """Rows of ``length`` positions to process together, one at least; ``twice``: each has a second row for guidance."""
    hidden = model.plan.hidden
    number = next(model.parameters()).element_size()
    cache = 2 * hidden.layers * hidden.kv_heads * hidden.head_width * length * number
    needed = cache * (2 if twice else 1)
    return max(1, min(MOST, int(_SHARE * free_memory(model.device)) // max(1, needed)))


def free_memory(device: torch.device) -> int:
    """Bytes that can still be allocated on a device."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    if device.type != "cpu":
        return _UNKNOWN
    try:
        # Unlike the count of free pages, this one includes what the file cache would give back.
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
        return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (ValueError, OSError, AttributeError):
        return _UNKNOWN
