"""Split codes, as in UniTok (arXiv:2502.20321): each part of a vector has a code from a codebook of its own.

B pictures    N positions of one picture    R vectors    D code width    V vocabulary    d parts of D / d values each
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from ..convolutional import ConvolutionalTokenizer
from ..nearest import quantize_to_nearest
from ..quantized import Quantized
from ..vq import SphereCodebook
from .config import SplitVqConfig


class SplitQuantizer(nn.Module):
    """Each part of a vector takes the code of its codebook that is nearest by direction."""

    def __init__(self, vocabulary: int, width: int, depth: int, reseed: int = 0) -> None:
        super().__init__()
        self.books = nn.ModuleList(SphereCodebook(vocabulary, width // depth, reseed) for _ in range(depth))

    def forward(self, vectors: Tensor) -> Tensor:
        """Vectors [R, D] -> codes int64 [R, d], in float32 at least."""
        parts = vectors.chunk(len(self.books), dim=-1)
        return torch.stack([book(part) for book, part in zip(self.books, parts, strict=True)], dim=-1)

    def look_up(self, codes: Tensor) -> Tensor:
        """Codes [..., d] -> the normalised vectors of the parts side by side, [..., D]."""
        levels = zip(self.books, codes.unbind(-1), strict=True)
        return torch.cat([book.look_up(level) for book, level in levels], dim=-1)  # type: ignore[operator]


class SplitVqTokenizer(ConvolutionalTokenizer):
    """Pixels in [-1, 1]; codes int64 [B, N, d] in raster order, whose vectors [B, N, D] have d parts of length one."""

    config: SplitVqConfig
    quantize: SplitQuantizer

    def __init__(self, config: SplitVqConfig) -> None:
        super().__init__(config, config.codes())

    def quantizer(self) -> SplitQuantizer:
        config = self.config
        return SplitQuantizer(config.vocabulary, config.code_width, config.depth, config.reseed)

    def vectors(self, codes: Tensor) -> Tensor:
        """Codes [B, N, d] -> the vectors of their parts side by side, [B, N, D]."""
        return self.quantize.look_up(codes)

    def quantized(self, vectors: Tensor) -> Quantized:
        """Quantise for training; with ``reseed`` set, unused codes are re-seeded in training mode.

        The losses are means over the parts, each as of a tokenizer ``vq`` of this part alone.
        """
        config, codes, quantized, losses = self.config, [], [], []
        for book, part in zip(self.quantize.books, vectors.chunk(config.depth, dim=-1), strict=True):
            assert isinstance(book, SphereCodebook)
            normed_BNp = normalize(part, dim=-1)
            made = quantize_to_nearest(book, normed_BNp, config)
            if config.entropy:
                made.losses["entropy"] = (config.entropy, book.entropy(normed_BNp.flatten(0, 1)))
            codes.append(made.codes)
            quantized.append(made.vectors)
            losses.append(made.losses)
        means = {
            name: (weight, torch.stack([part[name][1] for part in losses]).mean())
            for name, (weight, _) in losses[0].items()
        }
        return Quantized(torch.stack(codes, dim=-1), torch.cat(quantized, dim=-1), means)
