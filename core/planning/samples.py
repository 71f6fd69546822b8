"""The average content of a sample of each source: measured where its data is available, otherwise assumed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from statistics import fmean
from typing import TYPE_CHECKING

from attrs import evolve, field, frozen

from ..compose.plan import Plan
from ..errors import JaniformError, Problem, UsageError, nearest
from ..measure.content import BatchContent
from ..measure.pictures import predicted_share
from ..recipe import Use
from ..sequence.conversation import Conversation, Draw, Look
from ..sequence.spans import Span
from .examples import LETTERS, Examples

if TYPE_CHECKING:
    from ..model.processor import Processor

EXAMPLES = 32
"""Examples of a source that are measured."""

FRAME = 8
"""Tokens that a layout adds to a conversation, approximately: roles, the marks of a picture, the end."""

ASSUMED = {"look": 220, "draw": 60, "read": 1000}
"""Tokens of text where no data is available: an answer about a picture, a prompt, a document."""


@frozen
class Sample:
    """Means over samples. ``text``: tokens of text, of which ``predicted`` have a loss.

    ``pictures``, and those that are ``drawn``, are by pathway. ``basis``: whether it is measured, assumed or given.
    ``back``: pairs of a position and a later one that it attends to, in full blocks.
    """

    text: float
    predicted: float
    pictures: Mapping[str, float] = field(factory=dict)
    drawn: Mapping[str, float] = field(factory=dict)
    basis: str = ""
    back: float = 0.0

    def tokens(self, plan: Plan) -> float:
        """Positions of a sample."""
        of_pictures = sum(count * plan.pathways[name].tokens for name, count in self.pictures.items())
        return self.text + FRAME + of_pictures

    def content(self, plan: Plan, count: float) -> BatchContent:
        """The content of ``count`` samples, without padding."""
        tokens = self.tokens(plan)
        return BatchContent(
            positions=round(count * tokens),
            tokens=round(count * tokens),
            pairs=round(count * (tokens * (tokens + 1) / 2 + self.back)),
            predicted_text=round(count * self.predicted),
            pictures={name: round(count * number) for name, number in self.pictures.items()},
            drawn={name: round(count * number) for name, number in self.drawn.items()},
            predicted={
                name: count * number * predicted_share(plan.pathways[name]) for name, number in self.drawn.items()
            },
        )


def samples_of(
    plan: Plan,
    lengths: Mapping[str, int],
    examples: Examples | None = None,
    processor: Processor | None = None,
    names: Iterable[str] | None = None,
) -> dict[str, Sample]:
    """The average sample of sources of a plan's recipe.

    Args:
        lengths: positions of a sample by source; overrides what is measured or assumed.
        examples: those of the plan's sources, where they are used further.
        processor: lays out the examples; without it, their text is counted by its letters.
        names: of the sources; all by default.

    Raises:
        UsageError: a length is given for an unknown source, or is too short for its pictures.
    """
    sources = plan.recipe.sources
    problems = [
        Problem(f"there is no source '{name}'", hint=nearest(name, sources)) for name in lengths if name not in sources
    ]
    if problems:
        raise UsageError(problems)
    examples = Examples(sources) if examples is None else examples
    samples = {
        name: _measured(examples.first(name, EXAMPLES), processor) or _assumed(plan, sources[name])
        for name in (sources if names is None else dict.fromkeys([*names, *lengths]))
    }
    for name, length in lengths.items():
        sample = samples[name]
        text = length - (sample.tokens(plan) - sample.text)
        if text < 0:
            raise UsageError(
                f"a sample of '{name}' has {length - text:.0f} positions without any text; {length} is too short"
            )
        predicted = sample.predicted * text / sample.text if sample.text else 0
        samples[name] = evolve(sample, text=text, predicted=predicted, basis="given")
    return samples


def _measured(examples: list[Conversation] | None, processor: Processor | None) -> Sample | None:
    """Means over examples; None where there are none."""
    if examples is None:
        return None
    measured = [_of(example, processor) for example in examples]
    names = {name for sample in measured for name in sample.pictures}
    drawing = {name for sample in measured for name in sample.drawn}
    return Sample(
        fmean(sample.text for sample in measured),
        fmean(sample.predicted for sample in measured),
        {name: fmean(sample.pictures.get(name, 0) for sample in measured) for name in sorted(names)},
        {name: fmean(sample.drawn.get(name, 0) for sample in measured) for name in sorted(drawing)},
        f"measured on {len(measured)} samples",
        fmean(sample.back for sample in measured),
    )


def _of(example: Conversation, processor: Processor | None) -> Sample:
    """The content of an example: in the sequence that the layout makes of it, or by its letters where it makes none."""
    if processor is not None:
        try:
            return _laid_out(example, processor)
        except JaniformError:  # such as a picture of a pathway that the recipe does not have
            pass
    text = dict.fromkeys(("user", "assistant"), 0)
    pictures: dict[str, float] = {}
    drawn: dict[str, float] = {}
    for turn in example.turns:
        text[turn.role] += len(turn.text) // LETTERS
        for piece in turn.content:
            if isinstance(piece, Look | Draw):
                pictures[piece.pathway] = pictures.get(piece.pathway, 0) + 1
            if isinstance(piece, Draw):
                drawn[piece.pathway] = drawn.get(piece.pathway, 0) + 1
    return Sample(sum(text.values()), text["assistant"], pictures, drawn)


def _laid_out(example: Conversation, processor: Processor) -> Sample:
    """The content of an example in the sequence that a layout makes of it."""
    text, predicted = -FRAME, 0
    pictures: dict[str, float] = {}
    drawn: dict[str, float] = {}
    spans = processor.sequence(example).spans
    for span in spans:
        if span.kind == "text" or span.pathway is None:
            text += span.length
            predicted += span.predictions
            continue
        pictures[span.pathway] = pictures.get(span.pathway, 0) + 1
        if span.loss:
            drawn[span.pathway] = drawn.get(span.pathway, 0) + 1
    return Sample(text, predicted, pictures, drawn, back=_back(spans))


def _back(spans: Iterable[Span]) -> float:
    """The pairs of a position and a later one in full blocks; spans that follow each other may be one."""
    blocks: list[int] = []
    before = 0
    for span in spans:
        if span.full and span.block and span.block == before:
            blocks[-1] += span.length
        elif span.full:
            blocks.append(span.length)
        before = span.block
    return sum(length * (length - 1) / 2 for length in blocks)


def _assumed(plan: Plan, use: Use) -> Sample:
    """Assume a sample from a source's settings: its ``task``, or the ``pathway`` of its pictures."""
    usual: dict[str, str] = {}
    for other, shape in plan.pathways.items():
        usual.setdefault(shape.mode, other)
    pathway = getattr(use.config, "pathway", "")
    task = getattr(use.config, "task", plan.pathways[pathway].mode if pathway in plan.pathways else "read")
    words = float(ASSUMED.get(task, ASSUMED["read"]))
    basis = f"assumed, {words:.0f} tokens of text"
    name = pathway or usual.get(task, "")
    if task not in ("look", "draw") or name not in plan.pathways:
        return Sample(words, words, basis=basis)
    if task == "draw":
        return Sample(words, 0, {name: 1}, {name: 1}, basis)
    return Sample(words, words - 20, {name: 1}, basis=basis)
