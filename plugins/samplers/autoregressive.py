"""The autoregressive sampler: ``janiform.generate_codes`` with the settings of a recipe."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from janiform import generate_codes

from .config import AutoregressiveConfig
from .overrides import overridden

if TYPE_CHECKING:
    from janiform import Sequence as SpanSequence
    from janiform import UnifiedModel
    from torch import Tensor


class AutoregressiveSampler:
    """See ``janiform.contracts.Sampler``."""

    def __init__(self, config: AutoregressiveConfig) -> None:
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
        config = overridden(self.config, "autoregressive", overrides)
        looks = {span.pathway for prompt in prompts for span in prompt.spans if span.kind == "look" and span.pathway}
        return generate_codes(
            model,
            prompts,
            guidance=config.guide(model.plan, looks),
            temperature=config.temperature,
            top_k=config.top_k,
            top_p=config.top_p,
            pathway=pathway,
            seeds=seeds,
            on_step=on_step,
            on_codes=on_codes,
        )
