"""The objective `reconstruction`: pictures through a visual tokenizer and back."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import torch
from janiform import (
    Codes,
    Conversation,
    Draw,
    Look,
    Loss,
    Objective,
    Samples,
    TokenizerQuality,
    UsageError,
    contact_sheet,
    nearest,
    to_pil,
)
from torch import Tensor

from .config import ReconstructionConfig

if TYPE_CHECKING:
    from janiform import Latents, Processor, Tokenizer, UnifiedModel


SHOWN = 8
"""Pictures on the sheet of samples."""


PLAIN = 1e-6
"""Variance of pixels in [-1, 1] below which pictures are plain: a step of 8 bits has about 6e-5."""


class Reconstruction(Objective):
    """Minimises ``tokenizer.losses`` of every picture in the conversations, whether looked at or drawn."""

    attends = False
    measures_tokenizer = True

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
        self.drawn = model.plan.pathways[config.pathway].drawn

    def prepare(self, examples: Sequence[Conversation], generator: np.random.Generator) -> Tensor:
        """Stack all pictures of the conversations: pixels [B, 3, h, w] in [-1, 1]."""
        pictures = pictures_of(examples)
        if not pictures:
            raise UsageError("the samples hold no picture to reconstruct: give the stage a source that draws or looks")
        return torch.stack([self.processor.pixels(picture, self.pathway) for picture in pictures])

    def losses(self, batch: Tensor) -> tuple[dict[str, Loss], dict[str, Tensor]]:
        """The tokenizer's losses by name, and its figures."""
        return cast("Tokenizer", self.tokenizer).losses(batch)

    def samples(self, examples: Sequence[Conversation]) -> Samples | None:
        """Show up to eight pictures above their reconstructions, with the quality; None without pictures."""
        return reconstruction_samples(self.tokenizer, self.drawn, self.processor, self.pathway, examples)


def reconstruction_samples(
    tokenizer: Any,
    drawn: Codes | Latents | None,
    processor: Processor,
    pathway: str,
    examples: Sequence[Conversation],
) -> Samples | None:
    """Up to eight pictures of a pathway above their reconstructions, and how good those of all pictures are.

    None where the examples hold no picture.
    """
    pictures = pictures_of(examples)
    if not pictures:
        return None
    device = next(tokenizer.parameters()).device
    pixels_B3hw = torch.stack([processor.pixels(picture, pathway) for picture in pictures])
    codes, decoded = [], []
    for some in pixels_B3hw.split(SHOWN):
        codes.append(tokenizer.encode(some.to(device)).cpu())
        decoded.append(tokenizer.decode(codes[-1].to(device)).float().cpu().clamp(-1, 1))
    vocabulary = drawn.vocabulary if isinstance(drawn, Codes) else 0
    quality = tokenizer_quality(pixels_B3hw, torch.cat(decoded), torch.cat(codes), vocabulary)
    shown = [to_pil(picture) for picture in [*pixels_B3hw[:SHOWN], *decoded[0]]]
    number = len(decoded[0])
    captions = [*["picture"] * number, *["reconstruction"] * number]
    return Samples(contact_sheet(shown, captions, columns=number, cell=128), tokenizer=quality)


def tokenizer_quality(pixels: Tensor, decoded: Tensor, codes: Tensor, vocabulary: int) -> TokenizerQuality | None:
    """How good reconstructions are. None where every picture is plain, or an error is not finite.

    Args:
        pixels, decoded: [B, 3, h, w] in [-1, 1].
        codes: int64 [B, N, d]; latents where ``vocabulary`` is 0.
    """
    variance = (pixels - pixels.mean((2, 3), keepdim=True)).square().mean().item()
    error = (pixels - decoded).square().mean().item()
    if variance < PLAIN or not math.isfinite(error):
        return None
    used, perplexity = [], []
    for codes_R in codes.flatten(0, 1).unbind(-1) if vocabulary else ():
        counts = codes_R.unique(return_counts=True)[1].double()
        chance = counts / counts.sum()
        used.append(len(counts))
        perplexity.append(float(torch.exp(-(chance * chance.log()).sum())))
    return TokenizerQuality(error / variance, len(pixels), vocabulary, tuple(used), tuple(perplexity))


def pictures_of(examples: Sequence[Conversation]) -> list[Any]:
    """All pictures of the conversations, in order."""
    pieces = [piece for example in examples for turn in example.turns for piece in turn.content]
    return [piece.picture for piece in pieces if isinstance(piece, Look | Draw) and piece.picture is not None]
