"""The keys and values of a conversation, reused by the next prompt that begins in the same way.

Every prompt is compared with what was read, token by token and picture by picture, and only keys and values of equal
positions are reused. The first difference and everything after it is read again: an answer, for instance, may have
other token ids when it is encoded as text.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, cast

import torch
from torch import Tensor

from ...sequence.cache import Cache
from ...sequence.mask import Mask
from ...sequence.spans import Sequence as SpanSequence
from ...sequence.spans import Span
from .engine import DecodeState, new_cache

if TYPE_CHECKING:
    from ...model.unified_model import UnifiedModel
    from ...sequence.batch import Batch


class PrefixCache:
    """The keys and values of one conversation with one model, whose weights must not change meanwhile."""

    def __init__(self) -> None:
        self.clear()

    @property
    def nbytes(self) -> int:
        """Bytes of the keys and values."""
        return 0 if self._cache is None else self._cache.nbytes

    def clear(self) -> None:
        """Free the memory; the next prompt is read whole."""
        self._cache: Cache | None = None
        self._like: tuple[torch.dtype, torch.device] | None = None
        self._prompt = SpanSequence(())
        self._generated: list[int] = []

    def add(self, id: int) -> None:
        """Note a token that was sampled, which the model reads next unless the answer ends."""
        self._generated.append(id)

    def shared(self, prompt: SpanSequence) -> int:
        """Count the positions of a prompt that were read already; the last one is always left to be read."""
        if self._cache is None:
            return 0
        return shared_positions(SpanSequence((*self._prompt.spans, Span("text", self._generated))), self._cache, prompt)

    def prefill(self, model: UnifiedModel, prompt: SpanSequence, more: int) -> DecodeState:
        """Read a prompt from the first position on that differs, with space for ``more`` positions after it.

        What is generated from the state can be reused in turn, as far as ``add`` is told of it.
        """
        shared = self.shared(prompt)
        rest = model.processor.collate([prompt.after(shared)]).to(model.device)
        embeddings = model.embed(rest)
        if shared and self._like != (embeddings.dtype, embeddings.device):
            self.clear()  # the model was moved or converted in between
            return self.prefill(model, prompt, more)
        state = read_rest(model, prompt, rest, embeddings, self._cache if shared else None, more)
        self._cache, self._prompt, self._generated = state.cache, prompt, []
        self._like = embeddings.dtype, embeddings.device
        return state


def shared_positions(read: SpanSequence, cache: Cache, prompt: SpanSequence) -> int:
    """Count the positions at the beginning of a prompt whose keys and values a cache has.

    Args:
        read: what the cache was read from, in one row; it may be longer than what the cache holds.
        prompt: its last position never counts, since its state is needed.
    """
    most = min(cache.filled, len(prompt) - 1)
    count = 0
    for old, new in zip(_pieces(read), _pieces(prompt), strict=False):
        length = old.length if isinstance(old, Span) else 1
        if not _same(old, new) or count + length > most:
            break
        count += length
    count = min(_outside_blocks(read, count), _outside_blocks(prompt, count))
    return count if cache.rewinds or count == cache.filled else 0


def read_rest(
    model: UnifiedModel, prompt: SpanSequence, rest: Batch, embeddings: Tensor, old: Cache | None, more: int
) -> DecodeState:
    """Read the rest of a prompt of P positions after those that a cache has, with space for ``more`` positions.

    Args:
        rest: the last T positions of the prompt, with their embeddings [1, T, H].
        old: a cache whose first P - T positions are the prompt's; it is left as it is. None where T is P.
    """
    length, shared = len(prompt) + more, len(prompt) - embeddings.shape[1]
    cache = new_cache(model, 1, length, embeddings) if old is None else old.take(None, length, shared)
    batch = model.processor.collate([prompt])
    documents, blocks, seen = batch.declared.mapped(lambda tensor: tensor.to(model.device))
    mask = Mask.decoding(documents, blocks, length=length, seen=seen, attention=model.attention)
    positions = batch.positions.to(model.device)
    hidden = model.run(embeddings, positions[:, shared:], mask, cache, rest.routes)
    return DecodeState(hidden[:, -1], mask, cache, positions[:, -1:] + 1)


def _outside_blocks(sequence: SpanSequence, count: int) -> int:
    """At most ``count`` positions, so that no block is cut: all of it is read before any of it is kept."""
    start, block = 0, 0
    for index, span in enumerate(sequence.spans):
        if not (span.block and index and sequence.spans[index - 1].block == span.block):
            block = start
        start += span.length
        following = sequence.spans[index + 1] if index + 1 < len(sequence.spans) else None
        goes_on = span.block > 0 and following is not None and following.block == span.block
        if start >= count:
            return block if goes_on or (start > count and span.full) else count
    return count


def _pieces(sequence: SpanSequence) -> Iterator[int | Span]:
    """What can be read by itself: every token of a causal text, and every other span as a whole."""
    for span in sequence.spans:
        if span.plain:
            yield from span.ids
        else:
            yield span


def _same(old: int | Span, new: int | Span) -> bool:
    if not isinstance(old, Span) or not isinstance(new, Span) or old.picture is None or new.picture is None:
        return old == new
    before, after = cast(Tensor, old.picture), cast(Tensor, new.picture)
    return old == new and before.dtype == after.dtype and torch.equal(before, after)
