"""The sampler ``flow``: every step reads all places of a picture and moves them towards the data.

B pictures    R guidance rows    N places of a picture    C width of latents
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import torch
from janiform import Canvas, Corrupted, UsageError, drawing_seeds, generating, normal
from torch import Tensor

from ..overrides import overridden
from .config import FlowConfig
from .process import FlowProcess
from .steps import draw_along, levels, renormed, slope

if TYPE_CHECKING:
    from janiform import Sequence as SpanSequence
    from janiform import UnifiedModel


class FlowSampler:
    """See ``janiform.contracts.Sampler``. A picture depends on its prompt, its seed and the settings alone."""

    def __init__(self, config: FlowConfig) -> None:
        self.config = config

    def draw(
        self,
        model: UnifiedModel,
        prompts: Sequence[SpanSequence],
        *,
        pathway: str = "generation",
        seeds: Sequence[int] | None = None,
        on_step: Callable[[int, int], None] | None = None,
        on_codes: Callable[[Tensor], None] | None = None,
        **overrides: Any,
    ) -> Tensor:
        """Latents [B, N, C], float32; ``on_codes`` gets what the pictures would be by the current prediction."""
        config = overridden(self.config, "flow", overrides)
        process = _process(model, pathway, config)
        looks = {span.pathway for prompt in prompts for span in prompt.spans if span.kind == "look" and span.pathway}
        drawn = model.plan.pathways[pathway].drawn
        assert drawn is not None  # as there is a process
        own_seeds = drawing_seeds(len(prompts), seeds)

        def done(step: int, data: Tensor) -> None:
            if on_step is not None:
                on_step(step, config.steps)
            if on_codes is not None:
                on_codes(data)

        with generating(model):
            canvas = Canvas(model, prompts, config.guide(model.plan, looks), pathway)
            field = _Field(canvas, config, process)
            z = normal(own_seeds, (drawn.tokens, drawn.width), model.device)
            return draw_along(z, levels(config.steps, config.shift), field, config.solver, done)


class _Field:
    """The slope of latents [B, N, C] at a noise level, as the model predicts it with guidance."""

    def __init__(self, canvas: Canvas, config: FlowConfig, process: FlowProcess) -> None:
        self.canvas, self.config, self.process = canvas, config, process
        rows = canvas.guidance.rows
        self.plain = next((index for index, row in enumerate(rows) if not row.hidden), None)
        if self.plain is None and (config.renorm != "none" or config.guidance_above > 0 or config.guidance_up_to < 1):
            raise UsageError(
                "renorm, guidance_above and guidance_up_to need the row that sees the whole prompt, which this "
                "guidance leaves out: use another guidance than 0"
            )

    def __call__(self, z: Tensor, level: float) -> Tensor:
        times = torch.full((len(z),), self.process.time(level), device=z.device)
        predicted = self.canvas.values(z, Corrupted(times)).float()
        return slope(self._mixed(predicted, level), z, level, self.process.of, self.process.data_at)

    def _mixed(self, predicted: Tensor, level: float) -> Tensor:
        """Predictions of all rows [R, B, N, C] to one [B, N, C]."""
        if self.plain is not None and not self.config.guided(level):
            return predicted[self.plain]
        guided = self.canvas.guidance.mix(predicted.flatten(0, 1))
        return guided if self.plain is None else renormed(guided, predicted[self.plain], self.config.renorm)


def _process(model: UnifiedModel, pathway: str, config: FlowConfig) -> FlowProcess:
    """The process of a pathway under other settings. Raises ``UsageError`` where the pathway has none of this kind."""
    shape = model.plan.pathways.get(pathway)
    if shape is None or not isinstance(shape.process, FlowProcess):
        raise UsageError(f"'{pathway}' is not a pathway whose pictures the sampler 'flow' draws")
    return FlowProcess(shape.process.of, config.times, config.training_shift, config.data_at)
