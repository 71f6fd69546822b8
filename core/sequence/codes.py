"""Codes and latents as tensors: which are valid, and codes whose place decides them.

B pictures    N places of a picture    d depth of a code
"""

from __future__ import annotations

from itertools import accumulate

import torch
from torch import Tensor

from ..errors import UsageError
from ..ports import Codes, Latents


def check_codes(codes: Tensor, port: Codes) -> None:
    """Raise ``UsageError`` where codes [..., N, d] have another shape or type than the port, or hold one that is not in
    the vocabulary, or not at its place. Of codes with scales, those of the first ones are taken as well."""
    counts = [*accumulate(grid.size for grid in port.scales)] or [port.tokens]
    if codes.shape[-2:] not in [(count, port.depth) for count in counts]:
        raise UsageError(
            f"the codes of a picture must have the shape {[port.tokens, port.depth]}, not {list(codes.shape[-2:])}"
        )
    if codes.is_floating_point():
        raise UsageError(f"the codes of a picture must be whole numbers, not {str(codes.dtype).removeprefix('torch.')}")
    low, high = (int(bound) for bound in codes.aminmax()) if codes.numel() else (0, 0)
    if low < 0 or high >= port.every:
        unknown = low if low < 0 else high
        raise UsageError(f"{unknown} is not a valid code; the vocabulary has the codes 0 to {port.vocabulary - 1}")
    if not port.given:
        return
    if not torch.equal(codes, with_given(codes, port)):
        place, code = next(iter(port.given.items()))
        raise UsageError(f"the codes of a picture must have those that are always the same: {code} at place {place}")
    if int(codes[..., port.predicted, :].max()) >= port.vocabulary:
        raise UsageError(f"codes from {port.vocabulary} on must not stand at other places than their own")


def check_latents(latents: Tensor, port: Latents) -> None:
    """Raise ``UsageError`` where latents [..., N, C] have another shape, or hold a value that is not finite."""
    if list(latents.shape[-2:]) != [port.tokens, port.width]:
        raise UsageError(
            f"the latents of a picture must have the shape {[port.tokens, port.width]}, not {list(latents.shape[-2:])}"
        )
    if not bool(latents.isfinite().all()):
        raise UsageError("the latents of a picture hold values that are not finite (NaN or infinity)")


def with_given(codes: Tensor, port: Codes) -> Tensor:
    """Codes [..., N, d] with those that are given at their places."""
    if not port.given:
        return codes
    codes = codes.clone()
    places = torch.tensor(list(port.given), device=codes.device)
    codes[..., places, :] = torch.tensor(list(port.given.values()), device=codes.device)[:, None]
    return codes
