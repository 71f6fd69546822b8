"""The costs of a design add up: its stages, its parameters, and the file of its model."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
import torch
from attrs import evolve
from janiform import Component, Processor, UsageError, build_model, registry
from janiform.compose import compose
from janiform.measure.gpus import gpu_named
from janiform.planning.design import design_costs
from janiform.planning.plan import plan_training
from janiform.planning.stage_plan import PlanRequest
from janiform.recipe import Lora, Recipe, read_recipe, read_recipe_text
from janiform.storage.save import save_model
from janiform.train.data.mixture import Mixture
from safetensors.torch import load_file
from tiny_recipes import tiny_recipe
from tiny_stages import STAGES, Undecided

RECIPE = (
    tiny_recipe("small", text='[text]\nuse = "bpe"\nvocabulary = 300\n')
    + STAGES
    + """
[source.ask]
use = "shapes"
task = "ask"
seed = 3
[stage.all]
objective = { use = "autoregressive", packed = 200 }
train = ["backbone", "understanding.adapter", "generation.embedding", "generation.adapter", "generation.head"]
mixture = { one = 2, ask = 1.5 }
steps = 30
stop = 20
batch = 16
learning_rate = 1e-3
"""
)


@pytest.fixture(scope="module")
def recipe() -> Recipe:
    return read_recipe_text(RECIPE)


def test_stages_are_summed_as_the_plan_plans_them(recipe: Recipe) -> None:
    costs = design_costs(recipe)
    plan = plan_training(recipe, PlanRequest(gpu_named("own", tflops=1.0, memory=1.0, node=1), 1))
    assert list(costs.stages) == ["tokenizer", "encoder", "all"]
    assert costs.flops == plan.flops == pytest.approx(sum(stage.steps * stage.flops for stage in plan.stages))
    assert costs.positions == plan.positions
    assert costs.samples == 6 * 10 + 6 * 10 + 16 * 20
    assert costs.stages["tokenizer"].positions.total == costs.stages["encoder"].positions.total == 0
    assert all(stage.memory is not None and not stage.problem for stage in plan.stages)
    assert design_costs(recipe, ["all"]).flops == costs.stages["all"].flops
    assert costs.problems == ()


def test_samples_and_positions_are_those_of_the_mixture(recipe: Recipe) -> None:
    stage = design_costs(recipe, ["all"]).stages["all"]
    taken = Counter(Mixture(recipe.stages["all"].mixture).order({}, 16 * 20))
    assert all(abs(stage.samples_by_source[name] - count) <= 1 for name, count in taken.items())
    plan = compose(recipe)
    assert stage.positions.looked_at == pytest.approx(taken["ask"] * plan.pathways["understanding"].tokens, rel=0.1)
    assert stage.positions.drawn == pytest.approx(taken["one"] * plan.pathways["generation"].tokens, rel=0.1)
    assert stage.positions.total == pytest.approx(
        stage.positions.text + stage.positions.looked_at + stage.positions.drawn
    )


def test_a_text_tokenizer_gives_the_positions_that_training_has(recipe: Recipe) -> None:
    model = build_model(compose(recipe), "meta")
    source = recipe.sources["ask"].component.load()(recipe.sources["ask"].config)
    examples = [source.example(index) for index in range(32)]
    model.processor.fit([turn.text for example in examples for turn in example.turns])
    only = evolve(recipe, stages={"all": evolve(recipe.stages["all"], mixture={"ask": 1.0}, batch=32)})
    stage = design_costs(only, ["all"], text=model.processor.text).stages["all"]
    expected = sum(len(model.processor.sequence(example)) for example in examples)
    assert stage.work is not None
    assert stage.work.positions.total == pytest.approx(expected, abs=1)


def test_positions_without_a_text_tokenizer_are_nearly_those_of_training() -> None:
    recipe = read_recipe("janus-mini")
    text = Processor(compose(recipe), registry().model("janus-mini")).text
    for name in ("looking", "stage-3"):
        estimated, exact = design_costs(recipe, [name]), design_costs(recipe, [name], text=text)
        assert estimated.positions.total == pytest.approx(exact.positions.total, rel=0.04)
        assert estimated.positions.drawn == exact.positions.drawn
        assert estimated.flops == pytest.approx(exact.flops, rel=0.04)


def test_parameters_are_those_of_the_model(recipe: Recipe) -> None:
    model = build_model(compose(recipe), "meta")
    sizes = {name: parameter.numel() for name, parameter in model.named_parameters()}

    def of(*prefixes: str) -> int:
        return sum(size for name, size in sizes.items() if name.startswith(prefixes))

    costs = design_costs(recipe).parameters
    assert costs.total == costs.trained == sum(sizes.values())
    assert costs.to_look == of("backbone.", "understanding.")
    assert costs.to_draw == of("backbone.", "generation.")
    some = design_costs(recipe, ["tokenizer", "encoder"]).parameters
    assert some.trained == of("generation.tokenizer.", "understanding.encoder.")
    assert some.total == costs.total
    coupled = design_costs(read_recipe("janus-mini-coupled"), ["finding"]).parameters
    assert coupled.to_look < coupled.total or coupled.to_look == coupled.to_draw


def test_low_rank_adapters_train_the_layers_they_are_merged_into(recipe: Recipe) -> None:
    stage = evolve(recipe.stages["all"], train=(), lora=Lora(on=("backbone.layers",), rank=2))
    costs = design_costs(evolve(recipe, stages={"all": stage}), ["all"])
    model = build_model(compose(recipe), "meta")
    layers = {
        name: module for name, module in model.named_modules()
        if isinstance(module, torch.nn.Linear) and name.startswith("backbone.layers")
    }  # fmt: skip
    assert costs.parameters.trained == sum(layer.weight.numel() for layer in layers.values())
    assert costs.stages["all"].trained == sum(2 * sum(layer.weight.shape) for layer in layers.values())


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32])
def test_bytes_are_those_of_the_file(recipe: Recipe, dtype: torch.dtype, tmp_path: Path) -> None:
    model = build_model(compose(recipe))
    model.processor.fit(["a red circle"])
    save_model(model, tmp_path, dtype=dtype)
    stored = load_file(tmp_path / "model.safetensors")
    found = design_costs(recipe, ["all"]).model_bytes[str(dtype).removeprefix("torch.")]
    assert found == sum(tensor.nbytes for tensor in stored.values())


def test_what_is_not_known_is_named_and_left_out(recipe: Recipe, monkeypatch: pytest.MonkeyPatch) -> None:
    stage = recipe.stages["tokenizer"]
    component = evolve(stage.objective.component, name="undecided")
    load = Component.load
    monkeypatch.setattr(Component, "load", lambda self: Undecided if self.name == "undecided" else load(self))
    strange = evolve(stage, objective=evolve(stage.objective, component=component))
    costs = design_costs(evolve(recipe, stages={**recipe.stages, "tokenizer": strange}))
    assert costs.stages["tokenizer"].flops is None
    assert costs.flops == design_costs(recipe, ["encoder", "all"]).flops
    (problem,) = costs.problems
    assert problem.startswith("stage 'tokenizer': a step of objective undecided@1 cannot be traced")
    assert costs.as_dict()["stages"]["tokenizer"]["flops"] is None


def test_a_large_model_is_measured_without_weights() -> None:
    costs = design_costs(read_recipe("janus-pro-7b"))
    assert costs.parameters.total > 7e9
    assert costs.model_bytes["bfloat16"] > 14e9
    assert costs.flops > 1e22


def test_unknown_stages_are_refused(recipe: Recipe) -> None:
    with pytest.raises(UsageError, match="no stage 'al'"):
        design_costs(recipe, ["al"])
