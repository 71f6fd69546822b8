"""The next token of everything: answers about pictures, texts, and the codes of pictures that are drawn."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from janiform import Batch, Conversation, Loss
from torch import Tensor, nn

from .config import AutoregressiveConfig
from .samples import sheet

if TYPE_CHECKING:
    from janiform import UnifiedModel
    from PIL import Image


class Autoregressive(nn.Module):
    """Minimises ``model.losses``: text by the pathway that it was looked through, codes by the pathway that draws."""

    def __init__(self, config: AutoregressiveConfig, model: UnifiedModel) -> None:
        super().__init__()
        self.config = config
        self.processor = model.processor
        self.model = model

    def prepare(self, examples: Sequence[Conversation], generator: np.random.Generator) -> Batch:
        """Conversations to a batch; of those that draw, a share has its prompt blanked."""
        sequences = []
        for example in examples:
            sequence = self.processor.sequence(example)
            if example.draws and generator.random() < self.config.text_dropout:
                sequence = self.processor.unconditional(sequence)
            sequences.append(sequence)
        if self.config.packed:
            return self.processor.pack(sequences, self.config.packed)
        return self.processor.collate(sequences)

    def losses(self, batch: Batch) -> tuple[dict[str, Loss], dict[str, Tensor]]:
        """Cross-entropies in nats by pathway; no figures."""
        return self.model.losses(batch), {}

    def samples(self, examples: Sequence[Conversation]) -> Image.Image | None:
        """Pictures drawn for the examples' prompts and answers to their questions, on one sheet."""
        return sheet(self.model, examples)
