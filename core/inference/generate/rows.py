"""Rows that are decoded in one forward, though their generations began at different times.

All rows of a cache have as many filled positions, so they are aligned at their ends: what lies before the beginning of
a row is padding, as it is for prompts of different lengths. Rows of generations that end are used again; where the
cache is full, positions before the beginning of all rows are dropped.

R rows of a forward    L positions of the cache    H hidden width
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count
from typing import TYPE_CHECKING, cast

import torch
from torch import Tensor

from ...sequence.cache import KVCache
from ...sequence.mask import Mask
from ...sequence.routes import Routes
from .engine import DecodeState, EagerEngine, Engine

if TYPE_CHECKING:
    from ...model.unified_model import UnifiedModel

_SPARE = 64
"""Positions that a cache has beyond what its rows need, so that it is not moved whenever a row joins."""


class DecodingRows:
    """Rows of one cache.

    Args:
        state: prompts that were read; their rows are 0 to R - 1.
        more: the most positions that follow each.
        route: the backbone's set of weights of what follows.
        shared: whether other rows may join, which takes a ``KVCache`` that nobody else keeps.
    """

    def __init__(
        self, model: UnifiedModel, engine: Engine, state: DecodeState, more: Sequence[int], route: int, *, shared: bool
    ) -> None:
        self._model, self._engine, self._state, self.route = model, engine, state, route
        sets = len(model.plan.hidden.routes) + 1
        state.routes = Routes.only(route, sets) if sets > 1 else None
        self.shared = shared and isinstance(engine, EagerEngine) and isinstance(state.cache, KVCache)
        self._steps = 0
        self._ends = dict(enumerate(more))
        self._size = len(more)
        self._store: KVCache | None = None
        self._starts: dict[int, int] = {}
        self._allowed = torch.zeros(0)
        self._known = 0
        self._embeddings: Tensor | None = None
        self._indices: dict[tuple[int, ...], Tensor] = {}

    @property
    def live(self) -> int:
        """The number of rows whose generation goes on."""
        return len(self._ends)

    def decode(self, rows: Sequence[Sequence[int]], embeddings: Sequence[Tensor]) -> list[Tensor]:
        """Read one position of all rows: those of each generation with their embeddings, to their states [r, H]."""
        self._steps += 1
        if len(rows) == 1 and list(rows[0]) == list(range(self._size)):
            hidden = self._engine.decode(self._state, embeddings[0])
            self._follow()
            return [hidden]
        first = embeddings[0]
        if self._embeddings is None or len(self._embeddings) < self._size or self._embeddings.dtype != first.dtype:
            self._embeddings = first.new_zeros(self._size, 1, first.shape[-1])
        together = self._embeddings[: self._size]
        indices = [self._index(tuple(each), first.device) for each in rows]
        for index, each in zip(indices, embeddings, strict=True):
            together[index] = each
        hidden = self._engine.decode(self._state, together)
        self._follow()
        return [hidden[index] for index in indices]

    def _follow(self) -> None:
        """Know where the engine has moved the keys and values to, if it has."""
        if self._store is None:
            return
        cache = cast(KVCache, self._state.cache)
        if cache.keys.data_ptr() == self._store.keys.data_ptr():
            return
        allowed = self._allowed.new_zeros(cache.rows, cache.length)
        allowed[:, : self._known] = self._allowed[: cache.rows, : self._known]
        self._store, self._allowed = cache, allowed

    def _index(self, rows: tuple[int, ...], device: torch.device) -> Tensor:
        if rows not in self._indices:
            self._indices[rows] = torch.tensor(rows, device=device)
        return self._indices[rows]

    def join(self, state: DecodeState, more: Sequence[int]) -> list[int]:
        """Take the rows of other prompts that were read; the numbers that they have from now on."""
        new = cast(KVCache, state.cache)
        allowed = _allowed(state)
        starts = _starts(allowed)
        self._prepare()
        rows = self._free(len(more))
        size = max(self._size, rows[-1] + 1)
        longest = max([new.filled, *(self._filled - self._starts[row] for row in self._ends)])
        needed = max([*more, *(end - self._steps for end in self._ends.values())])
        store = cast(KVCache, self._store)
        filled = max(self._filled, new.filled)
        if size > store.rows or filled + needed > store.length:
            filled = longest
        if size > store.rows or filled + needed > store.length:
            rows_of_store = store.rows if size <= store.rows else max(size, store.rows + store.rows // 2)
            self._move(filled, _empty(store, rows_of_store, filled + needed + _SPARE))
        elif filled != self._filled:
            self._move(filled, store)
        index = torch.tensor(rows, device=allowed.device)
        store = cast(KVCache, self._store)
        begin = self._filled - new.filled
        for own, other in ((store.keys, new.keys), (store.values, new.values)):
            for layer in range(len(own)):
                own[layer, :, :, begin : self._filled].index_copy_(0, index, other[layer, :, :, : new.filled])
        self._allowed[index] = False
        self._allowed[index, begin : self._filled] = allowed
        for row, steps, start in zip(rows, more, starts, strict=True):
            self._ends[row] = self._steps + steps
            self._starts[row] = begin + start
        positions = torch.zeros(size, 1, dtype=torch.int64, device=index.device)
        positions[: self._size] = self._state.positions
        positions[index] = state.positions
        self._renew(size, positions)
        return rows

    def leave(self, rows: Sequence[int]) -> None:
        """Forget rows, which other prompts may take."""
        self._indices.clear()
        for row in rows:
            del self._ends[row]
            self._starts.pop(row, None)

    def shrink(self) -> dict[int, int]:
        """Drop rows that are not used, where they are more than half; the new numbers of those that are moved."""
        if not self.live or 2 * self.live > self._size:
            return {}
        used = sorted(self._ends)
        if not self.shared:
            return self._taken(used)
        self._prepare()
        store = cast(KVCache, self._store)
        holes = [row for row in range(self.live) if row not in self._ends]
        moved = dict(zip([row for row in used if row >= self.live], holes, strict=True))
        positions = self._state.positions.clone()
        for old, to in moved.items():
            start = self._starts[old]
            for tensor in (store.keys, store.values):
                tensor[:, to, :, start : self._filled] = tensor[:, old, :, start : self._filled]
            self._allowed[to] = self._allowed[old]
            positions[to] = positions[old]
            self._ends[to], self._starts[to] = self._ends.pop(old), self._starts.pop(old)
        self._renew(self.live, positions[: self.live])
        return moved

    def _taken(self, used: list[int]) -> dict[int, int]:
        """The same for a cache of the backbone's own, which gives a copy."""
        state = self._state
        index = torch.tensor(used, device=state.positions.device)
        allowed = _allowed(state)[index]
        left = max(self._ends.values()) - self._steps
        state.cache = state.cache.take(index, state.cache.filled + left)
        state.mask = _mask(self._model, allowed, state.cache.length)
        state.positions = state.positions[index]
        moved = {old: new for new, old in enumerate(used)}
        self._ends = {moved[row]: end for row, end in self._ends.items()}
        self._size = len(used)
        return moved

    @property
    def _filled(self) -> int:
        return self._state.cache.filled

    def _free(self, number: int) -> list[int]:
        free = (row for row in count() if row not in self._ends)
        return [next(free) for _ in range(number)]

    def _prepare(self) -> None:
        """Know for each row where it begins, and which of its positions are seen, before rows change."""
        if self._store is not None:
            self._allowed[: self._size, self._known : self._filled] = True  # what was decoded since
            return
        self._store = cast(KVCache, self._state.cache)
        allowed = _allowed(self._state)
        self._allowed = allowed.new_zeros(self._store.rows, self._store.length)
        self._allowed[:, : self._filled] = allowed
        starts = _starts(allowed)
        self._starts = {row: starts[row] for row in self._ends}

    def _move(self, filled: int, target: KVCache) -> None:
        """Move what the rows hold so that it ends at another position, in the same memory or into an empty cache."""
        source, end = cast(KVCache, self._store), self._filled
        longest = max((end - self._starts[row] for row in self._ends), default=0)
        size, by = self._size, filled - end
        for layer in range(len(source.keys)):
            for old, new in ((source.keys, target.keys), (source.values, target.values)):
                held = old[layer, :size, :, end - longest : end]
                new[layer, :size, :, filled - longest : filled] = held.clone() if target is source else held
        allowed = self._allowed.new_zeros(target.rows, target.length)
        allowed[:size, filled - longest : filled] = self._allowed[:size, end - longest : end]
        self._allowed = allowed
        self._starts = {row: start + by for row, start in self._starts.items()}
        target.filled = filled
        self._store = self._state.cache = target

    def _renew(self, size: int, positions: Tensor) -> None:
        """Continue with the first ``size`` rows of the cache."""
        store, filled = cast(KVCache, self._store), self._filled
        store.filled = filled
        view = store.part(slice(0, size))
        mask = _mask(self._model, self._allowed[:size, :filled], store.length)
        # Rows whose generation has ended are carried on, and their positions with them: within the context, and within
        # the cache, for whose positions backbones have tables.
        last = min(self._model.plan.hidden.context, store.length) - 1
        self._known = filled
        self._state = DecodeState(self._state.hidden, mask, view, positions.clamp(max=last), last, self._state.routes)
        self._size = size


def _allowed(state: DecodeState) -> Tensor:
    """Which of the filled positions the next one attends to, bool [R, filled]."""
    filled, rows = state.cache.filled, len(state.positions)
    device = state.positions.device
    seen, _ = state.mask.compiled(1, filled + 1, device)
    if seen is None:
        return torch.ones(rows, filled, dtype=torch.bool, device=device)
    return seen[:, 0, 0, :filled].expand(rows, filled)


def _starts(allowed: Tensor) -> list[int]:
    """The first position that is seen of each row. The host waits for the device."""
    starts: list[int] = allowed.int().argmax(dim=1).tolist()
    return starts


def _mask(model: UnifiedModel, allowed: Tensor, length: int) -> Mask:
    """The mask of rows that are continued, up to ``length`` positions, behind those that are seen [R, P]."""
    documents = torch.where(allowed, 0, -1)
    documents[:, -1] = 0  # of rows that are not used; their output is finite and never read
    return Mask.decoding(documents, length=length, attention=model.attention)


def _empty(like: KVCache, rows: int, length: int) -> KVCache:
    layers, _, heads, _, width = like.keys.shape
    return KVCache(layers, rows, heads, length, width, like.keys.dtype, like.keys.device)
