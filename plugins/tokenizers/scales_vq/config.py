"""The settings of the tokenizer ``scales-vq``. Torch-free."""

from __future__ import annotations

from itertools import pairwise

from attrs import field, frozen, validators
from janiform import Codes, Grid

from ..config import CODEBOOK_HELP, COMMITMENT_HELP, RESEED_HELP, ConvolutionalConfig


@frozen(kw_only=True)
class ScalesVqConfig(ConvolutionalConfig):
    """Codes of several scales (VAR, arXiv:2404.02905): a scale quantises what the coarser ones leave of the vectors."""

    scales: tuple[int, ...] = field(
        default=(1, 2, 3, 4, 5, 6, 8, 10, 13, 16),
        converter=tuple,
        validator=[validators.min_len(1), validators.deep_iterable(validators.gt(0))],
        metadata={"help": "sides of the scales in codes, from coarse to fine; the last is that of the whole grid"},
    )
    vocabulary: int = field(
        default=4096, validator=validators.gt(1), metadata={"help": "number of codes, which all scales share"}
    )
    code_width: int = field(default=32, validator=validators.gt(0), metadata={"help": "width of a code's vector"})
    codebook: float = field(default=1.0, validator=validators.ge(0), metadata=CODEBOOK_HELP)
    commitment: float = field(default=0.25, validator=validators.ge(0), metadata=COMMITMENT_HELP)
    reseed: int = field(default=0, validator=validators.ge(0), metadata=RESEED_HELP)

    def __attrs_post_init__(self) -> None:
        super().__attrs_post_init__()
        check_scales(self.scales, self.grid.width)

    def codes(self) -> Codes:
        scales = tuple(Grid(side, side) for side in self.scales)
        return Codes(vocabulary=self.vocabulary, grid=self.grid, width=self.code_width, scales=scales)


def check_scales(scales: tuple[int, ...], side: int) -> None:
    """Raise ``ValueError`` unless sides of scales increase up to that of the grid."""
    if any(coarse >= fine for coarse, fine in pairwise(scales)):
        raise ValueError(f"scales {list(scales)} must increase from coarse to fine")
    if scales[-1] != side:
        raise ValueError(f"scales ends with {scales[-1]}, but the grid has a side of {side} codes, which is the last")
