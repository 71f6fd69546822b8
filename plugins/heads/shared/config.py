"""Where the codes stand in the backbone's vocabulary, and what they compete with."""

from __future__ import annotations

from typing import Literal

from attrs import field, frozen
from janiform import Codes, Hidden, Logits

from ...embeddings.shared.rows import SharedVocabulary


@frozen(kw_only=True)
class SharedHeadConfig(SharedVocabulary):
    """Predicts codes with the text's own output matrix. Where a picture is drawn only codes can be chosen."""

    softmax: Literal["all", "codes"] = field(
        default="all",
        metadata={
            "help": "what a code is told from in training: all ids of text and pictures, as in Chameleon, or the codes"
        },
    )

    def predict(self, hidden: Hidden, codes: Codes) -> Logits:
        self.rows(hidden, codes)
        return Logits(vocabulary=codes.vocabulary)
