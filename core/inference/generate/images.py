"""Pictures, code by code: one forward a code for all pictures and both guidance rows.

B pictures    N codes of a picture    d depth of a code    R rows: B, or 2B with guidance
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, cast

import torch
from torch import Tensor

from ...contracts import Head, Tokenizer
from ...errors import UsageError
from ...model.processor import check_codes
from ...ports import Codes
from ...sequence.spans import Sequence as SpanSequence
from .prefill import check_room, generating, read
from .sampling import Choice, guided, uniforms

if TYPE_CHECKING:
    from ...model.unified_model import UnifiedModel

OnStep = Callable[[int, int], None]
"""Called with the number of codes that are drawn, and of all."""

OnCodes = Callable[[Tensor], None]
"""Called with the codes so far, int64 [B, N, d] on the model's device, −1 where none is drawn; to be read, not kept."""


def generate_codes(
    model: UnifiedModel,
    prompts: Sequence[SpanSequence],
    *,
    guidance: float = 5.0,
    temperature: float = 1.0,
    top_k: int = 0,
    seeds: Sequence[int] | None = None,
    pathway: str = "generation",
    unconditional: Sequence[SpanSequence] | None = None,
    on_step: OnStep | None = None,
    on_codes: OnCodes | None = None,
) -> Tensor:
    """Draw the codes of one picture for each prompt, int64 [B, N, d].

    ``guidance``: 1 draws from the conditional distribution, more keeps closer to the prompt; the layout blanks the
    prompts for the unconditional rows, unless these are given. ``seeds``: one a picture; a picture depends on its
    prompt, its seed and the settings, and not on what else is drawn beside it.

    Raises ``UsageError``, before anything is computed, for settings out of range and prompts that are too long.
    """
    codes = _codes(model, pathway)
    choice = Choice(temperature=temperature, top_k=top_k)
    if not math.isfinite(guidance):
        raise UsageError(f"the guidance is a number, 1 for none, not {guidance}")
    check_room(model, prompts, codes.tokens, "codes of a picture")
    count = len(prompts)
    noise = uniforms(count, codes.tokens * codes.depth, seeds).to(model.device) if choice.random else None
    rows = list(prompts)
    if guidance != 1:
        rows += unconditional if unconditional is not None else map(model.processor.unconditional, prompts)
    twice = len(rows) // count
    calls = iter(range(codes.tokens * codes.depth))

    def choose(logits: Tensor) -> Tensor:
        call = next(calls)
        if twice == 2:
            logits = guided(logits.float(), guidance)
        return choice(logits, None if noise is None else noise[call]).repeat(twice)

    head = cast(Head, model.part(f"{pathway}.head"))
    drawn = torch.full((count, codes.tokens, codes.depth), -1, device=model.device)
    with generating(model):
        state = read(model, rows, codes.tokens)
        hidden = state.hidden
        for step in range(codes.tokens):
            drawn[:, step] = head.sample(hidden, choose)[:count]
            if on_step is not None:
                on_step(step + 1, codes.tokens)
            if on_codes is not None:
                on_codes(drawn)
            if step + 1 < codes.tokens:
                embeddings = model.embed_codes(drawn[:, step : step + 1], pathway, step)
                hidden = state.follow(embeddings.repeat(twice, 1, 1), step)
    return drawn


def decode_codes(model: UnifiedModel, codes: Tensor, *, pathway: str = "generation", at_once: int = 16) -> Tensor:
    """Codes [B, N, d] to pictures [B, 3, h, w] in [-1, 1], ``at_once`` together so that memory stays bounded.

    Raises ``UsageError`` for codes that the pathway does not have.
    """
    known = model.plan.pathways[pathway].codes
    if known is not None:
        check_codes(codes, known)
    tokenizer = cast(Tokenizer, model.part(f"{pathway}.tokenizer"))
    with generating(model):
        groups = (codes[start : start + at_once] for start in range(0, len(codes), at_once))
        return torch.cat([tokenizer.decode(some).clamp(-1, 1) for some in groups])


def _codes(model: UnifiedModel, pathway: str) -> Codes:
    shape = model.plan.pathways.get(pathway)
    drawing = [name for name, shape in model.plan.pathways.items() if shape.mode == "draw"]
    if shape is None or shape.mode != "draw" or shape.codes is None:
        raise UsageError(f"'{pathway}' is not a pathway that draws (those that do: {', '.join(drawing) or 'none'})")
    return shape.codes
