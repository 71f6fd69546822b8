"""Pictures that are drawn as wholes, or scale by scale: their prompts are read once, and then in every step all their
positions again, or the next ones.

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
from ...sequence.cache import Cache, KVCache
from ...sequence.corruption import Corrupted
from ...sequence.mask import UNSEEN, Mask
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
    pictures behind them, with their marks and as their layout declares it, and forget them again. ``append`` reads the
    next places, which remain until ``rewind``.

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
        if shape is None or shape.mode != "draw" or shape.place_by_place or shape.drawn is None:
            raise UsageError(f"'{pathway}' is not a pathway that draws pictures as wholes or scale by scale")
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
        cache = state.cache
        whole: Batch = model.processor.collate([_continued(row, canvas) for row in rows], side="left")
        whole = whole.to(model.device)
        ids = self._backbone.embed(whole.ids[:, cache.filled :])
        self._all = _Behind(model, cache, whole, ids, _routes(model, canvas))
        self._single: dict[int, _Behind] = {}
        start = next(
            sum(before.length for before in canvas.spans[:index])
            for index, span in enumerate(canvas.spans)
            if span.kind == "draw"
        )
        self._picture = slice(start, start + shape.tokens)
        self._drops_hidden = shape.drops_hidden
        self._counts = next(span.positions == "each" for span in canvas.spans if span.kind == "draw")

    def logits(self, codes: Tensor, corrupted: Corrupted) -> Tensor:
        """Codes [B, N, d], anything where they are hidden, to the mixed logits of every place [B, N, V]."""
        hidden = self.states(codes, corrupted)[:, self._lead :][:, : self.drawn.tokens]
        logits: Tensor = self.head(hidden.flatten(0, 1))
        return self.guidance.mix(logits.view(*hidden.shape[:2], -1))

    def values(self, drawn: Tensor, corrupted: Corrupted, row: int | None = None) -> Tensor:
        """Latents [B, N, C] to what the head makes of them for each guidance row: its prediction, [rows, B, N, C].

        Of a ``PlaceHead``, the conditions of all places, [rows, B, N, Z]. ``row``: the number of the only guidance row
        to compute, for steps without guidance; all by default.
        """
        times = len(self.guidance) if row is None else 1
        again = evolve(
            corrupted,
            times=None if corrupted.times is None else corrupted.times.repeat(times),
            hidden=None if corrupted.hidden is None else corrupted.hidden.repeat(times, 1),
            seeds=None if corrupted.seeds is None else corrupted.seeds.repeat(times),
        )
        predicted: Tensor = self.head(self.states(drawn, corrupted, row), drawn.repeat(times, 1, 1), again)
        return predicted.view(times, self.count, *predicted.shape[1:])

    def states(self, drawn: Tensor, corrupted: Corrupted, row: int | None = None) -> Tensor:
        """Codes [B, N, d] or latents [B, N, C] to the states [R, N', H] at the positions of the pictures.

        ``row``: the number of the only guidance row to compute; all by default.
        """
        behind = self._all if row is None or len(self.guidance) == 1 else self._of_row(row)
        vectors = self.model.embed_drawn(drawn, self.pathway, 0, corrupted)
        embeddings = behind.embeddings.clone()
        embeddings[:, self._picture] = vectors.repeat(len(embeddings) // self.count, 1, 1).to(embeddings.dtype)
        if not self._drops_hidden or corrupted.hidden is None:
            return behind.read(embeddings)[:, self._picture]
        unread = torch.zeros(embeddings.shape[:2], dtype=torch.bool, device=embeddings.device)
        first = self._picture.start + self._lead
        unread[:, first : first + corrupted.hidden.shape[1]] = corrupted.hidden.repeat(len(unread) // self.count, 1)
        return behind.read_without(embeddings, unread, counts=self._counts)[:, self._picture]

    def append(self, vectors: Tensor) -> Tensor:
        """Read the vectors [B, n, H] of the next n places of the pictures; their states [R, n, H].

        The places see all before them, and one another as far as they are of one block. They must end with a block.
        Marks of the layout before the pictures are read with the first places.
        """
        start = self._all.cache.filled - self._all.filled
        first = max(start, self._picture.start)
        embeddings = self._all.embeddings[:, start : first + vectors.shape[1]].clone()
        embeddings[:, first - start :] = vectors.repeat(len(self.guidance), 1, 1).to(embeddings.dtype)
        return self._all.append(embeddings)[:, first - start :]

    def rewind(self, places: int) -> None:
        """Forget all but the first ``places`` of the pictures that ``append`` has read."""
        self._all.cache.rewind(self._all.filled + (self._picture.start + places if places else 0))

    def _of_row(self, row: int) -> _Behind:
        if row not in self._single:
            self._single[row] = self._all.part(slice(row * self.count, (row + 1) * self.count))
        return self._single[row]


class _Behind:
    """What is needed to read pictures behind R prompts that were read: their cache, mask, positions and vectors.

    ``whole``: the prompts with the positions of the pictures, on the model's device. ``embeddings`` [R, L, H]: those of
    the pictures' ids. ``route`` [L]: the backbone's set of weights of each position; None where it has one.
    """

    def __init__(
        self, model: UnifiedModel, cache: Cache, whole: Batch, embeddings: Tensor, route: Tensor | None
    ) -> None:
        self.model, self.cache, self.whole, self.embeddings, self.route = model, cache, whole, embeddings, route
        self.filled: int = cache.filled
        self.mask: Mask = whole.mask(model.attention)
        self.positions = whole.positions[:, self.filled :]
        self.routes = self._routes(slice(None))

    def read(self, embeddings: Tensor) -> Tensor:
        """Embeddings [R, L, H] to the states [R, L, H]; the cache stays as it was."""
        return self._read(embeddings, self.positions, self.mask)

    def read_without(self, embeddings: Tensor, unread: Tensor, *, counts: bool) -> Tensor:
        """The same where some positions, bool [R, L], are as if they were not there; see ``Span.unread``.

        ``counts``: whether each position of a picture counts.
        """
        positions = self.positions - (unread.long().cumsum(1) - unread.long()) * counts
        whole = self.whole
        seen = torch.zeros_like(whole.documents) if whole.seen is None else whole.seen.clone()
        seen[:, self.filled :].masked_fill_(unread, UNSEEN)
        mask = Mask(whole.documents, whole.blocks, seen=seen, attention=self.model.attention)
        return self._read(embeddings, positions, mask)

    def _read(self, embeddings: Tensor, positions: Tensor, mask: Mask) -> Tensor:
        cache = self.cache if self.cache.rewinds else self.cache.take(None, self.cache.length)
        hidden = self.model.run(embeddings, positions, mask, cache, self.routes)
        if cache.rewinds:
            cache.rewind(self.filled)
        return hidden

    def append(self, embeddings: Tensor) -> Tensor:
        """Embeddings [R, n, H] of the next n positions to their states [R, n, H], which the cache keeps."""
        start = self.cache.filled - self.filled
        read = slice(start, start + embeddings.shape[1])
        return self.model.run(embeddings, self.positions[:, read], self.mask, self.cache, self._routes(read))

    def _routes(self, read: slice) -> Routes | None:
        """The routes of some positions of the pictures, in all rows."""
        if self.route is None:
            return None
        routes = Routes.of(self.route[read].expand(len(self.embeddings), -1), self.model.processor.sets)
        return routes.mapped(lambda places: places.to(self.model.device))

    def part(self, rows: slice) -> _Behind:
        """The same for some of the prompts."""
        if isinstance(self.cache, KVCache):
            cache: Cache = self.cache.part(rows)
        else:
            chosen = torch.arange(len(self.embeddings), device=self.embeddings.device)[rows]
            cache = self.cache.take(chosen, self.cache.length)
        whole = self.whole
        few = evolve(
            whole,
            ids=whole.ids[rows],
            positions=whole.positions[rows],
            documents=whole.documents[rows],
            blocks=whole.blocks[rows],
            seen=None if whole.seen is None else whole.seen[rows],
            host=None if whole.host is None else whole.host.mapped(lambda tensor: tensor[rows]),
        )
        return _Behind(self.model, cache, few, self.embeddings[rows], self.route)


def _routes(model: UnifiedModel, canvas: SpanSequence) -> Tensor | None:
    """The number of the backbone's set of weights of each position of a picture with its marks, int64 [L]."""
    if model.processor.sets == 1:
        return None
    numbers = [model.processor.routes.get(span.pathway or "", 0) for span in canvas.spans]
    return torch.tensor(numbers).repeat_interleave(torch.tensor([span.length for span in canvas.spans]))


def _continued(prompt: SpanSequence, canvas: SpanSequence) -> SpanSequence:
    """A prompt with the picture's positions behind it, as spans without content, which tell places and blocks only."""
    blocks = max((span.block for span in prompt.spans), default=0)
    behind = (evolve(span, block=span.block + blocks) if span.block else span for span in canvas.spans)
    spans = (*prompt.spans, *behind)
    return SpanSequence(evolve(span, kind="text", picture=None, loss=False) for span in spans)
