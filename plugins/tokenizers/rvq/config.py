"""The sizes of the codebooks, and the weights of the losses that teach them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attrs import field, frozen, validators
from janiform import Codes

from ..convolutional.config import ConvolutionalConfig

if TYPE_CHECKING:
    from collections.abc import Mapping


@frozen(kw_only=True)
class RvqConfig(ConvolutionalConfig):
    """Residual quantisation (RQ-VAE, arXiv:2203.01941): each level's code stands for what the levels before it left."""

    vocabulary: int = field(default=16_384, validator=validators.gt(1), metadata={"help": "number of codes of a level"})
    depth: int = field(default=4, validator=validators.ge(1), metadata={"help": "levels, each with a code a position"})
    code_width: int = field(default=256, validator=validators.gt(0), metadata={"help": "width of a code's vector"})
    shared: bool = field(
        default=False, metadata={"help": "one codebook for all levels, as in RQ-VAE, instead of one for each"}
    )
    codebook: float = field(
        default=1.0,
        validator=validators.ge(0),
        metadata={"help": "weight of the loss that moves codes towards what they stand for, a mean over the levels"},
    )
    commitment: float = field(
        default=0.25,
        validator=validators.ge(0),
        metadata={"help": "weight of the loss that moves vectors towards the sums of their codes, of each level's sum"},
    )
    reseed: int = field(
        default=0,
        validator=validators.ge(0),
        metadata={"help": "training steps without use after which a code moves to a residual of the batch; 0 is never"},
    )

    def codes(self) -> Codes:
        return Codes(vocabulary=self.vocabulary, grid=self.grid, width=self.code_width, depth=self.depth)


PRESETS: Mapping[str, Mapping[str, Any]] = {
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
