"""Samples along the way: pictures that the model draws, and its answers, for a few fixed examples."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch

from ...contracts import Source
from ...contracts.showcase import Samples
from ...errors import JaniformError
from ...storage.atomic import Writer, write_files
from ..data.batches import usable
from ..loop.stage import StageRun

COUNT = 8
"""Examples of each source that the objective may show."""


def write_samples(
    run: StageRun, sources: Mapping[str, Source], folder: Path, say: Callable[[str], None]
) -> Samples | None:
    """Ask the objective what the model makes of a few examples, and write it as ``STAGE-STEP.png`` and ``.json``.

    Training goes on as if nothing had happened: modes and random states are put back. None where the objective shows
    nothing.
    """
    show: Any = getattr(run.objective, "samples", None)
    if show is None:
        return None
    examples = [example for name in run.mixture.sources for example in usable(sources[name], COUNT)]
    modes = {module: module.training for module in run.objective.modules()} | {
        module: module.training for module in run.model.modules()
    }
    devices = [run.model.device] if run.model.device.type == "cuda" else []
    try:
        with torch.no_grad(), torch.random.fork_rng(devices):
            torch.manual_seed(0)
            run.objective.eval()
            run.model.eval()
            shown = show(examples)
        if shown is None:
            return None
        samples = shown if isinstance(shown, Samples) else Samples(shown)
        write_files(folder, _writers(f"{run.stage.name}-{run.position.step:06d}", samples))
    except JaniformError as error:
        say(f"no samples at step {run.position.step} of {run.stage.name}: {error}")
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
        writers[f"{stem}.json"] = lambda part: _write(part, text)
    return writers


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")
