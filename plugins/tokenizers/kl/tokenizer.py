"""The autoencoder of latent diffusion (arXiv:2112.10752), whose latents have a Gaussian posterior.

B pictures    n latents of a picture, in raster order    N places of p × p latents    c channels    C = p·p·c
"""

from __future__ import annotations

import torch
from attrs import frozen
from janiform import Loss, UsageError
from torch import Tensor, nn

from ..autoencoder import Decoder, Encoder, keep_variance
from ..convolutional import squares
from ..pixel_losses import counted, full_precision, pixel_errors
from .config import KlConfig

LOWEST, HIGHEST = -30.0, 20.0
"""Bounds of a posterior's logarithm of the variance, as in latent diffusion."""


@frozen(eq=False)
class Posterior:
    """Independent normal distributions of latents: mean and logarithm of the variance, [B, n, c] each."""

    mean: Tensor
    log_variance: Tensor

    def in_float32(self) -> Posterior:
        """The same in float32."""
        return Posterior(self.mean.float(), self.log_variance.float())

    def sample(self, noise: Tensor) -> Tensor:
        """Standard normal noise [B, n, c] to a sample [B, n, c]."""
        return self.mean + (0.5 * self.log_variance).exp() * noise

    def divergence(self) -> Tensor:
        """The KL divergence from the standard normal distribution in nats, by picture: [B]."""
        values = self.mean.square() + self.log_variance.exp() - 1 - self.log_variance
        return 0.5 * values.flatten(1).sum(1)


class KlTokenizer(nn.Module):
    """Pixels in [-1, 1]; latents [B, N, C] in raster order, shifted and scaled as the config says."""

    def __init__(self, config: KlConfig) -> None:
        super().__init__()
        self.config = config
        self.grid = config.grid
        self.encoder = Encoder(config, 2 * config.latent)
        self.decoder = Decoder(config)
        if config.quant_conv:
            self.quant_conv = nn.Conv2d(2 * config.latent, 2 * config.latent, 1)
            self.post_quant_conv = nn.Conv2d(config.latent, config.latent, 1)
        else:
            self.quant_conv = self.post_quant_conv = nn.Identity()
        keep_variance(self)
        # Convolutions of mixed precision run several times faster with the channels innermost.
        self.to(memory_format=torch.channels_last)

    def encode(self, pixels: Tensor, noise: Tensor | None = None) -> Tensor:
        """Pixels [B, 3, h, w] -> latents [B, N, C]: the posterior's mode, or with standard normal noise a sample.

        Raises ``UsageError`` for noise of another shape than the latents.
        """
        if noise is not None:
            self._check_shape(noise, "the noise of latents", len(pixels))
        with full_precision(pixels):
            posterior = self._posterior(pixels)
            latents = posterior.mean if noise is None else posterior.sample(self._from_places(noise.to(pixels)))
            return self._to_places((latents - self.config.shift) * self.config.scale)

    def decode(self, latents: Tensor) -> Tensor:
        """Latents [B, N, C] -> pixels [B, 3, h, w], not clipped.

        Raises ``UsageError`` for tensors of another shape or type, and for values that are not finite.
        """
        self._check_shape(latents, "latents")
        self._check_values(latents)
        return self._decode(self._from_places(latents) / self.config.scale + self.config.shift)

    def losses(self, pixels: Tensor) -> tuple[dict[str, Loss], dict[str, Tensor]]:
        """Weighted losses by name, each counted in pictures, and figures of the batch.

        In training mode the decoder gets samples of the posterior, drawn from torch's default generator; in eval mode
        its mode. Figures: ``l1`` and ``l2``, the unweighted errors of the pixels; ``kl``, the divergence of a picture's
        posterior from the standard normal distribution in nats; ``latent_mean`` and ``latent_std`` of the latents
        before shift and scale, which these settings can be set by.
        """
        losses, figures, _ = self.losses_and_vectors(pixels)
        return losses, figures

    def losses_and_vectors(self, pixels: Tensor) -> tuple[dict[str, Loss], dict[str, Tensor], Tensor]:
        """``losses``, and the latents [B, N, C] that the decoder got, shifted and scaled."""
        posterior = self._posterior(pixels).in_float32()
        latents = posterior.mean
        if self.training:
            latents = posterior.sample(torch.randn(latents.shape, device=latents.device))
        errors = pixel_errors(self.config, self._decode(latents), pixels)
        divergence = posterior.divergence().mean()
        losses = counted({**errors, "kl": (self.config.kl, divergence)}, pixels)
        figures = {**{name: value for name, (_, value) in errors.items()}, "kl": divergence}
        figures |= {"latent_mean": latents.mean(), "latent_std": latents.std(correction=0)}
        places = self._to_places((latents - self.config.shift) * self.config.scale)
        return losses, {name: value.detach() for name, value in figures.items()}, places

    def _posterior(self, pixels: Tensor) -> Posterior:
        inputs = squares(pixels, self.config.factor) if self.config.local else pixels
        moments = self.quant_conv(self.encoder(inputs.contiguous(memory_format=torch.channels_last)))
        moments_Bnc2 = moments.flatten(2).transpose(1, 2).reshape(len(pixels), -1, moments.shape[1])
        mean, log_variance = moments_Bnc2.chunk(2, dim=-1)
        return Posterior(mean, log_variance.clamp(LOWEST, HIGHEST))

    def _decode(self, latents: Tensor) -> Tensor:
        """Latents [B, n, c] as the encoder gives them -> pixels [B, 3, h, w]."""
        patch = self.config.patch
        # Latents that were drawn or sampled are in float32, whatever the type of the weights.
        planes = latents.to(self.decoder.conv_in.weight.dtype).transpose(1, 2)
        planes = planes.unflatten(2, (self.grid.height * patch, self.grid.width * patch))
        return self.decoder(self.post_quant_conv(planes.contiguous(memory_format=torch.channels_last)))

    def _to_places(self, latents: Tensor) -> Tensor:
        """Latents [B, n, c] -> places [B, N, C]."""
        patch, rows, columns = self.config.patch, self.grid.height, self.grid.width
        split = latents.unflatten(1, (rows, patch, columns, patch))
        order = (0, 1, 3, 5, 2, 4) if self.config.order == "cpq" else (0, 1, 3, 2, 4, 5)
        return split.permute(order).flatten(3).flatten(1, 2)

    def _from_places(self, places: Tensor) -> Tensor:
        """Places [B, N, C] -> latents [B, n, c]."""
        patch, channels = self.config.patch, self.config.latent
        first = self.config.order == "cpq"
        sizes = (channels, patch, patch) if first else (patch, patch, channels)
        split = places.unflatten(2, sizes).unflatten(1, (self.grid.height, self.grid.width))
        return split.permute((0, 1, 4, 2, 5, 3) if first else (0, 1, 3, 2, 4, 5)).flatten(1, 4)

    def _check_shape(self, tensor: Tensor, what: str, pictures: int | None = None) -> None:
        port = self.config.latents()
        wanted = [tensor.shape[0] if tensor.dim() and pictures is None else pictures, port.tokens, port.width]
        if list(tensor.shape) != wanted or not tensor.is_floating_point():
            kind = "" if tensor.is_floating_point() else f"{tensor.dtype} ".removeprefix("torch.")
            rows = "B" if pictures is None else str(pictures)
            raise UsageError(
                f"kl takes {what} as floating-point numbers [{rows}, {port.tokens}, {port.width}] on {port.grid}, got "
                f"{kind}{list(tensor.shape)}"
            )

    def _check_values(self, latents: Tensor) -> None:
        if latents.is_meta:
            return
        finite = torch.isfinite(latents)
        if bool(finite.all()):
            return
        picture, place, value = (~finite).nonzero()[0].tolist()
        row, column = divmod(place, self.grid.width)
        raise UsageError(
            f"the latents of picture {picture} are not finite: value {value} at row {row}, column {column} of "
            f"{self.grid} is {float(latents[picture, place, value])}; kl decodes finite numbers only"
        )
