"""The visual tokenizer of Emu3 (arXiv:2409.18869): a MoVQ (arXiv:2209.09002) of still videos.

B pictures    N codes of one picture    D code width    C channels    h, w sides at a level
"""

from __future__ import annotations

from functools import partial

import torch
from janiform import Grid
from torch import Tensor, nn
from torch.nn.functional import interpolate, pad

from ..autoencoder import EPS, Decoder, Encoder, keep_variance
from ..codebook import Codebook
from ..nearest import quantize_to_nearest
from ..quantized import Quantized, QuantizedAutoencoder
from .config import MovqConfig
from .temporal import CausalConv, TemporalDecoder, TemporalEncoder


class MovqTokenizer(QuantizedAutoencoder):
    """Pixels in [-1, 1]; codes int64 [B, N, 1] in raster order, whose vectors [B, N, D] are those of the codebook.

    With ``line_ends``, N counts the code at the end of each row, whose vector is zero.
    """

    config: MovqConfig
    quantize: Codebook

    def __init__(self, config: MovqConfig) -> None:
        super().__init__(config, config.codes())
        self.grid = Grid(*config.grid)
        self.encoder = Encoder(config)
        self.encoder_time = TemporalEncoder(config)
        self.quant_conv = CausalConv(config.code_width, (3, 1, 1))
        self.quantize = Codebook(config.vocabulary, config.code_width, config.reseed)
        self.post_quant_conv = CausalConv(config.code_width, (3, 1, 1))
        self.decoder_time = TemporalDecoder(config)
        self.decoder = Decoder(config, partial(SpatialNorm, config.code_width, config.groups))
        keep_variance(self)
        for module in self.modules():
            if isinstance(module, SpatialNorm):
                # A group norm at first, since the vectors of a new codebook are small.
                nn.init.ones_(module.conv_y.bias)
        for half in (self.encoder, self.decoder):
            half.to(memory_format=torch.channels_last)

    def encode(self, pixels: Tensor) -> Tensor:
        """Pixels [B, 3, h, w] -> codes [B, N, 1]."""
        codes = super().encode(pixels)
        if not self.config.line_ends:
            return codes
        rows = codes.unflatten(1, (self.grid.height, self.grid.width))
        return pad(rows, (0, 0, 0, 1), value=self.config.vocabulary).flatten(1, 2)

    def decode(self, codes: Tensor) -> Tensor:
        """Codes [B, N, 1] -> pixels [B, 3, h, w], not clipped."""
        if self.config.line_ends:
            codes = codes.unflatten(1, (self.grid.height, self.grid.width + 1))[:, :, :-1].flatten(1, 2)
        return super().decode(codes)

    def vectors(self, codes: Tensor) -> Tensor:
        """Codes [B, N, 1] -> their vectors [B, N, D]."""
        if not self.config.line_ends:
            return super().vectors(codes)
        ends = codes >= self.config.vocabulary
        return super().vectors(codes.masked_fill(ends, 0)).masked_fill(ends, 0)

    def quantized(self, vectors: Tensor) -> Quantized:
        """Quantise for training; with ``reseed`` set, unused codes are re-seeded in training mode."""
        return quantize_to_nearest(self.quantize, vectors, self.config)

    def _encode(self, pixels: Tensor) -> Tensor:
        features = self.encoder(pixels.contiguous(memory_format=torch.channels_last))
        vectors_BDhw = self.quant_conv(self.encoder_time(features))[:, :, 0]
        return vectors_BDhw.flatten(2).transpose(1, 2)

    def _decode(self, vectors: Tensor) -> Tensor:
        codes = vectors.to(self.post_quant_conv.conv.weight.dtype).transpose(1, 2)
        codes_BD1hw = codes.unflatten(2, (1, self.grid.height, self.grid.width))
        latents = self.post_quant_conv(codes_BD1hw)
        # Latents and codes go through the same layers over time.
        both = self.decoder_time(torch.cat((latents, codes_BD1hw.to(latents.dtype))))[:, :, 0]
        latents, codes = both.chunk(2)
        return self.decoder(latents.contiguous(memory_format=torch.channels_last), codes)


class SpatialNorm(nn.Module):
    """A group norm whose scale and shift follow from the codes at each position (arXiv:2209.09002)."""

    def __init__(self, code_width: int, groups: int, width: int) -> None:
        super().__init__()
        self.norm_layer = nn.GroupNorm(groups, width, eps=EPS)
        self.conv_y = nn.Conv2d(code_width, width, 1)
        self.conv_b = nn.Conv2d(code_width, width, 1)

    def forward(self, x: Tensor, codes: Tensor) -> Tensor:
        """Normalise [B, C, h, w] by codes [B, D, …] of any sides."""
        # A convolution of single positions is the same before they are repeated, and costs less.
        scale, shift = (
            interpolate(conv(codes), size=x.shape[-2:], mode="nearest") for conv in (self.conv_y, self.conv_b)
        )
        return self.norm_layer(x) * scale + shift
