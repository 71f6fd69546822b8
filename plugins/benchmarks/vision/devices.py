"""The device of the models that judge."""

from __future__ import annotations

import torch
from janiform import UsageError


def usable_device(device: str) -> str:
    """The device that is meant by "auto": a GPU where there is one. Raises ``UsageError`` for one that is missing."""
    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if device == "cuda" and not torch.cuda.is_available():
        raise UsageError("judge_device is cuda, but this machine has no CUDA device")
    return device
