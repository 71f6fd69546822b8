"""The arithmetic of a stage, and which of it a device computes fast."""

from __future__ import annotations

import platform

import torch


def fast_bfloat16(device: torch.device) -> bool:
    """Whether the device multiplies bfloat16 in hardware. A CPU that emulates it is about a hundred times slower."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if device.type != "cpu":
        return False
    if platform.machine().lower() in ("x86_64", "amd64"):
        return torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


def arithmetic(precision: str, device: torch.device) -> torch.dtype:
    """The data type of forward and backward, for a stage's ``precision``."""
    if precision == "auto":
        precision = "bfloat16" if fast_bfloat16(device) else "float32"
    return torch.bfloat16 if precision == "bfloat16" else torch.float32


def autocast(precision: str, device: torch.device) -> torch.autocast:
    """The context of forward passes in a stage's ``precision``."""
    half = arithmetic(precision, device) == torch.bfloat16
    return torch.autocast(device.type, torch.bfloat16, enabled=half)
