"""A batch as a stage would see it: samples of its mixture with their pictures, packed as its objective packs them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

import torch

from ..compose.plan import Plan
from ..measure.costs import pixels_of
from ..recipe import Stage
from ..sequence.batch import Batch, collate, pack
from ..sequence.spans import Sequence, Span
from ..train.data.mixture import Mixture
from .samples import FRAME, Sample


def typical_batch(plan: Plan, stage: Stage, samples: Mapping[str, Sample], count: int) -> Batch:
    """``count`` samples in the order of the mixture, each as long as one of its source is on average.

    Pictures are on the meta device. Where the objective packs, rows are packed to its length; a sample that is longer
    is cut to it.
    """
    packed = packed_length(stage)
    sequences = [
        _sequence(plan, samples[name], number, packed)
        for name, taken in Counter(Mixture(stage.mixture).order({}, count)).items()
        for number in range(taken)
    ]
    return pack(sequences, packed) if packed else collate(sequences)


def packed_length(stage: Stage) -> int:
    """Positions of a row that holds several samples; 0 where each sample has a row."""
    return int(getattr(stage.objective.config, "packed", 0) or 0)


def _sequence(plan: Plan, sample: Sample, number: int, longest: int) -> Sequence:
    """One sample: prompt, pictures, answer. Fractions of pictures are whole in so many of the samples."""
    spans: list[Span] = []
    learned = round(sample.learned)
    room = longest or plan.hidden.context
    for name, mean in sample.pictures.items():
        shape = plan.pathways[name]
        for _ in range(_whole(mean, number)):
            drawn = sample.drawn.get(name, 0) > 0
            picture = torch.empty(3, *pixels_of(shape), device="meta")
            spans.append(Span("draw" if drawn else "look", (0,) * shape.tokens, name, picture, loss=drawn))
    room -= sum(span.length for span in spans)
    learned = max(0, min(learned, room - FRAME))
    before = max(1, min(round(sample.words) + FRAME - learned, room - learned))
    answer = [Span("text", (0,) * learned, loss=True)] if learned else []
    return Sequence([Span("text", (0,) * before), *spans, *answer])


def _whole(mean: float, number: int) -> int:
    """Whole numbers that have a mean: of number 0, 1, 2, …"""
    return int(mean * (number + 1) + 1e-6) - int(mean * number + 1e-6)
