"""The sampler ``scales``: one forward for all codes of a scale, over the keys and values of all before.

B pictures    N codes of all scales    n codes of a scale    d depth of a code    R rows: B times those of the guidance
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import accumulate
from typing import Any

import torch
from janiform import Canvas, Guidance, Sampling, Steps, UsageError, uniforms
from torch import Tensor

from ..base import Drawing, GuidedSampler
from .config import ScalesConfig


class ScalesSampler(GuidedSampler[ScalesConfig]):
    """Scale after scale.

    A further pass of a scale reads the vectors that are made of its own codes, and is forgotten: later scales see
    what they see in training, the places as they were in the first pass.
    """

    name = "scales"

    def drawing_steps(self, drawing: Drawing[ScalesConfig]) -> Steps[Tensor]:
        model, config, count = drawing.model, drawing.config, len(drawing.prompts)
        plain = _plain(drawing.guidance, config)
        canvas = drawing.canvas()
        port: Any = canvas.drawn
        passes = config.limits
        noise = uniforms(count, len(passes) * port.tokens * port.depth, drawing.seeds).to(model.device)
        noise = noise.view(len(passes), port.depth, port.tokens, count).transpose(2, 3)
        codes = torch.full((count, port.tokens, port.depth), -1, device=model.device)
        stops = list(accumulate(scale.size for scale in port.scales))
        read = start = 0
        for number, stop in enumerate(stops):
            share = 1.0 if not config.ramp or len(stops) == 1 else number / (len(stops) - 1)
            mix = _mix(drawing.guidance, plain, share)
            for again, (top_k, top_p) in enumerate(passes[: None if number else 1]):
                if again:
                    canvas.rewind(start)
                    read = start
                    states = canvas.append(_again(drawing, codes[:, :stop]))
                else:
                    vectors = model.embed_drawn(codes[:, :stop], drawing.pathway)
                    states = canvas.append(vectors[:, read:])[:, start - read :]
                    read = stop
                sampling = Sampling(temperature=config.temperature, top_k=top_k, top_p=top_p)
                chosen = noise[again, :, :, start:stop].flatten(1)
                codes[:, start:stop] = _codes(canvas, states, sampling, mix, chosen)
            if len(passes) > 1 and number:
                canvas.rewind(start)
            start = stop
            drawing.report(number + 1, len(stops), codes)
            yield None
        return codes


def _codes(
    canvas: Canvas, states: Tensor, sampling: Sampling, mix: Callable[[Tensor], Tensor], uniforms: Tensor
) -> Tensor:
    """States [R, n, H] of a scale's places, and uniforms [d, B·n], to codes [B, n, d]."""

    def choose(logits: Tensor, level: int) -> Tensor:
        chosen = sampling(mix(logits), uniforms[level])
        return chosen.repeat(len(canvas.guidance))

    places = canvas.count * states.shape[1]
    codes: Tensor = canvas.head.sample(states.flatten(0, 1), choose)[:places]
    return codes.view(canvas.count, states.shape[1], -1)


def _plain(guidance: Guidance, config: ScalesConfig) -> int:
    """The number of the row that sees the whole prompt, whose logits are those without guidance; -1 where none is used.

    Raises ``UsageError`` where there is none and guidance grows with the scales.
    """
    plain = next((number for number, row in enumerate(guidance.rows) if not row.hidden), -1)
    if config.ramp and plain < 0:
        raise UsageError(
            "ramp needs the row that sees the whole prompt, which this guidance leaves out: use another guidance than "
            "0, or set ramp to false"
        )
    return plain


def _mix(guidance: Guidance, plain: int, share: float) -> Callable[[Tensor], Tensor]:
    """How the logits [R·n, V] of all rows are mixed, with a share of the guidance: of g, 1 + share · (g − 1)."""

    def mix(logits: Tensor) -> Tensor:
        mixed = guidance.mix(logits)
        if share == 1 or len(guidance) == 1:
            return mixed
        unguided = logits.float().chunk(len(guidance))[plain]
        return unguided + share * (mixed - unguided)

    return mix


def _again(drawing: Drawing[ScalesConfig], codes: Tensor) -> Tensor:
    """Vectors [B, n, H] of the last scale, made of its own codes as well."""
    embedding: Any = drawing.model.part(f"{drawing.pathway}.embedding")
    if not callable(getattr(embedding, "again", None)):
        raise UsageError(
            f"the embedding {type(embedding).__name__} has no method 'again', which further passes of a scale need: "
            "set passes to 1"
        )
    adapter: Any = drawing.model.part(f"{drawing.pathway}.adapter")
    vectors: Tensor = adapter(embedding.again(codes))
    return vectors
