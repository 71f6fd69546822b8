"""Codes of an L2-normalised codebook, as in LlamaGen (arXiv:2406.06525), whose VQ-16 Janus uses.

B pictures    N codes of one picture    R vectors    D code width    V vocabulary
"""

from __future__ import annotations

from torch import Tensor
from torch.nn.functional import normalize
from torch.utils.checkpoint import checkpoint

from .codebook import Codebook, wide
from .config import VqConfig
from .convolutional import ConvolutionalTokenizer
from .nearest import quantize_to_nearest
from .quantized import Quantized

TEMPERATURE = 0.01
"""Temperature of the softmax over distances in the entropy loss, as in LlamaGen."""


class SphereCodebook(Codebook):
    """A codebook that compares vectors by direction alone: its own and those to quantise are normalised."""

    def forward(self, vectors: Tensor) -> Tensor:
        """Vectors [R, D] -> the nearest codes int64 [R]."""
        return super().forward(normalize(wide(vectors.detach()), dim=-1))

    def look_up(self, codes: Tensor) -> Tensor:
        """Codes [...] -> their normalised vectors [..., D]."""
        return normalize(self.embedding(codes), dim=-1)

    def book(self) -> Tensor:
        """All normalised vectors [V, D]."""
        return normalize(self.embedding.weight, dim=-1)

    def entropy(self, vectors: Tensor) -> Tensor:
        """Mean entropy of single choices minus the entropy of the mean choice, in nats; vectors [R, D] are normalised.

        It is low where each vector has one clearly nearest code and all codes are used (arXiv:2310.05737). Chunks are
        recomputed in the backward pass, so that R × V values are never held at once.
        """
        book = self.book()
        single = vectors.new_zeros(())
        mean = vectors.new_zeros(len(book))
        for chunk in self.chunks(vectors):
            entropies, chosen = checkpoint(_choices, chunk, book, use_reentrant=False)
            single, mean = single + entropies, mean + chosen
        mean = mean / len(vectors)
        return single / len(vectors) + (mean * (mean + 1e-5).log()).sum()


class VqTokenizer(ConvolutionalTokenizer):
    """Pixels in [-1, 1]; codes int64 [B, N, 1] in raster order, whose vectors [B, N, D] have length one."""

    config: VqConfig
    quantize: SphereCodebook

    def __init__(self, config: VqConfig) -> None:
        super().__init__(config, config.codes())

    def quantizer(self) -> SphereCodebook:
        return SphereCodebook(self.config.vocabulary, self.config.code_width, self.config.reseed)

    def quantized(self, vectors: Tensor) -> Quantized:
        """Quantise for training; with ``reseed`` set, unused codes are re-seeded in training mode."""
        vectors_BND = normalize(vectors, dim=-1)
        quantized = quantize_to_nearest(self.quantize, vectors_BND, self.config)
        if self.config.entropy:
            quantized.losses["entropy"] = (self.config.entropy, self.quantize.entropy(vectors_BND.flatten(0, 1)))
        return quantized


def _choices(vectors: Tensor, book: Tensor) -> tuple[Tensor, Tensor]:
    """Summed entropy of the vectors' soft choices, and the summed choices [V]."""
    logits = vectors @ book.T * (2 / TEMPERATURE)
    log = logits.log_softmax(dim=-1)
    chosen = log.exp()
    return -(chosen * log).sum(), chosen.sum(dim=0)
