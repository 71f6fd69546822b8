"""The settings of the tokenizers: a convolutional autoencoder, and one of several quantisers. Torch-free."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, Any

from attrs import field, frozen, validators
from janiform import Codes, Grid

from .levels import LevelSize, decoder_levels, encoder_levels

if TYPE_CHECKING:
    from collections.abc import Mapping

    from janiform import CoverAndCrop, CropToSquare

CODEBOOK_HELP = {"help": "weight of the loss that moves codes towards the vectors that they represent"}
RESEED_HELP = {"help": "steps without use after which a code moves to a vector of the batch; 0 disables it"}
COMMITMENT_HELP = {"help": "weight of the loss that moves vectors towards their codes"}
ENTROPY_HELP = {"help": "weight of the loss for confident single choices and an even use of all codes"}

MAX_LEVELS, MAX_BLOCKS = 16, 64
"""Maximum number of levels, and of blocks per level; their product bounds the number of modules, which take time."""


@frozen(kw_only=True)
class ConvolutionalConfig:
    """The autoencoder of a VQGAN (arXiv:2012.09841), with any quantiser."""

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
        default=(1, 1, 2, 2, 4),
        converter=tuple,
        validator=[validators.min_len(1), validators.max_len(MAX_LEVELS), validators.deep_iterable(validators.gt(0))],
        metadata={"help": "width of each level, in multiples of channels; each level halves the side of the last"},
    )
    blocks: int = field(
        default=2,
        validator=[validators.ge(1), validators.le(MAX_BLOCKS)],
        metadata={"help": "number of residual blocks per level of the encoder; the decoder has one more"},
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
            "help": "encode each code from its own square of pixels alone, so that plain areas share few codes, which "
            "a small language model learns to draw sooner"
        },
    )
    groups: int = field(
        default=32, validator=validators.gt(0), metadata={"help": "groups of the group norms; a divisor of channels"}
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
    def divisible(self) -> bool:
        """Whether the losses are sums over pictures: an entropy and codes that are re-seeded depend on the batch."""
        return not getattr(self, "entropy", 0) and not getattr(self, "reseed", 0)

    @property
    def factor(self) -> int:
        """Pixels along the side of one code."""
        return 1 << (len(self.multipliers) - 1)

    @property
    def grid(self) -> Grid:
        side = self.image_size // self.factor
        return Grid(side, side)

    @property
    def encoder_levels(self) -> tuple[LevelSize, ...]:
        attended = (len(self.multipliers) - 1,) if self.attention else ()
        return encoder_levels(self.channels, self.multipliers, self.blocks, attended)

    @property
    def decoder_levels(self) -> tuple[LevelSize, ...]:
        return decoder_levels(self.encoder_levels)

    def transform(self) -> CoverAndCrop | CropToSquare:
        from janiform import CropToSquare  # needs numpy and PIL, which registration does not import

        return CropToSquare(self.image_size)


@frozen(kw_only=True)
class VqConfig(ConvolutionalConfig):
    """A VQGAN's autoencoder with one code per position, on the unit sphere (arXiv:2110.04627)."""

    vocabulary: int = field(default=16_384, validator=validators.gt(1), metadata={"help": "number of codes"})
    code_width: int = field(default=8, validator=validators.gt(0), metadata={"help": "width of a code's vector"})
    codebook: float = field(default=1.0, validator=validators.ge(0), metadata=CODEBOOK_HELP)
    commitment: float = field(default=0.25, validator=validators.ge(0), metadata=COMMITMENT_HELP)
    entropy: float = field(default=0.0, validator=validators.ge(0), metadata=ENTROPY_HELP)
    reseed: int = field(default=0, validator=validators.ge(0), metadata=RESEED_HELP)

    def codes(self) -> Codes:
        return Codes(vocabulary=self.vocabulary, grid=self.grid, width=self.code_width)


@frozen(kw_only=True)
class TamingConfig(ConvolutionalConfig):
    """The VQGAN of taming-transformers (arXiv:2012.09841), whose codes are nearest by Euclidean distance.

    Chameleon's tokenizer is one of them (``chameleon``).
    """

    attention: bool = field(default=True, metadata={"help": "self-attention in the middle, at the smallest sides"})
    attention_sides: tuple[int, ...] = field(
        default=(),
        converter=tuple,
        metadata={"help": "sides in positions of the levels with self-attention after each residual block"},
    )
    vocabulary: int = field(default=8192, validator=validators.gt(1), metadata={"help": "number of codes"})
    code_width: int = field(default=256, validator=validators.gt(0), metadata={"help": "width of a code's vector"})
    codebook: float = field(default=1.0, validator=validators.ge(0), metadata=CODEBOOK_HELP)
    commitment: float = field(default=0.25, validator=validators.ge(0), metadata=COMMITMENT_HELP)
    reseed: int = field(default=0, validator=validators.ge(0), metadata=RESEED_HELP)

    def __attrs_post_init__(self) -> None:
        super().__attrs_post_init__()
        unknown = sorted(set(self.attention_sides) - set(self._sides))
        if unknown:
            sides = ", ".join(map(str, self._sides))
            raise ValueError(f"attention_sides has {unknown[0]}, but the levels have sides of {sides} positions")

    @property
    def _sides(self) -> tuple[int, ...]:
        return tuple(self.image_size >> index for index in range(len(self.multipliers)))

    @property
    def encoder_levels(self) -> tuple[LevelSize, ...]:
        attended = [index for index, side in enumerate(self._sides) if side in self.attention_sides]
        return encoder_levels(self.channels, self.multipliers, self.blocks, attended)

    def codes(self) -> Codes:
        return Codes(vocabulary=self.vocabulary, grid=self.grid, width=self.code_width)

    def transform(self) -> CoverAndCrop:
        from janiform import CoverAndCrop

        return CoverAndCrop(self.image_size, self.image_size, resample="lanczos")


@frozen(kw_only=True)
class FsqConfig(ConvolutionalConfig):
    """Finite scalar quantisation (arXiv:2309.15505): a code is one level per channel, without a learned codebook.

    Levels recommended by the paper: 8, 6, 5 for 240 codes; 8, 5, 5, 5 for 1000; 7, 5, 5, 5, 5 for 4375; 8, 8, 8, 6, 5
    for 15,360.
    """

    levels: tuple[int, ...] = field(
        default=(8, 8, 8, 6, 5),
        converter=tuple,
        validator=[validators.min_len(1), validators.deep_iterable(validators.ge(3))],
        metadata={"help": "number of levels of each channel, at least 3; the vocabulary is their product"},
    )

    def codes(self) -> Codes:
        return Codes(vocabulary=prod(self.levels), grid=self.grid, width=len(self.levels))


@frozen(kw_only=True)
class LfqConfig(ConvolutionalConfig):
    """Lookup-free quantisation (arXiv:2310.05737), the tokenizer of MAGVIT-v2: a code is the signs of a latent."""

    bits: int = field(
        default=14,
        validator=[validators.ge(1), validators.le(24)],
        metadata={"help": "channels of a latent, one bit each; the vocabulary is 2^bits"},
    )
    commitment: float = field(default=0.25, validator=validators.ge(0), metadata=COMMITMENT_HELP)
    entropy: float = field(default=0.1, validator=validators.ge(0), metadata=ENTROPY_HELP)
    temperature: float = field(
        default=1.0,
        validator=validators.gt(0),
        metadata={
            "help": "temperature of the soft choice of a code in the entropy loss; at low ones only vectors near zero "
            "matter"
        },
    )

    def codes(self) -> Codes:
        return Codes(vocabulary=1 << self.bits, grid=self.grid, width=self.bits)


@frozen(kw_only=True)
class RvqConfig(ConvolutionalConfig):
    """Residual quantisation (RQ-VAE, arXiv:2203.01941): each level quantises the residual of the levels before it."""

    vocabulary: int = field(default=16_384, validator=validators.gt(1), metadata={"help": "number of codes per level"})
    depth: int = field(
        default=4, validator=validators.ge(1), metadata={"help": "number of levels, with one code per position each"}
    )
    code_width: int = field(default=256, validator=validators.gt(0), metadata={"help": "width of a code's vector"})
    shared: bool = field(
        default=False, metadata={"help": "use one codebook for all levels, as in RQ-VAE, instead of one per level"}
    )
    codebook: float = field(
        default=1.0,
        validator=validators.ge(0),
        metadata={"help": "weight of the loss that moves codes towards the residuals that they represent"},
    )
    commitment: float = field(
        default=0.25,
        validator=validators.ge(0),
        metadata={"help": "weight of the loss that moves vectors towards the partial sums of their codes"},
    )
    reseed: int = field(
        default=0,
        validator=validators.ge(0),
        metadata={"help": "steps without use after which a code moves to a residual of the batch; 0 disables it"},
    )

    def codes(self) -> Codes:
        return Codes(vocabulary=self.vocabulary, grid=self.grid, width=self.code_width, depth=self.depth)


VQ_PRESETS: Mapping[str, Mapping[str, Any]] = {
    "vq-16": {
        "image_size": 384,
        "channels": 128,
        "multipliers": [1, 1, 2, 2, 4],
        "blocks": 2,
        "latent": 256,
        "vocabulary": 16_384,
        "code_width": 8,
        "attention": True,
        "groups": 32,
    },
}

TAMING_PRESETS: Mapping[str, Mapping[str, Any]] = {
    "chameleon": {
        "image_size": 512,
        "channels": 128,
        "multipliers": [1, 1, 2, 2, 4],
        "blocks": 2,
        "latent": 256,
        "vocabulary": 8192,
        "code_width": 256,
        "attention": True,
        "attention_sides": [],
        "groups": 32,
    },
}

RVQ_PRESETS: Mapping[str, Mapping[str, Any]] = {
    "rq-vae-8x8x4": {
        "image_size": 256,
        "channels": 128,
        "multipliers": [1, 1, 2, 2, 4, 4],
        "blocks": 2,
        "latent": 256,
        "vocabulary": 16_384,
        "depth": 4,
        "code_width": 256,
        "shared": True,
        "attention": True,
        "groups": 32,
    },
}
