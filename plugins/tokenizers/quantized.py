"""A tokenizer that quantises the vectors of an autoencoder: what all built-in tokenizers of codes share.

B pictures    N positions of a picture    d codes per position    D width of a code's vector    R = B·N    V vocabulary
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Protocol

import torch
from attrs import frozen
from janiform import Codes, Loss
from torch import Tensor, nn

from .pixel_losses import PixelLosses, Weighted, counted, full_precision, pixel_errors


class Quantizer(Protocol):
    """An ``nn.Module`` that maps the encoder's vectors to codes and back."""

    def __call__(self, vectors: Tensor) -> Tensor:
        """Vectors [R, D] -> codes int64 [R], or [R, d], in full precision."""

    def look_up(self, codes: Tensor) -> Tensor:
        """Codes [...] -> their vectors [..., D]."""


@frozen(eq=False)
class Quantized:
    """Quantised vectors, ready for the decoder.

    ``codes`` int64 [B, N], or [B, N, d]; ``vectors`` [B, N, D], through which gradients pass to the encoder; ``losses``
    of the quantiser by name: the weight, and the value before it is weighted.
    """

    codes: Tensor
    vectors: Tensor
    losses: dict[str, Weighted]


class QuantizedAutoencoder(nn.Module, ABC):
    """Pixels in [-1, 1]; codes int64 [B, N, d] in raster order.

    A subclass has the autoencoder and the quantiser, ``quantize``.
    """

    quantize: nn.Module

    def __init__(self, config: PixelLosses, codes: Codes) -> None:
        super().__init__()
        self.config = config
        self.vocabulary = codes.vocabulary
        self.depth = codes.depth
        self.grid = codes.grid

    @abstractmethod
    def quantized(self, vectors: Tensor) -> Quantized:
        """The encoder's vectors [B, N, D], in full precision, quantised for training."""

    @abstractmethod
    def _encode(self, pixels: Tensor) -> Tensor:
        """Pixels [B, 3, h, w] -> the vectors [B, N, D] before quantisation."""

    @abstractmethod
    def _decode(self, vectors: Tensor) -> Tensor:
        """Quantised vectors [B, N, D] -> pixels [B, 3, h, w]."""

    def encode(self, pixels: Tensor) -> Tensor:
        """Pixels [B, 3, h, w] -> codes [B, N, d]."""
        with full_precision(pixels):
            vectors_BND = self._encode(pixels)
            return self.quantize(vectors_BND.flatten(0, 1)).view(*vectors_BND.shape[:2], self.depth)

    def decode(self, codes: Tensor) -> Tensor:
        """Codes [B, N, d] -> pixels [B, 3, h, w], not clipped."""
        return self._decode(self.vectors(codes))

    def vectors(self, codes: Tensor) -> Tensor:
        """Codes [B, N, 1] -> their vectors [B, N, D]."""
        return self.quantize.look_up(codes[..., 0])

    def losses(self, pixels: Tensor) -> tuple[dict[str, Loss], dict[str, Tensor]]:
        """Weighted losses by name, each counted in pictures, and figures of the batch.

        Gradients pass from the decoder to the encoder straight through the quantiser. Figures: ``l1`` and ``l2``, the
        unweighted errors of the pixels; ``usage``, the fraction of the codes that occur; ``perplexity`` of the codes,
        which is V where all are equally frequent. With several levels, the last two are per level, numbered from 1:
        ``usage_1``, ``perplexity_1``.
        """
        losses, figures, _ = self.losses_and_vectors(pixels)
        return losses, figures

    def losses_and_vectors(self, pixels: Tensor) -> tuple[dict[str, Loss], dict[str, Tensor], Tensor]:
        """``losses``, and the vectors [B, N, D] of the pictures' codes, with gradients to the encoder."""
        return self.losses_of(pixels, self._encode(pixels))

    def losses_of(
        self, pixels: Tensor, raw: Tensor, more: Callable[[Quantized], dict[str, Weighted]] = lambda quantized: {}
    ) -> tuple[dict[str, Loss], dict[str, Tensor], Tensor]:
        """``losses_and_vectors``, given the encoder's [B, N, D], with ``more`` losses of what they are quantised to."""
        with full_precision(pixels):
            quantized = self.quantized(raw.float())
            codes_Rd = quantized.codes.view(-1, self.depth)
        errors = pixel_errors(self.config, self._decode(quantized.vectors), pixels)
        losses = counted({**quantized.losses, **more(quantized), **errors}, pixels)
        figures = {name: value.detach() for name, (_, value) in errors.items()}
        for level, codes_R in enumerate(codes_Rd.unbind(-1), start=1):
            suffix = "" if self.depth == 1 else f"_{level}"
            # The size of a bincount's result, and checks of a distribution, would wait for the device.
            counts_V = codes_R.new_zeros(self.vocabulary).index_add_(0, codes_R, torch.ones_like(codes_R))
            figures[f"usage{suffix}"] = (counts_V > 0).float().mean()
            probabilities = torch.distributions.Categorical(probs=counts_V.float(), validate_args=False)
            figures[f"perplexity{suffix}"] = probabilities.entropy().exp()
        return losses, figures, quantized.vectors
