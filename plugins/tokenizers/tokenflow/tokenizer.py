"""TokenFlow's tokenizer (arXiv:2412.03069): meaning and pixels share the index of two codebooks, on several scales.

B pictures    N codes of all scales    M places of the grid    D = S + P widths of the parts for meaning and pixels
"""

from __future__ import annotations

import torch
from janiform import Loss
from janiform_plugins.scales import parted, resized, total
from torch import Tensor, nn
from torch.nn.functional import cosine_similarity

from ..autoencoder import Decoder, Encoder, keep_variance
from ..codebook import wide
from ..pixel_losses import Weighted, full_precision
from ..quantized import Quantized, QuantizedAutoencoder
from ..scales_vq.tokenizer import Scaled, quantize_scales
from .codebook import DualCodebook
from .config import TokenflowConfig
from .semantics import SemanticDecoder, Teacher, resized_pixels, task_layer


class TokenflowTokenizer(QuantizedAutoencoder):
    """Pixels in [-1, 1]; codes int64 [B, N, 1] of one scale after the other.

    The vector of a code, [S + P], is that for the meaning and that for the pixels, each of length one. Pixels are
    decoded from the latter part alone, features of the teacher (``semantics``) from the former.
    """

    dual = True
    config: TokenflowConfig
    quantize: DualCodebook

    def __init__(self, config: TokenflowConfig) -> None:
        super().__init__(config, config.codes())
        self.scales = config.codes().scales
        self.teacher = Teacher(config)
        self.semantic_in = task_layer(config.teacher_width, config.semantic_width)
        self.encoder = Encoder(config)
        self.quant_conv = nn.Conv2d(config.latent, config.pixel_width, 1)
        self.quantize = DualCodebook(config.vocabulary, config.semantic_width, config.pixel_width, config.pixel_weight)
        self.post_quant_conv = nn.Conv2d(config.pixel_width, config.latent, 1)
        self.decoder = Decoder(config)
        self.semantic_decoder = SemanticDecoder(config)
        self.semantic_out = task_layer(config.teacher_width, config.projection or config.teacher_width)
        for part in (self.encoder, self.quant_conv, self.post_quant_conv, self.decoder):
            keep_variance(part)
            part.to(memory_format=torch.channels_last)

    def encode(self, pixels: Tensor) -> Tensor:
        """Pixels [B, 3, h, w] -> codes [B, N, 1]."""
        with full_precision(pixels), torch.no_grad():
            return self._scaled(self._encode(pixels)).codes[..., None]

    def decode(self, codes: Tensor) -> Tensor:
        """Codes [B, n, 1] of all scales or of the first ones -> pixels [B, 3, h, w], not clipped."""
        return self._decode(self._summed(codes))

    def semantics(self, codes: Tensor) -> Tensor:
        """Codes [B, n, 1] of all scales or of the first ones -> features like the teacher's, [B, M, C]."""
        return self._meaning(self._summed(codes))

    def quantized(self, vectors: Tensor) -> Quantized:
        """Quantise for training.

        ``codebook`` moves the vectors of codes towards the normalised residuals that they stand for, ``commitment`` the
        residuals towards them: the means over the scales of the mean squared differences.
        """
        vectors = wide(vectors)
        scaled = self._scaled(vectors)
        codes = scaled.codes.split([scale.size for scale in self.scales], dim=1)
        so_far = [torch.zeros_like(vectors), *(some.detach() for some in scaled.sums[:-1])]
        learned, kept = [], []
        for scale, chosen, before in zip(self.scales, codes, so_far, strict=True):
            residual = self.quantize.normalised(resized(vectors - before, self.grid, scale, "area"))
            found = wide(self.quantize.look_up(chosen))
            learned.append((found - residual.detach()).square().mean())
            kept.append((found.detach() - residual).square().mean())
        losses = {
            "codebook": (self.config.codebook, torch.stack(learned).mean()),
            "commitment": (self.config.commitment, torch.stack(kept).mean()),
        }
        return Quantized(scaled.codes, vectors + (scaled.sums[-1] - vectors).detach(), losses)

    def losses_and_vectors(self, pixels: Tensor) -> tuple[dict[str, Loss], dict[str, Tensor], Tensor]:
        """Those of ``QuantizedAutoencoder``, and ``semantic``: 1 minus the cosine of decoded features and targets."""
        features = self.teacher(pixels)

        def semantic(quantized: Quantized) -> dict[str, Weighted]:
            target = resized(self.teacher.target(features).float(), self.teacher.grid, self.grid, "bicubic")
            cosine = cosine_similarity(self._meaning(quantized.vectors).float(), target, dim=-1)
            return {"semantic": (self.config.semantic, (1 - cosine).mean())}

        return self.losses_of(pixels, self._both(features, pixels), semantic)

    def _encode(self, pixels: Tensor) -> Tensor:
        return self._both(self.teacher(pixels), pixels)

    def _both(self, features: Tensor, pixels: Tensor) -> Tensor:
        """The teacher's features [B, T, W] and the pixels as the vectors [B, M, D] before quantisation."""
        meaning = resized(self.semantic_in(features), self.teacher.grid, self.grid, "bicubic")
        inputs = resized_pixels(pixels, self.config.image_size).contiguous(memory_format=torch.channels_last)
        latents = self.quant_conv(self.encoder(inputs))
        return torch.cat((meaning, latents.flatten(2).transpose(1, 2).to(meaning.dtype)), dim=-1)

    def _summed(self, codes: Tensor) -> Tensor:
        return total([wide(self.vectors(part)) for part in parted(codes, self.scales)], self.scales)

    def _decode(self, vectors: Tensor) -> Tensor:
        latents = vectors[..., self.config.semantic_width :].to(self.post_quant_conv.weight.dtype).transpose(1, 2)
        latents = latents.unflatten(2, (self.grid.height, self.grid.width))
        pixels = self.decoder(self.post_quant_conv(latents.contiguous(memory_format=torch.channels_last)))
        return resized_pixels(pixels, self.config.picture_size or self.config.image_size)

    def _meaning(self, vectors: Tensor) -> Tensor:
        parts = vectors[..., : self.config.semantic_width].to(self.semantic_decoder.into.weight.dtype)
        features: Tensor = self.semantic_out(self.semantic_decoder(parts))
        return features

    def _scaled(self, vectors: Tensor) -> Scaled:
        return quantize_scales(wide(vectors), self.scales, self.quantize, self.quantize.look_up)
