"""The VQGAN of taming-transformers (arXiv:2012.09841), as Chameleon uses it: codes are nearest by Euclidean distance.

B pictures    N codes of one picture    D code width
"""

from __future__ import annotations

from torch import Tensor

from .codebook import Codebook
from .config import TamingConfig
from .convolutional import ConvolutionalTokenizer
from .nearest import quantize_to_nearest
from .quantized import Quantized


class TamingTokenizer(ConvolutionalTokenizer):
    """Pixels in [-1, 1]; codes int64 [B, N, 1] in raster order, whose vectors [B, N, D] are those of the codebook."""

    config: TamingConfig
    quantize: Codebook

    def __init__(self, config: TamingConfig) -> None:
        super().__init__(config, config.codes())

    def quantizer(self) -> Codebook:
        return Codebook(self.config.vocabulary, self.config.code_width, self.config.reseed)

    def quantized(self, vectors: Tensor) -> Quantized:
        """Quantise for training; with ``reseed`` set, unused codes are re-seeded in training mode."""
        return quantize_to_nearest(self.quantize, vectors, self.config)
