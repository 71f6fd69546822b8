"""Pictures along the way: what the model makes of a few fixed examples."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch

from ..contracts import Source
from ..errors import JaniformError
from ..storage.atomic import write_files
from .data import usable
from .stage import StageRun

COUNT = 8
"""Examples of each source that the objective may show."""


def write_samples(
    run: StageRun, sources: Mapping[str, Source], folder: Path, say: Callable[[str], None]
) -> Path | None:
    """Ask the objective for a picture of its work and write it as ``STAGE-STEP.png``.

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
    path = folder / f"{run.stage.name}-{run.position.step:06d}.png"
    try:
        with torch.no_grad(), torch.random.fork_rng(devices):
            torch.manual_seed(0)
            run.objective.eval()
            run.model.eval()
            picture = show(examples)
        if picture is None:
            return None
        write_files(folder, {path.name: lambda part: picture.save(part, format="PNG")})
    except JaniformError as error:
        say(f"no sample pictures at step {run.position.step} of {run.stage.name}: {error}")
        return None
    finally:
        for module, training in modes.items():
            module.training = training
    return path
