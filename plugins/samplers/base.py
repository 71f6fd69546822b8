"""What all built-in samplers share: settings that a call replaces, the guidance of a request, and reports of steps."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

import attrs
from attrs import frozen
from janiform import Canvas, Guidance, Steps, UsageError, nearest, run_steps

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
    """See ``janiform.contracts.Sampler``. A picture depends on its prompt, its seed and the settings alone.

    Rules of guidance have a row for the pictures of a prompt, so prompts with others are drawn in groups of their own.
    """

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
        steps = self.steps(
            model, prompts, pathway=pathway, seeds=seeds, on_step=on_step, on_codes=on_codes, **overrides
        )
        return run_steps(model, steps)

    def steps(
        self,
        model: UnifiedModel,
        prompts: Sequence[SpanSequence],
        *,
        pathway: str = "generation",
        seeds: Sequence[int] | None = None,
        on_step: Callable[[int, int], None] | None = None,
        on_codes: Callable[[Tensor], None] | None = None,
        **overrides: Any,
    ) -> Steps[Tensor]:
        config = overridden(self.config, self.name, overrides)
        groups: dict[Guidance, list[int]] = {} if prompts else {config.guide(model.plan, set()): []}
        for index, prompt in enumerate(prompts):
            groups.setdefault(config.guide(model.plan, _looks(prompt)), []).append(index)
        drawn: list[tuple[list[int], Tensor]] = []

        def drawn_so_far(codes: Tensor) -> None:
            """Give the caller the pictures of all groups; those of later ones are not begun."""
            assert on_codes is not None
            on_codes(_joined([*drawn, (members, codes)], len(prompts)))

        for number, (guidance, members) in enumerate(groups.items()):
            chosen = [prompts[index] for index in members]
            own = seeds if seeds is None or len(seeds) != len(prompts) else [seeds[index] for index in members]
            steps = _steps_of_all(on_step, number, len(groups))
            shown = None if on_codes is None else drawn_so_far  # without a listener, samplers gather nothing to show
            drawing = Drawing(model, chosen, pathway, own, config, guidance, steps, shown)
            drawn.append((members, (yield from self.drawing_steps(drawing))))
        return _joined(drawn, len(prompts))

    @abstractmethod
    def drawing_steps(self, drawing: Drawing[Config]) -> Steps[Tensor]:
        """The steps to codes int64 [B, N, d] or latents float32 [B, N, C] of a request."""


def _looks(prompt: SpanSequence) -> set[str]:
    """The pathways of the pictures of a prompt."""
    return {span.pathway for span in prompt.spans if span.kind == "look" and span.pathway}


def _joined(groups: Sequence[tuple[Sequence[int], Tensor]], count: int) -> Tensor:
    """The codes or latents of groups of pictures, [b, N, …] each, as those of ``count``; −1 or 0 of those in no group.

    Prompts that differ in the pictures that they have are guided by other rows, and are drawn one group after another.
    """
    first = groups[0][1]
    if len(groups) == 1 and len(first) == count:
        return first
    every = first.new_full((count, *first.shape[1:]), 0 if first.is_floating_point() else -1)
    for members, codes in groups:
        every[list(members)] = codes
    return every


def _steps_of_all(
    on_step: Callable[[int, int], None] | None, number: int, groups: int
) -> Callable[[int, int], None] | None:
    """Progress over all groups from that of one."""
    if on_step is None or groups == 1:
        return on_step
    return lambda done, steps: on_step((number * steps + done) // groups, steps)


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
