"""How many levels each channel of a latent has; their product is the vocabulary."""

from __future__ import annotations

from math import prod

from attrs import field, frozen, validators
from janiform import Codes

from ..convolutional.config import ConvolutionalConfig


@frozen(kw_only=True)
class FsqConfig(ConvolutionalConfig):
    """Finite scalar quantisation (arXiv:2309.15505): a code is one level for each channel, and nothing is learned.

    Of the paper: 8, 6, 5 for 240 codes; 8, 5, 5, 5 for 1000; 7, 5, 5, 5, 5 for 4375; 8, 8, 8, 6, 5 for 15,360.
    """

    levels: tuple[int, ...] = field(
        default=(8, 8, 8, 6, 5),
        converter=tuple,
        validator=[validators.min_len(1), validators.deep_iterable(validators.ge(3))],
        metadata={"help": "levels of each channel, at least 3; the vocabulary is their product"},
    )

    def codes(self) -> Codes:
        return Codes(vocabulary=prod(self.levels), grid=self.grid, width=len(self.levels))
