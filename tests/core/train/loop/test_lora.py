"""Stages with low-rank adapters: what learns, what is left of them, and runs that are broken off."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from attrs import evolve
from janiform import JaniformError, RecipeError
from janiform.compose import compose
from janiform.measure.examine import examine
from janiform.model.build import build_model
from janiform.recipe import Lora, Recipe, dumps, read_recipe_text
from janiform.storage.adapters import read_adapters
from janiform.train.checkpoints.checkpoint import Position
from janiform.train.data.seeding import seeds_of
from janiform.train.loop.loop import train_steps
from janiform.train.loop.stage import StageRun
from janiform.train.run.dry_run import dry_run
from janiform.train.run.train import train
from safetensors.torch import load_file

LORA = 'lora = { on = ["backbone.layers", "generation.head"], rank = 2, alpha = 4.0, dropout = 0.1 }'
WHOLE = 'train = ["backbone", "understanding", "generation.adapter", "generation.embedding", "generation.head"]'


@pytest.fixture
def tuned(changed: Any) -> Recipe:
    """The recipe, its last stage with adapters, and the adapter of understanding as a whole."""
    recipe: Recipe = changed(WHOLE, f'train = ["understanding.adapter"]\n{LORA}\nema = 0.5')
    stage = evolve(recipe.stages["all"], sample_every=0, steps=4)
    training = evolve(recipe.training, stages=("all",))
    return evolve(recipe, stages={**recipe.stages, "all": stage}, training=training)


def test_only_the_adapters_learn_and_the_model_is_ordinary_afterwards(tuned: Recipe) -> None:
    torch.manual_seed(0)
    model = build_model(compose(tuned))
    sources = {name: use.component.load()(use.config) for name, use in tuned.sources.items()}
    examples = [source.example(index) for source in sources.values() for index in range(5)]
    model.processor.fit([turn.text for example in examples for turn in example.turns if turn.text])
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    run = StageRun(tuned.stages["all"], model, Position("all"), seeds_of(tuned).stage("all"))
    layers = ["backbone.layers.0.attention.qkv_proj", "backbone.layers.0.mlp.down_proj", "generation.head.layers.0"]
    assert {f"{path}.lora.{name}" for path in layers for name in "ab"} < set(run.trained)
    assert all(".lora." in name or name.startswith("understanding.adapter.") for name in run.trained)
    list(train_steps(run, sources, 3))
    for name, tensor in before.items():
        trained = name.startswith("understanding.adapter.")
        assert torch.equal(model.state_dict()[name], tensor) is not trained
    run.finish()
    assert run.model.state_dict().keys() == before.keys()
    assert {path for path in run.learned if path.startswith("generation")} == {
        "generation.head.layers.0", "generation.head.layers.2",
    }  # fmt: skip
    for path in layers:
        moved = run.model.state_dict()[f"{path}.weight"] - before[f"{path}.weight"]
        assert moved.abs().max() > 0
        torch.testing.assert_close(moved, run.learned[path].update, rtol=1e-4, atol=1e-6)


def test_a_run_that_is_broken_off_ends_as_one_that_is_not(tuned: Recipe, tmp_path: Path, listener: Any) -> None:
    train(tuned, tmp_path / "whole", device="cpu", reporter=listener, ahead=0)
    train(tuned, tmp_path / "broken", device="cpu", reporter=listener, ahead=0, until=2)
    early = read_adapters(tmp_path / "broken" / "adapters" / "all")
    names = load_file(tmp_path / "broken" / "model.safetensors").keys()
    train(tuned, tmp_path / "broken", device="cpu", reporter=listener, ahead=0, resume=True)
    found, expected = (load_file(tmp_path / run / "model.safetensors") for run in ("broken", "whole"))
    assert found.keys() == expected.keys() == names
    assert not any("lora" in name for name in names)
    assert all(torch.equal(found[name], tensor) for name, tensor in expected.items())
    left, right = (read_adapters(tmp_path / run / "adapters" / "all") for run in ("broken", "whole"))
    assert left.keys() == right.keys() == early.keys()
    assert all(torch.equal(left[path].a, right[path].a) and torch.equal(left[path].b, right[path].b) for path in left)
    assert not torch.equal(left["generation.head.layers.0"].b, early["generation.head.layers.0"].b)


def test_a_recipe_with_adapters_reads_back_and_counts_what_they_train(tuned: Recipe) -> None:
    assert read_recipe_text(dumps(tuned)) == tuned
    found = examine(tuned)
    weights = {
        name: parameter
        for path in ("backbone", "generation.head", "understanding.adapter")
        for name, parameter in found.modules[path].named_parameters(path)
    }
    whole = sum(p.numel() for name, p in weights.items() if name.startswith("understanding"))
    low = [p for name, p in weights.items() if name.startswith(("backbone.layers", "generation")) and p.ndim == 2]
    assert found.trained["all"] == whole + 2 * sum(sum(p.shape) for p in low)


def test_what_cannot_be_is_said_with_its_place(tuned: Recipe) -> None:
    bad = {
        "missing": Lora(on=("backbone.norm",)),
        "narrow": Lora(on=("backbone.layers",), rank=17),
        "both": Lora(on=("understanding",), rank=1),
    }
    stages = {name: evolve(tuned.stages["all"], name=name, lora=lora) for name, lora in bad.items()}
    recipe = evolve(tuned, stages=stages, training=evolve(tuned.training, stages=tuple(bad)))
    sources = {name: use.component.load()(use.config) for name, use in recipe.sources.items()}
    for check in (lambda: examine(recipe), lambda: dry_run(recipe, tuple(bad), build_model(compose(recipe)), sources)):
        with pytest.raises(JaniformError) as caught:
            check()
        said = {problem.path: problem.message for problem in caught.value.problems}
        assert said["stage.missing.lora.on"] == "selector 'backbone.norm' matches no linear layer"
        assert said["stage.narrow.lora.rank"].startswith("exceeds the width of backbone.layers.0.attention.qkv_proj")
        assert said["stage.both.lora.on"].startswith("understanding.adapter.layers.* (2) would be trained in full")


def test_a_stage_without_adapters_must_train_something(tuned: Recipe) -> None:
    empty = dumps(tuned).replace('train = ["understanding.adapter"]', "train = []")
    assert read_recipe_text(empty).stages["all"].train == ()
    with pytest.raises(RecipeError, match="must name at least one path"):
        read_recipe_text("\n".join(line for line in empty.splitlines() if not line.startswith("lora")))
