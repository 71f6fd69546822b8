"""Pictures and captions that belong together, by the sigmoid loss of SigLIP (arXiv:2303.15343)."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import torch.nn.functional as F
from attrs import frozen
from janiform import Conversation, Draw, Loss, Objective, UsageError, nearest, summed_cross_entropy
from torch import Tensor, nn

from .config import ContrastiveConfig
from .towers import AttentionPool, CaptionDecoder, MeanPool, TextTower, heads_for

if TYPE_CHECKING:
    from janiform import UnifiedModel


FEW = (
    "the samples of a step hold fewer than two captioned pictures: contrastive wants a source that draws, and a larger "
    "batch"
)


CAPTION = "caption"
"""The name of the decoder's loss."""


@frozen(eq=False)
class Pairs:
    """Pictures with a caption each: pixels [B, 3, h, w]; ids int64 [B, T], 0 where ``present`` [B, T] says no token.

    ``places`` [n] are those of the tokens, counted through all rows.
    """

    pixels: Tensor
    ids: Tensor
    present: Tensor
    places: Tensor

    def to(self, device: torch.device, non_blocking: bool = False) -> Pairs:
        parts = (self.pixels, self.ids, self.present, self.places)
        return Pairs(*(part.to(device, non_blocking=non_blocking) for part in parts))

    def pin_memory(self) -> Pairs:
        return Pairs(*(part.pin_memory() for part in (self.pixels, self.ids, self.present, self.places)))


class Contrastive(Objective):
    """Every picture against every caption of the batch: does this one describe that one, yes or no.

    Captions are the prompts of conversations in which a picture is drawn. Captions with the same words count as the
    same caption, so that no picture is pushed away from its own words.

    With ``decoder``, a decoder tells each caption from all features of its picture, as in SigLIP 2 (arXiv:2502.14786).
    What one pooled vector need not hold, such as what is where, is in the features then.

    Where several processes share a step, each has the rows of its own pictures in the table of all pairs, whose columns
    are the captions of all of them.
    """

    attends = False
    divisible = True
    compares_samples = True

    def __init__(self, config: ContrastiveConfig, model: UnifiedModel) -> None:
        super().__init__()
        encoders = [name for name, shape in model.plan.pathways.items() if shape.mode == "look" and shape.codes is None]
        if config.pathway not in encoders:
            hint = nearest(config.pathway, encoders)
            raise UsageError(
                f"contrastive trains the encoder of '{config.pathway}', which has none" + (f" ({hint})" if hint else "")
            )
        self.pathway = config.pathway
        self.length = config.length
        self.processor = model.processor
        self.encoder = model.part(f"{config.pathway}.encoder")
        width = model.plan.parts[f"{config.pathway}.encoder"].output.width
        self.pool = AttentionPool(width, heads_for(width)) if config.pool == "attention" else MeanPool()
        self.vocabulary = vocabulary = model.plan.hidden.vocabulary
        self.text = TextTower(vocabulary, config.length, config.width, config.layers, config.heads, width)
        sizes = (vocabulary, config.length, config.width, config.decoder, config.heads, width)
        self.decoder = CaptionDecoder(*sizes) if config.decoder else None
        self.log_temperature = nn.Parameter(torch.tensor(math.log(config.temperature)))
        self.bias = nn.Parameter(torch.tensor(config.bias))

    def prepare(self, examples: Sequence[Conversation], generator: np.random.Generator) -> Pairs:
        """The captioned pictures of the conversations."""
        pairs = [pair for example in examples for pair in captioned(example)]
        if not pairs:
            raise UsageError(FEW)
        ids = [self.processor.text.encode(caption)[: self.length] for caption, _ in pairs]
        longest = max(map(len, ids))
        padded = torch.tensor([row + [0] * (longest - len(row)) for row in ids])
        present = torch.tensor([[True] * len(row) + [False] * (longest - len(row)) for row in ids])
        pixels = torch.stack([self.processor.pixels(picture, self.pathway) for _, picture in pairs])
        return Pairs(pixels, padded, present, present.flatten().nonzero().flatten())

    def counts(self, batch: Pairs) -> dict[str, int]:
        """The pictures, and where there is a decoder the tokens of their captions."""
        pictures = {self.pathway: len(batch.ids)}
        return pictures if self.decoder is None else pictures | {CAPTION: len(batch.places)}

    def losses(self, batch: Pairs) -> tuple[dict[str, Loss], dict[str, Tensor]]:
        """The loss under the pathway's name, counted in pictures; and how often a picture's best caption is its own.

        Where there is a decoder, also the cross-entropy of the captions, counted in tokens.
        """
        features = self.encoder(batch.pixels)
        pictures = F.normalize(self.pool(features).float(), dim=-1)
        captions = self.gather(F.normalize(self.text(batch.ids, batch.present).float(), dim=-1))
        if len(captions) < 2:
            raise UsageError(FEW)
        own = F.pad(batch.ids, (0, self.length - batch.ids.shape[1]))
        ids = self.gather(own)
        with torch.autocast(batch.pixels.device.type, enabled=False):
            scores = self.log_temperature.exp() * pictures @ captions.T + self.bias
            same = (own[:, None] == ids[None]).all(-1)
            total = -F.logsigmoid(torch.where(same, scores, -scores)).sum()
        found = same.gather(1, scores.argmax(1, keepdim=True)).float().mean()
        count = torch.full((), float(len(pictures)), device=total.device)
        losses = {self.pathway: Loss(total, count)}
        if self.decoder is not None:
            states = self.decoder(batch.ids, batch.places, features)
            wanted = batch.ids.flatten()[batch.places]
            told = summed_cross_entropy(self.decoder.head, states, wanted, self.vocabulary)
            losses[CAPTION] = Loss(told, torch.full_like(count, float(len(wanted))))
        return losses, {
            "retrieval": found.detach(),
            "temperature": self.log_temperature.exp().detach(),
        }


def captioned(conversation: Conversation) -> Iterator[tuple[str, Any]]:
    """Each drawn picture with the words before it."""
    words = ""
    for turn in conversation.turns:
        if turn.role == "user":
            words = turn.text
        for piece in turn.content:
            if isinstance(piece, Draw) and piece.picture is not None and words:
                yield words, piece.picture
