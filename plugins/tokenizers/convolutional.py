"""A tokenizer with a quantiser between an encoder, convolutional by default, and a convolutional decoder.

B pictures    N positions of a picture    D width of a code's vector
"""

from __future__ import annotations

from abc import abstractmethod

import torch
from janiform import Codes
from torch import Tensor, nn

from .autoencoder import Decoder, Encoder, keep_variance
from .config import ConvolutionalConfig
from .quantized import QuantizedAutoencoder


class ConvolutionalTokenizer(QuantizedAutoencoder):
    """Pixels in [-1, 1]; codes int64 [B, N, d] in raster order. A subclass quantises the vectors."""

    config: ConvolutionalConfig

    def __init__(self, config: ConvolutionalConfig, codes: Codes) -> None:
        super().__init__(config, codes)
        self.encoder = self.make_encoder()
        self.quant_conv = nn.Conv2d(self.encoded, codes.width, 1)
        self.quantize = self.quantizer()
        self.post_quant_conv = nn.Conv2d(codes.width, config.latent, 1)
        self.decoder = Decoder(config)
        keep_variance(self)
        # Convolutions of mixed precision run several times faster with the channels innermost.
        self.to(memory_format=torch.channels_last)

    @property
    def encoded(self) -> int:
        """Channels that the encoder gives."""
        return self.config.latent

    def make_encoder(self) -> nn.Module:
        """Build what maps pixels [B, 3, h, w] to latents on the grid of the codes."""
        return Encoder(self.config)

    @abstractmethod
    def quantizer(self) -> nn.Module:
        """Build the ``Quantizer``."""

    def _encode(self, pixels: Tensor) -> Tensor:
        inputs = squares(pixels, self.config.factor) if self.config.local else pixels
        latents = self.quant_conv(self.encoder(inputs.contiguous(memory_format=torch.channels_last)))
        return latents.flatten(2).transpose(1, 2).reshape(len(pixels), -1, latents.shape[1])

    def _decode(self, vectors: Tensor) -> Tensor:
        # Vectors that were computed instead of looked up are in float32, whatever the type of the weights.
        latents = vectors.to(self.post_quant_conv.weight.dtype).transpose(1, 2)
        latents = latents.unflatten(2, (self.grid.height, self.grid.width))
        return self.decoder(self.post_quant_conv(latents.contiguous(memory_format=torch.channels_last)))


def squares(pixels: Tensor, side: int) -> Tensor:
    """Pixels [B, 3, h, w] -> squares [B·N, 3, side, side], in raster order within each picture."""
    cut = pixels.unflatten(3, (-1, side)).unflatten(2, (-1, side))
    return cut.permute(0, 2, 4, 1, 3, 5).flatten(0, 2)
