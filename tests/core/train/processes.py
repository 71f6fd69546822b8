"""What each of several processes does for test_processes.py, which starts them: ``python processes.py FOLDER WHAT…``.

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
from janiform import registry
from janiform.compose import compose
from janiform.model.build import build_model
from janiform.recipe import Lora, Recipe, Use, read_recipe_text
from janiform.train.checkpoints.checkpoint import Position
from janiform.train.data.seeding import seeds_of
from janiform.train.distributed.process_group import ProcessGroup, join_processes, mesh_of, whole
from janiform.train.loop.loop import train_steps
from janiform.train.loop.stage import StageRun
from janiform.train.run import preparation as runs
from janiform.train.run.train import train

sys.path.insert(0, str(Path(__file__).parent))
from first_step import first_step

BATCH = 8
LAYERS = ("layers = 1, heads = 2, context", "layers = 2, heads = 2, context")


def mixed(recipe: Recipe, what: str) -> Recipe:
    """The recipe, its last stage with Muon, averages, and steps that two processes can share.

    ``what``: "lora" gives the stage adapters, "encoder" is the stage that learns from pictures and captions, in
    "semantic" the tokenizer learns from them, and "aligned" aligns states of drawn pictures with the encoder's
    features.
    """
    if what == "semantic":
        return semantic(recipe)
    if what == "encoder":
        return evolve(recipe, stages={"all": evolve(recipe.stages["encoder"], batch=BATCH)})
    trained = ("backbone", "understanding", "generation.adapter", "generation.embedding", "generation.head")
    stage = evolve(recipe.stages["all"], batch=BATCH, train=trained, muon=("backbone.layers",), ema=0.5, micro_batch=3)
    if what == "aligned":
        component = registry().find("objective", "aligned")
        packed = stage.objective.config.packed  # type: ignore[attr-defined]
        config = component.config(packed=packed, block=1, layers=2, width=6)
        stage = evolve(stage, objective=evolve(stage.objective, component=component, config=config))
    if what == "lora":
        layers = ("backbone", "understanding.adapter", "generation.head")
        stage = evolve(stage, train=("understanding.encoder",), lora=Lora(on=layers, rank=2), muon=())
    return evolve(recipe, stages={**recipe.stages, "all": stage})


def semantic(recipe: Recipe) -> Recipe:
    """A stage that trains the tokenizer by captions as well. Codes that move to vectors of a batch cannot be shared."""
    pathway = recipe.pathways["generation"]
    used: Any = pathway.parts["tokenizer"]
    parts = {**pathway.parts, "tokenizer": evolve(used, config=evolve(used.config, reseed=0))}
    objective = registry().find("objective", "semantic")
    config = objective.config(width=16, layers=1, heads=2, decoder=1)
    stage = evolve(
        recipe.stages["encoder"],
        objective=Use("objective", objective, config),
        train=("generation.tokenizer",),
        muon=("generation.tokenizer.encoder",),
        batch=BATCH,
    )
    pathways = {**recipe.pathways, "generation": evolve(pathway, parts=parts)}
    return evolve(recipe, pathways=pathways, stages={"all": stage})


def first_steps(recipe: Recipe, group: ProcessGroup, parallel: str, steps: int = 2) -> dict[str, Any]:
    """Losses and gradients of the first step of the last stage, then its weights and averages after some more."""
    parallel, _, what = parallel.partition("+")
    recipe = mixed(evolve(recipe, training=evolve(recipe.training, parallel=parallel, shards=2)), what)  # type: ignore[arg-type]
    torch.manual_seed(0)
    model = build_model(compose(recipe))
    sources = {name: use.component.load()(use.config) for name, use in recipe.sources.items()}
    examples = [source.example(index) for source in sources.values() for index in range(20)]
    model.processor.fit([turn.text for example in examples for turn in example.turns if turn.text])
    mesh = mesh_of(group, recipe.training, torch.device("cpu"))
    run = StageRun(recipe.stages["all"], model, Position("all"), seeds_of(recipe).stage("all"), group, mesh)
    losses, gradients = first_step(run, sources)

    seen: dict[str, Any] = {"losses": {name: loss.mean.item() for name, loss in losses.items()}, "gradients": gradients}
    for entry in train_steps(run, sources, steps):
        seen["norm"] = entry and entry.grad_norm
    averages = {} if run.average is None else run.average.weights
    seen["averages"] = {name: whole(average).clone() for name, average in averages.items()}
    run.average = None
    run.finish()
    seen["weights"] = {name: tensor.detach().clone() for name, tensor in run.model.state_dict().items()}
    return seen


def main(folder: Path, todo: list[str]) -> None:
    torch.set_num_threads(1)
    dist.init_process_group("gloo")
    runs.TEXTS_TO_FIT = 20
    recipe = read_recipe_text((folder / "recipe.toml").read_text())
    for what in todo:
        if what.startswith("train"):
            _, parallel, until = what.split(":")
            wanted = evolve(recipe, training=evolve(recipe.training, parallel=parallel))  # type: ignore[arg-type]
            resume = (folder / "run").exists()
            train(wanted, folder / "run", device="cpu", ahead=2, until=int(until) or None, resume=resume)
            continue
        with join_processes("cpu") as (group, _):
            found = first_steps(read_recipe_text((folder / "recipe.toml").read_text().replace(*LAYERS)), group, what)
            torch.save(found, folder / f"{what}-{group.rank}.pt")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)  # at exit, threads of torch's process groups sometimes end a process by "terminate called"
