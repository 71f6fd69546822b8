"""What objectives that match pictures with captions have in common: the sigmoid loss of SigLIP (arXiv:2303.15343).

B pictures    N features of a picture    D their width    n tokens of all captions
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import nullcontext
from typing import TYPE_CHECKING

import numpy as np
import torch
import torch.nn.functional as F
from janiform import Conversation, Loss, Objective, UsageError, summed_cross_entropy
from torch import Tensor, nn

from .config import MatchingConfig
from .pairs import Pairs, pairs_of
from .towers import AttentionPool, CaptionDecoder, MeanPool, TextTower, heads_for

if TYPE_CHECKING:
    from janiform import UnifiedModel


CAPTION = "caption"
"""The name of the decoder's loss."""


class Matching(Objective):
    """Classifies every pair of a picture and a caption of the batch as matching or not.

    Captions are the prompts of conversations in which a picture is drawn. Captions with the same words count as the
    same caption, so that no picture is pushed away from its own words.

    With ``decoder``, a decoder also predicts each caption from all features of its picture, as in SigLIP 2
    (arXiv:2502.14786), so that the features keep what one pooled vector may lose, such as positions.

    Where several processes share a step, each computes the rows of its own pictures in the table of all pairs, whose
    columns are the captions of all processes.
    """

    attends = False
    divisible = True
    compares_samples = True

    name: str
    """The name of the objective in messages."""
    matching: str
    """The name of the loss of pairs."""

    def __init__(self, config: MatchingConfig, model: UnifiedModel) -> None:
        super().__init__()
        self.config = config
        self.pathway = config.pathway
        self.length = config.length
        self.processor = model.processor
        self.vocabulary = model.plan.hidden.vocabulary

    def add_towers(self, width: int) -> None:
        """Make what only training needs, for features of a width D."""
        config = self.config
        self.pool = AttentionPool(width, heads_for(width)) if config.pool == "attention" else MeanPool()
        self.text = TextTower(self.vocabulary, config.length, config.width, config.layers, config.heads, width)
        sizes = (self.vocabulary, config.length, config.width, config.decoder, config.heads, width)
        self.decoder = CaptionDecoder(*sizes) if config.decoder else None
        self.log_temperature = nn.Parameter(torch.tensor(math.log(config.temperature)))
        self.bias = nn.Parameter(torch.tensor(config.bias))

    def prepare(self, examples: Sequence[Conversation], generator: np.random.Generator) -> Pairs:
        """Collect the captioned pictures of the conversations."""
        pairs = pairs_of(examples, self.processor, self.pathway, self.length)
        if pairs is None:
            raise UsageError(self._few)
        return pairs

    def counts(self, batch: Pairs) -> dict[str, int]:
        """The number of pictures, and with a decoder of the tokens of their captions."""
        pictures = {self.matching: len(batch.ids)}
        return pictures if self.decoder is None else pictures | {CAPTION: len(batch.positions)}

    def match(self, features: Tensor, batch: Pairs) -> tuple[dict[str, Loss], dict[str, Tensor]]:
        """Features [B, N, D] of a batch's pictures to the losses by name: of pairs, and with a decoder of captions.

        The former is counted in pictures, the latter in tokens. Figures: the fraction of pictures whose best caption is
        their own, and the factor of the cosine of a pair.
        """
        pictures = F.normalize(self.pool(features).float(), dim=-1)
        captions = self.gather(F.normalize(self.text(batch.ids, batch.present).float(), dim=-1))
        if len(captions) < 2:
            raise UsageError(self._few)
        own = F.pad(batch.ids, (0, self.length - batch.ids.shape[1]))
        ids = self.gather(own)
        kind = batch.pixels.device.type
        # The meta device, on which steps are counted, has no autocast.
        with torch.autocast(kind, enabled=False) if torch.amp.is_autocast_available(kind) else nullcontext():
            scores = self.log_temperature.exp() * pictures @ captions.T + self.bias
            same = (own[:, None] == ids[None]).all(-1)
            total = -F.logsigmoid(torch.where(same, scores, -scores)).sum()
        retrieved = same.gather(1, scores.argmax(1, keepdim=True)).float().mean()
        count = torch.full((), float(len(pictures)), device=total.device)
        losses = {self.matching: Loss(total, count)}
        if self.decoder is not None:
            states = self.decoder(batch.ids, batch.positions, features)
            targets = batch.ids.flatten()[batch.positions]
            caption = summed_cross_entropy(self.decoder.head, states, targets, self.vocabulary)
            losses[CAPTION] = Loss(caption, torch.full_like(count, float(len(targets))))
        return losses, {
            "retrieval": retrieved.detach(),
            "temperature": self.log_temperature.exp().detach(),
        }

    @property
    def _few(self) -> str:
        return (
            f"the samples of a step hold fewer than two captioned pictures: {self.name} needs a source that draws, and "
            "a larger batch"
        )
