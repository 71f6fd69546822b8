"""A tokenizer that quantises the vectors of an autoencoder: what all built-in tokenizers share.

B pictures    N positions of a picture    d codes per position    D width of a code's vector    R = B·N    V vocabulary
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Protocol

import torch
from attrs import frozen
from janiform import Codes, Loss
from torch import Tensor, nn


class Quantizer(Protocol):
    """An ``nn.Module`` that maps the encoder's vectors to codes and back."""

    def __call__(self, vectors: Tensor) -> Tensor:
        """Vectors [R, D] -> codes int64 [R], or [R, d], in full precision."""

    def look_up(self, codes: Tensor) -> Tensor:
        """Codes [...] -> their vectors [..., D]."""


class PixelLosses(Protocol):
    """What a tokenizer's config says about the errors of its pixels."""

    @property
    def l1(self) -> float:
        """Weight of the mean absolute error."""

    @property
    def l2(self) -> float:
        """Weight of the mean squared error."""


@frozen(eq=False)
class Quantized:
    """Quantised vectors, ready for the decoder.

    ``codes`` int64 [B, N], or [B, N, d]; ``vectors`` [B, N, D], through which gradients pass to the encoder; ``losses``
    of the quantiser by name: the weight, and the value before it is weighted.
    """

    codes: Tensor
    vectors: Tensor
    losses: dict[str, tuple[float, Tensor]]


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
        with _full_precision(pixels):
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
        config = self.config
        raw_BND = self._encode(pixels)
        with _full_precision(pixels):
            quantized = self.quantized(raw_BND.float())
            codes_Rd = quantized.codes.view(-1, self.depth)
        error = self._decode(quantized.vectors).float() - pixels
        l1, l2 = error.abs().mean(), error.square().mean()
        parts = {**quantized.losses, "l1": (config.l1, l1), "l2": (config.l2, l2)}
        count = torch.full((), float(len(pixels)), device=pixels.device)
        losses = {name: Loss(weight * value * count, count) for name, (weight, value) in parts.items() if weight}
        figures = {"l1": l1.detach(), "l2": l2.detach()}
        for level, codes_R in enumerate(codes_Rd.unbind(-1), start=1):
            suffix = "" if self.depth == 1 else f"_{level}"
            # The size of a bincount's result, and checks of a distribution, would wait for the device.
            counts_V = codes_R.new_zeros(self.vocabulary).index_add_(0, codes_R, torch.ones_like(codes_R))
            figures[f"usage{suffix}"] = (counts_V > 0).float().mean()
            probabilities = torch.distributions.Categorical(probs=counts_V.float(), validate_args=False)
            figures[f"perplexity{suffix}"] = probabilities.entropy().exp()
        return losses, figures

    def _initialise(self) -> None:
        """Initialise so that every convolution keeps the variance (arXiv:1502.01852).

        PyTorch's default shrinks it, and a small autoencoder then takes several times as many steps to learn more of a
        picture than its background.
        """
        for module in self.modules():
            if isinstance(module, nn.Conv2d | nn.Conv3d):
                nn.init.kaiming_normal_(module.weight)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)


def _full_precision(tensor: Tensor) -> AbstractContextManager[Any]:
    """Disable autocast: in bfloat16, codes would be confused with their neighbours. The meta device has no autocast."""
    kind = tensor.device.type
    return torch.autocast(kind, enabled=False) if torch.amp.is_autocast_available(kind) else nullcontext()
