"""The settings of ``features``. Torch-free."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from attrs import field, fields, frozen, validators
from janiform import Features, Grid, Latents

from ...encoders.config import SIGLIP_PRESETS, SiglipConfig
from ..config import MAX_BLOCKS, MAX_LEVELS
from ..levels import LevelSize

if TYPE_CHECKING:
    from collections.abc import Mapping

    from janiform import CropToSquare


_OF_ENCODER = (
    "image_size",
    "patch_size",
    "width",
    "layers",
    "heads",
    "inner",
    "eps",
    "cut_edges",
    "activation",
    "positions",
)
"""The settings of the encoder, which are those of the encoder 'siglip'."""


def _of_encoder(name: str) -> Any:
    """The field of the encoder 'siglip' that has a name."""
    its = getattr(fields(SiglipConfig), name)
    return field(default=its.default, validator=its.validator, metadata=its.metadata)


@frozen(kw_only=True)
class FeaturesConfig:
    """The features of a SigLIP as latents, as in MetaMorph (arXiv:2412.14164), which draws them with a diffusion model.

    That model is not part of it. ``decoder_channels`` gives the tokenizer convolutions that decode the features, which
    are trained by the objective 'reconstruction'; without them a picture can be drawn as features only.
    """

    image_size: int = _of_encoder("image_size")
    patch_size: int = _of_encoder("patch_size")
    width: int = _of_encoder("width")
    layers: int = _of_encoder("layers")
    heads: int = _of_encoder("heads")
    inner: int = _of_encoder("inner")
    eps: float = _of_encoder("eps")
    cut_edges: bool = _of_encoder("cut_edges")
    activation: Literal["gelu", "gelu-tanh"] = _of_encoder("activation")
    positions: Literal["random", "waves"] = _of_encoder("positions")
    side: int = field(
        default=0,
        validator=validators.ge(0),
        metadata={
            "help": "rows and columns of the grid to which the features are interpolated bilinearly, 8 in MetaMorph; 0 "
            "keeps the encoder's grid"
        },
    )
    final_norm: bool = field(
        default=True,
        metadata={"help": "whether the encoder's last norm is applied; MetaMorph takes those before it"},
    )
    unit: bool = field(default=True, metadata={"help": "scale each feature to length 1, as in MetaMorph"})
    decoder_channels: int = field(
        default=0,
        validator=validators.ge(0),
        metadata={"help": "base width of the convolutions of a decoder of pixels; 0 builds no decoder"},
    )
    decoder_multipliers: tuple[int, ...] = field(
        default=(1, 2, 4, 4),
        converter=tuple,
        validator=[validators.min_len(1), validators.max_len(MAX_LEVELS), validators.deep_iterable(validators.gt(0))],
        metadata={
            "help": "width of each level of the decoder, in multiples of decoder_channels, the largest sides first; "
            "each level halves the side of the last, down to that of the features"
        },
    )
    decoder_blocks: int = field(
        default=2,
        validator=[validators.ge(1), validators.le(MAX_BLOCKS)],
        metadata={"help": "number of residual blocks per level of the decoder"},
    )
    decoder_groups: int = field(
        default=1,
        validator=validators.gt(0),
        metadata={"help": "groups of the decoder's group norms; a divisor of decoder_channels"},
    )
    l1: float = field(
        default=0.0, validator=validators.ge(0), metadata={"help": "weight of the mean absolute error of the pixels"}
    )
    l2: float = field(
        default=1.0, validator=validators.ge(0), metadata={"help": "weight of the mean squared error of the pixels"}
    )

    def __attrs_post_init__(self) -> None:
        most = self.encoder.grid.width  # checks the settings of the encoder
        if self.side > most:
            raise ValueError(f"side {self.side} is larger than the {most} features along a side of a picture")
        if not self.decodes:
            return
        factor, side = 1 << (len(self.decoder_multipliers) - 1), self.places.width
        if side * factor != self.image_size:
            raise ValueError(
                f"{len(self.decoder_multipliers)} levels of decoder_multipliers enlarge the features' side of {side} "
                f"to {side * factor} pixels, but image_size is {self.image_size}"
            )
        if self.decoder_channels % self.decoder_groups:
            raise ValueError(
                f"decoder_channels {self.decoder_channels} is not a multiple of decoder_groups {self.decoder_groups}"
            )

    @property
    def decodes(self) -> bool:
        """Whether it has a decoder of pixels."""
        return self.decoder_channels > 0

    @property
    def places(self) -> Grid:
        """Places of a picture, one feature each."""
        return Grid(self.side, self.side) if self.side else self.encoder.grid

    @property
    def encoder(self) -> SiglipConfig:
        """The settings of the encoder."""
        return SiglipConfig(**{name: getattr(self, name) for name in _OF_ENCODER})

    def features(self) -> Features:
        """The port of the encoder, which the objective 'contrastive' can train."""
        return self.encoder.features()

    def latents(self) -> Latents:
        return Latents(grid=self.places, width=self.width)

    def transform(self) -> CropToSquare:
        from janiform import CropToSquare  # needs numpy and PIL, which registration does not import

        return CropToSquare(self.image_size)


@frozen
class DecoderSizes:
    """What the convolutional decoder takes from the settings; see ``levels.Autoencoder``."""

    channels: int
    latent: int
    groups: int
    decoder_levels: tuple[LevelSize, ...]
    encoder_levels: tuple[LevelSize, ...] = ()
    attention: bool = False

    @classmethod
    def of(cls, config: FeaturesConfig) -> DecoderSizes:
        """The sizes of a config's decoder."""
        widths = [config.decoder_channels * times for times in reversed(config.decoder_multipliers)]
        levels = tuple(LevelSize(width, config.decoder_blocks) for width in widths)
        return cls(config.decoder_channels, config.width, config.decoder_groups, levels)


FEATURES_PRESETS: Mapping[str, Mapping[str, Any]] = {
    "metamorph": {
        **SIGLIP_PRESETS["siglip2-so400m-patch14-384"],
        "side": 8,
        "final_norm": False,
        "unit": True,
    },
}
"""SigLIP so400m at 384 pixels, whose 27×27 features are interpolated to 8×8; SigLIP 2 has the same sizes."""
