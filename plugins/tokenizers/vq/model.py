"""Pixels to codes of an L2-normalised codebook and back, as in LlamaGen (arXiv:2406.06525), whose VQ-16 Janus uses.

B pictures    N codes of one picture    D code width    V vocabulary
"""

from __future__ import annotations

import torch
from janiform import Loss
from torch import Tensor, nn
from torch.nn.functional import normalize

from .autoencoder import Decoder, Encoder
from .config import VqConfig
from .quantizer import Quantizer


class VqTokenizer(nn.Module):
    """Pixels in [-1, 1]; codes int64 [B, N, 1] in raster order."""

    def __init__(self, config: VqConfig) -> None:
        super().__init__()
        self.config = config
        self.encoder = Encoder(config)
        self.quant_conv = nn.Conv2d(config.latent, config.code_width, 1)
        self.quantize = Quantizer(config.vocabulary, config.code_width, config.reseed)
        self.post_quant_conv = nn.Conv2d(config.code_width, config.latent, 1)
        self.decoder = Decoder(config)
        self._initialise()
        # Convolutions of mixed precision run several times faster with the channels innermost.
        self.to(memory_format=torch.channels_last)

    def _initialise(self) -> None:
        """Keeps the variance through every convolution (arXiv:1502.01852).

        With PyTorch's own start, which shrinks it, a small autoencoder takes several times as many steps until it sees
        more of a picture than its background.
        """
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)

    def encode(self, pixels: Tensor) -> Tensor:
        """Pixels [B, 3, h, w] -> codes [B, N, 1]."""
        with _full_precision(pixels):
            vectors_BND = self._encode(pixels)
            return self.quantize(vectors_BND.flatten(0, 1)).view(*vectors_BND.shape[:2], 1)

    def decode(self, codes: Tensor) -> Tensor:
        """Codes [B, N, 1] -> pixels [B, 3, h, w], not clipped."""
        return self._decode(self.vectors(codes))

    def vectors(self, codes: Tensor) -> Tensor:
        """Codes [B, N, 1] -> their normalised vectors [B, N, D]."""
        return self.quantize.look_up(codes[..., 0])

    def losses(self, pixels: Tensor) -> tuple[dict[str, Loss], dict[str, Tensor]]:
        """Weighted losses by name, each counted in pictures; and figures of the batch.

        Gradients pass from the decoder to the encoder as if nothing had been quantised (straight-through). In training
        mode unused codes are re-seeded, if the config says so. Figures: ``l1`` and ``l2`` (unweighted errors of the
        pixels), ``usage`` (share of the codes that occur) and ``perplexity`` (of the codes; V where all are equally
        frequent).
        """
        config = self.config
        raw_BND = self._encode(pixels)
        with _full_precision(pixels):
            vectors_BND = normalize(raw_BND.float(), dim=-1)
            if config.reseed and self.training:
                self.quantize.revive(vectors_BND.flatten(0, 1))
            codes_BN = self.quantize(vectors_BND.flatten(0, 1)).view(vectors_BND.shape[:2])
            counts_V = codes_BN.flatten().bincount(minlength=config.vocabulary)
            chosen_BND = self.quantize.look_up(codes_BN)
            parts = {
                "codebook": (config.codebook, (chosen_BND - vectors_BND.detach()).square().mean()),
                "commitment": (config.commitment, (chosen_BND.detach() - vectors_BND).square().mean()),
            }
            if config.entropy:
                parts["entropy"] = (config.entropy, self.quantize.entropy(vectors_BND.flatten(0, 1)))
        error = self._decode(vectors_BND + (chosen_BND - vectors_BND).detach()).float() - pixels
        parts["l1"], parts["l2"] = (config.l1, error.abs().mean()), (config.l2, error.square().mean())
        if config.reseed and self.training:
            self.quantize.count(counts_V)
        count = torch.full((), float(len(pixels)), device=pixels.device)
        losses = {name: Loss(weight * value * count, count) for name, (weight, value) in parts.items() if weight}
        figures = {
            "l1": parts["l1"][1].detach(),
            "l2": parts["l2"][1].detach(),
            "usage": (counts_V > 0).float().mean(),
            "perplexity": torch.distributions.Categorical(probs=counts_V.float()).entropy().exp(),
        }
        return losses, figures

    def _encode(self, pixels: Tensor) -> Tensor:
        """Pixels -> the vectors [B, N, D] before quantisation."""
        seen = squares(pixels, self.config.factor) if self.config.local else pixels
        latents = self.quant_conv(self.encoder(seen.contiguous(memory_format=torch.channels_last)))
        return latents.flatten(2).transpose(1, 2).reshape(len(pixels), -1, self.config.code_width)

    def _decode(self, vectors: Tensor) -> Tensor:
        grid = self.config.grid
        latents = vectors.transpose(1, 2).unflatten(2, (grid.height, grid.width))
        return self.decoder(self.post_quant_conv(latents.contiguous(memory_format=torch.channels_last)))


def squares(pixels: Tensor, side: int) -> Tensor:
    """Pixels [B, 3, h, w] -> their squares [B·N, 3, side, side], those of a picture in raster order."""
    cut = pixels.unflatten(3, (-1, side)).unflatten(2, (-1, side))
    return cut.permute(0, 2, 4, 1, 3, 5).flatten(0, 2)


def _full_precision(tensor: Tensor) -> torch.autocast:
    """Vectors and distances in bfloat16 would take codes for their neighbours."""
    return torch.autocast(tensor.device.type, enabled=False)
