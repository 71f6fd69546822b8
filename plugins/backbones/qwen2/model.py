"""The Qwen2 architecture: Llama's, with biases on queries, keys and values."""

from __future__ import annotations

from ..decoder.blocks import Variant
from ..decoder.model import Decoder


class Qwen2Backbone(Decoder):
    """Embeddings [B, T, H] -> hidden states [B, T, H] after the final norm."""

    variant = Variant(qkv_bias=True)
