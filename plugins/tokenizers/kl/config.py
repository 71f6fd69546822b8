"""The settings of ``kl``. Torch-free."""

from __future__ import annotations

from math import isfinite
from typing import TYPE_CHECKING, Any, Literal

from attrs import field, frozen, validators
from janiform import Grid, Latents

from ..config import MAX_LEVELS, ConvolutionalConfig
from ..levels import LevelSize, encoder_levels

if TYPE_CHECKING:
    from collections.abc import Mapping


def _finite(config: KlConfig, attribute: Any, value: float) -> None:
    if not isfinite(value):
        raise ValueError(f"{attribute.name} {value} is not a finite number")


@frozen(kw_only=True)
class KlConfig(ConvolutionalConfig):
    """The autoencoder of latent diffusion (arXiv:2112.10752), with a Gaussian posterior of its latents.

    A latent z is drawn as (z - shift) · scale, so that its values vary about as much as the noise does.
    """

    image_size: int = field(
        default=256,
        validator=validators.gt(0),
        metadata={"help": "side of the square picture in pixels, a multiple of patch · 2^(levels - 1)"},
    )
    channels: int = field(
        default=128,
        validator=validators.gt(0),
        metadata={"help": "base width of the convolutions, a multiple of groups; not the channels of the latents"},
    )
    multipliers: tuple[int, ...] = field(
        default=(1, 2, 4, 4),
        converter=tuple,
        validator=[validators.min_len(1), validators.max_len(MAX_LEVELS), validators.deep_iterable(validators.gt(0))],
        metadata={"help": "width of each level, in multiples of channels; each level halves the side of the last"},
    )
    latent: int = field(default=4, validator=validators.gt(0), metadata={"help": "channels of the latents"})
    attention: bool = field(default=True, metadata={"help": "self-attention in the middle, at the smallest sides"})
    encoder_attention: tuple[int, ...] = field(
        default=(),
        converter=tuple,
        metadata={
            "help": "levels of the encoder with self-attention after each residual block, counted from 0 at the "
            "largest sides"
        },
    )
    decoder_attention: tuple[int, ...] = field(
        default=(),
        converter=tuple,
        metadata={"help": "the same of the decoder, counted from the largest sides as well"},
    )
    local: bool = field(default=False, metadata={"help": "encode each latent from its own square of pixels alone"})
    quant_conv: bool = field(
        default=True, metadata={"help": "a 1×1 convolution after the encoder, and one before the decoder"}
    )
    patch: int = field(
        default=1,
        validator=[validators.ge(1), validators.le(64)],
        metadata={"help": "side of the square of latents that is one place; a place has patch² · latent values"},
    )
    order: Literal["cpq", "pqc"] = field(
        default="cpq",
        validator=validators.in_(("cpq", "pqc")),
        metadata={
            "help": 'order of a place\'s values: "cpq" has the channel first, then row and column in the patch, as in '
            'FLUX and MAR; "pqc" the channel last, as in BAGEL'
        },
    )
    scale: float = field(
        default=1.0,
        validator=[validators.gt(0), _finite],
        metadata={"help": "factor of the latents after the shift; 1 / their standard deviation makes that 1"},
    )
    shift: float = field(
        default=0.0, validator=_finite, metadata={"help": "number that is subtracted from the latents"}
    )
    sampled: bool = field(
        default=False,
        metadata={"help": "train on samples of the posterior of a picture's latents, instead of its mode"},
    )
    kl: float = field(
        default=1e-6,
        validator=validators.ge(0),
        metadata={
            "help": "weight of the KL divergence of a picture's posterior from the standard normal distribution, in "
            "nats, beside the mean error of its pixels"
        },
    )

    def __attrs_post_init__(self) -> None:
        super().__attrs_post_init__()
        if self.image_size % (self.factor * self.patch):
            raise ValueError(
                f"image_size {self.image_size} is not a multiple of {self.factor * self.patch}: the levels of "
                f"multipliers divide it by {self.factor}, and patch by {self.patch}"
            )
        for name in ("encoder_attention", "decoder_attention"):
            outside = [level for level in getattr(self, name) if not 0 <= level < len(self.multipliers)]
            if outside:
                raise ValueError(f"{name} has level {outside[0]}, but levels are 0 to {len(self.multipliers) - 1}")

    @property
    def divisible(self) -> bool:
        """False, since each process would draw other samples of the posterior."""
        return False

    @property
    def grid(self) -> Grid:
        """Places of a picture."""
        side = self.image_size // (self.factor * self.patch)
        return Grid(side, side)

    @property
    def encoder_levels(self) -> tuple[LevelSize, ...]:
        return encoder_levels(self.channels, self.multipliers, self.blocks, self.encoder_attention)

    @property
    def decoder_levels(self) -> tuple[LevelSize, ...]:
        levels = encoder_levels(self.channels, self.multipliers, self.blocks + 1, self.decoder_attention)
        return tuple(reversed(levels))

    def latents(self) -> Latents:
        return Latents(grid=self.grid, width=self.patch**2 * self.latent)


_LATENT_DIFFUSION = {"channels": 128, "multipliers": [1, 2, 4, 4], "blocks": 2, "attention": True, "groups": 32}

KL_PRESETS: Mapping[str, Mapping[str, Any]] = {
    "sd": {
        "image_size": 512,
        **_LATENT_DIFFUSION,
        "latent": 4,
        "quant_conv": True,
        "scale": 0.18215,
        "shift": 0.0,
        "sampled": True,
    },
    "sdxl": {
        "image_size": 1024,
        **_LATENT_DIFFUSION,
        "latent": 4,
        "quant_conv": True,
        "scale": 0.13025,
        "shift": 0.0,
        "sampled": True,
    },
    "flux": {
        "image_size": 1024,
        **_LATENT_DIFFUSION,
        "latent": 16,
        "quant_conv": False,
        "scale": 0.3611,
        "shift": 0.1159,
        "sampled": True,
    },
    "kl-16": {
        "image_size": 256,
        "channels": 128,
        "multipliers": [1, 1, 2, 2, 4],
        "blocks": 2,
        "attention": True,
        "encoder_attention": [4],
        "decoder_attention": [],
        "groups": 32,
        "latent": 16,
        "quant_conv": True,
        "scale": 0.2325,
        "shift": 0.0,
        "sampled": True,
    },
}
"""``kl-16`` is that of MAR (arXiv:2406.11838): unlike in LDM's ``kl-f16``, levels of its decoder have no attention."""
