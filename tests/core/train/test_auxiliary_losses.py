"""Losses of parts are the same however a step is divided, recomputed or packed; their weights; who has none."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pytest
import torch
from attrs import evolve
from janiform import ComponentError, Loss, RecipeError, auxiliary_losses
from janiform.compose import compose
from janiform.model.auxiliary import auxiliary_weights
from janiform.model.build import build_model
from janiform.recipe import Recipe, read_recipe_text
from janiform.train.checkpoints.checkpoint import Position
from janiform.train.data.builder import BatchBuilder
from janiform.train.data.seeding import seeds_of
from janiform.train.data.specs import batch_specs
from janiform.train.loop import blocks
from janiform.train.loop.stage import StageRun
from janiform.train.run.dry_run import dry_run
from torch import Tensor, nn

EXPERTS = 'use = "qwen3-moe", experts = 4, active = 2, expert_inner = 16, balance = 0.5, z_loss = 0.1'
OWN = {"backbone.balance", "backbone.z"}


def load_script(name: str) -> Any:
    """A module beside this file, whose folder is not a package."""
    spec = importlib.util.spec_from_file_location(name, Path(__file__).parent / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def moe_text(recipe_text: str) -> str:
    assert '{ use = "llama"' in recipe_text
    return recipe_text.replace('{ use = "llama"', "{ " + EXPERTS)


@pytest.fixture(scope="module")
def ready(moe_text: str) -> tuple[Recipe, dict[str, Any], Any]:
    """A recipe, its sources, and a text tokenizer that has learned from them."""
    recipe = read_recipe_text(moe_text.replace("layers = 1, heads = 2, context", "layers = 2, heads = 2, context"))
    sources = {name: use.component.load()(use.config) for name, use in recipe.sources.items()}
    model = build_model(compose(recipe))
    examples = [source.example(index) for source in sources.values() for index in range(20)]
    model.processor.fit([turn.text for example in examples for turn in example.turns if turn.text])
    return recipe, sources, model.processor


class CountsPictures(nn.Module):
    """An adapter that adds the squares of what it gives, per picture, to the losses."""

    def __init__(self, adapter: nn.Module) -> None:
        super().__init__()
        self.adapter = adapter
        self.given: list[Tensor] = []

    def forward(self, features: Tensor) -> Tensor:
        vectors: Tensor = self.adapter(features)
        if self.training and torch.is_grad_enabled():
            self.given.append(vectors)
        return vectors

    def auxiliary_weights(self) -> dict[str, float]:
        return {"size": 0.25}

    def auxiliary_losses(self) -> dict[str, Loss]:
        given, self.given = self.given, []
        if not given:
            return {}
        return {"size": Loss(sum(some.square().sum() for some in given), torch.tensor(float(sum(map(len, given)))))}  # type: ignore[arg-type]


def made(ready: Any, *, adapter: bool = False, packed: int = 0, **changes: Any) -> StageRun:
    recipe, _, processor = ready
    torch.manual_seed(0)
    model = build_model(compose(recipe))
    model.processor = processor
    if adapter:
        model.understanding.adapter = CountsPictures(model.understanding.adapter)
    stage = evolve(recipe.stages["all"], batch=10, **changes)
    stage = evolve(stage, objective=evolve(stage.objective, config=evolve(stage.objective.config, packed=packed)))
    return StageRun(stage, model, Position("all"), seeds_of(recipe).stage("all"))


def step(ready: Any, **changes: Any) -> tuple[dict[str, float], dict[str, Tensor]]:
    """Mean losses and gradients of the first step of the last stage, in which all kinds of samples are mixed."""
    run = made(ready, **changes)
    losses, gradients = load_script("first_step").first_step(run, ready[1])
    blocks.release_blocks(run.model)
    return {name: found.mean.item() for name, found in losses.items()}, gradients


def assert_alike(left: Any, right: Any) -> None:
    assert left[0] == pytest.approx(right[0], rel=1e-5)
    assert left[1].keys() == right[1].keys()
    for name, gradient in left[1].items():
        torch.testing.assert_close(gradient, right[1][name], rtol=1e-5, atol=1e-6)


@pytest.fixture(scope="module")
def plain(ready: Any) -> Any:
    return step(ready, adapter=True)


def test_a_step_has_the_losses_of_parts(ready: Any, plain: Any) -> None:
    assert set(plain[0]) == {"understanding", "text", "generation", "understanding.adapter.size", *OWN}
    assert 2 <= plain[0]["backbone.balance"] <= 4
    router = plain[1]["backbone.layers.0.mlp.router.weight"]
    without = step(ready, adapter=True, weights=dict.fromkeys(OWN, 0.0))
    assert without[0] == pytest.approx(plain[0])
    assert (router - without[1]["backbone.layers.0.mlp.router.weight"]).abs().max() > 1e-3


@pytest.mark.parametrize(
    "changes",
    [
        {"micro_batch": 1},
        {"micro_batch": 3},
        {"packed": 250},
        {"packed": 250, "micro_batch": 4},
        {"checkpointing": True},
        {"checkpointing": True, "micro_batch": 7, "packed": 250},
    ],
    ids=str,
)
def test_any_division_of_a_step_gives_the_same(ready: Any, plain: Any, changes: dict[str, Any]) -> None:
    assert_alike(step(ready, adapter=True, **changes), plain)


@pytest.mark.slow
def test_compiled_blocks_compute_the_same(ready: Any, plain: Any) -> None:
    assert_alike(step(ready, adapter=True, compile=True, checkpointing=True, micro_batch=6), plain)


def test_two_processes_compute_what_one_does(moe_text: str, tmp_path: Path) -> None:
    together = load_script("test_processes")
    together.assert_computes_the_same(2, ("replicate", "shard", "shard+lora"), moe_text, tmp_path)


def test_a_stage_weighs_them_or_the_part_does(ready: Any) -> None:
    run = made(ready, weights={"backbone.balance": 0.125})
    assert auxiliary_weights(run.model) == {"backbone.balance": 0.5, "backbone.z": 0.1}
    assert [run.weights.of(name) for name in ("backbone.balance", "backbone.z", "text")] == [0.125, 0.1, 1.0]


def test_counts_are_known_before_and_nothing_is_given_twice(ready: Any) -> None:
    run = made(ready, adapter=True)
    builder = BatchBuilder(ready[1], run.objective, run.seeds.batches)
    batch = builder[next(batch_specs(run.mixture, 10, range(1), {}, {}))].batch
    losses, _ = run.objective.losses(batch)
    assert {name: int(loss.count) for name, loss in losses.items()} == run.objective.counts(batch)
    assert int(losses["backbone.balance"].count) == batch.tokens
    assert int(losses["understanding.adapter.size"].count) == len(batch.pictures["understanding"].positions)
    assert auxiliary_losses(run.model) == {}
    with torch.no_grad():
        run.objective.losses(batch)
    assert auxiliary_losses(run.model) == {}


def test_a_name_without_quotes_is_told_so(moe_text: str) -> None:
    line = "mixture = { ask = 5, read = 1, draw = 4 }\n"
    with pytest.raises(RecipeError, match="a name with a dot needs quotes"):
        read_recipe_text(moe_text.replace(line, line + "weights = { backbone.balance = 0.1 }\n"))


def test_parts_that_are_not_trained_have_none(ready: Any) -> None:
    losses, _ = step(ready, train=("generation.adapter",))
    assert set(losses) == {"understanding", "text", "generation"}


def test_a_loss_that_was_not_declared_names_the_part(ready: Any) -> None:
    run = made(ready, adapter=True)
    run.model.understanding.adapter.auxiliary_weights = dict
    run.model.understanding.adapter.given = [torch.ones(1)]
    with pytest.raises(ComponentError, match=r"understanding.adapter: auxiliary_losses\(\) gives 'size', which aux"):
        auxiliary_losses(run.model)


def test_a_misspelt_weight_is_told_before_the_first_stage(ready: Any) -> None:
    recipe, sources, processor = ready
    model = build_model(compose(recipe))
    model.processor = processor
    weights = {"backbone.z": 0.5, "backbone.balanec": 0.3}
    stages = {**recipe.stages, "all": evolve(recipe.stages["all"], weights=weights)}
    with pytest.raises(RecipeError, match=r"weights\.backbone\.balanec: no loss .*did you mean 'backbone.balance'"):
        dry_run(evolve(recipe, stages=stages), list(recipe.training.stages), model, sources)
