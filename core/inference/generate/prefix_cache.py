"""What a model has read of a conversation: the next prompt is read from where it goes on otherwise.

Nothing is taken on trust: a prompt is compared with what was read, token by token and picture by picture, and the keys
and values of what is the same are used again. What differs, as an answer does whose tokens are other ones when it is
read as text, is read anew, with all that follows it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, cast

import torch
from torch import Tensor

from ...sequence.cache import KVCache
from ...sequence.mask import Mask
from ...sequence.spans import Sequence as SpanSequence
from ...sequence.spans import Span
from .prefill import Prompts, new_cache

if TYPE_CHECKING:
    from ...model.unified_model import UnifiedModel


class Past:
    """The keys and values of one conversation with one model, whose weights stay as they are."""

    def __init__(self) -> None:
        self.forget()

    @property
    def nbytes(self) -> int:
        """Memory that it takes."""
        return 0 if self._cache is None else self._cache.nbytes

    def forget(self) -> None:
        """Give the memory back; the next prompt is read whole."""
        self._cache: KVCache | None = None
        self._prompt = SpanSequence(())
        self._said: list[int] = []

    def said(self, id: int) -> None:
        """A token was chosen, which the model reads next, if at all."""
        self._said.append(id)

    def shared(self, prompt: SpanSequence) -> int:
        """How many positions of a prompt were read already: all but the last at most, whose state must be computed."""
        if self._cache is None:
            return 0
        most = min(self._cache.filled, len(prompt) - 1)
        read = SpanSequence((*self._prompt.spans, Span("text", self._said)))
        count = 0
        for mine, theirs in zip(_pieces(read), _pieces(prompt), strict=False):
            length = mine.length if isinstance(mine, Span) else 1
            if not _same(mine, theirs) or count + length > most:
                break
            count += length
        return count

    def read(self, model: UnifiedModel, prompt: SpanSequence, more: int) -> Prompts:
        """``prompts.read`` for one prompt. What is followed from here on is remembered, as far as ``said`` tells it."""
        known = self.shared(prompt)
        embeddings = model.embed(model.processor.collate([prompt.after(known)]).to(model.device))
        old = self._cache
        if known and old is not None and (old.keys.dtype, old.keys.device) != (embeddings.dtype, embeddings.device):
            self.forget()  # the model was moved in between
            return self.read(model, prompt, more)
        length = len(prompt) + more
        cache = new_cache(model, 1, length, embeddings)
        if known and old is not None:
            for layer in range(len(cache.keys)):
                cache.append(layer, old.keys[layer, :, :, :known], old.values[layer, :, :, :known])
            cache.advance(known)
        whole = model.processor.collate([prompt])
        documents, blocks = whole.documents.to(model.device), whole.blocks.to(model.device)
        mask = Mask.decoding(documents, blocks, length=length, attention=model.attention)
        positions = whole.positions.to(model.device)
        hidden: Tensor = model.part("backbone")(embeddings, positions[:, known:], mask, cache)
        self._cache, self._prompt, self._said = cache, prompt, []
        return Prompts(model, hidden[:, -1], mask, cache, positions[:, -1:] + 1)


def _pieces(sequence: SpanSequence) -> Iterator[int | Span]:
    """What can be read for itself: every token of a causal text, and everything else as a whole."""
    for span in sequence.spans:
        if span.kind == "text" and span.mask == "causal":
            yield from span.ids
        else:
            yield span


def _same(mine: int | Span, theirs: int | Span) -> bool:
    if not isinstance(mine, Span) or not isinstance(theirs, Span) or mine.picture is None or theirs.picture is None:
        return mine == theirs
    one, other = cast(Tensor, mine.picture), cast(Tensor, theirs.picture)
    return mine == theirs and one.dtype == other.dtype and torch.equal(one, other)
