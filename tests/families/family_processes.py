"""What each of two processes does for test_processes.py: ``python family_processes.py FOLDER FAMILY:PARALLEL …``.

A script of its own, since what a test module defines cannot be imported by another process.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from attrs import evolve
from janiform.train.checkpoints.checkpoint import Position
from janiform.train.data.seeding import seeds_of
from janiform.train.distributed.process_group import ProcessGroup, join_processes, mesh_of
from janiform.train.loop.stage import StageRun

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parents[1] / "core" / "train"))
from family_recipes import family_model, sources_of
from first_step import first_step


def first_losses(family: str, group: ProcessGroup, parallel: str = "replicate") -> dict[str, Any]:
    """Losses and gradients of the first step of a family's stage."""
    model = family_model(family)
    recipe = model.plan.recipe
    recipe = evolve(recipe, training=evolve(recipe.training, parallel=parallel))  # type: ignore[arg-type]
    mesh = mesh_of(group, recipe.training, torch.device("cpu"))
    run = StageRun(recipe.stages["all"], model, Position("all"), seeds_of(recipe).stage("all"), group, mesh)
    losses, gradients = first_step(run, sources_of(recipe))
    return {"losses": {name: loss.mean.item() for name, loss in losses.items()}, "gradients": gradients}


def main(folder: Path, wanted: list[str]) -> None:
    torch.set_num_threads(1)
    dist.init_process_group("gloo")
    for each in wanted:
        family, parallel = each.split(":")
        with join_processes("cpu") as (group, _):
            torch.save(first_losses(family, group, parallel), folder / f"{family}-{parallel}-{group.rank}.pt")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)  # at exit, threads of torch's process groups sometimes end a process by "terminate called"
