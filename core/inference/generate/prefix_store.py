"""Keys and values of prompts that were read, for later prompts of other requests that begin in the same way.

A conversation is sent whole with every turn, and many conversations begin with the same instructions or about the same
picture. What is stored is a copy, so that the rows of a request remain its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import frozen

from ...sequence.cache import KVCache
from ...sequence.spans import Sequence as SpanSequence
from .engine import DecodeState
from .prefix_cache import read_rest, shared_positions

if TYPE_CHECKING:
    from ...model.unified_model import UnifiedModel

LEAST = 32
"""The fewest positions that are stored or reused: fewer are read faster than they are copied."""

MOST_PROMPTS = 64
"""The most prompts that are stored, each of which a new prompt is compared with."""


@frozen(eq=False)
class _Stored:
    """A prompt of P positions, and its keys and values in a cache of one row."""

    prompt: SpanSequence
    cache: KVCache


class PrefixStore:
    """The prompts that were read last by one model, whose weights must not change meanwhile.

    Args:
        most: the bytes that keys and values may take; the prompts that were used least recently are dropped.
    """

    def __init__(self, model: UnifiedModel, most: int) -> None:
        self._model, self._most = model, most
        self._stored: list[_Stored] = []  # in the order of use

    @property
    def nbytes(self) -> int:
        """Bytes of the keys and values."""
        return sum(each.cache.nbytes for each in self._stored)

    def read(self, prompt: SpanSequence, more: int) -> tuple[DecodeState, int] | None:
        """Read a prompt after the longest beginning that is stored; the state, and how many positions were reused.

        None where fewer than ``LEAST`` positions are stored. ``more`` positions may follow the prompt.
        """
        if len(prompt) <= LEAST:
            return None
        counts = [shared_positions(each.prompt, each.cache, prompt) for each in self._stored]
        shared = max(counts, default=0)
        if shared < LEAST:
            return None
        found = self._stored.pop(counts.index(shared))
        rest = self._model.processor.collate([prompt.after(shared)]).to(self._model.device)
        embeddings = self._model.embed(rest)
        if (embeddings.dtype, embeddings.device) != (found.cache.keys.dtype, found.cache.keys.device):
            return None  # the model was moved or converted in between
        self._stored.append(found)
        state = read_rest(self._model, prompt, rest, embeddings, found.cache, more)
        self.keep(prompt, state, 0)
        return state, shared

    def keep(self, prompt: SpanSequence, state: DecodeState, row: int) -> None:
        """Copy the keys and values of a prompt, which end where the filled positions of a row end."""
        cache, length = state.cache, len(prompt)
        if length < LEAST or not isinstance(cache, KVCache):
            return
        if cache.nbytes // (cache.rows * cache.length) * length > self._most:
            return
        for each in self._stored:
            # One of the two begins with the other, and its keys and values are in the longer one.
            common = shared_positions(each.prompt, each.cache, prompt)
            if common >= length - 1:
                return
            if common == len(each.prompt):
                self._stored.remove(each)
                break
        layers, _, heads, _, width = cache.keys.shape
        copy = KVCache(layers, 1, heads, length, width, cache.keys.dtype, cache.keys.device)
        first = cache.filled - length
        copy.keys[:, 0] = cache.keys[:, row, :, first : cache.filled]
        copy.values[:, 0] = cache.values[:, row, :, first : cache.filled]
        copy.advance(length)
        self._stored.append(_Stored(prompt, copy))
        self.trim(self._most)

    def trim(self, most: int) -> None:
        """Drop prompts until what remains takes at most ``most`` bytes."""
        while self._stored and (len(self._stored) > MOST_PROMPTS or self.nbytes > most):
            del self._stored[0]
