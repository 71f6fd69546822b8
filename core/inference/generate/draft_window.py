"""Several places of pictures read in one forward, of which each picture keeps as many as it accepts.

B pictures    R rows: B times those of the guidance    T positions of a forward    H hidden width
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, cast

import torch
from torch import Tensor

from ...errors import UsageError
from ...guidance import Guidance
from ...sequence.cache import KVCache
from ...sequence.mask import Mask
from ...sequence.routes import Routes
from ...sequence.spans import Sequence as SpanSequence
from .context import check_context_length
from .engine import EagerEngine, check_finite
from .images import guidance_prompts

if TYPE_CHECKING:
    from ...model.unified_model import UnifiedModel


class DraftWindow:
    """The prompts of B pictures that are drawn place by place, and the places behind them that were accepted.

    ``first`` [R, H]: the states that predict the first place. ``read`` appends places to all rows, and ``keep`` forgets
    those that a picture does not accept. Rows are aligned at their ends, so a picture that accepts fewer places than
    another is moved. Used within ``janiform.generating``, which samplers with ``steps`` always are.

    Args:
        places: the most places that a picture has.
        most: the most places that one forward reads.

    Raises:
        UsageError: a prompt is too long, or the backbone has a cache of its own, which cannot forget positions.
        JaniformError: the model's states of the prompts are not finite.
    """

    def __init__(
        self,
        model: UnifiedModel,
        prompts: Sequence[SpanSequence],
        guidance: Guidance,
        *,
        places: int,
        most: int,
        pathway: str = "generation",
    ) -> None:
        if hasattr(model.part("backbone"), "new_cache"):
            raise UsageError(
                "the backbone keeps states that cannot forget a position: use the sampler 'autoregressive', which "
                "reads each place once"
            )
        rows = guidance_prompts(model, prompts, guidance)
        check_context_length(model, rows, places, "codes of a picture")
        state = EagerEngine(model).prefill(rows, places)
        check_finite(state.hidden)
        self.first = state.hidden
        self._model, self._count, self._most = model, len(prompts), most
        self._routes = None
        if model.plan.hidden.routes:
            self._routes = Routes.only(model.plan.pathways[pathway].route, len(model.plan.hidden.routes) + 1)
        filled = state.cache.filled
        self._cache = cast(KVCache, state.cache).take(None, filled + places + 2 * most)
        seen, _ = state.mask.compiled(1, filled + 1, state.positions.device)
        allowed = torch.ones(len(rows), filled, dtype=torch.bool, device=state.positions.device)
        self._allowed = allowed if seen is None else seen[:, 0, 0, :filled].expand(len(rows), filled).clone()
        self._positions = state.positions
        self._read = 0

    def read(self, vectors: Tensor) -> Tensor:
        """Vectors [B, T, H] of the next T places of every picture to the states [R, T, H] at them."""
        rows, new = len(self._positions), vectors.shape[1]
        if self._cache.filled + new > self._cache.length:
            self._close_up()
        embeddings = vectors.repeat(rows // self._count, 1, 1)
        steps = torch.arange(new, device=vectors.device)
        positions = (self._positions + steps).clamp(max=self._model.plan.hidden.context - 1)
        documents = torch.where(self._allowed, 0, -1)
        mask = Mask.decoding(documents, length=self._cache.filled + new, attention=self._model.attention)
        self._read = new
        return self._model.run(embeddings, positions, mask, self._cache, self._routes)

    def keep(self, counts: Sequence[int]) -> None:
        """Keep the first ``counts`` of the places that ``read`` has read, one number for each picture."""
        before, most = self._cache.filled - self._read, max(counts)
        end = before + most
        device = self._positions.device
        counts_R = torch.tensor(counts, device=device).repeat(len(self._positions) // self._count)
        kept = torch.arange(most, device=device) < counts_R[:, None]
        self._allowed = torch.cat((self._allowed, kept), dim=1)
        for short in sorted(set(counts) - {most}):
            by = most - short
            index = (counts_R == short).nonzero()[:, 0]
            for tensor in (self._cache.keys, self._cache.values):
                for layer in tensor:
                    layer[index, :, by:end] = layer[index, :, : end - by]
            self._allowed[index] = self._allowed[index].roll(by, dims=1)
        self._cache.rewind(end)
        self._positions = self._positions + counts_R[:, None]
        self._read = 0

    def _close_up(self) -> None:
        """Drop the positions before the beginning of all rows, which grow with every move."""
        start = int(self._allowed.any(dim=0).int().argmax())
        filled = self._cache.filled
        for tensor in (self._cache.keys, self._cache.values):
            for layer in tensor:
                layer[:, :, : filled - start] = layer[:, :, start:filled].clone()
        self._allowed = self._allowed[:, start:]
        self._cache.rewind(filled - start)
