"""What one sample of a source holds, on average: measured where its data is at hand, assumed where it is not."""

from __future__ import annotations

from collections.abc import Mapping
from statistics import fmean
from typing import Any

from attrs import evolve, field, frozen

from ..compose.plan import Plan
from ..errors import Problem, UsageError, nearest
from ..measure.amounts import Amounts
from ..recipe import Use
from ..sequence.conversation import Conversation, Draw, Look

EXAMPLES = 32
"""Examples of a source that are measured."""

LETTERS = 4
"""Letters of a token of text, about."""

FRAME = 8
"""Tokens that a layout puts around a conversation, about: roles, the marks of a picture, the end."""

ASSUMED = {"look": 220, "draw": 60, "read": 1000}
"""Tokens of text where nothing is known: an answer about a picture, a prompt, a document."""


@frozen
class Sample:
    """Means over samples. ``words``: tokens of text, of which ``learned`` are to predict.

    ``pictures``, and those that are ``drawn``, are by pathway. ``said``: how it is known.
    """

    words: float
    learned: float
    pictures: Mapping[str, float] = field(factory=dict)
    drawn: Mapping[str, float] = field(factory=dict)
    said: str = ""

    def tokens(self, plan: Plan) -> float:
        """Positions of a sample."""
        seen = sum(count * plan.pathways[name].tokens for name, count in self.pictures.items())
        return self.words + FRAME + seen

    def amounts(self, plan: Plan, count: float) -> Amounts:
        """What ``count`` samples hold, without padding."""
        tokens = self.tokens(plan)
        return Amounts(
            positions=round(count * tokens),
            tokens=round(count * tokens),
            pairs=round(count * tokens * (tokens + 1) / 2),
            words=round(count * self.learned),
            pictures={name: round(count * number) for name, number in self.pictures.items()},
            drawn={name: round(count * number) for name, number in self.drawn.items()},
        )


def samples_of(plan: Plan, lengths: Mapping[str, int]) -> dict[str, Sample]:
    """A sample of every source of a plan's recipe.

    Args:
        lengths: positions of a sample by its source, instead of what is measured or assumed.

    Raises:
        UsageError: a length is given for a source that there is not, or is too short for its pictures.
    """
    sources = plan.recipe.sources
    problems = [
        Problem(f"there is no source '{name}'", hint=nearest(name, sources)) for name in lengths if name not in sources
    ]
    if problems:
        raise UsageError(problems)
    found = {name: _measured(use) or _assumed(plan, use) for name, use in sources.items()}
    for name, length in lengths.items():
        sample = found[name]
        text = length - (sample.tokens(plan) - sample.words)
        if text < 0:
            raise UsageError(
                f"a sample of '{name}' is {length - text:.0f} positions long without any text, not {length}"
            )
        learned = sample.learned * text / sample.words if sample.words else 0
        found[name] = evolve(sample, words=text, learned=learned, said="given")
    return found


def _measured(use: Use) -> Sample | None:
    """Means over the first examples; None where the data is not there, or is not to be read here."""
    try:
        source: Any = use.component.load()(use.config)
        examples = [source.example(index) for index in range(EXAMPLES)]
    except Exception:  # files that are missing, and whatever else a source says to that
        return None
    found = [_of(example) for example in examples]
    names = {name for sample in found for name in sample.pictures}
    drawing = {name for sample in found for name in sample.drawn}
    return Sample(
        fmean(sample.words for sample in found),
        fmean(sample.learned for sample in found),
        {name: fmean(sample.pictures.get(name, 0) for sample in found) for name in sorted(names)},
        {name: fmean(sample.drawn.get(name, 0) for sample in found) for name in sorted(drawing)},
        f"measured on {len(found)} samples",
    )


def _of(example: Conversation) -> Sample:
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


def _assumed(plan: Plan, use: Use) -> Sample:
    """By what a source's settings say of it: its ``task``, or the ``pathway`` that it goes through."""
    usual: dict[str, str] = {}
    for other, shape in plan.pathways.items():
        usual.setdefault(shape.mode, other)
    pathway = getattr(use.config, "pathway", "")
    task = getattr(use.config, "task", plan.pathways[pathway].mode if pathway in plan.pathways else "read")
    words = float(ASSUMED.get(task, ASSUMED["read"]))
    said = f"assumed, {words:.0f} tokens of text"
    name = pathway or usual.get(task, "")
    if task not in ("look", "draw") or name not in plan.pathways:
        return Sample(words, words, said=said)
    if task == "draw":
        return Sample(words, 0, {name: 1}, {name: 1}, said)
    return Sample(words, words - 20, {name: 1}, said=said)
