"""Whether an adapter maps each token alone, as a pathway that draws needs: codes are drawn one after the other."""

from __future__ import annotations

import torch
from torch import Tensor, nn

_SINGLE = 3
"""Tokens that are also given one by one, and not only as rows of a batch."""

_TRAINED = 16
"""Tokens that are given in training mode."""


def mixing(adapter: nn.Module, inputs: Tensor, tolerance: float, what: str) -> str:
    """A clause that names the first token whose output depends on others; empty where there is none.

    ``inputs`` are those of one picture, [1, N, width], and ``what`` is the word for one of them. The adapter ends in
    training mode, as some average over a batch there. Raises whatever the adapter raises.
    """
    with torch.no_grad():
        whole = adapter(inputs)
        singly = [adapter(inputs[:, position : position + 1])[0] for position in range(min(_SINGLE, inputs.shape[1]))]
        for alone in (torch.stack(singly), adapter(inputs.transpose(0, 1))):
            together = whole[0, : len(alone), None]
            if alone.shape != together.shape:
                return f"{what} 0 alone gives {list(alone.shape[1:])}, expected {list(together.shape[1:])}"
            apart = (alone - together).abs().flatten(1).amax(1)
            off = apart > tolerance * together.abs().flatten(1).amax(1).clamp(min=1e-6)
            if off.any():
                return f"{what} {int(off.nonzero()[0])} alone gives another vector than among all {what}s"
    return _mixing_in_training(adapter.train(), inputs[:, :_TRAINED], what)


def _mixing_in_training(adapter: nn.Module, inputs: Tensor, what: str) -> str:
    """By gradients, since an adapter may draw random numbers in training."""
    with torch.enable_grad():
        leaf = torch.cat((inputs, inputs.flip(1))).requires_grad_(True)
        output = adapter(leaf)
        if not output.requires_grad:
            return ""
        weights = torch.linspace(1, 2, output.shape[-1]).to(output)
        for position in sorted({0, inputs.shape[1] // 2, inputs.shape[1] - 1}):
            (gradient,) = torch.autograd.grad((output[0, position] * weights).sum(), leaf, retain_graph=True)
            gradient = gradient.abs().sum(-1)
            own = float(gradient[0, position])
            gradient[0, position] = 0
            if float(gradient.max()) > 1e-6 * max(own, 1e-6):
                return f"in training mode the vector of {what} {position} depends on other {what}s"
    return ""
