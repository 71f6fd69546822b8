"""Codes embedded by the tokenizer's own vectors. B pictures    n codes of a picture    d levels    D code width"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from janiform import Codes, Hidden
from torch import Tensor, nn

from .config import CodebookEmbeddingConfig

if TYPE_CHECKING:
    from janiform import Tokenizer


class CodebookEmbedding(nn.Module):
    """Codes int64 [B, n, d] -> the tokenizer's vectors of them [B, n, D], in the data type of its weights.

    It has no weights of its own: a stage that trains the tokenizer trains these vectors.
    """

    _tokenizer: Any

    def __init__(self, config: CodebookEmbeddingConfig, codes: Codes, hidden: Hidden) -> None:
        super().__init__()

    def borrow(self, tokenizer: Tokenizer) -> None:
        # Not as a submodule, since the weights belong to the tokenizer.
        object.__setattr__(self, "_tokenizer", tokenizer)

    def forward(self, codes: Tensor, first: int = 0) -> Tensor:
        vectors: Tensor = self._tokenizer.vectors(codes)
        # Some tokenizers compute their vectors in float32 whatever the type of their weights.
        dtype = next((weight.dtype for weight in self._tokenizer.parameters()), vectors.dtype)
        return vectors.to(dtype)
