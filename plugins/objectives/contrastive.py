"""The objective `contrastive`: matching pictures and captions by the sigmoid loss of SigLIP (arXiv:2303.15343)."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
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
    from janiform import PathwayShape, Plan, UnifiedModel


FEW = (
    "the samples of a step hold fewer than two captioned pictures: contrastive needs a source that draws, and a larger "
    "batch"
)


CAPTION = "caption"
"""The name of the decoder's loss."""


@frozen(eq=False)
class Pairs:
    """Pictures with a caption each: pixels [B, 3, h, w]; ids int64 [B, T], 0 where ``present`` [B, T] is false.

    ``positions`` [n]: flat positions of the tokens among the B·T of all rows.
    """

    pixels: Tensor
    ids: Tensor
    present: Tensor
    positions: Tensor

    def to(self, device: torch.device, non_blocking: bool = False) -> Pairs:
        parts = (self.pixels, self.ids, self.present, self.positions)
        return Pairs(*(part.to(device, non_blocking=non_blocking) for part in parts))

    def pin_memory(self) -> Pairs:
        return Pairs(*(part.pin_memory() for part in (self.pixels, self.ids, self.present, self.positions)))


class Contrastive(Objective):
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

    def __init__(self, config: ContrastiveConfig, model: UnifiedModel) -> None:
        super().__init__()
        encoders = [name for name, shape in model.plan.pathways.items() if _has_encoder(model.plan, name, shape)]
        if config.pathway not in encoders:
            hint = nearest(config.pathway, encoders)
            raise UsageError(
                f"contrastive trains the encoder of '{config.pathway}', which has none" + (f" ({hint})" if hint else "")
            )
        self.pathway = config.pathway
        self.length = config.length
        self.processor = model.processor
        path = config.encoder_of(model.plan)
        part = model.part(path)
        self.encoder = part if path.endswith(".encoder") else part.encoder
        width = model.plan.parts[path].output.width
        self.pool = AttentionPool(width, heads_for(width)) if config.pool == "attention" else MeanPool()
        self.vocabulary = vocabulary = model.plan.hidden.vocabulary
        self.text = TextTower(vocabulary, config.length, config.width, config.layers, config.heads, width)
        sizes = (vocabulary, config.length, config.width, config.decoder, config.heads, width)
        self.decoder = CaptionDecoder(*sizes) if config.decoder else None
        self.log_temperature = nn.Parameter(torch.tensor(math.log(config.temperature)))
        self.bias = nn.Parameter(torch.tensor(config.bias))

    def prepare(self, examples: Sequence[Conversation], generator: np.random.Generator) -> Pairs:
        """Collect the captioned pictures of the conversations."""
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
        """The number of pictures, and with a decoder of the tokens of their captions."""
        pictures = {self.pathway: len(batch.ids)}
        return pictures if self.decoder is None else pictures | {CAPTION: len(batch.positions)}

    def losses(self, batch: Pairs) -> tuple[dict[str, Loss], dict[str, Tensor]]:
        """The loss by the pathway's name, per picture; and the fraction of pictures whose best caption is their own.

        With a decoder, also the cross-entropy of the captions, per token.
        """
        features = self.encoder(batch.pixels)
        pictures = F.normalize(self.pool(features).float(), dim=-1)
        captions = self.gather(F.normalize(self.text(batch.ids, batch.present).float(), dim=-1))
        if len(captions) < 2:
            raise UsageError(FEW)
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
        losses = {self.pathway: Loss(total, count)}
        if self.decoder is not None:
            states = self.decoder(batch.ids, batch.positions, features)
            targets = batch.ids.flatten()[batch.positions]
            caption = summed_cross_entropy(self.decoder.head, states, targets, self.vocabulary)
            losses[CAPTION] = Loss(caption, torch.full_like(count, float(len(targets))))
        return losses, {
            "retrieval": retrieved.detach(),
            "temperature": self.log_temperature.exp().detach(),
        }


def _has_encoder(plan: Plan, name: str, shape: PathwayShape) -> bool:
    """Whether a pathway looks through an encoder, or through a tokenizer whose latents are the features of one."""
    if shape.mode != "look":
        return False
    return shape.drawn is None or hasattr(plan.parts[f"{name}.tokenizer"].use.config, "features")


def captioned(conversation: Conversation) -> Iterator[tuple[str, Any]]:
    """Yield each drawn picture with the prompt before it."""
    words = ""
    for turn in conversation.turns:
        if turn.role == "user":
            words = turn.text
        for piece in turn.content:
            if isinstance(piece, Draw) and piece.picture is not None and words:
                yield words, piece.picture
