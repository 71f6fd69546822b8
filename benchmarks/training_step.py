"""What a training step costs beside the arithmetic: a stage, against a bare loop over the same batches.

    python benchmarks/training_step.py janus-mini stage-2 --steps 10
    python benchmarks/training_step.py janus-mini stage-2 --steps 5 --set backbone.width=768 --set backbone.inner=2112 \
        --set backbone.layers=12 --set backbone.heads=12 --set backbone.kv_heads=12 --set backbone.head_width=64
                                                                               # a backbone of about 100 M

Both are measured in processor time, alternating, so that other programs on the machine count for little. Prints JSON.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Iterator
from typing import Any

import hardware
import torch
from attrs import evolve
from janiform import read_recipe
from janiform.compose import compose
from janiform.model.build import build_model
from janiform.train.checkpoints.checkpoint import Position
from janiform.train.data.builder import BatchBuilder
from janiform.train.data.seeding import seeds_of
from janiform.train.data.specs import batch_specs
from janiform.train.loop.loop import train_steps
from janiform.train.loop.stage import StageRun
from torch import nn


def bare(run: StageRun, sources: dict[str, Any]) -> Iterator[None]:
    """The shortest loop that trains: batch, forward, backward, clip, update."""
    parameters = list(run.trained.values())
    optimizer = torch.optim.AdamW(parameters, lr=run.stage.learning_rate, betas=run.stage.betas, fused=True)
    builder = BatchBuilder(sources, run.objective, run.seeds.batches)
    for spec in batch_specs(run.mixture, run.stage.batch, range(run.stage.steps), {}, {}):
        batch = builder[spec].batch
        with torch.autocast("cpu", torch.bfloat16, enabled=run.stage.precision == "bfloat16"):
            losses, _ = run.objective.losses(batch)
            loss = torch.stack([loss.mean for loss in losses.values()]).sum()
        loss.backward()
        nn.utils.clip_grad_norm_(parameters, run.stage.clip)
        optimizer.step()
        optimizer.zero_grad()
        yield


def stage_run(recipe: Any, name: str) -> tuple[StageRun, dict[str, Any]]:
    torch.manual_seed(0)
    model = build_model(compose(recipe))
    stage = evolve(recipe.stages[name], muon=())  # the bare loop has AdamW alone
    sources = {
        source: recipe.sources[source].component.load()(recipe.sources[source].config) for source in stage.sources
    }
    examples = [sources[source].example(index) for source in sources for index in range(300)]
    model.processor.fit([turn.text for example in examples for turn in example.turns if turn.text])
    return StageRun(stage, model, Position(name), seeds_of(recipe).stage(stage.name)), sources


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipe")
    parser.add_argument("stage")
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--set", dest="overrides", action="append", default=[], metavar="KEY=VALUE")
    arguments = parser.parse_args()
    recipe = read_recipe(arguments.recipe, arguments.overrides)
    run, sources = stage_run(recipe, arguments.stage)
    other, _ = stage_run(recipe, arguments.stage)
    loops = {
        "bare": bare(other, sources),
        "engine": train_steps(run, sources, run.stage.steps),
    }
    spent: dict[str, list[float]] = {name: [] for name in loops}
    for step in range(arguments.steps + 1):
        for name, loop in loops.items():
            began = time.process_time()
            next(loop)
            if step:  # the first pays for allocations
                spent[name].append(time.process_time() - began)
    medians = {name: statistics.median(values) for name, values in spent.items()}
    ratios = [engine / least for engine, least in zip(spent["engine"], spent["bare"], strict=True)]
    print(
        json.dumps(
            {
                "recipe": recipe.name,
                "stage": arguments.stage,
                "parameters": sum(parameter.numel() for parameter in run.trained.values()),
                "samples": run.stage.batch,
                "hardware": hardware.cpu(),
                "seconds_per_step": medians,
                "overhead": round(statistics.median(ratios) - 1, 4),
                "lowest": round(min(ratios) - 1, 4),
                "highest": round(max(ratios) - 1, 4),
            },
            indent=2,
        )
    )


if __name__ == "__main__":
    main()
