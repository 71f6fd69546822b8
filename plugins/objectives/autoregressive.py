"""The objective `autoregressive`: answers about pictures, texts, and the codes of pictures that are drawn."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from janiform import Batch, Conversation, Loss, Objective, SampleError
from torch import Tensor

from .config import AutoregressiveConfig
from .next_token import next_token_losses, predictable, prediction_counts
from .samples import samples

if TYPE_CHECKING:
    from janiform import Processor, Samples, UnifiedModel
    from janiform import Sequence as Spans

Note = Callable[[str, str], None]


def _ignore(kind: str, sentence: str) -> None:
    """Drop a note."""


class Autoregressive(Objective):
    """Predicts the next token: text for the pathway the document looks through, codes for the one that draws them."""

    divisible = True

    def __init__(self, config: AutoregressiveConfig, model: UnifiedModel) -> None:
        super().__init__()
        self.config = config
        self.model = model
        self.limit = config.packed or model.plan.hidden.context

    @property
    def processor(self) -> Processor:
        """The model's processor; planning has none, as it needs no text tokenizer."""
        return self.model.processor

    def prepare(self, examples: Sequence[Conversation], generator: np.random.Generator) -> Batch:
        """Turn conversations into a batch; of those that draw, a share has its prompt blanked."""
        return self.collate([self.prepare_one(example, generator) for example in examples])

    def prepare_one(self, example: Conversation, generator: np.random.Generator, note: Note = _ignore) -> Spans:
        """Turn a conversation into a sequence that fits into a row; of those that draw, a share has its prompt hidden.

        Raises ``SampleError`` where it is too long and the layout's rule cannot cut it, or ``too_long`` is "skip".
        """
        sequence = self.processor.sequence(example)
        if example.draws and generator.random() < self.config.text_dropout:
            sequence = self.processor.unconditional(sequence)
        elif example.draws and self.config.dropout:
            chances = self.config.dropout.items()
            sequence = self.processor.without(
                sequence, frozenset(name for name, chance in chances if generator.random() < chance)
            )
        sequence = self.processor.corrupted(sequence, generator)
        if self.config.sampled:
            sequence = self.processor.sampled(sequence, generator)
        size = len(sequence)
        if size <= self.limit:
            return sequence
        sentence = f"{size} positions, where a row has {self.limit}"
        shorter = self.processor.cut(sequence, self.limit) if self.config.too_long == "cut" else None
        if shorter is None:
            raise SampleError(sentence, "too long")
        note("cut", f"{sentence}: {size - len(shorter)} are left out at its end")
        return shorter

    def collate(self, prepared: Sequence[Spans], generator: Any = None) -> Batch:
        """Turn sequences into a batch, packed where the settings say so."""
        wholes = self.processor.wholes
        if self.config.packed:
            return predictable(self.processor.pack(prepared, self.config.packed), wholes)
        return predictable(self.processor.collate(prepared), wholes)

    def counts(self, batch: Batch) -> dict[str, int]:
        """The number of predictions of each loss."""
        return prediction_counts(self.model, batch)

    def losses(self, batch: Batch) -> tuple[dict[str, Loss], dict[str, Tensor]]:
        """Cross-entropies in nats by pathway; no figures."""
        return next_token_losses(self.model, batch), {}

    def samples(self, examples: Sequence[Conversation]) -> Samples | None:
        """Pictures drawn for the examples' prompts and answers to their questions."""
        return samples(self.model, examples)
