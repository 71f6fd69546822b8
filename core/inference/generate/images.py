"""Pictures, code by code: one forward per code for all pictures and all their guidance rows.

B pictures    N codes of a picture    d depth of a code    R rows: B times those of the guidance    V codes
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast

import torch
from attrs import frozen
from torch import Tensor

from ...contracts import OnCodes, OnStep, Tokenizer
from ...errors import ComponentError, Problem, UsageError
from ...guidance import EVERYTHING, Guidance
from ...ports import Codes
from ...sequence.codes import check_codes, check_latents
from ...sequence.spans import Sequence as SpanSequence
from .context import check_context_length
from .engine import generating
from .running import run_steps
from .sampling import Sampling, uniforms
from .steps import Decode, Prefill, Project, Steps

if TYPE_CHECKING:
    from ...compose import Plan
    from ...model.unified_model import UnifiedModel


def generate_codes(
    model: UnifiedModel,
    prompts: Sequence[SpanSequence],
    *,
    guidance: float | Guidance = 5.0,
    temperature: float = 1.0,
    top_k: int = 0,
    top_p: float = 1.0,
    seeds: Sequence[int] | None = None,
    pathway: str = "generation",
    unconditional: Sequence[SpanSequence] | None = None,
    on_step: OnStep | None = None,
    on_codes: OnCodes | None = None,
) -> Tensor:
    """Draw the codes of one picture for each prompt, int64 [B, N, d], in raster order.

    Args:
        guidance: scale of classifier-free guidance, where 1 draws from the conditional distribution; or the rows that
            each picture is drawn with, and how they are mixed.
        seeds: one per picture. A picture depends on its prompt, its seed and the settings, and not on the pictures that
            are drawn in the same batch.
        unconditional: the prompts of the unconditional rows; by default those that the layout gives.
        on_step: called with the number of codes that are drawn of each picture, and of all.
        on_codes: called after every step with all codes so far.

    Raises:
        UsageError: a setting is out of range or a prompt too long; nothing was computed.
    """
    return run_steps(
        model,
        codes_steps(
            model,
            prompts,
            guidance=guidance,
            temperature=temperature,
            top_k=top_k,
            top_p=top_p,
            seeds=seeds,
            pathway=pathway,
            unconditional=unconditional,
            on_step=on_step,
            on_codes=on_codes,
        ),
    )


def codes_steps(
    model: UnifiedModel,
    prompts: Sequence[SpanSequence],
    *,
    guidance: float | Guidance = 5.0,
    temperature: float = 1.0,
    top_k: int = 0,
    top_p: float = 1.0,
    seeds: Sequence[int] | None = None,
    pathway: str = "generation",
    unconditional: Sequence[SpanSequence] | None = None,
    on_step: OnStep | None = None,
    on_codes: OnCodes | None = None,
) -> Steps[Tensor]:
    """The steps of ``generate_codes``, checked as there."""
    codes = _codes(model, pathway)
    sampling = Sampling(temperature=temperature, top_k=top_k, top_p=top_p)
    guidance = guidance if isinstance(guidance, Guidance) else Guidance.plain(guidance)
    check_context_length(model, prompts, codes.tokens, "codes of a picture")
    count = len(prompts)
    noise = uniforms(count, codes.tokens * codes.depth, seeds).to(model.device) if sampling.random else None
    if noise is not None:
        noise = noise.view(codes.tokens, codes.depth, count)
    rows = guidance_prompts(model, prompts, guidance, unconditional)
    check_context_length(model, rows, codes.tokens, "codes of a picture")
    return _drawn(model, rows, pathway, count, guidance, sampling, noise, on_step, on_codes)


def _drawn(
    model: UnifiedModel,
    rows: Sequence[SpanSequence],
    pathway: str,
    count: int,
    guidance: Guidance,
    sampling: Sampling,
    noise: Tensor | None,
    on_step: OnStep | None,
    on_codes: OnCodes | None,
) -> Steps[Tensor]:
    codes = _codes(model, pathway)
    codes_BNd = torch.full((count, codes.tokens, codes.depth), -1, device=model.device)
    output = CodeOutput(model, pathway, codes, count, guidance)
    received = yield Prefill(rows, codes.tokens, output.project(0), model.plan.pathways[pathway].route)
    for step in range(codes.tokens):
        codes_Bd = output.sample(received, sampling, None if noise is None else noise[step], step)
        codes_BNd[:, step] = codes_Bd
        if on_step is not None:
            on_step(step + 1, codes.tokens)
        if on_codes is not None:
            on_codes(codes_BNd)
        if step + 1 < codes.tokens:
            received = yield Decode(output.embed(codes_Bd, step), output.project(step + 1))
    return codes_BNd


def guidance_prompts(
    model: UnifiedModel,
    prompts: Sequence[SpanSequence],
    guidance: Guidance,
    unconditional: Sequence[SpanSequence] | None = None,
) -> list[SpanSequence]:
    """The prompts of all rows: for each row of the guidance those of all pictures, without what the row does not see.

    Prompts that are the same object are changed once.
    """
    rows: list[SpanSequence] = []
    for row in guidance.rows:
        if row.hidden == EVERYTHING and unconditional is not None:
            rows += unconditional
            continue
        distinct = {id(prompt): prompt for prompt in prompts}
        changed = {key: model.processor.without(prompt, row.hidden) for key, prompt in distinct.items()}
        rows += [changed[id(prompt)] for prompt in prompts]
    return rows


class CodeOutput:
    """Codes of ``count`` pictures, whose rows come once for each row of the guidance."""

    def __init__(self, model: UnifiedModel, pathway: str, codes: Codes, count: int, guidance: Guidance) -> None:
        self.head: Any = model.part(f"{pathway}.head")
        self.embedding = model.part(f"{pathway}.embedding")
        self.adapter = model.part(f"{pathway}.adapter")
        self.depth = codes.depth
        self.given = codes.given
        self.count = count
        self.guidance = guidance

    def project(self, step: int) -> Project | None:
        """What hidden states [R, H] become before the code of the place ``step`` is sampled."""
        return self.head if self.depth == 1 and step not in self.given else None

    def sample(self, received: Tensor, sampling: Sampling, uniforms: Tensor | None, step: int) -> Tensor:
        """Logits [R, V] or hidden states [R, H], and uniforms [d, B], to codes [B, d] of the place ``step``."""
        if step in self.given:
            return torch.full((self.count, self.depth), self.given[step], device=received.device)
        if self.depth > 1:
            codes: Tensor = self.head.sample(received, LevelSampler(sampling, self.guidance, uniforms))
            return codes[: self.count]
        logits = self.guidance.mix(received)
        return sampling(logits, None if uniforms is None else uniforms[0])[:, None]

    def embed(self, ids: Tensor, step: int) -> Tensor:
        """Codes [B, d] of the place ``step`` in the picture to embeddings [R, 1, H]."""
        embeddings: Tensor = self.adapter(self.embedding(ids[:, None], step))
        return embeddings.repeat(len(self.guidance), 1, 1) if len(self.guidance) > 1 else embeddings


@frozen(eq=False)
class LevelSampler:
    """The ``choose`` of one position for a head of several levels; see ``janiform.contracts.Choose``."""

    sampling: Sampling
    guidance: Guidance
    uniforms: Tensor | None
    """[d, B]; None at temperature 0."""

    def __call__(self, logits: Tensor, level: int | None = None) -> Tensor:
        """Logits [R, V] of a level to codes [R], the same in all rows of a picture."""
        if level is None:
            # Every level has uniforms of its own: without the level, the codes would not be independent.
            raise ComponentError(
                Problem(
                    "the head's sample calls choose(logits) without the level of the code",
                    hint="call choose(logits, level), counting levels from 0",
                )
            )
        logits = self.guidance.mix(logits)
        codes = self.sampling(logits, None if self.uniforms is None else self.uniforms[level])
        return codes.repeat(len(self.guidance)) if len(self.guidance) > 1 else codes


def decode_codes(model: UnifiedModel, codes: Tensor, *, pathway: str = "generation", at_once: int = 16) -> Tensor:
    """Decode codes [B, N, d], or latents [B, N, C], to pictures [B, 3, h, w] in [-1, 1].

    ``at_once`` of them are decoded together, to bound memory. Raises ``UsageError`` for codes that are not in the
    pathway's vocabulary, for latents that are not finite, and where the tokenizer has no decoder.
    """
    port = model.plan.pathways[pathway].drawn
    if isinstance(port, Codes):
        check_codes(codes, port)
    elif port is not None:
        check_latents(codes, port)
    check_decodes(model.plan, pathway)
    tokenizer = cast(Tokenizer, model.part(f"{pathway}.tokenizer"))
    with generating(model):
        groups = (codes[start : start + at_once] for start in range(0, len(codes), at_once))
        return torch.cat([tokenizer.decode(group).clamp(-1, 1) for group in groups])


def check_decodes(plan: Plan, pathway: str) -> None:
    """Raise ``UsageError`` where a pathway's tokenizer has no decoder, so that no pixels can be drawn."""
    if plan.pathways[pathway].decodes:
        return
    name = plan.parts[plan.owner(f"{pathway}.tokenizer")].use.component.name
    raise UsageError(
        Problem(
            f"the tokenizer '{name}' of '{pathway}' has no decoder, so that a picture can be drawn as latents only",
            hint="Model.generate_codes and janiform generate --latents give them; a decoder of pixels is a setting of "
            "the tokenizer, if it has any",
        )
    )


def _codes(model: UnifiedModel, pathway: str) -> Codes:
    shape = model.plan.pathways.get(pathway)
    drawing = [name for name, shape in model.plan.pathways.items() if shape.mode == "draw"]
    if shape is None or shape.mode != "draw":
        raise UsageError(f"'{pathway}' is not a pathway that draws (those that do: {', '.join(drawing) or 'none'})")
    if shape.codes is None or not shape.place_by_place:
        how = "scale by scale" if shape.scales else "as wholes"
        raise UsageError(f"'{pathway}' draws pictures {how}, by the sampler of the recipe, not code by code")
    return shape.codes
