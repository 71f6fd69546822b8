"""The features of a vision transformer as latents (arXiv:2412.14164).

B pictures    n features of the encoder    N places of a picture    C width of a feature
"""

from __future__ import annotations

from janiform import Loss, UsageError, check_latents
from torch import Tensor, nn
from torch.nn.functional import interpolate, normalize

from ...encoders.siglip import SiglipEncoder
from ..autoencoder import Decoder, keep_variance
from ..pixel_losses import counted, pixel_errors
from .config import DecoderSizes, FeaturesConfig

NO_DECODER = (
    "the tokenizer 'features' has no decoder: its features are targets that a model learns to predict, and pixels need "
    "a decoder of their own; set decoder_channels"
)


class FeaturesTokenizer(nn.Module):
    """Pixels in [-1, 1]; latents [B, N, C] in raster order. Features have one value each, so that noise is not read."""

    posterior = False

    def __init__(self, config: FeaturesConfig) -> None:
        super().__init__()
        self.config = config
        self.grid = config.encoder.grid
        self.encoder = SiglipEncoder(config.encoder)
        if not config.final_norm:
            self.encoder.norm = nn.Identity()
        self.decoder = None
        if config.decodes:
            self.decoder = Decoder(DecoderSizes.of(config))
            keep_variance(self.decoder)

    def encode(self, pixels: Tensor, noise: Tensor | None = None) -> Tensor:
        """Pixels [B, 3, h, w] -> features [B, N, C], interpolated in float32 and scaled as the config says."""
        features_BnC = self.encoder(pixels)
        dtype, grid, places = features_BnC.dtype, self.grid, self.config.places
        features_BnC = features_BnC.float()
        if places != grid:
            planes = features_BnC.transpose(1, 2).unflatten(2, (grid.height, grid.width))
            smaller = interpolate(planes, (places.height, places.width), mode="bilinear", align_corners=False)
            features_BnC = smaller.flatten(2).transpose(1, 2)
        return (normalize(features_BnC, dim=-1) if self.config.unit else features_BnC).to(dtype)

    def decode(self, latents: Tensor) -> Tensor:
        """Features [B, N, C] -> pixels [B, 3, h, w], not clipped.

        Raises ``UsageError`` without a decoder, for latents of another shape, and for values that are not finite.
        """
        if self.decoder is None:
            raise UsageError(NO_DECODER)
        if not latents.is_meta:
            check_latents(latents, self.config.latents())
        return self._decode(latents)

    def _decode(self, latents: Tensor) -> Tensor:
        """Features [B, N, C], which may be values that a trace does not know -> pixels [B, 3, h, w]."""
        assert self.decoder is not None  # the callers check it
        places = self.config.places
        planes = latents.to(self.decoder.conv_in.weight.dtype).transpose(1, 2)
        if self.config.unit:  # so that values vary about as much as those of other layers
            planes = planes * self.config.width**0.5
        return self.decoder(planes.unflatten(2, (places.height, places.width)))

    def losses(self, pixels: Tensor) -> tuple[dict[str, Loss], dict[str, Tensor]]:
        """The weighted errors of the decoded pixels, counted in pictures, and the unweighted ones as figures.

        A stage that trains the decoder alone leaves the features as they are. Raises ``UsageError`` without a decoder.
        """
        if self.decoder is None:
            raise UsageError(NO_DECODER)
        errors = pixel_errors(self.config, self._decode(self.encode(pixels)), pixels)
        return counted(errors, pixels), {name: value.detach() for name, (_, value) in errors.items()}
