"""What a step of a stage computes: its samples, its positions and its FLOPs, whatever its objective."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from attrs import frozen

from ..compose.plan import Plan
from ..compose.selectors import select
from ..errors import JaniformError
from ..measure.content import BatchContent
from ..measure.work import training_work
from ..model.processor import Processor
from ..recipe import Stage
from .examples import EstimatedText, Examples
from .objective_stage import ObjectiveStage
from .samples import Sample, samples_of
from .typical import has_sequences, packed_length
from .weights import Weights

if TYPE_CHECKING:
    from ..contracts import TextTokenizer

FULL = 0.97
"""Fraction of packed rows that is not padding, approximately."""


@frozen
class Positions:
    """Positions in the backbone's sequences, without padding: of text, and of pictures that are looked at or drawn."""

    text: float = 0.0
    looked_at: float = 0.0
    drawn: float = 0.0

    @property
    def total(self) -> float:
        return self.text + self.looked_at + self.drawn

    def __add__(self, other: Positions) -> Positions:
        return Positions(self.text + other.text, self.looked_at + other.looked_at, self.drawn + other.drawn)

    def times(self, count: float) -> Positions:
        return Positions(self.text * count, self.looked_at * count, self.drawn * count)

    def as_dict(self) -> dict[str, int]:
        return {"text": round(self.text), "looked_at": round(self.looked_at), "drawn": round(self.drawn)}


@frozen
class StepWork:
    """One step, on all devices. ``samples``: by source.

    A stage whose objective makes batches of its own kind has no ``positions``.
    """

    samples: Mapping[str, float]
    positions: Positions
    flops: float


class StepCounter:
    """Counts the work of stages of a plan. ``plain``: the weights without low-rank adapters.

    Args:
        lengths: see ``samples_of``.
        sources: names of the sources that are needed; all by default.
        text: a fitted text tokenizer; without one, tokens are estimated.

    Raises what ``samples_of`` raises, and ``CompositionError`` where a factory fails.
    """

    def __init__(
        self,
        plan: Plan,
        lengths: Mapping[str, int],
        sources: Iterable[str] | None = None,
        text: TextTokenizer | None = None,
    ) -> None:
        self.plan, self.plain, self._text = plan, Weights.of(plan), text
        self._examples = Examples(plan.recipe.sources)
        self.samples: Mapping[str, Sample] = samples_of(plan, lengths, self._examples, _processor(plan, text), sources)
        self._objectives: dict[str, ObjectiveStage] = {}

    def step(self, stage: Stage) -> StepWork:
        """The work of a step. Raises ``UntraceableError``."""
        samples = {name: stage.batch * ratio for name, ratio in stage.ratios.items()}
        if not has_sequences(stage):
            return StepWork(samples, Positions(), self.objective(stage).flops(stage.batch))
        weights, trained = self.weights(stage)
        content = self.content(stage)
        return StepWork(
            samples, self._positions(content), training_work(self.plan, weights.forward, trained).of(content)
        )

    def objective(self, stage: Stage) -> ObjectiveStage:
        """The objective of a stage whose batches are not sequences. Raises ``UntraceableError``."""
        if stage.name not in self._objectives:
            made = ObjectiveStage(self.plan, stage, self.samples, self._examples, self._text)
            self._objectives[stage.name] = made
        return self._objectives[stage.name]

    def weights(self, stage: Stage) -> tuple[Weights, set[str]]:
        """The weights of a stage, its low-rank adapters included, and the names of those that it trains."""
        trained = select(self.plain.forward.sizes, stage.train, self.plan.shared)
        if stage.lora is None:
            return self.plain, trained
        weights = Weights.of(self.plan, stage.lora, trained)
        return weights, trained | (weights.forward.sizes.keys() - self.plain.forward.sizes.keys())

    def content(self, stage: Stage) -> BatchContent:
        """The content of a step of sequences, on all devices."""
        parts = [self.samples[name].content(self.plan, stage.batch * ratio) for name, ratio in stage.ratios.items()]
        tokens = sum(part.tokens for part in parts)
        names = self.plan.pathways
        return BatchContent(
            positions=round(tokens / FULL) if packed_length(stage) else tokens,
            tokens=tokens,
            pairs=sum(part.pairs for part in parts),
            predicted_text=sum(part.predicted_text for part in parts),
            pictures={name: sum(part.pictures.get(name, 0) for part in parts) for name in names},
            drawn={
                name: sum(part.drawn.get(name, 0) for part in parts) for name in names if names[name].mode == "draw"
            },
            predicted={
                name: sum(part.predicted.get(name, 0) for part in parts) for name in names if names[name].mode == "draw"
            },
        )

    def _positions(self, content: BatchContent) -> Positions:
        sizes = {name: shape.tokens for name, shape in self.plan.pathways.items()}
        pictures = sum(count * sizes[name] for name, count in content.pictures.items())
        drawn = sum(count * sizes[name] for name, count in content.drawn.items())
        return Positions(content.tokens - pictures, pictures - drawn, drawn)


def _processor(plan: Plan, text: TextTokenizer | None) -> Processor | None:
    """What lays out examples; None where the layout needs a text tokenizer that is not there."""
    try:
        return Processor(plan, text=EstimatedText() if text is None else text)
    except JaniformError:
        return None
