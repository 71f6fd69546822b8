"""The sizes of a convolutional autoencoder, and the weights of its losses in pixels."""

from __future__ import annotations

from attrs import field, frozen, validators
from janiform import CropToSquare, Grid


@frozen(kw_only=True)
class ConvolutionalConfig:
    """A VQGAN's autoencoder (arXiv:2012.09841), whatever quantises its latents."""

    image_size: int = field(
        default=256,
        validator=validators.gt(0),
        metadata={"help": "side of the square picture in pixels, a multiple of the factor 2^(levels - 1)"},
    )
    channels: int = field(
        default=128,
        validator=validators.gt(0),
        metadata={"help": "base width of the convolutions, in whole groups"},
    )
    multipliers: tuple[int, ...] = field(
        default=(1, 1, 2, 2, 4),
        converter=tuple,
        validator=[validators.min_len(1), validators.deep_iterable(validators.gt(0))],
        metadata={"help": "width of each level in base widths; the side is halved from one level to the next"},
    )
    blocks: int = field(
        default=2,
        validator=validators.ge(1),
        metadata={"help": "residual blocks on each level of the encoder; the decoder has one more"},
    )
    latent: int = field(
        default=256, validator=validators.gt(0), metadata={"help": "channels between the autoencoder and the quantiser"}
    )
    attention: bool = field(
        default=True, metadata={"help": "self-attention in the middle and after each residual block of the last level"}
    )
    local: bool = field(
        default=False,
        metadata={
            "help": "encode each code from its own square of pixels alone, so that plain places share few codes, which "
            "a small language model learns to draw sooner"
        },
    )
    groups: int = field(
        default=32, validator=validators.gt(0), metadata={"help": "groups of the group norms; they divide channels"}
    )
    l1: float = field(
        default=0.0, validator=validators.ge(0), metadata={"help": "weight of the mean absolute error of the pixels"}
    )
    l2: float = field(
        default=1.0, validator=validators.ge(0), metadata={"help": "weight of the mean squared error of the pixels"}
    )

    def __attrs_post_init__(self) -> None:
        if self.image_size % self.factor:
            raise ValueError(
                f"image_size {self.image_size} is not a multiple of {self.factor}, by which {len(self.multipliers)} "
                "levels of multipliers divide it"
            )
        if self.channels % self.groups:
            raise ValueError(f"channels {self.channels} is not a multiple of groups {self.groups}")

    @property
    def factor(self) -> int:
        """Pixels along the side of one code."""
        return 1 << (len(self.multipliers) - 1)

    @property
    def grid(self) -> Grid:
        side = self.image_size // self.factor
        return Grid(side, side)

    def transform(self) -> CropToSquare:
        return CropToSquare(self.image_size)
