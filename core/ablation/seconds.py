"""Seconds of a training step on this machine, measured by a short run of the stage."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

from attrs import evolve

from ..console import SafeConsole
from ..recipe import Recipe
from ..train.progress.log import read_log
from ..train.progress.reporter import Reporter
from ..train.run.train import train
from .study import Cell

_WARM, _MEASURED = 3, 8
"""Steps before measuring, which include compilation and the first batches, and steps that are measured."""


def measured_seconds(say: Callable[[str], None]) -> Callable[[Cell, str], float]:
    """A function of a cell and a stage: the seconds of a step, each measured once."""
    known: dict[tuple[str, str], float] = {}

    def seconds(cell: Cell, stage: str) -> float:
        if (cell.name, stage) not in known:
            say(f"measuring a step of {stage} in {cell.name}")
            known[cell.name, stage] = _measure(cell.recipe, stage)
        return known[cell.name, stage]

    return seconds


def _measure(recipe: Recipe, name: str) -> float:
    steps = _WARM + _MEASURED
    stage = evolve(recipe.stages[name], steps=steps, stop=0, warmup=0, log_every=1, sample_every=0)
    short = evolve(recipe, stages={**recipe.stages, name: stage}, sinks={})
    with tempfile.TemporaryDirectory(prefix="janiform-seconds-") as folder:
        quiet = Reporter(SafeConsole(quiet=True))
        out = train(short, Path(folder) / "run", stages=[name], reporter=quiet)
        times = [entry["time"] for entry in read_log(out / "log.jsonl")]
    return float(times[-1] - times[_WARM - 1]) / _MEASURED
