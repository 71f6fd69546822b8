"""Engines: how prompts are read, and how one position after the other follows them.

The decoding loop (``decode.py``), the samplers and the Python API know an engine only by ``prefill`` and ``decode``.
``EagerEngine`` calls the backbone and a KV cache; one with a compiled step, CUDA graphs or a paged cache is put in its
place by ``model.engine``.

R rows    H hidden width
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol, cast

import torch
from attrs import define, field
from torch import Tensor, nn

from ...errors import JaniformError, Problem
from ...sequence.cache import Cache, KVCache
from ...sequence.mask import Mask
from ...sequence.routes import Routes
from ...sequence.spans import Sequence as SpanSequence
from .shared_pictures import SharedPrefixes, shared_prefixes

if TYPE_CHECKING:
    from ...model.unified_model import UnifiedModel
    from ...sequence.batch import Batch
    from .prefix_cache import PrefixCache


@define(eq=False)
class DecodeState:
    """R prompts that were read, and what is needed to continue them position by position."""

    hidden: Tensor
    """The hidden states that predict the first position after the prompts, [R, H]."""
    mask: Mask = field(repr=False)
    cache: Cache = field(repr=False)
    positions: Tensor
    """The positions that ``decode`` reads next, int64 [R, 1], counted within each row."""
    last_position: int | None = None
    """The last position of the context, where finished rows are carried past it beside longer ones."""
    routes: Routes | None = None
    """The backbone's set of weights of the positions that ``decode`` reads; None is that of the text."""


class Engine(Protocol):
    """Runs a model's backbone while text or codes are generated."""

    def prefill(self, prompts: Sequence[SpanSequence], more: int, prefix: PrefixCache | None = None) -> DecodeState:
        """Read the prompts, which ``more`` positions will follow.

        ``prefix`` keeps what was read of the conversation that the only prompt belongs to. An engine may ignore it.
        """

    def decode(self, state: DecodeState, embeddings: Tensor) -> Tensor:
        """Read the embeddings [R, 1, H] of one more position; the hidden states [R, H] that predict the next."""


def check_finite(hidden: Tensor) -> None:
    """Raise ``JaniformError`` where hidden states [R, H] are not finite; the host waits for the device."""
    if bool(hidden.isfinite().all()):
        return
    dtype = str(hidden.dtype).removeprefix("torch.")
    raise JaniformError(
        Problem(
            f"the model's states of the prompt hold NaN or infinity, in {dtype}",
            hint="use bfloat16 or float32, or weights that are not damaged",
        )
    )


def engine_of(model: UnifiedModel) -> Engine:
    """The engine that a model selects by its attribute ``engine``, or the default one."""
    return EagerEngine(model) if model.engine is None else model.engine


class EagerEngine:
    """The default engine: one call of the backbone per position, over a KV cache that is allocated once."""

    def __init__(self, model: UnifiedModel) -> None:
        self.model = model
        self.backbone = model.part("backbone")

    def prefill(self, prompts: Sequence[SpanSequence], more: int, prefix: PrefixCache | None = None) -> DecodeState:
        """Read the prompts in one forward, each distinct prompt once.

        Many pictures of one prompt share it, and so do blanked prompts of one length.
        """
        if prefix is not None:
            (prompt,) = prompts
            return prefix.prefill(self.model, prompt, more)
        features = self.model.features
        if features is None:
            return self._prefill(prompts, more)
        # What is shared is cut out of the cache position by position, so it must consist of keys and values; and its
        # window begins anywhere in a picture, whose positions have routes.
        whole = hasattr(self.backbone, "new_cache") or self.model.plan.hidden.routes
        shared = None if whole else shared_prefixes(prompts, features)
        state = self._prefill(prompts, more) if shared is None else self._prefill_after(shared, prompts, more)
        features.trim()
        return state

    def decode(self, state: DecodeState, embeddings: Tensor) -> Tensor:
        """Read one more position of every row; see ``Engine``."""
        hidden = self.model.run(embeddings, state.positions, state.mask, state.cache, state.routes)
        state.positions = state.positions + 1
        if state.last_position is not None:
            state.positions.clamp_(max=state.last_position)
        return hidden[:, -1]

    def _prefill(self, prompts: Sequence[SpanSequence], more: int) -> DecodeState:
        features = self.model.features
        distinct, rows = _distinct(prompts)
        batch = self.model.processor.collate(distinct, side="left").to(self.model.device)
        length = batch.ids.shape[1]
        embeddings = self.model.embed(batch, features=None if features is None else features.of(self.model, distinct))
        shared = len(distinct) < len(prompts)
        cache = new_cache(self.model, len(distinct), length + (0 if shared else more), embeddings)
        mask = self._mask(batch, length + more)
        hidden = self.model.run(embeddings, batch.positions, mask, cache, batch.routes)
        # Left padding puts every prompt's last token at the end of its row.
        last, positions = hidden[:, -1], batch.positions[:, -1:] + 1
        if shared:
            index = torch.tensor(rows, device=embeddings.device)
            cache = cache.take(index, length + more)
            mask = self._mask(batch, length + more, index, rows)
            last, positions = last[index], positions[index]
        context = self.model.plan.hidden.context
        return DecodeState(last, mask, cache, positions, context - 1 if length + more > context else None)

    def _prefill_after(self, shared: SharedPrefixes, prompts: Sequence[SpanSequence], more: int) -> DecodeState:
        """Read each of the shared prefixes once, and then the last positions of all prompts."""
        model, features = self.model, self.model.features
        assert features is not None
        once = model.processor.collate(shared.prefixes, side="left").to(model.device)
        batch = model.processor.collate(prompts, side="left").to(model.device)
        prefix_embeddings = model.embed(once, features=features.of(model, shared.prefixes))
        embeddings = model.embed(batch, features=features.of(model, prompts))
        longest, length = once.ids.shape[1], batch.ids.shape[1]
        read = cast(KVCache, new_cache(model, len(shared.prefixes), longest, embeddings))
        model.run(prefix_embeddings, once.positions, self._mask(once, longest), read, once.routes)
        cache = cast(KVCache, new_cache(model, len(prompts), length + more, embeddings))
        shared.copy(read, cache, [len(prompt) for prompt in prompts])
        mask, first = self._mask(batch, length + more), length - shared.window
        hidden = model.run(embeddings[:, first:], batch.positions[:, first:], mask, cache)
        context = model.plan.hidden.context
        last = context - 1 if length + more > context else None
        return DecodeState(hidden[:, -1], mask, cache, batch.positions[:, -1:] + 1, last)

    def _mask(self, batch: Batch, length: int, index: Tensor | None = None, rows: list[int] | None = None) -> Mask:
        declared, host = batch.declared, batch.host
        if index is not None:
            declared = declared.mapped(lambda tensor: tensor[index])
            host = host and host.mapped(lambda tensor: tensor[rows])
        documents, blocks, seen = declared
        return Mask.decoding(documents, blocks, length=length, seen=seen, attention=self.model.attention, host=host)


def _distinct(prompts: Sequence[SpanSequence]) -> tuple[list[SpanSequence], list[int]]:
    """The prompts without repetition, and the index of each among them.

    Prompts with pictures are equal only where they are the same object.
    """
    indices: dict[tuple[int, ...] | int, int] = {}
    distinct: list[SpanSequence] = []
    rows = []
    for prompt in prompts:
        plain = all(span.plain for span in prompt.spans)
        key = tuple(prompt.ids) if plain else id(prompt)
        if key not in indices:
            indices[key] = len(distinct)
            distinct.append(prompt)
        rows.append(indices[key])
    return distinct, rows


def new_cache(model: UnifiedModel, rows: int, length: int, like: Tensor) -> Cache:
    """An empty cache for a model, of the data type and on the device of ``like``: the backbone's own, or a KV cache."""
    own: Any = getattr(model.part("backbone"), "new_cache", None)
    if own is not None:
        return cast(Cache, own(rows, length, like.dtype, like.device))
    shape = model.plan.hidden
    return KVCache(shape.layers, rows, shape.kv_heads, length, shape.head_width, like.dtype, like.device)


@contextmanager
def generating(model: nn.Module | Iterable[nn.Module]) -> Iterator[None]:
    """Compute without gradients and with every module in evaluation mode; modules in training mode return to it.

    ``model``: a model, or all of its modules, for callers that do this often and know them.
    """
    modules = model.modules() if isinstance(model, nn.Module) else model
    training = [module for module in modules if module.training]
    # Not inference mode: tables that parts build on first use must remain usable for training.
    with torch.no_grad():
        try:
            for module in training:
                module.training = False
            yield
        finally:
            for module in training:
                module.training = True
