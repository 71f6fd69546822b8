"""Pixels to codes of lookup-free quantisation and back (arXiv:2310.05737). B pictures    N codes    K bits of a code"""

from __future__ import annotations

from torch import Tensor

from ..convolutional.model import ConvolutionalTokenizer, Quantized
from .config import LfqConfig
from .quantizer import LfqQuantizer


class LfqTokenizer(ConvolutionalTokenizer):
    """Pixels in [-1, 1]; codes int64 [B, N, 1] in raster order."""

    config: LfqConfig
    quantize: LfqQuantizer

    def __init__(self, config: LfqConfig) -> None:
        super().__init__(config, config.codes())

    def quantizer(self) -> LfqQuantizer:
        return LfqQuantizer(self.config.bits)

    def quantized(self, vectors: Tensor) -> Quantized:
        """Vectors [B, N, K] -> their signs."""
        config = self.config
        codes_BN = self.quantize(vectors.flatten(0, 1)).view(vectors.shape[:2])
        signs_BNK = self.quantize.look_up(codes_BN)
        losses = {"commitment": (config.commitment, (signs_BNK - vectors).square().mean())}
        if config.entropy:
            losses["entropy"] = (config.entropy, self.quantize.entropy(vectors.flatten(0, 1), config.temperature))
        return Quantized(codes_BN, vectors + (signs_BNK - vectors).detach(), losses)
