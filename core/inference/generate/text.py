"""Answers, token by token: one forward per token for all rows.

R rows    H hidden width
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor

from ...arguments import members, whole_number
from ...contracts import Backbone
from ...errors import UsageError
from ...sequence.spans import Sequence as SpanSequence
from .answer import Answer
from .context import check_context_length
from .prefix_cache import PrefixCache
from .running import run_steps
from .sampling import Sampling, uniforms
from .steps import Decode, Prefill, Project, Steps

if TYPE_CHECKING:
    from ...model.unified_model import UnifiedModel

OnText = Callable[[int, str], None]
"""Called with the number of a row and the text that was added to it, as soon as it is certain."""

OnIds = Callable[[int, int, bool], None]
"""Called with the number of a row that ends, how many tokens it has, and whether it was cut off at its limit."""

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
    return run_steps(
        model,
        text_steps(
            model,
            prompts,
            max_new_tokens=max_new_tokens,
            temperature=temperature,
            top_p=top_p,
            stop=stop,
            seeds=seeds,
            on_text=on_text,
            prefix=prefix,
        ),
    )


def text_steps(
    model: UnifiedModel,
    prompts: Sequence[SpanSequence],
    *,
    max_new_tokens: int | Sequence[int],
    temperature: float = 0.0,
    top_p: float = 1.0,
    stop: Sequence[str] = (),
    seeds: Sequence[int] | None = None,
    on_text: OnText | None = None,
    on_ids: OnIds | None = None,
    prefix: PrefixCache | None = None,
) -> Steps[list[str]]:
    """The steps of ``generate_text``, checked as there.

    ``on_ids``: called when a row ends; its tokens count with its stop token.
    """
    sampling = Sampling(temperature=temperature, top_p=top_p)
    limits = _limits(max_new_tokens, len(prompts))
    stop = stop_strings(stop)
    check_context_length(model, prompts, limits, "new tokens", fewer=True)
    noise = uniforms(len(prompts), limits, seeds).to(model.device) if sampling.random else None
    output = TextOutput(model)
    followed = on_text is not None or bool(stop) or prefix is not None
    answers = [_AnswerIds(model, limit, Answer(model.processor.text, stop) if followed else None) for limit in limits]
    return _answered(model, prompts, output, sampling, noise, answers, max(limits), on_text, on_ids, prefix)


def _answered(
    model: UnifiedModel,
    prompts: Sequence[SpanSequence],
    output: TextOutput,
    sampling: Sampling,
    noise: Tensor | None,
    answers: Sequence[_AnswerIds],
    most: int,
    on_text: OnText | None,
    on_ids: OnIds | None,
    prefix: PrefixCache | None,
) -> Steps[list[str]]:
    followed = any(answer.followed for answer in answers)
    every = 1 if followed or model.device.type == "cpu" else _CHECK_EVERY
    rows, unread = list(range(len(prompts))), list[Tensor]()
    logits = yield Prefill(prompts, most, output.project, prefix=prefix)
    for step in range(most):
        ids = output.sample(logits, sampling, None if noise is None else noise[step, rows])
        unread.append(ids)
        keep = None
        if len(unread) == every or step + 1 == most:
            for column in cast(list[list[int]], torch.stack(unread).tolist()):
                for row, id in zip(rows, column, strict=True):
                    if prefix is not None:
                        prefix.add(id)
                    added = answers[row].add(id)
                    if added and on_text is not None:
                        on_text(row, added)
                    if answers[row].ends_now and on_ids is not None:
                        on_ids(row, len(answers[row].ids), answers[row].cut_off)
            unread.clear()
            going = [index for index, row in enumerate(rows) if not answers[row].done]
            if not going:
                break
            if len(going) < len(rows):
                keep, rows = going, [rows[index] for index in going]
                ids = ids[going]
        logits = yield Decode(output.embed(ids), output.project, keep)
    return [answer.text for answer in answers]


class _AnswerIds:
    """The ids of one answer, and its text where that is followed."""

    def __init__(self, model: UnifiedModel, limit: int, answer: Answer | None) -> None:
        self._text, self._ends = model.processor.text, model.processor.layout.stop_ids
        self._limit, self._answer = limit, answer
        self.ids: list[int] = []
        self.done = self.ends_now = self.cut_off = False
        self.followed = answer is not None

    def add(self, id: int) -> str:
        """Take a token and return the text that became certain; tokens behind the end are dropped."""
        self.ends_now = False
        if self.done:
            return ""
        end = id in self._ends
        self.ids.append(id)
        last = end or len(self.ids) == self._limit
        added = "" if self._answer is None else self._answer.add(id, last=last, end=end)
        self.done = self.ends_now = last or (self._answer is not None and self._answer.finished)
        self.cut_off = self.done and not end and not (self._answer is not None and self._answer.stopped)
        return added

    @property
    def text(self) -> str:
        if self._answer is not None:
            return self._answer.text
        ids = self.ids[:-1] if self.ids and self.ids[-1] in self._ends else self.ids
        return self._text.decode(ids).strip()


class TextOutput:
    """Text ids. Ids of the vocabulary that stand for codes are never sampled."""

    def __init__(self, model: UnifiedModel) -> None:
        self.backbone = cast(Backbone, model.part("backbone"))
        first, *others = model.plan.text_ids
        self.last = first.stop
        self.ids = None
        if others or first.start:
            self.ids = torch.cat([torch.arange(ids.start, ids.stop, device=model.device) for ids in (first, *others)])

    @property
    def project(self) -> Project:
        """Hidden states [R, H] to logits [R, V]."""
        return self.backbone.logits

    def sample(self, logits: Tensor, sampling: Sampling, uniforms: Tensor | None) -> Tensor:
        """Logits [R, V] and uniforms [R] to ids [R]."""
        if self.ids is None:
            return sampling(logits[..., : self.last], uniforms)
        return self.ids[sampling(logits[..., self.ids], uniforms)]

    def embed(self, ids: Tensor) -> Tensor:
        """Ids [R] to embeddings [R, 1, H]."""
        return self.backbone.embed(ids[:, None])


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
