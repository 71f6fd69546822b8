"""Codes out of the backbone's text head. R states    H hidden width    V codes"""

from __future__ import annotations

from typing import TYPE_CHECKING

from janiform import Codes, Hidden, Loss
from torch import Tensor

from ..single import SingleHead, summed
from .config import SharedHeadConfig

if TYPE_CHECKING:
    from janiform import Backbone


class SharedHead(SingleHead):
    """Hidden states [R, H] -> logits [R, V] of one code, rows of the matrix that the backbone predicts text with."""

    wider = True
    """With ``softmax = "all"`` a code competes with more than the other codes, so it costs more than its logits say."""

    _backbone: Backbone

    def __init__(self, config: SharedHeadConfig, hidden: Hidden, codes: Codes) -> None:
        super().__init__(codes.vocabulary)
        self.text_and_codes = hidden.vocabulary
        self.config = config
        self.rows = config.rows(hidden, codes)

    def borrow(self, backbone: Backbone) -> None:
        object.__setattr__(self, "_backbone", backbone)  # not as a submodule: its weights are the backbone's alone

    def forward(self, hidden: Tensor) -> Tensor:
        return self._backbone.logits(hidden)[..., self.rows.start : self.rows.stop]

    def loss(self, hidden: Tensor, codes: Tensor) -> Loss:
        """Cross-entropy, in nats and float32 at least, of codes int64 [R, 1] given hidden states [R, H]."""
        if self.config.softmax == "codes":
            return super().loss(hidden, codes)
        return summed(self._backbone.logits, hidden, codes[:, 0] + self.rows.start, self.text_and_codes)
