"""What a stage is planned to take on one device, against what the process that trains it really takes on the CPU.

    python benchmarks/plan_memory.py janus-mini stage-3 --steps 3 --set stage.stage-3.batch=64

Measured is by how much the process' largest resident size grows from the moment before the model is made until some
steps are done: weights, gradients, optimizer, the passes, and what the allocator does not give back. Prints JSON.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import resource
import time
from typing import Any

import torch
from attrs import evolve
from janiform import read_recipe
from janiform.compose import compose
from janiform.planning.gpus import gpu_named
from janiform.planning.plan import Order, plan_training
from janiform.train.checkpoint import Position
from janiform.train.stage import StageRun


def peak() -> int:
    """The largest resident size so far, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def steps_of(recipe: Any, name: str, steps: int) -> int:
    """Train some steps of a stage; gives by how much the largest resident size grew."""
    stage = recipe.stages[name]
    sources = {one: recipe.sources[one].component.load()(recipe.sources[one].config) for one in stage.sources}
    texts = [turn.text for one in sources.values() for i in range(300) for turn in one.example(i).turns if turn.text]
    (torch.ones(512, 512) @ torch.ones(512, 512)).sum().item()  # what the first kernels take once
    before = peak()
    torch.manual_seed(0)
    model = compose(recipe).build()
    model.processor.fit(texts)
    run = StageRun(stage, model, Position(name), (0, 0))
    loop = run.steps(sources, until=steps, ahead=0, seconds=time.perf_counter)
    for _ in loop:
        pass
    return peak() - before


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipe")
    parser.add_argument("stage")
    parser.add_argument("--steps", type=int, default=3)
    parser.add_argument("--set", dest="overrides", action="append", default=[])
    arguments = parser.parse_args()
    # Large tensors are to come from the system and go back to it, as on a device whose allocator has no gaps.
    ctypes.CDLL(None).mallopt(-3, 1 << 16)
    recipe = read_recipe(arguments.recipe, arguments.overrides)
    recipe = evolve(recipe, stages={arguments.stage: recipe.stages[arguments.stage]})
    recipe = evolve(recipe, training=evolve(recipe.training, stages=(arguments.stage,)))
    measured = steps_of(recipe, arguments.stage, arguments.steps)
    (planned,) = plan_training(recipe, Order(gpu_named("cpu", tflops=1, memory=1), 1)).stages
    assert planned.memory is not None, planned.problem
    result = {
        "recipe": recipe.name,
        "stage": arguments.stage,
        "planned": {**planned.memory.as_dict(), "total": planned.memory.total},
        "measured": measured,
        "planned_over_measured": planned.memory.total / measured,
    }
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
