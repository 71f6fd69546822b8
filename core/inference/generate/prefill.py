"""What generating text and pictures have in common: prompts are checked, and read into a cache in one forward."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch
from attrs import field, frozen
from torch import Tensor, nn

from ...errors import UsageError
from ...sequence.cache import KVCache
from ...sequence.mask import Mask
from ...sequence.spans import Sequence as SpanSequence

if TYPE_CHECKING:
    from ...model.unified_model import UnifiedModel


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
    last: int | None = None
    """The last position there is, where a row that has ended may be carried past it by longer ones."""

    def follow(self, embeddings: Tensor, step: int) -> Tensor:
        """Read the ``step``-th embedding after the prompts, [R, 1, H]; the state that predicts the next, [R, H]."""
        backbone = self.model.part("backbone")
        positions = self.lengths + step
        if self.last is not None:
            positions = positions.clamp(max=self.last)
        hidden: Tensor = backbone(embeddings, positions, self.mask, self.cache)
        return hidden[:, -1]


def check_room(
    model: UnifiedModel, prompts: Sequence[SpanSequence], more: int | Sequence[int], what: str, *, fewer: bool = False
) -> None:
    """Raises ``UsageError`` for the first prompt that, with ``more`` positions after it, is longer than the context.

    Also for one with an id that the backbone has no embedding for. ``more`` may be one number for each prompt;
    ``fewer`` says that fewer can be asked for. The sentence says how many.
    """
    context, vocabulary = model.plan.hidden.context, model.plan.hidden.vocabulary
    if not prompts:
        raise UsageError("there is no prompt")
    wanted = [more] * len(prompts) if isinstance(more, int) else more
    for number, (prompt, count) in enumerate(zip(prompts, wanted, strict=True), start=1):
        which = f"prompt {number}" if len(prompts) > 1 else "the prompt"
        strange = next((id for id in prompt.ids if not 0 <= id < vocabulary), None)
        if strange is not None:
            raise UsageError(
                f"{which} has the id {strange}; the model has embeddings for the ids 0 to {vocabulary - 1}"
            )
        room = context - len(prompt)
        if count <= room:
            continue
        advice = [f"shorten it to {context - count} tokens"] if count < context else []
        if fewer and room > 0:
            advice.append(f"ask for at most {room}")
        raise UsageError(
            f"{which} has {len(prompt)} tokens, after which {count} {what} do not fit into the model's context of "
            f"{context}: " + (" or ".join(advice) or "shorten it and ask for fewer")
        )


def read(model: UnifiedModel, prompts: Sequence[SpanSequence], more: int) -> Prompts:
    """Read prompts in one forward, with room in the cache for ``more`` positions after the longest.

    A prompt that several rows share is read once: many pictures of one prompt, and blanked prompts of one length.
    """
    different, rows = _different(prompts)
    batch = model.processor.collate(different, side="left").to(model.device)
    length = batch.ids.shape[1]
    embeddings = model.embed(batch)
    repeated = len(different) < len(prompts)
    cache = new_cache(model, len(different), length + (0 if repeated else more), embeddings)
    mask = Mask.decoding(
        batch.documents, batch.blocks, length=length + more, attention=model.attention, host=batch.host
    )
    hidden: Tensor = model.part("backbone")(embeddings, batch.positions, mask, cache)
    # Left padding puts every prompt's last token at the end of its row.
    last, lengths = hidden[:, -1], batch.positions[:, -1:] + 1
    if repeated:
        at = torch.tensor(rows, device=embeddings.device)
        read_once, cache = cache, new_cache(model, len(rows), length + more, embeddings)
        for layer in range(len(cache.keys)):
            cache.append(layer, read_once.keys[layer, at], read_once.values[layer, at])
        cache.advance(length)
        mask = Mask.decoding(
            batch.documents[at],
            batch.blocks[at],
            length=length + more,
            attention=model.attention,
            host=None if batch.host is None else (batch.host[0][rows], batch.host[1][rows]),
        )
        last, lengths = last[at], lengths[at]
    context = model.plan.hidden.context
    return Prompts(model, last, mask, cache, lengths, context - 1 if length + more > context else None)


def _different(prompts: Sequence[SpanSequence]) -> tuple[list[SpanSequence], list[int]]:
    """The prompts without repetition, and the index of each among them. Prompts with pictures count as different."""
    found: dict[tuple[int, ...] | int, int] = {}
    different: list[SpanSequence] = []
    rows = []
    for number, prompt in enumerate(prompts):
        plain = all(span.kind == "text" and span.mask == "causal" for span in prompt.spans)
        key = tuple(prompt.ids) if plain else number
        if key not in found:
            found[key] = len(different)
            different.append(prompt)
        rows.append(found[key])
    return different, rows


def new_cache(model: UnifiedModel, rows: int, length: int, like: Tensor) -> KVCache:
    """An empty cache for a model, of the type and on the device of ``like``."""
    shape = model.plan.hidden
    return KVCache(shape.layers, rows, shape.kv_heads, length, shape.head_width, like.dtype, like.device)


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
