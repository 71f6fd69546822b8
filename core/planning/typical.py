"""A typical batch of a stage: samples of its mixture with their pictures, packed as its objective packs them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Literal

import numpy as np
import torch

from ..compose.plan import Plan
from ..measure.costs import pixels_of
from ..recipe import Stage
from ..sequence.batch import Batch, collate, pack
from ..sequence.spans import Sequence, Span
from ..train.data.mixture import Mixture
from .examples import whole
from .samples import FRAME, Sample


def typical_batch(plan: Plan, stage: Stage, samples: Mapping[str, Sample], count: int) -> Batch:
    """Return a batch of ``count`` samples in the order of the mixture, each of its source's average length.

    Pictures are on the meta device. Where the objective packs, rows are packed to its length; longer samples are cut.
    """
    packed = packed_length(stage)
    sequences = [
        _sequence(plan, samples[name], number, packed)
        for name, taken in Counter(Mixture(stage.mixture).order({}, count)).items()
        for number in range(taken)
    ]
    return pack(sequences, packed) if packed else collate(sequences)


def has_sequences(stage: Stage) -> bool:
    """Whether the batches of a stage's objective are sequences, as its config declares by a field ``packed``."""
    return hasattr(stage.objective.config, "packed")


def packed_length(stage: Stage) -> int:
    """Positions of a row that holds several samples; 0 where each sample has a row."""
    return int(stage.objective.config.packed or 0) if has_sequences(stage) else 0


def _sequence(plan: Plan, sample: Sample, number: int, longest: int) -> Sequence:
    """One sample: prompt, pictures, answer. A fraction of a picture is a picture in that fraction of the samples."""
    spans: list[Span] = []
    predicted = round(sample.predicted)
    free = longest or plan.hidden.context
    for name, mean in sample.pictures.items():
        shape = plan.pathways[name]
        for _ in range(whole(mean, number)):
            drawn = sample.drawn.get(name, 0) > 0
            picture = torch.empty(3, *pixels_of(shape), device="meta")
            corruption = shape.corruption(np.random.default_rng(number) if drawn else None)
            kind: Literal["draw", "look"] = "draw" if drawn else "look"
            ids, blocks = (0,) * shape.tokens, shape.block_lengths
            spans.append(Span(kind, ids, name, picture, loss=drawn, corruption=corruption, block_lengths=blocks))
    free -= sum(span.length for span in spans)
    predicted = max(0, min(predicted, free - FRAME))
    before = max(1, min(round(sample.text) + FRAME - predicted, free - predicted))
    answer = [Span("text", (0,) * predicted, loss=True)] if predicted else []
    return Sequence([Span("text", (0,) * before), *spans, *answer])
