"""What a benchmark was measured with, which belongs beside its figures."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version

import torch


def here(device: torch.device) -> dict[str, str | int]:
    """The GPU's name or the processor's instructions, torch's threads, and the versions."""
    versions = {"torch": torch.__version__, "python": platform.python_version(), "janiform": version("janiform")}
    if device.type == "cuda":
        return {"device": torch.cuda.get_device_name(device), **versions}
    return {"device": torch.backends.cpu.get_cpu_capability(), "threads": torch.get_num_threads(), **versions}


def cpu() -> dict[str, str | int]:
    return here(torch.device("cpu"))


def installed(name: str) -> str:
    """The version of a package that may be missing."""
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"
