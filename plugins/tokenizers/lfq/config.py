"""How many bits a code has, and the weights of the losses that keep them in use."""

from __future__ import annotations

from attrs import field, frozen, validators
from janiform import Codes

from ..convolutional.config import ConvolutionalConfig


@frozen(kw_only=True)
class LfqConfig(ConvolutionalConfig):
    """Lookup-free quantisation (arXiv:2310.05737), the tokenizer of MAGVIT-v2: a code is the signs of a latent."""

    bits: int = field(
        default=14,
        validator=[validators.ge(1), validators.le(24)],
        metadata={"help": "channels of a latent, one bit each: the vocabulary is 2^bits"},
    )
    commitment: float = field(
        default=0.25,
        validator=validators.ge(0),
        metadata={"help": "weight of the loss that moves vectors towards their codes"},
    )
    entropy: float = field(
        default=0.1,
        validator=validators.ge(0),
        metadata={"help": "weight of the loss for confident single choices and an even use of all codes"},
    )
    temperature: float = field(
        default=1.0,
        validator=validators.gt(0),
        metadata={"help": "of the soft choice of a code in the entropy loss; lower ones see only vectors near zero"},
    )

    def codes(self) -> Codes:
        return Codes(vocabulary=1 << self.bits, grid=self.grid, width=self.bits)
