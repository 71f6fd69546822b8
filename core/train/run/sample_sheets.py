"""Samples during training: what the model draws and answers for a few fixed examples."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from itertools import zip_longest
from pathlib import Path

import torch

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
    of_sources = zip_longest(*(usable(source, COUNT) for source in sources.values()))
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
    """The files of some samples: the sheet, and the answers where there are any."""
    writers: dict[str, Writer] = {}
    picture = samples.picture
    if picture is not None:
        writers[f"{stem}.png"] = lambda part: picture.save(part, format="PNG")
    if samples.answers:
        names = ("question", "answer", "expected")
        answers = [dict(zip(names, row, strict=True)) for row in samples.answers]
        text = json.dumps({"answers": answers}, indent=2, ensure_ascii=False)
        writers[f"{stem}.json"] = text_writer(text)
    return writers
