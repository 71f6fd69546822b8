"""Codes of several scales, as in VAR (arXiv:2404.02905): each scale quantises what the coarser ones leave.

B pictures    N codes of all scales    M places of the grid    D code width
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from attrs import frozen
from janiform import Grid
from janiform_plugins.scales import parted, resized, total
from torch import Tensor

from ..codebook import Codebook, wide
from ..convolutional import ConvolutionalTokenizer
from ..pixel_losses import full_precision
from ..quantized import Quantized
from .config import ScalesVqConfig


@frozen(eq=False)
class Scaled:
    """Codes int64 [B, N] of all scales; by scale the residuals [B, n, D], and the sums [B, M, D] of the codes so far.

    Gradients pass from the sums to the codebook.
    """

    codes: Tensor
    residuals: list[Tensor]
    sums: list[Tensor]


def quantize_scales(
    vectors: Tensor, scales: Sequence[Grid], nearest: Callable[[Tensor], Tensor], look_up: Callable[[Tensor], Tensor]
) -> Scaled:
    """Quantise vectors [B, M, D] of the last grid, scale by scale.

    The residual is reduced to a scale's grid by the means of areas; the vectors of its codes are enlarged bicubically
    and subtracted. Without VAR's convolutions after enlarging, as in TokenFlow (arXiv:2412.03069).

    Args:
        nearest: vectors [R, D] to codes [R].
        look_up: codes [...] to vectors [..., D].
    """
    vectors = vectors.detach()
    grid, so_far = scales[-1], torch.zeros_like(vectors)
    codes, residuals, sums = [], [], []
    for scale in scales:
        residual = resized(vectors - so_far.detach(), grid, scale, "area")
        chosen = nearest(residual.flatten(0, 1)).view(residual.shape[:2])
        so_far = so_far + resized(wide(look_up(chosen)), scale, grid, "bicubic")
        codes.append(chosen)
        residuals.append(residual)
        sums.append(so_far)
    return Scaled(torch.cat(codes, dim=1), residuals, sums)


class ScalesVqTokenizer(ConvolutionalTokenizer):
    """Pixels in [-1, 1]; codes int64 [B, N, 1] of one scale after the other, with vectors [B, N, D] of one codebook."""

    config: ScalesVqConfig
    quantize: Codebook

    def __init__(self, config: ScalesVqConfig) -> None:
        self.scales = config.codes().scales
        super().__init__(config, config.codes())

    def quantizer(self) -> Codebook:
        return Codebook(self.config.vocabulary, self.config.code_width, self.config.reseed)

    def encode(self, pixels: Tensor) -> Tensor:
        """Pixels [B, 3, h, w] -> codes [B, N, 1]."""
        with full_precision(pixels), torch.no_grad():
            return self._scaled(self._encode(pixels)).codes[..., None]

    def decode(self, codes: Tensor) -> Tensor:
        """Codes [B, n, 1] of all scales or of the first ones -> pixels [B, 3, h, w], not clipped."""
        vectors = [wide(self.vectors(part)) for part in parted(codes, self.scales)]
        return self._decode(total(vectors, self.scales))

    def quantized(self, vectors: Tensor) -> Quantized:
        """Quantise for training; with ``reseed`` set, unused codes are re-seeded in training mode.

        ``codebook`` moves the sums of codes towards the vectors, after every scale, and ``commitment`` the vectors
        towards these sums, as in VAR.
        """
        reseed = bool(self.config.reseed) and self.training
        if reseed:
            residuals = self._scaled(vectors).residuals
            self.quantize.revive(torch.cat([residual.flatten(0, 1) for residual in residuals]))
        scaled = self._scaled(vectors)
        if reseed:
            self.quantize.count(scaled.codes.flatten())
        learned = [(some - vectors.detach()).square().mean() for some in scaled.sums]
        kept = [(some.detach() - vectors).square().mean() for some in scaled.sums]
        losses = {
            "codebook": (self.config.codebook, torch.stack(learned).mean()),
            "commitment": (self.config.commitment, torch.stack(kept).mean()),
        }
        return Quantized(scaled.codes, vectors + (scaled.sums[-1] - vectors).detach(), losses)

    def _scaled(self, vectors: Tensor) -> Scaled:
        return quantize_scales(wide(vectors), self.scales, self.quantize, self.quantize.look_up)
