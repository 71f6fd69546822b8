"""Answers, token by token: one forward per token for all rows.

R rows    H hidden width
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor

from ...arguments import members, whole_number
from ...contracts import Backbone
from ...errors import UsageError
from ...sequence.spans import Sequence as SpanSequence
from .answer import Answer
from .context import check_context_length
from .decode import decode
from .engine import engine_of, generating
from .prefix_cache import PrefixCache
from .sampling import Sampling, uniforms

if TYPE_CHECKING:
    from ...model.unified_model import UnifiedModel

OnText = Callable[[int, str], None]
"""Called with the number of a row and the text that was added to it, as soon as it is certain."""

_CHECK_EVERY = 8
"""Steps between two checks whether all rows have ended, where a check makes the host wait for the device."""


def generate_text(
    model: UnifiedModel,
    prompts: Sequence[SpanSequence],
    *,
    max_new_tokens: int | Sequence[int],
    temperature: float = 0.0,
    top_p: float = 1.0,
    stop: Sequence[str] = (),
    seeds: Sequence[int] | None = None,
    on_text: OnText | None = None,
    prefix: PrefixCache | None = None,
) -> list[str]:
    """Continue every prompt until the layout's stop token, one of the ``stop`` strings or ``max_new_tokens``.

    Each row's output is independent of the rest of the batch: greedy at temperature 0, else with its own seed. The
    text comes without its stop string, special tokens and surrounding whitespace. ``max_new_tokens`` may be one number
    for every row.

    ``on_text`` is called during generation; the pieces of a row make up its text. No piece ends within a character or
    holds a part of a stop string. Without ``on_text`` and stop strings nothing is decoded before all rows are done,
    and a device computes ahead of the host.

    ``prefix``: the cache of the conversation that the only prompt belongs to; the answer is added to it.

    Raises ``UsageError``, before anything is computed, for settings out of range and prompts that are too long.
    """
    sampling = Sampling(temperature=temperature, top_p=top_p)
    limits = _limits(max_new_tokens, len(prompts))
    stop = stop_strings(stop)
    check_context_length(model, prompts, limits, "new tokens", fewer=True)
    noise = uniforms(len(prompts), limits, seeds).to(model.device) if sampling.random else None
    text, ends = model.processor.text, tuple(model.processor.layout.stop_ids)
    with generating(model):
        engine = engine_of(model)
        state = engine.prefill(prompts, max(limits), prefix)
        steps = decode(engine, state, TextOutput(model), sampling, noise, max(limits))
        if on_text is None and not stop and prefix is None:
            return [text.decode(ids).strip() for ids in _gathered(steps, limits, ends)]
        answers = [Answer(text, stop) for _ in prompts]
        for step, ids in enumerate(steps, start=1):
            for row, id in enumerate(cast(list[int], ids.tolist())):
                if prefix is not None:
                    prefix.add(id)
                end = id in ends
                added = answers[row].add(id, last=end or step == limits[row], end=end)
                if added and on_text is not None:
                    on_text(row, added)
            if all(answer.finished for answer in answers):
                break
    return [answer.text for answer in answers]


class TextOutput:
    """Text ids. Ids of the vocabulary that stand for codes are never sampled."""

    def __init__(self, model: UnifiedModel) -> None:
        self.backbone = cast(Backbone, model.part("backbone"))
        first, *others = model.plan.text_ids
        self.last = first.stop
        self.ids = None
        if others or first.start:
            self.ids = torch.cat([torch.arange(ids.start, ids.stop, device=model.device) for ids in (first, *others)])

    def sample(self, hidden: Tensor, sampling: Sampling, uniforms: Tensor | None, step: int) -> Tensor:
        """Hidden states [R, H] and uniforms [R] to ids [R]."""
        logits = self.backbone.logits(hidden)
        if self.ids is None:
            return sampling(logits[..., : self.last], uniforms)
        return self.ids[sampling(logits[..., self.ids], uniforms)]

    def embed(self, ids: Tensor, step: int) -> Tensor:
        """Ids [R] to embeddings [R, 1, H]."""
        return self.backbone.embed(ids[:, None])


def _gathered(steps: Iterator[Tensor], limits: Sequence[int], ends: tuple[int, ...]) -> list[list[int]]:
    """Every row's ids up to its end or its limit."""
    columns: list[Tensor] = []
    ended: Tensor | None = None
    for step, ids in enumerate(steps, start=1):
        columns.append(ids)
        if ended is None:
            limit = torch.tensor(limits, device=ids.device)
            marks = torch.tensor(ends, dtype=ids.dtype, device=ids.device)
            ended = torch.zeros_like(ids, dtype=torch.bool)
        ended |= torch.isin(ids, marks) | (limit <= step)
        if (ids.device.type == "cpu" or step % _CHECK_EVERY == 0) and bool(ended.all()):
            break
    rows: list[list[int]] = torch.stack(columns, dim=1).tolist()
    return [_before(row[:limit], ends) for row, limit in zip(rows, limits, strict=True)]


def _before(ids: list[int], ends: tuple[int, ...]) -> list[int]:
    return ids[: next((index for index, id in enumerate(ids) if id in ends), len(ids))]


def _limits(max_new_tokens: int | Sequence[int], rows: int) -> list[int]:
    single = hasattr(max_new_tokens, "__index__") and not getattr(max_new_tokens, "ndim", 0)
    what = "a whole number of at least 1, or one per prompt"
    limits = [max_new_tokens] * rows if single else members("max_new_tokens", max_new_tokens, what)
    if len(limits) != rows:
        raise UsageError(f"expected one max_new_tokens, or one per prompt ({rows}); got {len(limits)}")
    return [whole_number("max_new_tokens", limit, 1) for limit in limits]


def stop_strings(stop: Any) -> tuple[str, ...]:
    """The stop strings; a single string, which is a sequence of its characters, counts as one.

    Raises ``UsageError``.
    """
    stop = (stop,) if isinstance(stop, str) else members("stop", stop, "a text, or a list of texts")
    for string in stop:
        if not isinstance(string, str) or not string:
            raise UsageError(f"a stop string must be a text that is not empty, not {string!r}")
    return tuple(stop)
