"""The sizes of an MLP head; its input and output widths follow from what it connects."""

from __future__ import annotations

from attrs import field, frozen, validators
from janiform import Codes, Hidden, Logits

from ..ports import logits_of_one


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
        return logits_of_one("mlp", codes)
