"""Pictures, code by code: one forward per code for all pictures and both guidance rows.

B pictures    N codes of a picture    d depth of a code    R rows: B, or 2B with guidance    V codes of the vocabulary
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast

import torch
from attrs import frozen
from torch import Tensor

from ...contracts import OnCodes, OnStep, Tokenizer
from ...errors import ComponentError, Problem, UsageError
from ...model.processor import check_codes
from ...ports import Codes
from ...sequence.spans import Sequence as SpanSequence
from .context import check_context_length
from .decode import decode
from .engine import engine_of, generating
from .sampling import Sampling, guided, sampling_guidance, uniforms

if TYPE_CHECKING:
    from ...model.unified_model import UnifiedModel


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
    """Draw the codes of one picture for each prompt, int64 [B, N, d], in raster order.

    Args:
        guidance: scale of classifier-free guidance; 1 draws from the conditional distribution.
        seeds: one per picture. A picture depends on its prompt, its seed and the settings, and not on the pictures that
            are drawn in the same batch.
        unconditional: the prompts of the unconditional rows; by default the layout blanks ``prompts``.
        on_step: called with the number of codes that are drawn of each picture, and of all.
        on_codes: called after every step with all codes so far.

    Raises:
        UsageError: a setting is out of range or a prompt too long; nothing was computed.
    """
    codes = _codes(model, pathway)
    sampling = Sampling(temperature=temperature, top_k=top_k)
    guidance = sampling_guidance(guidance)
    check_context_length(model, prompts, codes.tokens, "codes of a picture")
    count = len(prompts)
    noise = uniforms(count, codes.tokens * codes.depth, seeds).to(model.device) if sampling.random else None
    if noise is not None:
        noise = noise.view(codes.tokens, codes.depth, count)
    rows = list(prompts)
    if guidance != 1:
        rows += unconditional if unconditional is not None else map(model.processor.unconditional, prompts)
    codes_BNd = torch.full((count, codes.tokens, codes.depth), -1, device=model.device)
    with generating(model):
        engine = engine_of(model)
        state = engine.prefill(rows, codes.tokens)
        output = CodeOutput(model, pathway, codes.depth, count, guidance)
        for step, codes_Bd in enumerate(decode(engine, state, output, sampling, noise, codes.tokens)):
            codes_BNd[:, step] = codes_Bd
            if on_step is not None:
                on_step(step + 1, codes.tokens)
            if on_codes is not None:
                on_codes(codes_BNd)
    return codes_BNd


class CodeOutput:
    """Codes of ``count`` pictures, whose rows come twice with guidance: conditional rows first."""

    def __init__(self, model: UnifiedModel, pathway: str, depth: int, count: int, guidance: float) -> None:
        self.head: Any = model.part(f"{pathway}.head")
        self.embedding = model.part(f"{pathway}.embedding")
        self.adapter = model.part(f"{pathway}.adapter")
        self.depth = depth
        self.count = count
        self.guidance = guidance

    def sample(self, hidden: Tensor, sampling: Sampling, uniforms: Tensor | None) -> Tensor:
        """Hidden states [R, H] and uniforms [d, B] to codes [B, d]."""
        if self.depth > 1:
            codes: Tensor = self.head.sample(hidden, LevelSampler(sampling, self.guidance, uniforms))
            return codes[: self.count]
        logits = self.head(hidden)
        if self.guidance != 1:
            logits = guided(logits.float(), self.guidance)
        return sampling(logits, None if uniforms is None else uniforms[0])[:, None]

    def embed(self, ids: Tensor, step: int) -> Tensor:
        """Codes [B, d] of the place ``step`` in the picture to embeddings [R, 1, H]."""
        embeddings: Tensor = self.adapter(self.embedding(ids[:, None], step))
        return embeddings if self.guidance == 1 else embeddings.repeat(2, 1, 1)


@frozen(eq=False)
class LevelSampler:
    """The ``choose`` of one position for a head of several levels; see ``janiform.contracts.Choose``."""

    sampling: Sampling
    guidance: float
    uniforms: Tensor | None
    """[d, B]; None at temperature 0."""

    def __call__(self, logits: Tensor, level: int | None = None) -> Tensor:
        """Logits [R, V] of a level to codes [R], the same in both guidance rows."""
        if level is None:
            # Every level has uniforms of its own: without the level, the codes would not be independent.
            raise ComponentError(
                Problem(
                    "the head's sample calls choose(logits) without the level of the code",
                    hint="call choose(logits, level), counting levels from 0",
                )
            )
        if self.guidance != 1:
            logits = guided(logits.float(), self.guidance)
        codes = self.sampling(logits, None if self.uniforms is None else self.uniforms[level])
        return codes if self.guidance == 1 else codes.repeat(2)


def decode_codes(model: UnifiedModel, codes: Tensor, *, pathway: str = "generation", at_once: int = 16) -> Tensor:
    """Decode codes [B, N, d] to pictures [B, 3, h, w] in [-1, 1], ``at_once`` of them together to bound memory.

    Raises ``UsageError`` for codes that are not in the pathway's vocabulary.
    """
    port = model.plan.pathways[pathway].codes
    if port is not None:
        check_codes(codes, port)
    tokenizer = cast(Tokenizer, model.part(f"{pathway}.tokenizer"))
    with generating(model):
        groups = (codes[start : start + at_once] for start in range(0, len(codes), at_once))
        return torch.cat([tokenizer.decode(group).clamp(-1, 1) for group in groups])


def _codes(model: UnifiedModel, pathway: str) -> Codes:
    shape = model.plan.pathways.get(pathway)
    drawing = [name for name, shape in model.plan.pathways.items() if shape.mode == "draw"]
    if shape is None or shape.mode != "draw" or shape.codes is None:
        raise UsageError(f"'{pathway}' is not a pathway that draws (those that do: {', '.join(drawing) or 'none'})")
    return shape.codes
