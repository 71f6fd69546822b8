"""Answers, token by token: one forward a token for all rows.

R rows
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, cast

import torch
from torch import Tensor

from ...contracts import Backbone
from ...errors import UsageError
from ...sequence.spans import Sequence as SpanSequence
from .answer import Answer
from .prefill import Prompts, check_room, generating, read
from .prefix_cache import Past
from .sampling import Choice, uniforms

if TYPE_CHECKING:
    from ...model.unified_model import UnifiedModel

OnText = Callable[[int, str], None]
"""Called with the number of a row and the text that was added to it, as soon as it is certain."""

_LOOK_EVERY = 8
"""Steps between two looks at whether all rows have ended, where a look makes the host wait for the device."""


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
    past: Past | None = None,
) -> list[str]:
    """Continue every prompt, until the layout's stop token, one of the ``stop`` strings or ``max_new_tokens``.

    A row gives what it gives alone: greedily at temperature 0, else with its own seed. The text comes without its stop
    string, special tokens and blanks around it. ``max_new_tokens`` may be one number for every row.

    ``on_text`` is called in the middle of the work; the pieces that it is given for a row make up the row's text. None
    ends within a character or holds a part of a stop string. Without it, and without stop strings, nothing is decoded
    before all is done, and a device computes ahead of the host.

    ``past``: what was read of the conversation of the only prompt; that is read on, and the answer is remembered.

    Raises ``UsageError``, before anything is computed, for settings out of range and prompts that are too long.
    """
    choice = Choice(temperature=temperature, top_p=top_p)
    limits = _limits(max_new_tokens, len(prompts))
    stop = _stops(stop)
    check_room(model, prompts, limits, "new tokens", fewer=True)
    noise = uniforms(len(prompts), limits, seeds).to(model.device) if choice.random else None
    text, ends = model.processor.text, tuple(model.processor.layout.stop_ids)
    with generating(model):
        if past is None:
            begun = read(model, prompts, max(limits))
        else:
            (prompt,) = prompts
            begun = past.read(model, prompt, max(limits))
        steps = each_step(begun, choice, noise, max(limits))
        if on_text is None and not stop and past is None:
            return [text.decode(ids).strip() for ids in _gathered(steps, limits, ends)]
        answers = [Answer(text, stop) for _ in prompts]
        for step, chosen in enumerate(steps, start=1):
            for row, id in enumerate(cast(list[int], chosen.tolist())):
                if past is not None:
                    past.said(id)
                end = id in ends
                added = answers[row].add(id, last=end or step == limits[row], end=end)
                if added and on_text is not None:
                    on_text(row, added)
            if all(answer.finished for answer in answers):
                break
    return [answer.text for answer in answers]


def each_step(state: Prompts, choice: Choice, noise: Tensor | None, steps: int) -> Iterator[Tensor]:
    """The ids [R] that are chosen at each step, on the model's device; whoever has enough stops asking for more."""
    backbone = cast(Backbone, state.model.part("backbone"))
    hidden = state.hidden
    texts = state.model.plan.text_ids  # codes that share the vocabulary are no text
    for step in range(steps):
        ids = choice(backbone.logits(hidden)[..., :texts], None if noise is None else noise[step])
        yield ids
        if step + 1 < steps:
            hidden = state.follow(backbone.embed(ids[:, None]), step)


def _gathered(steps: Iterator[Tensor], limits: Sequence[int], ends: tuple[int, ...]) -> list[list[int]]:
    """Every row's ids up to its end or its limit."""
    drawn: list[Tensor] = []
    ended: Tensor | None = None
    for step, ids in enumerate(steps, start=1):
        drawn.append(ids)
        if ended is None:
            limit = torch.tensor(limits, device=ids.device)
            marks = torch.tensor(ends, dtype=ids.dtype, device=ids.device)
            ended = torch.zeros_like(ids, dtype=torch.bool)
        ended |= torch.isin(ids, marks) | (limit <= step)
        if (ids.device.type == "cpu" or step % _LOOK_EVERY == 0) and bool(ended.all()):
            break
    rows: list[list[int]] = torch.stack(drawn, dim=1).tolist()
    return [_before(row[:limit], ends) for row, limit in zip(rows, limits, strict=True)]


def _before(ids: list[int], ends: tuple[int, ...]) -> list[int]:
    return ids[: next((index for index, id in enumerate(ids) if id in ends), len(ids))]


def _limits(max_new_tokens: int | Sequence[int], rows: int) -> list[int]:
    limits = [max_new_tokens] * rows if isinstance(max_new_tokens, int) else list(max_new_tokens)
    if len(limits) != rows:
        raise UsageError(f"{rows} prompts need {rows} times max_new_tokens, or one for all, not {len(limits)}")
    for limit in limits:
        if limit < 1:
            raise UsageError(f"max_new_tokens is at least 1, not {limit}")
    return limits


def _stops(stop: Sequence[str]) -> tuple[str, ...]:
    """One string would pass for a sequence of its characters."""
    if isinstance(stop, str):
        stop = (stop,)
    for string in stop:
        if not isinstance(string, str) or not string:
            raise UsageError(f"a stop string is a text that is not empty, not {string!r}")
    return tuple(stop)
