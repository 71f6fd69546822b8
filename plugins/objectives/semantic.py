"""The objective `semantic`: a tokenizer that reconstructs pictures, and whose codes tell their captions.

As in VILA-U (arXiv:2409.04429) and UniTok (arXiv:2502.20321), the loss of SigLIP (arXiv:2303.15343) compares captions
with the vectors of the codes, after quantisation, so that the codes themselves keep what a picture means.

B pictures    N positions of a picture    D width of a code's vector, or values of a latent
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
from janiform import Conversation, Loss, Samples, UsageError, nearest
from torch import Tensor, nn

from .config import SemanticConfig
from .matching import Matching
from .pairs import Pairs
from .reconstruction import reconstruction_samples

if TYPE_CHECKING:
    from janiform import UnifiedModel


RECONSTRUCTION, CONTRASTIVE = "reconstruction", "contrastive"


class Semantic(Matching):
    """Trains a tokenizer by the sum of its own losses, ``reconstruction``, and by pairs with captions, ``contrastive``.

    Both are counted in pictures. A stage weighs them by these names (``weights``). The vectors of a picture's codes, or
    its latents, are mapped to the text tower's width and pooled; gradients pass through the quantiser to the encoder.

    A step is shared by several processes where the losses of the tokenizer are sums over pictures, as its config says
    by ``divisible``; otherwise one process trains alone.
    """

    name = "semantic"
    matching = CONTRASTIVE
    measures_tokenizer = True

    def __init__(self, config: SemanticConfig, model: UnifiedModel) -> None:
        super().__init__(config, model)
        tokenizers = [name for name, shape in model.plan.pathways.items() if shape.drawn is not None]
        if config.pathway not in tokenizers:
            hint = nearest(config.pathway, tokenizers)
            raise UsageError(
                f"semantic trains the tokenizer of '{config.pathway}', which has none" + (f" ({hint})" if hint else "")
            )
        self.drawn = model.plan.pathways[config.pathway].drawn
        path = model.plan.owner(f"{config.pathway}.tokenizer")
        part = model.plan.parts[path]
        self.tokenizer: Any = model.part(path)
        if not callable(getattr(self.tokenizer, "losses_and_vectors", None)):
            raise UsageError(
                f"semantic compares the vectors of codes with captions, but {part.use.component.reference} of {path} "
                "does not give them in training (losses_and_vectors): use another tokenizer, or the objective "
                "'reconstruction'"
            )
        self.divisible = bool(getattr(part.use.config, "divisible", False))
        self.projection = nn.Linear(part.output.width, config.width)  # type: ignore[union-attr]
        self.add_towers(config.width)

    def counts(self, batch: Pairs) -> dict[str, int]:
        """The number of pictures, twice, and with a decoder of the tokens of their captions."""
        return {RECONSTRUCTION: len(batch.ids)} | super().counts(batch)

    def losses(self, batch: Pairs) -> tuple[dict[str, Loss], dict[str, Tensor]]:
        """The losses ``reconstruction`` and ``contrastive``; and the figures of the tokenizer and of the pairs.

        The figures have the losses of the tokenizer, of which ``reconstruction`` is the sum, by their names.
        """
        own, figures, vectors_BND = self.tokenizer.losses_and_vectors(batch.pixels)
        means = {name: loss.mean for name, loss in own.items()}
        count = torch.full((), float(len(batch.pixels)), device=batch.pixels.device)
        losses = {RECONSTRUCTION: Loss(torch.stack(list(means.values())).sum() * count, count)}
        matched, matching_figures = self.match(self.projection(vectors_BND.to(self.projection.weight.dtype)), batch)
        return losses | matched, {name: mean.detach() for name, mean in means.items()} | figures | matching_figures

    def samples(self, examples: Sequence[Conversation]) -> Samples | None:
        """Show up to eight pictures above their reconstructions, with the quality; None without pictures."""
        return reconstruction_samples(self.tokenizer, self.drawn, self.processor, self.pathway, examples)
