"""What a stage is planned to take on one device, against what the process that trains it really takes on the CPU.

    python benchmarks/plan_memory.py janus-mini stage-3 --steps 3 --set stage.stage-3.batch=64
    torchrun --nproc-per-node 2 benchmarks/plan_memory.py janus-mini stage-3 --set 'training.parallel="shard"'

Measured is by how much the resident size at its largest during some steps is above that before the model was made:
weights, gradients, optimizer, the passes, communication, and what the allocator does not give back; of several
processes the most that one of them takes. What a first use of PyTorch's parts takes once is taken before. Linux only.
Prints JSON.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import re
from pathlib import Path
from typing import Any

import torch
from attrs import evolve
from janiform import read_recipe
from janiform.compose import compose
from janiform.measure.gpus import gpu_named
from janiform.model.build import build_model
from janiform.planning.plan import plan_training
from janiform.planning.stage_plan import PlanRequest
from janiform.train.checkpoints.checkpoint import Position
from janiform.train.data.seeding import seeds_of
from janiform.train.distributed.process_group import ProcessGroup, join_processes, mesh_of
from janiform.train.loop.loop import train_steps
from janiform.train.loop.stage import StageRun
from torch import nn
from torch.distributed.fsdp import fully_shard


def resident(what: str) -> int:
    """Bytes that this process holds: ``VmRSS`` now, ``VmHWM`` at most since the peak was forgotten."""
    found = re.search(rf"{what}:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert found, "this needs Linux"
    return int(found[1]) * 1024


def warm_up(mesh: Any) -> None:
    """What kernels, optimizers and communication take once."""
    model = nn.Sequential(nn.Linear(256, 256), nn.Linear(256, 256))
    if mesh is not None:
        mesh = mesh["shard"] if mesh.shape[0] == 1 else mesh
        for layer in model:
            fully_shard(layer, mesh=mesh)
        fully_shard(model, mesh=mesh)
    optimizer = torch.optim.AdamW(model.parameters(), fused=True)
    model(torch.ones(256, 256)).sum().backward()
    optimizer.step()


def steps_of(recipe: Any, name: str, steps: int, group: ProcessGroup) -> int:
    """Train some steps of a stage; gives by how much the resident size grew at most."""
    stage = recipe.stages[name]
    sources = {one: recipe.sources[one].component.load()(recipe.sources[one].config) for one in stage.sources}
    texts = [turn.text for one in sources.values() for i in range(20) for turn in one.example(i).turns if turn.text]
    mesh = mesh_of(group, recipe.training, torch.device("cpu"))
    warm_up(mesh)
    before = resident("VmRSS")
    torch.manual_seed(0)
    model = build_model(compose(recipe))
    model.processor.fit(texts)
    run = StageRun(stage, model, Position(name), seeds_of(recipe).stage(stage.name), group, mesh)
    del model
    Path("/proc/self/clear_refs").write_text("5")  # forgets the peak
    for _ in train_steps(run, sources, steps):
        pass
    return resident("VmHWM") - before


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipe")
    parser.add_argument("stage")
    parser.add_argument("--steps", type=int, default=3)
    parser.add_argument("--set", dest="overrides", action="append", default=[])
    arguments = parser.parse_args()
    # Large tensors are to come from the system and go back to it, as on a device whose allocator has no gaps.
    ctypes.CDLL(None).mallopt(-3, 1 << 16)
    torch.set_num_threads(1)
    recipe = read_recipe(arguments.recipe, arguments.overrides)
    recipe = evolve(recipe, stages={arguments.stage: recipe.stages[arguments.stage]})
    recipe = evolve(recipe, training=evolve(recipe.training, stages=(arguments.stage,)))
    with join_processes("cpu") as (group, _):
        measured = max(group.gather(steps_of(recipe, arguments.stage, arguments.steps, group)))
    if not group.main:
        return
    (planned,) = plan_training(recipe, PlanRequest(gpu_named("cpu", tflops=1, memory=1), group.size)).stages
    assert planned.memory is not None, planned.problem
    result = {
        "recipe": recipe.name,
        "stage": arguments.stage,
        "processes": group.size,
        "parallel": recipe.training.parallel,
        "planned": {**planned.memory.as_dict(), "total": planned.memory.total},
        "measured": measured,
        "planned_over_measured": round(planned.memory.total / measured, 3),
    }
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
