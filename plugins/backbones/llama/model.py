"""The Llama architecture: what every decoder here is a variant of."""

from __future__ import annotations

from ..decoder.model import Decoder


class LlamaBackbone(Decoder):
    """Embeddings [B, T, H] -> hidden states [B, T, H] after the final norm."""
