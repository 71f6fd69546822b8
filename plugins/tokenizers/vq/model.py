"""Pixels to codes of an L2-normalised codebook and back, as in LlamaGen (arXiv:2406.06525), whose VQ-16 Janus uses.

B pictures    N codes of one picture    D code width    V vocabulary
"""

from __future__ import annotations

from torch import Tensor
from torch.nn.functional import normalize

from ..convolutional.model import ConvolutionalTokenizer, Quantized
from .config import VqConfig
from .quantizer import Quantizer


class VqTokenizer(ConvolutionalTokenizer):
    """Pixels in [-1, 1]; codes int64 [B, N, 1] in raster order, whose vectors [B, N, D] are of length one."""

    config: VqConfig
    quantize: Quantizer

    def __init__(self, config: VqConfig) -> None:
        super().__init__(config, config.codes())

    def quantizer(self) -> Quantizer:
        return Quantizer(self.config.vocabulary, self.config.code_width, self.config.reseed)

    def quantized(self, vectors: Tensor) -> Quantized:
        """In training mode unused codes are re-seeded, if the config says so."""
        config = self.config
        vectors_BND = normalize(vectors, dim=-1)
        reseeding = bool(config.reseed) and self.training
        if reseeding:
            self.quantize.revive(vectors_BND.flatten(0, 1))
        codes_BN = self.quantize(vectors_BND.flatten(0, 1)).view(vectors_BND.shape[:2])
        chosen_BND = self.quantize.look_up(codes_BN)
        losses = {
            "codebook": (config.codebook, (chosen_BND - vectors_BND.detach()).square().mean()),
            "commitment": (config.commitment, (chosen_BND.detach() - vectors_BND).square().mean()),
        }
        if config.entropy:
            losses["entropy"] = (config.entropy, self.quantize.entropy(vectors_BND.flatten(0, 1)))
        if reseeding:
            self.quantize.count(codes_BN.flatten())
        return Quantized(codes_BN, vectors_BND + (chosen_BND - vectors_BND).detach(), losses)
