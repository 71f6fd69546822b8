"""Samples during training: what the model draws and answers for a few fixed examples."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from itertools import zip_longest
from pathlib import Path
from typing import Any

import torch
from attrs import asdict

from ...contracts import Source
from ...contracts.objective import Objective
from ...contracts.showcase import Samples
from ...errors import JaniformError
from ...model.unified_model import UnifiedModel
from ...storage.atomic import Writer, text_writer, write_files
from ..checkpoints.checkpoint import Position
from ..data.sources import usable

COUNT = 8
"""Examples of each source that the objective may show."""

MEASURED = 64
"""Examples of each source for an objective that also measures a tokenizer: eight tell little about its codes."""


def write_samples(
    objective: Objective,
    model: UnifiedModel,
    sources: Mapping[str, Source],
    folder: Path,
    position: Position,
    say: Callable[[str], None],
) -> Samples | None:
    """Let the objective show what the model makes of a few examples, and write ``STAGE-STEP.png`` and ``.json``.

    The examples come from the sources in turn, since an objective shows only the first ones of a kind.
    Modes and random states are restored, so training is not affected. None where the objective shows nothing.
    """
    number = MEASURED if objective.measures_tokenizer else COUNT
    of_sources = zip_longest(*(usable(source, number) for source in sources.values()))
    examples = [example for row in of_sources for example in row if example is not None]
    modes = {module: module.training for root in (objective, model) for module in root.modules()}
    devices = [model.device] if model.device.type == "cuda" else []
    try:
        with torch.no_grad(), torch.random.fork_rng(devices):
            torch.manual_seed(0)
            objective.eval()
            model.eval()
            shown = objective.samples(examples)
        if shown is None:
            return None
        samples = shown if isinstance(shown, Samples) else Samples(shown)
        write_files(folder, _writers(f"{position.stage}-{position.step:06d}", samples))
    except JaniformError as error:
        say(f"no samples at step {position.step} of {position.stage}: {error}")
        return None
    finally:
        for module, training in modes.items():
            module.training = training
    return samples


def _writers(stem: str, samples: Samples) -> dict[str, Writer]:
    """The files of some samples: the sheet, and the answers and the quality of the tokenizer where there are any."""
    writers: dict[str, Writer] = {}
    picture = samples.picture
    if picture is not None:
        writers[f"{stem}.png"] = lambda part: picture.save(part, format="PNG")
    facts: dict[str, Any] = {}
    if samples.answers:
        names = ("question", "answer", "expected")
        facts["answers"] = [dict(zip(names, row, strict=True)) for row in samples.answers]
    if samples.tokenizer is not None:
        facts["tokenizer"] = asdict(samples.tokenizer)
    if facts:
        writers[f"{stem}.json"] = text_writer(json.dumps(facts, indent=2, ensure_ascii=False))
    return writers
