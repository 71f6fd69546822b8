"""Where the codes stand in the backbone's vocabulary; the width of their vectors is the hidden width."""

from __future__ import annotations

from attrs import frozen
from janiform import Codes, Features, Hidden

from .rows import SharedVocabulary


@frozen(kw_only=True)
class SharedEmbeddingConfig(SharedVocabulary):
    """Vectors of the hidden width, out of the text's own table, so that the adapter may be `identity`."""

    def embed(self, codes: Codes, hidden: Hidden) -> Features:
        self.rows(hidden, codes)
        return Features(tokens=codes.tokens, width=hidden.width, grid=codes.grid)
