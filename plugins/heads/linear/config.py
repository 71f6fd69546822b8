"""Settings of the linear head; its widths follow from what it connects."""

from __future__ import annotations

from attrs import field, frozen
from janiform import Codes, Hidden, Logits

from ..ports import logits_of_one


@frozen(kw_only=True)
class LinearHeadConfig:
    """Predicts one code for each position by one matrix, as a language model predicts its text."""

    bias: bool = field(default=False, metadata={"help": "whether every code has a bias"})

    def predict(self, hidden: Hidden, codes: Codes) -> Logits:
        return logits_of_one("linear", codes)
