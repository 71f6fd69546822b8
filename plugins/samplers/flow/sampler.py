"""The sampler ``flow``: every step reads all places of a picture and moves them towards the data.

B pictures    R guidance rows    N places of a picture    C width of latents
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from janiform import Canvas, Corrupted, Steps, UsageError, drawing_seeds, normal
from torch import Tensor

from ..base import Drawing, GuidedSampler
from .config import FlowConfig
from .process import FlowProcess
from .steps import draw_along, levels, renormed, slope

if TYPE_CHECKING:
    from janiform import UnifiedModel

TEXT = "text"
"""The words of a prompt, among what a guidance row does not see."""


class FlowSampler(GuidedSampler[FlowConfig]):
    """All places in every step; reports what the pictures would be by the current prediction."""

    name = "flow"

    def drawing_steps(self, drawing: Drawing[FlowConfig]) -> Steps[Tensor]:
        model, config = drawing.model, drawing.config
        process = _process(model, drawing.pathway, config)
        seeds = drawing_seeds(len(drawing.prompts), drawing.seeds)
        canvas = drawing.canvas()
        field = _Field(canvas, config, process)
        z = normal(seeds, (canvas.drawn.tokens, canvas.drawn.width), model.device)
        path = levels(config.steps, config.shift)
        return (
            yield from draw_along(
                z, path, field, config.solver, lambda step, data: drawing.report(step, config.steps, data)
            )
        )


class _Field:
    """The slope of latents [B, N, C] at a noise level, as the model predicts it with guidance."""

    def __init__(self, canvas: Canvas, config: FlowConfig, process: FlowProcess) -> None:
        self.canvas, self.config, self.process = canvas, config, process
        rows = canvas.guidance.rows
        self.plain = next((index for index, row in enumerate(rows) if not row.hidden), None)
        # With the rule "stacked", a last row may lack the pictures of the prompt.
        lacks = config.rule == "stacked" and bool(rows[-1].hidden) and TEXT not in rows[-1].hidden
        self.pictureless = rows[-1].weight if lacks else 0.0
        if self.plain is None and (config.renorm != "none" or config.guidance_above > 0 or config.guidance_up_to < 1):
            raise UsageError(
                "renorm, guidance_above and guidance_up_to need the row that sees the whole prompt, which this "
                "guidance leaves out: use another guidance than 0"
            )

    def __call__(self, z: Tensor, level: float) -> Tensor:
        times = torch.full((len(z),), self.process.time(level), device=z.device)
        only = None if self.config.guided(level) else self.plain
        predicted = self.canvas.values(z, Corrupted(times), only).float()
        mixed = self._mixed(predicted) if only is None else predicted[0]
        return slope(mixed, z, level, self.process.of, self.process.data_at)

    def _mixed(self, predicted: Tensor) -> Tensor:
        """Predictions of all rows [R, B, N, C] to one [B, N, C]."""
        guided = self.canvas.guidance.mix(predicted.flatten(0, 1))
        renorm = self.config.renorm
        if self.plain is None or renorm == "none":
            return guided
        weight = self.pictureless if renorm == "text_channel" else 0.0
        if not weight:
            over = "global" if renorm == "global" else "channel"
            return renormed(guided, predicted[self.plain], over)
        by_text = (guided - weight * predicted[-1]) / (1 - weight)
        return (1 - weight) * renormed(by_text, predicted[self.plain], "channel") + weight * predicted[-1]


def _process(model: UnifiedModel, pathway: str, config: FlowConfig) -> FlowProcess:
    """The process of a pathway under other settings. Raises ``UsageError`` where the pathway has none of this kind."""
    shape = model.plan.pathways.get(pathway)
    if shape is None or not isinstance(shape.process, FlowProcess):
        raise UsageError(f"'{pathway}' is not a pathway whose pictures the sampler 'flow' draws")
    return FlowProcess(shape.process.of, config.times, config.training_shift, config.data_at)
