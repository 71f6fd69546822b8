"""The Gemma architecture: Llama's, with its own scale of embeddings, norms and activation."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor, nn
from torch.nn.functional import gelu, rms_norm

from ..decoder.blocks import RMSNorm, Variant
from ..decoder.model import Decoder


class OffsetRMSNorm(RMSNorm):
    """x / rms(x) · (1 + weight), in float32 at least, since 1 + weight loses what bfloat16 holds of the weight."""

    def __init__(self, width: int, eps: float) -> None:
        super().__init__(width, eps)
        nn.init.zeros_(self.weight)

    def forward(self, x: Tensor) -> Tensor:
        wide = torch.promote_types(x.dtype, torch.float32)
        return rms_norm(x.to(wide), self.weight.shape, 1 + self.weight.to(wide), self.eps).to(x.dtype)


class GemmaBackbone(Decoder):
    """Embeddings [B, T, H] -> hidden states [B, T, H] after the final norm.

    Text embeddings are scaled by the square root of the width; what adapters give enters as it is.
    """

    variant = Variant(norm=OffsetRMSNorm, gate=partial(gelu, approximate="tanh"))

    def embed(self, ids: Tensor) -> Tensor:
        """Text ids [B, T] -> embeddings [B, T, H], times H^0.5 as the weights' type holds it."""
        return super().embed(ids) * torch.tensor(self.config.width**0.5, dtype=self.embed_tokens.weight.dtype)
