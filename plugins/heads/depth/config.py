"""The sizes of a depth transformer; vocabulary and depth are those of the tokenizer."""

from __future__ import annotations

from attrs import field, frozen, validators
from janiform import Codes, Hidden, Logits, PortMismatch

from ...backbones.decoder.config import DecoderConfig


@frozen(kw_only=True)
class DepthHeadConfig:
    """Predicts the levels of a residual code one after the other, as the RQ-Transformer does (arXiv:2203.01941)."""

    width: int = field(
        default=0,
        validator=validators.ge(0),
        metadata={"help": "width of the depth transformer; 0 is the width of the hidden states"},
    )
    inner: int = field(
        default=0,
        validator=validators.ge(0),
        metadata={"help": "inner width of its gated MLPs; 0 is 8/3 of its width, rounded up to a multiple of 8"},
    )
    layers: int = field(default=4, validator=validators.gt(0), metadata={"help": "number of its blocks"})
    heads: int = field(default=8, validator=validators.gt(0), metadata={"help": "attention heads in a block"})
    shared: bool = field(
        default=False,
        metadata={
            "help": "one table and one output matrix for all levels, as fits a tokenizer whose levels have one codebook"
        },
    )

    def predict(self, hidden: Hidden, codes: Codes) -> Logits:
        if not isinstance(codes, Codes):
            raise PortMismatch(f"head 'depth' predicts codes, but is given {codes}")
        width = self.width or hidden.width
        if width % (2 * self.heads):
            raise PortMismatch(
                f"a depth transformer of width {width} does not divide into {self.heads} heads of an even width "
                "(set its 'heads' or its 'width')"
            )
        return Logits(vocabulary=codes.vocabulary, depth=codes.depth)

    def decoder(self, hidden: Hidden, codes: Codes) -> DecoderConfig:
        """The sizes of the blocks."""
        width = self.width or hidden.width
        return DecoderConfig(
            width=width,
            inner=self.inner or -(-width // 3) * 8,
            layers=self.layers,
            heads=self.heads,
            vocabulary=codes.vocabulary,
            context=codes.depth,
        )
