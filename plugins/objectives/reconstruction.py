"""The objective `reconstruction`: pictures through a visual tokenizer and back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import torch
from janiform import Conversation, Draw, Look, Loss, Objective, UsageError, contact_sheet, nearest, to_pil
from PIL import Image
from torch import Tensor

from .config import ReconstructionConfig

if TYPE_CHECKING:
    from janiform import Processor, Tokenizer, UnifiedModel


class Reconstruction(Objective):
    """Minimises ``tokenizer.losses`` of every picture in the conversations, whether looked at or drawn."""

    attends = False

    def __init__(self, config: ReconstructionConfig, model: UnifiedModel) -> None:
        super().__init__()
        tokenizers = [name for name, shape in model.plan.pathways.items() if shape.drawn is not None]
        if config.pathway not in tokenizers:
            hint = nearest(config.pathway, tokenizers)
            raise UsageError(
                f"reconstruction trains the tokenizer of '{config.pathway}', which has none"
                + (f" ({hint})" if hint else "")
            )
        self.pathway = config.pathway
        self.processor = model.processor
        self.tokenizer = model.part(f"{config.pathway}.tokenizer")

    def prepare(self, examples: Sequence[Conversation], generator: np.random.Generator) -> Tensor:
        """Stack all pictures of the conversations: pixels [B, 3, h, w] in [-1, 1]."""
        pictures = pictures_of(examples)
        if not pictures:
            raise UsageError("the samples hold no picture to reconstruct: give the stage a source that draws or looks")
        return torch.stack([self.processor.pixels(picture, self.pathway) for picture in pictures])

    def losses(self, batch: Tensor) -> tuple[dict[str, Loss], dict[str, Tensor]]:
        """The tokenizer's losses by name, and its figures."""
        return cast("Tokenizer", self.tokenizer).losses(batch)

    def samples(self, examples: Sequence[Conversation]) -> Image.Image | None:
        """Show up to eight pictures above their reconstructions; None where the examples hold no picture."""
        return reconstructed_pictures(self.tokenizer, self.processor, self.pathway, examples)


def reconstructed_pictures(
    tokenizer: Any, processor: Processor, pathway: str, examples: Sequence[Conversation]
) -> Image.Image | None:
    """Up to eight pictures of a pathway above their reconstructions; None where the examples hold no picture."""
    pictures = pictures_of(examples)[:8]
    if not pictures:
        return None
    pixels = torch.stack([processor.pixels(picture, pathway) for picture in pictures])
    reconstructed = tokenizer.decode(tokenizer.encode(pixels.to(next(tokenizer.parameters()).device)))
    return contact_sheet([to_pil(picture) for picture in [*pixels, *reconstructed]], columns=len(pictures), cell=128)


def pictures_of(examples: Sequence[Conversation]) -> list[Any]:
    """All pictures of the conversations, in order."""
    pieces = [piece for example in examples for turn in example.turns for piece in turn.content]
    return [piece.picture for piece in pieces if isinstance(piece, Look | Draw) and piece.picture is not None]
