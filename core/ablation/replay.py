"""A finished run once more, from its own files alone, and whether it is equal."""

from __future__ import annotations

import time
from pathlib import Path

from attrs import frozen

from ..errors import Problem, UsageError, nearest
from ..recipe import read_recipe
from ..storage.digest import file_digest
from ..train.progress.log import read_log
from ..train.progress.reporter import Reporter
from ..train.run.train import train
from .run_place import RunPlace
from .text import FILE

_WEIGHTS = "model.safetensors"


@frozen
class Replay:
    """The outcome of a replay: whether the weights are equal, in sentences, and the folder of the new run."""

    equal: bool
    sentences: tuple[str, ...]
    folder: Path


def replay(out: Path, cell: str, seed: int, *, device: str | None = None, reporter: Reporter | None = None) -> Replay:
    """Train a run of the study in ``out`` again, with every stage, and compare logs and weights.

    Raises ``UsageError`` where the study has no such finished run.
    """
    place = RunPlace(out / "cells" / cell / f"seed-{seed}", cell, seed)
    if not place.trained:
        cells = [path.name for path in (out / "cells").glob("*")] if (out / "cells").is_dir() else []
        hint = nearest(cell, cells) if cell not in cells else "run the study first"
        raise UsageError(Problem(f"{out} has no finished run of the cell '{cell}' with seed {seed}", hint=hint))
    recipe = read_recipe(place.run / "recipe.toml")
    folder = _new(out / "replays" / f"{cell}-seed-{seed}-{time.strftime('%Y%m%d-%H%M%S')}")
    tokenizer = place.run if (place.run / FILE).is_file() else None
    train(recipe, folder, device=device, tokenizer=tokenizer, reporter=reporter)
    digests = [file_digest(path / _WEIGHTS) for path in (place.run, folder)]
    if digests[0] == digests[1]:
        return Replay(True, (f"equal: both have the weights {digests[0][:16]}…", f"the new run is in {folder}"), folder)
    return Replay(
        False,
        (
            f"not equal: the weights are {digests[0][:16]}… in {place.run} and {digests[1][:16]}… in {folder}",
            first_difference(place.run, folder),
        ),
        folder,
    )


def _new(path: Path) -> Path:
    """The path, with a number where it is taken."""
    number = 2
    chosen = path
    while chosen.exists():
        chosen, number = path.with_name(f"{path.name}-{number}"), number + 1
    return chosen


def first_difference(before: Path, after: Path) -> str:
    """The first step at which the losses of two runs differ, as a sentence."""
    logs = [{entry["total"]: entry for entry in read_log(path / "log.jsonl")} for path in (before, after)]
    for total in sorted(logs[0].keys() & logs[1].keys()):
        left, right = (log[total] for log in logs)
        if left["losses"] != right["losses"]:
            losses = f"{left['losses']}, {right['losses']}"
            return f"the losses differ first at step {left['step']} of {left['stage']}: {losses}"
    common = len(logs[0].keys() & logs[1].keys())
    return f"the losses of all {common} steps that both logged are equal"
