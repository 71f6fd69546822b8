"""The size of a codebook, and the weights of the losses that teach it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attrs import field, frozen, validators
from janiform import Codes

from ..convolutional.config import ConvolutionalConfig

if TYPE_CHECKING:
    from collections.abc import Mapping


@frozen(kw_only=True)
class VqConfig(ConvolutionalConfig):
    """A VQGAN's autoencoder (arXiv:2012.09841) with one code a position, on the unit sphere (arXiv:2110.04627)."""

    vocabulary: int = field(default=16_384, validator=validators.gt(1), metadata={"help": "number of codes"})
    code_width: int = field(default=8, validator=validators.gt(0), metadata={"help": "width of a code's vector"})
    codebook: float = field(
        default=1.0,
        validator=validators.ge(0),
        metadata={"help": "weight of the loss that moves codes towards the vectors they stand for"},
    )
    commitment: float = field(
        default=0.25,
        validator=validators.ge(0),
        metadata={"help": "weight of the loss that moves vectors towards their codes"},
    )
    entropy: float = field(
        default=0.0,
        validator=validators.ge(0),
        metadata={"help": "weight of the loss for confident single choices and an even use of all codes"},
    )
    reseed: int = field(
        default=0,
        validator=validators.ge(0),
        metadata={"help": "training steps without use after which a code moves to a vector of the batch; 0 is never"},
    )

    def codes(self) -> Codes:
        return Codes(vocabulary=self.vocabulary, grid=self.grid, width=self.code_width)


PRESETS: Mapping[str, Mapping[str, Any]] = {
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
