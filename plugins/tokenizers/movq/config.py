"""The settings of ``movq``. Torch-free."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attrs import field, frozen, validators
from janiform import Codes, Grid

from ..config import CODEBOOK_HELP, COMMITMENT_HELP, MAX_BLOCKS, MAX_LEVELS, RESEED_HELP
from ..levels import LevelSize, decoder_levels, encoder_levels

if TYPE_CHECKING:
    from collections.abc import Mapping

    from janiform import CoverAndCrop

MAX_FRAMES = 64


def _power_of_two(config: MovqConfig, attribute: Any, value: int) -> None:
    if not 1 <= value <= MAX_FRAMES or value & (value - 1):
        raise ValueError(f"frames {value} is not a power of two from 1 to {MAX_FRAMES}")


def _rows_and_columns(config: MovqConfig, attribute: Any, value: tuple[int, ...]) -> None:
    if len(value) != 2 or min(value) < 1:
        raise ValueError(f"grid {list(value)} is not a number of rows and a number of columns, such as [90, 90]")


@frozen(kw_only=True)
class MovqConfig:
    """The visual tokenizer of Emu3 (arXiv:2409.18869), a MoVQ (arXiv:2209.09002) with convolutions over time.

    A picture is encoded as a still video of ``frames`` frames, which become one frame of codes.
    """

    grid: tuple[int, ...] = field(
        default=(90, 90),
        converter=tuple,
        validator=_rows_and_columns,
        metadata={"help": "rows and columns of codes; a code has a side of 2^(levels - 1) pixels"},
    )
    line_ends: bool = field(
        default=False,
        metadata={
            "help": "one more column, whose code is always the one after the last of the vocabulary, as in Emu3, whose "
            "language model reads the end of every row"
        },
    )
    channels: int = field(
        default=256,
        validator=validators.gt(0),
        metadata={"help": "base width of the convolutions, a multiple of groups"},
    )
    multipliers: tuple[int, ...] = field(
        default=(1, 2, 2, 4),
        converter=tuple,
        validator=[validators.min_len(1), validators.max_len(MAX_LEVELS), validators.deep_iterable(validators.gt(0))],
        metadata={"help": "width of each level, in multiples of channels; each level halves the sides of the last"},
    )
    blocks: int = field(
        default=2,
        validator=[validators.ge(1), validators.le(MAX_BLOCKS)],
        metadata={
            "help": "number of residual blocks over time, and per level of the encoder; levels of the decoder have one "
            "more"
        },
    )
    frames: int = field(
        default=4,
        validator=_power_of_two,
        metadata={"help": "frames of the still video that a picture is encoded as, a power of two"},
    )
    attention: bool = field(
        default=True, metadata={"help": "self-attention in the middle and after each residual block of the last level"}
    )
    groups: int = field(
        default=32, validator=validators.gt(0), metadata={"help": "groups of the group norms; a divisor of channels"}
    )
    vocabulary: int = field(default=32_768, validator=validators.gt(1), metadata={"help": "number of codes"})
    code_width: int = field(
        default=4, validator=validators.gt(0), metadata={"help": "width of a code's vector and of the latents"}
    )
    l1: float = field(
        default=0.0, validator=validators.ge(0), metadata={"help": "weight of the mean absolute error of the pixels"}
    )
    l2: float = field(
        default=1.0, validator=validators.ge(0), metadata={"help": "weight of the mean squared error of the pixels"}
    )
    codebook: float = field(default=1.0, validator=validators.ge(0), metadata=CODEBOOK_HELP)
    commitment: float = field(default=0.25, validator=validators.ge(0), metadata=COMMITMENT_HELP)
    reseed: int = field(default=0, validator=validators.ge(0), metadata=RESEED_HELP)

    def __attrs_post_init__(self) -> None:
        if self.channels % self.groups:
            raise ValueError(f"channels {self.channels} is not a multiple of groups {self.groups}")

    @property
    def factor(self) -> int:
        """Pixels along the side of one code."""
        return 1 << (len(self.multipliers) - 1)

    @property
    def latent(self) -> int:
        """Channels between the autoencoder and the codebook: the decoder reads codes and latents by the same layers."""
        return self.code_width

    @property
    def encoder_levels(self) -> tuple[LevelSize, ...]:
        attended = (len(self.multipliers) - 1,) if self.attention else ()
        return encoder_levels(self.channels, self.multipliers, self.blocks, attended)

    @property
    def decoder_levels(self) -> tuple[LevelSize, ...]:
        return decoder_levels(self.encoder_levels)

    @property
    def divisible(self) -> bool:
        """Whether the losses are sums over pictures: codes that are re-seeded depend on the batch."""
        return not self.reseed

    def codes(self) -> Codes:
        rows, columns = self.grid
        if not self.line_ends:
            return Codes(vocabulary=self.vocabulary, grid=Grid(rows, columns), width=self.code_width)
        ends = {row * (columns + 1) + columns: self.vocabulary for row in range(rows)}
        return Codes(vocabulary=self.vocabulary, grid=Grid(rows, columns + 1), width=self.code_width, given=ends)

    def transform(self) -> CoverAndCrop:
        from janiform import CoverAndCrop

        rows, columns = self.grid
        return CoverAndCrop(rows * self.factor, columns * self.factor, unit=self.factor)


MOVQ_PRESETS: Mapping[str, Mapping[str, Any]] = {
    "emu3": {
        "grid": [90, 90],
        "channels": 256,
        "multipliers": [1, 2, 2, 4],
        "blocks": 2,
        "frames": 4,
        "attention": True,
        "groups": 32,
        "vocabulary": 32_768,
        "code_width": 4,
    },
}
