"""The settings of ``magvit2``. Torch-free."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attrs import field, frozen, validators
from janiform import Codes, Grid

from ..config import COMMITMENT_HELP, ENTROPY_HELP, MAX_BLOCKS, MAX_LEVELS
from ..levels import LevelSize

if TYPE_CHECKING:
    from collections.abc import Mapping

    from janiform import CoverAndCrop

_LEVELS = [validators.min_len(1), validators.max_len(MAX_LEVELS), validators.deep_iterable(validators.gt(0))]
_BLOCKS = [*_LEVELS, validators.deep_iterable(validators.le(MAX_BLOCKS))]


@frozen(kw_only=True)
class Magvit2Config:
    """The visual tokenizer of Show-o (arXiv:2408.12528), a MAGVIT-v2 (arXiv:2310.05737) for pictures.

    Encoder and decoder have levels of their own. All lists count levels from the largest sides.
    """

    image_size: int = field(
        default=256,
        validator=validators.gt(0),
        metadata={"help": "side of the square picture in pixels, a multiple of 2^(levels - 1)"},
    )
    channels: int = field(
        default=128,
        validator=validators.gt(0),
        metadata={"help": "base width of the convolutions, a multiple of groups"},
    )
    multipliers: tuple[int, ...] = field(
        default=(1, 2, 2, 4, 4),
        converter=tuple,
        validator=_LEVELS,
        metadata={"help": "width of each level of the encoder, in multiples of channels"},
    )
    blocks: tuple[int, ...] = field(
        default=(4, 3, 4, 3, 4),
        converter=tuple,
        validator=_BLOCKS,
        metadata={"help": "number of residual blocks of each level of the encoder"},
    )
    decoder_multipliers: tuple[int, ...] = field(
        default=(1, 1, 2, 2, 4),
        converter=tuple,
        validator=_LEVELS,
        metadata={"help": "width of each level of the decoder, in multiples of channels"},
    )
    decoder_blocks: tuple[int, ...] = field(
        default=(4, 4, 3, 4, 3),
        converter=tuple,
        validator=_BLOCKS,
        metadata={"help": "number of residual blocks of each level of the decoder"},
    )
    attention: bool = field(default=True, metadata={"help": "self-attention in the middle, at the smallest sides"})
    groups: int = field(
        default=32, validator=validators.gt(0), metadata={"help": "groups of the group norms; a divisor of channels"}
    )
    bits: int = field(
        default=13,
        validator=[validators.ge(1), validators.le(24)],
        metadata={"help": "channels of a latent, one bit each, the highest first; the vocabulary is 2^bits"},
    )
    l1: float = field(
        default=0.0, validator=validators.ge(0), metadata={"help": "weight of the mean absolute error of the pixels"}
    )
    l2: float = field(
        default=1.0, validator=validators.ge(0), metadata={"help": "weight of the mean squared error of the pixels"}
    )
    commitment: float = field(default=0.25, validator=validators.ge(0), metadata=COMMITMENT_HELP)
    entropy: float = field(default=0.1, validator=validators.ge(0), metadata=ENTROPY_HELP)
    temperature: float = field(
        default=1.0,
        validator=validators.gt(0),
        metadata={"help": "temperature of the soft choice of a code in the entropy loss"},
    )

    def __attrs_post_init__(self) -> None:
        levels = len(self.multipliers)
        lists: dict[str, Any] = {
            "blocks": self.blocks,
            "decoder_multipliers": self.decoder_multipliers,
            "decoder_blocks": self.decoder_blocks,
        }
        for name, values in lists.items():
            if len(values) != levels:
                raise ValueError(f"{name} has {len(values)} values; it needs {levels}, one per level of multipliers")
        if self.image_size % self.factor:
            raise ValueError(
                f"image_size {self.image_size} is not a multiple of {self.factor}, by which {levels} levels of "
                "multipliers divide it"
            )
        if self.channels % self.groups:
            raise ValueError(f"channels {self.channels} is not a multiple of groups {self.groups}")

    @property
    def factor(self) -> int:
        """Pixels along the side of one code."""
        return 1 << (len(self.multipliers) - 1)

    @property
    def latent(self) -> int:
        """Channels between the autoencoder and the quantiser."""
        return self.bits

    @property
    def local(self) -> bool:
        """Whether a code sees its own square of pixels alone; it sees all of them."""
        return False

    @property
    def encoder_levels(self) -> tuple[LevelSize, ...]:
        sizes = zip(self.multipliers, self.blocks, strict=True)
        return tuple(LevelSize(self.channels * times, blocks) for times, blocks in sizes)

    @property
    def decoder_levels(self) -> tuple[LevelSize, ...]:
        sizes = zip(reversed(self.decoder_multipliers), reversed(self.decoder_blocks), strict=True)
        return tuple(LevelSize(self.channels * times, blocks) for times, blocks in sizes)

    @property
    def divisible(self) -> bool:
        """Whether the losses are sums over pictures: an entropy depends on the batch."""
        return not self.entropy

    def codes(self) -> Codes:
        side = self.image_size // self.factor
        return Codes(vocabulary=1 << self.bits, grid=Grid(side, side), width=self.bits)

    def transform(self) -> CoverAndCrop:
        from janiform import CoverAndCrop

        return CoverAndCrop(self.image_size, self.image_size, truncate=True)


_SHOW_O = {
    "channels": 128,
    "multipliers": [1, 2, 2, 4, 4],
    "blocks": [4, 3, 4, 3, 4],
    "decoder_multipliers": [1, 1, 2, 2, 4],
    "decoder_blocks": [4, 4, 3, 4, 3],
    "attention": True,
    "groups": 32,
    "bits": 13,
}

MAGVIT2_PRESETS: Mapping[str, Mapping[str, Any]] = {
    "show-o-256": {"image_size": 256, **_SHOW_O},
    "show-o-512": {"image_size": 512, **_SHOW_O},
}
