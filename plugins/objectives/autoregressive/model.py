"""The next token of everything: answers about pictures, texts, and the codes of pictures that are drawn."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
from janiform import Batch, Conversation, Loss, SampleError
from torch import Tensor, nn

from .config import AutoregressiveConfig
from .samples import samples

if TYPE_CHECKING:
    from janiform import Samples, UnifiedModel
    from janiform import Sequence as Spans

Note = Callable[[str, str], None]


def _unheard(kind: str, said: str) -> None:
    """Takes notes that nobody wants."""


class Autoregressive(nn.Module):
    """Minimises ``model.losses``: text by the pathway that it was looked through, codes by the pathway that draws."""

    def __init__(self, config: AutoregressiveConfig, model: UnifiedModel) -> None:
        super().__init__()
        self.config = config
        self.processor = model.processor
        self.model = model
        self.limit = config.packed or model.plan.hidden.context

    def prepare(self, examples: Sequence[Conversation], generator: np.random.Generator) -> Batch:
        """Conversations to a batch; of those that draw, a share has its prompt blanked."""
        return self.join([self.prepare_one(example, generator) for example in examples])

    def prepare_one(self, example: Conversation, generator: np.random.Generator, note: Note = _unheard) -> Spans:
        """A conversation to a sequence that fits into a row; a share of those that draw has its prompt blanked.

        Raises ``SampleError`` where it is too long to be cut by the layout's rule, or is not to be cut.
        """
        sequence = self.processor.sequence(example)
        if example.draws and generator.random() < self.config.text_dropout:
            sequence = self.processor.unconditional(sequence)
        size = len(sequence)
        if size <= self.limit:
            return sequence
        said = f"{size} positions, where a row has {self.limit}"
        shorter = self.processor.cut(sequence, self.limit) if self.config.too_long == "cut" else None
        if shorter is None:
            raise SampleError(said, "too long")
        note("cut", f"{said}: {size - len(shorter)} are left out at its end")
        return shorter

    def join(self, sequences: Sequence[Spans]) -> Batch:
        """Sequences to a batch, packed where the settings say so."""
        if self.config.packed:
            return self.processor.pack(sequences, self.config.packed)
        return self.processor.collate(sequences)

    def counts(self, batch: Batch) -> dict[str, int]:
        """How many predictions each of the losses will be a sum over."""
        counts = {name: len(text.ids) for name, text in batch.text.items()}
        for name, drawn in batch.codes.items():
            codes = self.model.plan.pathways[name].codes
            depth = 1 if codes is None else codes.depth
            counts[name] = counts.get(name, 0) + drawn.positions.numel() * depth
        return counts

    def losses(self, batch: Batch) -> tuple[dict[str, Loss], dict[str, Tensor]]:
        """Cross-entropies in nats by pathway; no figures."""
        return self.model.losses(batch), {}

    def samples(self, examples: Sequence[Conversation]) -> Samples | None:
        """Pictures drawn for the examples' prompts and answers to their questions."""
        return samples(self.model, examples)
