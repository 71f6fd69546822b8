"""The FLOPs of stages with batches of their own kind are those that torch counts in a step that is really computed."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest
import torch
from attrs import evolve
from janiform import Component, build_model
from janiform.compose import compose
from janiform.model.processor import Processor
from janiform.planning.examples import EstimatedText, Examples, stand_in
from janiform.planning.objective_stage import ObjectiveStage, UntraceableError
from janiform.planning.samples import Sample, samples_of
from janiform.recipe import Recipe, Stage, read_recipe, read_recipe_text
from janiform.train.data.sources import open_sources
from janiform.train.loop.objective import make_objective
from janiform.train.loop.trained import set_trained
from tiny_recipes import tiny_recipe
from tiny_stages import STAGES, Undecided
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

RECIPES = ("janus-mini", "janus-mini-coupled", "janus-mini-residual", "janus-mini-encoder-free")


def counted(recipe: Recipe, stage: Stage) -> int:
    """What torch counts in the forward and backward of the first samples, one after the other from equal sources."""
    plan = compose(recipe)
    model = build_model(plan)
    model.processor = Processor(plan, text=EstimatedText())
    objective = make_objective(stage.objective, model)
    set_trained(model, objective, stage.train)
    sources, names = open_sources(recipe, stage.sources), stage.sources
    examples = [sources[names[i % len(names)]].example(i // len(names)) for i in range(stage.batch)]
    batch = objective.prepare(examples, np.random.default_rng(0))
    # Fused kernels for the CPU are unknown to the counter, plain matrix products are not.
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        losses, _ = objective.losses(batch)
        torch.stack([loss.mean for loss in losses.values()]).sum().backward()
    return counter.get_total_flops()


def planned(recipe: Recipe, stage: Stage, sources: Any = None) -> ObjectiveStage:
    plan = compose(recipe)
    examples = Examples(plan.recipe.sources)
    return ObjectiveStage(plan, stage, samples_of(plan, {}, examples, names=stage.sources), examples)


@pytest.mark.parametrize("name", RECIPES)
def test_a_step_of_the_recipes_that_ship_is_what_torch_counts(name: str) -> None:
    recipe = read_recipe(name)
    own = [recipe.stages[each] for each in recipe.training.stages if each in ("tokenizer", "encoder")]
    assert own
    for stage in own:
        stage = evolve(stage, batch=random.randint(4, 10))
        assert planned(recipe, stage).flops(stage.batch) == counted(recipe, stage), stage.name


@pytest.mark.parametrize("name", ["tokenizer", "encoder"])
def test_steps_too_large_to_be_traced_are_extrapolated(name: str) -> None:
    recipe = read_recipe_text(tiny_recipe("small") + STAGES)
    stage = evolve(recipe.stages[name], batch=160)
    small = evolve(stage, batch=32)
    found = planned(recipe, stage)
    assert found.flops(160) == planned(recipe, small).flops(160), "from the same 32 samples"
    exact = planned(recipe, small)
    assert found.flops(160) == exact._flops(160), "as if the same samples, five times over, were traced"
    if name == "encoder":
        assert found.flops(160) > 5 * exact.flops(32), "each picture is compared with all captions"


@pytest.mark.parametrize("name", ["tokenizer", "encoder"])
def test_both_traces_count_the_same(name: str) -> None:
    recipe = read_recipe_text(tiny_recipe("small") + STAGES)
    stage = planned(recipe, recipe.stages[name])
    assert stage.trace(6, False).flops == stage.flops(6) > 0


def test_frozen_weights_take_no_gradients() -> None:
    recipe = read_recipe_text(tiny_recipe("small") + STAGES)
    stage = recipe.stages["tokenizer"]
    decoder = evolve(stage, train=("generation.tokenizer.decoder", "generation.tokenizer.post_quant_conv"))
    assert planned(recipe, decoder).flops(6) == counted(recipe, decoder) < planned(recipe, stage).flops(6)


def test_without_data_pictures_of_the_same_size_stand_in() -> None:
    recipe = read_recipe_text(tiny_recipe("small") + STAGES)
    lines = STAGES.splitlines()
    lines[3] = 'two = { use = "webdataset", files = ["nowhere/*.tar"] }'
    without = read_recipe_text(tiny_recipe("small") + "\n".join(lines))
    stage = recipe.stages["tokenizer"]
    assert planned(without, stage).flops(6) == planned(recipe, stage).flops(6)


def test_stand_ins_hold_what_a_sample_holds_on_average() -> None:
    sample = Sample(30, 10, {"understanding": 0.5, "generation": 1}, {"generation": 1})
    examples = [stand_in(sample, number) for number in range(4)]
    assert [example.draws for example in examples] == [True] * 4
    assert sum(len(turn.content) - 2 for example in examples for turn in example.turns) == 2 - 4
    assert all(len(example.turns[0].text) == 80 for example in examples)


def test_what_cannot_be_traced_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = read_recipe_text(tiny_recipe("small") + STAGES)
    stage = recipe.stages["tokenizer"]
    component = evolve(stage.objective.component, name="undecided")
    load = Component.load
    monkeypatch.setattr(Component, "load", lambda self: Undecided if self.name == "undecided" else load(self))
    found = planned(recipe, evolve(stage, objective=evolve(stage.objective, component=component)))
    with pytest.raises(UntraceableError, match=r"a step of objective undecided@1 cannot be traced: \w+"):
        found.flops(6)
