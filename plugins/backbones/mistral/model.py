"""The Mistral architecture: without a sliding window it is Llama's."""

from __future__ import annotations

from ..decoder.model import Decoder


class MistralBackbone(Decoder):
    """Embeddings [B, T, H] -> hidden states [B, T, H] after the final norm."""
