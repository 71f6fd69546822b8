"""The Llama architecture (arXiv:2302.13971): what every decoder here is a variant of."""

from __future__ import annotations

from math import pi

import torch
from torch import Tensor

from ..decoder.model import Decoder
from .config import LlamaConfig


class LlamaBackbone(Decoder):
    """Embeddings [B, T, H] -> hidden states [B, T, H] after the final norm."""

    config: LlamaConfig

    def frequencies(self, device: torch.device) -> Tensor:
        frequency = super().frequencies(device)
        return frequency if self.config.rope_factor == 1 else stretched(frequency, self.config)


def stretched(frequency: Tensor, config: LlamaConfig) -> Tensor:
    """Rotary frequencies of any shape, slowed down as in Llama 3.1 (arXiv:2407.21783), the "llama3" rope type.

    Channels that turn often within ``rope_context`` positions tell near from far, and stay as they are; those that
    turn seldom are slowed down by ``rope_factor``; in between both are mixed, by the number of turns.
    """
    turns = config.rope_context * frequency / (2 * pi)
    kept = ((turns - config.rope_low) / (config.rope_high - config.rope_low)).clamp(0, 1)
    return frequency * (kept + (1 - kept) / config.rope_factor)
