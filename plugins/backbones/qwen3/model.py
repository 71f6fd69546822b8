"""The Qwen3 architecture: Llama's, with a norm on each head of the queries and keys."""

from __future__ import annotations

from ..decoder.blocks import Variant
from ..decoder.model import Decoder


class Qwen3Backbone(Decoder):
    """Embeddings [B, T, H] -> hidden states [B, T, H] after the final norm."""

    variant = Variant(head_norm=True)
