"""Codes predicted by the backbone's text head. R states    H hidden width    V codes"""

from __future__ import annotations

from typing import TYPE_CHECKING

from janiform import Codes, Hidden, Loss
from torch import Tensor

from .config import SharedHeadConfig
from .single import SingleHead, chunked_cross_entropy

if TYPE_CHECKING:
    from janiform import Backbone


class SharedHead(SingleHead):
    """Hidden states [R, H] -> logits [R, V] of one code, rows of the backbone's text head."""

    wider = True
    """With ``softmax = "all"`` the loss includes text ids, so it exceeds the cross-entropy of the codes' logits."""

    _backbone: Backbone

    def __init__(self, config: SharedHeadConfig, hidden: Hidden, codes: Codes) -> None:
        super().__init__(codes.vocabulary)
        self.text_and_codes = hidden.vocabulary
        self.config = config
        self.rows = config.rows(hidden, codes)

    def borrow(self, backbone: Backbone) -> None:
        # Not as a submodule, since the weights belong to the backbone.
        object.__setattr__(self, "_backbone", backbone)

    def forward(self, hidden: Tensor) -> Tensor:
        return self._backbone.logits(hidden)[..., self.rows.start : self.rows.stop]

    def loss(self, hidden: Tensor, codes: Tensor) -> Loss:
        """Cross-entropy, in nats and float32 at least, of codes int64 [R, 1] given hidden states [R, H]."""
        if self.config.softmax == "codes":
            return super().loss(hidden, codes)
        return chunked_cross_entropy(self._backbone.logits, hidden, codes[:, 0] + self.rows.start, self.text_and_codes)
