"""What generating text and pictures have in common: prompts are checked, and read into a cache in one forward."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch
from attrs import field, frozen
from torch import Tensor, nn

from ..errors import UsageError
from ..sequence.cache import KVCache
from ..sequence.mask import Mask
from ..sequence.spans import Sequence as SpanSequence

if TYPE_CHECKING:
    from ..model import UnifiedModel


@frozen(eq=False)
class Prompts:
    """R prompts that were read, and what is needed to go on from them, one position at a time."""

    model: UnifiedModel
    hidden: Tensor
    """The state that predicts what follows, [R, H]."""
    mask: Mask = field(repr=False)
    cache: KVCache = field(repr=False)
    lengths: Tensor
    """Of each prompt, [R, 1]: the position of what follows."""

    def follow(self, embeddings: Tensor, step: int) -> Tensor:
        """Read the ``step``-th embedding after the prompts, [R, 1, H]; the state that predicts the next, [R, H]."""
        backbone = self.model.part("backbone")
        hidden: Tensor = backbone(embeddings, self.lengths + step, self.mask, self.cache)
        return hidden[:, -1]


def check_room(model: UnifiedModel, prompts: Sequence[SpanSequence], more: int, what: str) -> None:
    """Raises ``UsageError`` for the first prompt that, with ``more`` positions after it, is longer than the context."""
    context = model.plan.hidden.context
    if not prompts:
        raise UsageError("there is no prompt")
    if more > context:
        raise UsageError(f"{more} {what} do not fit into the model's context of {context}: ask for fewer")
    for number, prompt in enumerate(prompts, start=1):
        if len(prompt) + more > context:
            which = f"prompt {number}" if len(prompts) > 1 else "the prompt"
            raise UsageError(
                f"{which} has {len(prompt)} tokens, which with {more} {what} after it do not fit into the model's "
                f"context of {context}: shorten it to {context - more} tokens"
            )


def read(model: UnifiedModel, prompts: Sequence[SpanSequence], more: int) -> Prompts:
    """Read prompts in one forward, with room in the cache for ``more`` positions after the longest."""
    batch = model.processor.collate(prompts, side="left").to(model.device)
    rows, length = batch.ids.shape
    embeddings = model.embed(batch)
    shape = model.plan.hidden
    cache = KVCache(
        shape.layers, rows, shape.kv_heads, length + more, shape.head_width, embeddings.dtype, embeddings.device
    )
    mask = Mask.decoding(batch.documents, batch.blocks, length=length + more)
    hidden: Tensor = model.part("backbone")(embeddings, batch.positions, mask, cache)
    # Left padding puts every prompt's last token at the end of its row.
    return Prompts(model, hidden[:, -1], mask, cache, batch.positions[:, -1:] + 1)


@contextmanager
def generating(model: nn.Module) -> Iterator[None]:
    """Without gradients, and with every module in evaluation mode, as each was before afterwards."""
    training = [module for module in model.modules() if module.training]
    # Not inference mode: tables that parts build on first use must remain good for training.
    with torch.no_grad():
        try:
            for module in training:
                module.training = False
            yield
        finally:
            for module in training:
                module.training = True
