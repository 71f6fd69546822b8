"""The sizes of an MLP head; its input and output widths follow from what it connects."""

from __future__ import annotations

from attrs import field, frozen, validators
from janiform import Codes, Hidden, Logits, Misfit


@frozen(kw_only=True)
class MlpHeadConfig:
    """Predicts one code for each position."""

    depth: int = field(
        default=2, validator=validators.ge(1), metadata={"help": "number of linear layers, with GELU between them"}
    )
    inner: int = field(
        default=0,
        validator=validators.ge(0),
        metadata={"help": "width between the layers; 0 is the width of the hidden states"},
    )

    def predict(self, hidden: Hidden, codes: Codes) -> Logits:
        if not isinstance(codes, Codes):
            raise Misfit(f"head 'mlp' predicts codes, but is given {codes}")
        if codes.depth != 1:
            raise Misfit(
                f"head 'mlp' predicts one code a position, but the tokenizer gives {codes.depth} "
                "(use a head that predicts the levels one after the other, or a tokenizer of depth 1)"
            )
        return Logits(vocabulary=codes.vocabulary)
