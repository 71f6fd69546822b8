"""What all built-in samplers share: settings that a call replaces, the guidance of a request, and reports of steps."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

import attrs
from attrs import frozen
from janiform import Canvas, Guidance, UsageError, nearest

from .config import GuidedConfig

if TYPE_CHECKING:
    from janiform import Sequence as SpanSequence
    from janiform import UnifiedModel
    from torch import Tensor

Config = TypeVar("Config", bound=GuidedConfig)


@frozen(eq=False)
class Drawing(Generic[Config]):
    """One request to draw a picture for each of B prompts, with the settings that hold for it."""

    model: UnifiedModel
    prompts: Sequence[SpanSequence]
    pathway: str
    seeds: Sequence[int] | None
    config: Config
    guidance: Guidance
    on_step: Callable[[int, int], None] | None
    on_codes: Callable[[Tensor], None] | None

    def canvas(self) -> Canvas:
        """The pictures as wholes, behind their prompts; within ``janiform.generating``."""
        return Canvas(self.model, self.prompts, self.guidance, self.pathway)

    def report(self, done: int, steps: int, codes: Tensor) -> None:
        """Tell the caller how many of the steps are done, and the codes or latents after them."""
        if self.on_step is not None:
            self.on_step(done, steps)
        if self.on_codes is not None:
            self.on_codes(codes)


class GuidedSampler(ABC, Generic[Config]):
    """See ``janiform.contracts.Sampler``. A picture depends on its prompt, its seed and the settings alone."""

    name: ClassVar[str]

    def __init__(self, config: Config) -> None:
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
        config = overridden(self.config, self.name, overrides)
        looks = {span.pathway for prompt in prompts for span in prompt.spans if span.kind == "look" and span.pathway}
        guidance = config.guide(model.plan, looks)
        return self.drawn(Drawing(model, prompts, pathway, seeds, config, guidance, on_step, on_codes))

    @abstractmethod
    def drawn(self, drawing: Drawing[Config]) -> Tensor:
        """Codes int64 [B, N, d] or latents float32 [B, N, C] of a request."""


def overridden(config: Config, sampler: str, overrides: Mapping[str, Any]) -> Config:
    """The config with other settings. Raises ``UsageError`` for one that it does not declare, and for wrong values."""
    settings = attrs.asdict(config)
    for name in overrides:
        if name not in settings:
            raise UsageError(f"the sampler '{sampler}' has no setting '{name}' ({nearest(name, settings)})")
    try:
        return attrs.evolve(config, **overrides)
    except (TypeError, ValueError) as error:
        raise UsageError(f"the sampler '{sampler}': {error.args[0]}") from None
