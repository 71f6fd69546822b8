"""Which arithmetic a device is fast at."""

from __future__ import annotations

import platform

import torch


def fast_bfloat16(device: torch.device) -> bool:
    """Whether the device multiplies bfloat16 itself. A processor that only emulates it is some hundred times slower."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if device.type != "cpu":
        return False
    if platform.machine().lower() in ("x86_64", "amd64"):
        return torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


def arithmetic(precision: str, device: torch.device) -> torch.dtype:
    """The type that forward and backward compute in, for a stage's ``precision``."""
    if precision == "auto":
        precision = "bfloat16" if fast_bfloat16(device) else "float32"
    return torch.bfloat16 if precision == "bfloat16" else torch.float32
