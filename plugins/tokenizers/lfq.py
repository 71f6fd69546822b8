"""Lookup-free quantisation (arXiv:2310.05737): signs of vectors as bits of a code, and the loss that uses all codes.

B pictures    N codes of one picture    R vectors    K bits    V = 2^K
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import logsigmoid, softplus

from .config import LfqConfig
from .convolutional import ConvolutionalTokenizer
from .quantized import Quantized

FLOOR = 1e-12
"""Lower bound of a code's probability under the logarithm: a code that no vector is near has a probability of 0."""


class LfqQuantizer(nn.Module):
    """The vector of a code has 1 for each bit that is set and -1 for the others.

    The least significant bit is first, or the most significant one with ``highest_first``.
    """

    def __init__(self, bits: int, *, highest_first: bool = False) -> None:
        super().__init__()
        self.bits = bits
        self.highest_first = highest_first

    def forward(self, vectors: Tensor) -> Tensor:
        """Vectors [R, K] -> codes int64 [R]: the bit of a channel is set where the channel is positive."""
        return ((vectors.detach() > 0).long() << self._positions(vectors)).sum(dim=-1)

    def look_up(self, codes: Tensor) -> Tensor:
        """Codes [...] -> their vectors float32 [..., K]."""
        return (codes[..., None] >> self._positions(codes) & 1).float() * 2 - 1

    def entropy(self, vectors: Tensor, temperature: float) -> Tensor:
        """Mean entropy of single choices minus the entropy of the mean choice, in nats; vectors [R, K].

        A choice is the softmax of -|v - c|² / temperature over all codes c, in which bits are independent: the entropy
        of one choice is the sum of its bits'. That of the mean choice is not, but the mean choice is a product of two
        matrices, [√V, R] and [R, √V]: the choices of one half of the bits and of the other.
        """
        # |v - 1|² and |v + 1|² differ by 4 v.
        logits_RK = vectors * (4 / temperature)
        single = (softplus(logits_RK) - logits_RK * logits_RK.sigmoid()).sum(dim=-1).mean()
        halves = logits_RK.split((self.bits // 2, self.bits - self.bits // 2), dim=-1)
        low, high = (self._choices(half) for half in halves)
        mean = high.T @ low / len(vectors)
        return single + (mean * mean.clamp(min=FLOOR).log()).sum()

    def _positions(self, like: Tensor) -> Tensor:
        """The bit of each channel, counted from the least significant one."""
        positions = torch.arange(self.bits, device=like.device)
        return positions.flip(0) if self.highest_first else positions

    def _choices(self, logits: Tensor) -> Tensor:
        """Logits [R, k] of bits -> the probabilities [R, 2^k] of their combinations."""
        count = logits.shape[-1]
        numbers = torch.arange(1 << count, device=logits.device)
        signs = (numbers[:, None] >> torch.arange(count, device=logits.device) & 1).to(logits.dtype)
        return (logsigmoid(logits) @ signs.T + logsigmoid(-logits) @ (1 - signs).T).exp()


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
