"""What a benchmark was measured with, which belongs beside its figures."""

from __future__ import annotations

import platform
from importlib.metadata import version

import torch


def cpu() -> dict[str, str | int]:
    """The processor's instructions, torch's threads, and the versions."""
    return {
        "device": torch.backends.cpu.get_cpu_capability(),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "python": platform.python_version(),
        "janiform": version("janiform"),
    }
