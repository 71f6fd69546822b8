"""Pictures that are drawn as wholes: their prompts are read once, and all their positions again in every step.

B pictures    R rows: B times those of the guidance    P positions of the longest prompt    L positions of the canvas
N places of a picture    d depth of a code    C width of latents    H hidden width    V codes
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast

import torch
from attrs import evolve
from torch import Tensor

from ...contracts import Backbone
from ...errors import UsageError
from ...guidance import Guidance
from ...sequence.batch import Batch
from ...sequence.cache import Cache
from ...sequence.corruption import Corrupted
from ...sequence.mask import Mask
from ...sequence.routes import Routes
from ...sequence.spans import Sequence as SpanSequence
from .context import check_context_length
from .engine import check_finite, engine_of
from .images import guidance_prompts

if TYPE_CHECKING:
    from ...model.unified_model import UnifiedModel


class Canvas:
    """The pictures of a batch while a sampler draws them; used within ``janiform.generating``.

    The keys and values of all guidance rows' prompts are computed here, and kept. ``logits`` and ``values`` read the
    pictures behind them, with their marks and as their layout declares it, and forget them again.

    Args:
        unconditional: the prompts of the unconditional rows; by default those that the layout gives.

    Raises:
        UsageError: the pathway does not draw pictures as wholes, or a prompt is too long.
        JaniformError: the model's states of the prompts are not finite.
    """

    def __init__(
        self,
        model: UnifiedModel,
        prompts: Sequence[SpanSequence],
        guidance: Guidance,
        pathway: str = "generation",
        unconditional: Sequence[SpanSequence] | None = None,
    ) -> None:
        shape = model.plan.pathways.get(pathway)
        if shape is None or shape.process is None or shape.drawn is None:
            raise UsageError(f"'{pathway}' is not a pathway that draws pictures as wholes")
        self.model, self.pathway, self.guidance, self.drawn = model, pathway, guidance, shape.drawn
        self._lead = shape.features.lead
        self.count = len(prompts)
        self.head: Any = model.part(f"{pathway}.head")
        self._backbone = cast(Backbone, model.part("backbone"))
        canvas = model.processor.canvas(pathway)
        rows = guidance_prompts(model, prompts, guidance, unconditional)
        check_context_length(model, rows, len(canvas), "positions of a picture")
        state = engine_of(model).prefill(rows, len(canvas))
        check_finite(state.hidden)
        self._cache: Cache = state.cache
        self._filled: int = self._cache.filled
        whole: Batch = model.processor.collate([_continued(row, canvas) for row in rows], side="left")
        whole = whole.to(model.device)
        self._mask: Mask = whole.mask(model.attention)
        self._positions = whole.positions[:, self._filled :]
        self._embeddings: Tensor = self._backbone.embed(whole.ids[:, self._filled :])
        start = next(
            sum(before.length for before in canvas.spans[:index])
            for index, span in enumerate(canvas.spans)
            if span.kind == "draw"
        )
        self._picture = slice(start, start + shape.tokens)
        self._routes: Routes | None = None
        if model.processor.sets > 1:
            numbers = [model.processor.routes.get(span.pathway or "", 0) for span in canvas.spans]
            lengths = torch.tensor([span.length for span in canvas.spans])
            row = torch.tensor(numbers).repeat_interleave(lengths)
            routes = Routes.of(row.expand(len(rows), -1), model.processor.sets)
            self._routes = routes.mapped(lambda places: places.to(model.device))

    def logits(self, codes: Tensor, corrupted: Corrupted) -> Tensor:
        """Codes [B, N, d], anything where they are hidden, to the mixed logits of every place [B, N, V]."""
        hidden = self.states(codes, corrupted)[:, self._lead :]
        logits: Tensor = self.head(hidden.flatten(0, 1))
        return self.guidance.mix(logits.view(*hidden.shape[:2], -1))

    def values(self, drawn: Tensor, corrupted: Corrupted) -> Tensor:
        """Latents [B, N, C] to the head's prediction for each guidance row, [rows, B, N, C]."""
        times = len(self.guidance)
        again = evolve(
            corrupted,
            times=None if corrupted.times is None else corrupted.times.repeat(times),
            hidden=None if corrupted.hidden is None else corrupted.hidden.repeat(times, 1),
            seeds=None if corrupted.seeds is None else corrupted.seeds.repeat(times),
        )
        predicted: Tensor = self.head(self.states(drawn, corrupted), drawn.repeat(times, 1, 1), again)
        return predicted.view(times, self.count, *predicted.shape[1:])

    def states(self, drawn: Tensor, corrupted: Corrupted) -> Tensor:
        """Codes [B, N, d] or latents [B, N, C] to the states [R, N', H] at the positions of the pictures."""
        vectors = self.model.embed_drawn(drawn, self.pathway, 0, corrupted)
        embeddings = self._embeddings.clone()
        embeddings[:, self._picture] = vectors.repeat(len(self.guidance), 1, 1).to(embeddings.dtype)
        if self._cache.rewinds:
            hidden = self.model.run(embeddings, self._positions, self._mask, self._cache, self._routes)
            self._cache.rewind(self._filled)
        else:
            again = self._cache.take(None, self._cache.length)
            hidden = self.model.run(embeddings, self._positions, self._mask, again, self._routes)
        return hidden[:, self._picture]


def _continued(prompt: SpanSequence, canvas: SpanSequence) -> SpanSequence:
    """A prompt with the picture's positions behind it, as spans without content, which tell places and blocks only."""
    blocks = max((span.block for span in prompt.spans), default=0)
    behind = (evolve(span, block=span.block + blocks) if span.block else span for span in canvas.spans)
    spans = (*prompt.spans, *behind)
    return SpanSequence(evolve(span, kind="text", picture=None, loss=False) for span in spans)
