"""Pixels to codes of finite scalar quantisation and back (arXiv:2309.15505). B pictures    N codes    D channels"""

from __future__ import annotations

from torch import Tensor

from ..convolutional.model import ConvolutionalTokenizer, Quantized
from .config import FsqConfig
from .quantizer import FsqQuantizer


class FsqTokenizer(ConvolutionalTokenizer):
    """Pixels in [-1, 1]; codes int64 [B, N, 1] in raster order. Only the pixels' errors teach it."""

    config: FsqConfig
    quantize: FsqQuantizer

    def __init__(self, config: FsqConfig) -> None:
        super().__init__(config, config.codes())

    def quantizer(self) -> FsqQuantizer:
        return FsqQuantizer(self.config.levels)

    def quantized(self, vectors: Tensor) -> Quantized:
        """Vectors [B, N, D] -> the values of their codes."""
        codes_BN = self.quantize(vectors.flatten(0, 1)).view(vectors.shape[:2])
        return Quantized(codes_BN, self.quantize.straight_through(vectors), {})
