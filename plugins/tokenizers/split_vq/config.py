"""The settings of split codes. Torch-free."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attrs import field, frozen, validators
from janiform import Codes

from ..config import CODEBOOK_HELP, COMMITMENT_HELP, ENTROPY_HELP, RESEED_HELP, ConvolutionalConfig

if TYPE_CHECKING:
    from collections.abc import Mapping


@frozen(kw_only=True)
class SplitVqConfig(ConvolutionalConfig):
    """Split quantisation (UniTok, arXiv:2502.20321): each part of a vector has a code, on a unit sphere of its own."""

    vocabulary: int = field(default=4096, validator=validators.gt(1), metadata={"help": "number of codes per part"})
    depth: int = field(
        default=8,
        validator=validators.ge(1),
        metadata={"help": "number of parts of a vector, with a codebook and one code per position each"},
    )
    code_width: int = field(
        default=64,
        validator=validators.gt(0),
        metadata={"help": "width of the vector of a position, all parts together; a multiple of depth"},
    )
    codebook: float = field(default=1.0, validator=validators.ge(0), metadata=CODEBOOK_HELP)
    commitment: float = field(default=0.25, validator=validators.ge(0), metadata=COMMITMENT_HELP)
    entropy: float = field(default=0.0, validator=validators.ge(0), metadata=ENTROPY_HELP)
    reseed: int = field(default=0, validator=validators.ge(0), metadata=RESEED_HELP)

    def __attrs_post_init__(self) -> None:
        super().__attrs_post_init__()
        if self.code_width % self.depth:
            raise ValueError(f"code_width {self.code_width} does not divide into {self.depth} parts: change depth")

    def codes(self) -> Codes:
        return Codes(vocabulary=self.vocabulary, grid=self.grid, width=self.code_width, depth=self.depth)


SPLIT_VQ_PRESETS: Mapping[str, Mapping[str, Any]] = {
    "unitok": {
        "image_size": 256,
        "channels": 128,
        "multipliers": [1, 1, 2, 2, 4],
        "blocks": 2,
        "latent": 256,
        "vocabulary": 4096,
        "depth": 8,
        "code_width": 64,
        "attention": True,
        "groups": 32,
    },
}
"""The codes of UniTok. Its autoencoder is a ViTamin (arXiv:2404.02132); this one is that of the other tokenizers."""
