"""A plan says what fits and what would, adds up, and its memory is what torch's profiler measures."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
import torch
from attrs import evolve
from janiform import Component, Processor, UnifiedModel, UsageError
from janiform.cli import main
from janiform.compose import compose
from janiform.compose.selectors import select
from janiform.measure.gpus import GPUS, gpu_named
from janiform.model.build import build_model
from janiform.planning.examples import EstimatedText, Examples
from janiform.planning.memory import VALUE, Sizes, memory_of
from janiform.planning.objective_stage import ObjectiveStage
from janiform.planning.plan import PlanRequest, TrainingPlan, plan_training
from janiform.planning.samples import samples_of
from janiform.planning.trace import Trace, stage_model, trace
from janiform.planning.traffic import traffic_of
from janiform.planning.typical import typical_batch
from janiform.recipe import Lora, Recipe, Stage, read_recipe, read_recipe_text
from janiform.sequence.batch import Batch
from janiform.train.loop.blocks import prepare_blocks, recomputed
from janiform.train.loop.objective import make_objective
from janiform.train.loop.trained import set_trained
from janiform.units import work
from tiny_recipes import tiny_recipe
from tiny_stages import STAGES, Undecided
from torch.profiler import ProfilerActivity, profile

MODEL = tiny_recipe(
    "small",
    backbone={"vocabulary": 1000, "width": 64, "inner": 176, "layers": 3, "heads": 4, "context": 1024},
    encoder={"image_size": 32, "width": 32, "layers": 2},
    tokenizer={"multipliers": [1, 2], "vocabulary": 256, "code_width": 8},
)
RECIPE = (
    MODEL
    + """
[source]
draw = { use = "webdataset", files = ["nowhere/*.tar"] }
look = { use = "conversations", files = ["nowhere/*.json"] }
read = { use = "text", files = ["nowhere/*.jsonl"] }
shapes = { use = "shapes" }
[stage.all]
objective = { use = "autoregressive", packed = 700 }
train = ["backbone", "understanding.adapter", "generation.adapter", "generation.embedding", "generation.head"]
mixture = { look = 1, draw = 2, read = 1 }
steps = 100
stop = 40
batch = 64
micro_batch = 4
learning_rate = 1e-3
precision = "bfloat16"
[stage.tokenizer]
objective = { use = "reconstruction" }
train = ["generation.tokenizer"]
mixture = { shapes = 1 }
steps = 10
batch = 64
learning_rate = 1e-3
"""
)
LENGTHS = {"read": 500, "look": 200, "draw": 90}


@pytest.fixture(scope="module")
def recipe() -> Recipe:
    return read_recipe_text(RECIPE)


def order(gpus: int = 8, memory: float = 1.0) -> PlanRequest:
    return PlanRequest(gpu_named("own", tflops=1.0, memory=memory, node=4), gpus, 0.5, LENGTHS)


@pytest.fixture(scope="module")
def planned(recipe: Recipe) -> TrainingPlan:
    return plan_training(recipe, order())


def test_days_follow_from_arithmetic_and_the_stage_stops_early(planned: TrainingPlan) -> None:
    found = planned
    stage, other = found.stages
    assert stage.steps == 40
    assert stage.seconds == pytest.approx(stage.flops / (8 * 1e12 * 0.5))
    assert found.days == pytest.approx((40 * stage.seconds + 10 * other.seconds) / 86400)
    assert evolve(found, stages=(stage,)).mfu_of(40 * stage.seconds / 86400) == pytest.approx(0.5)
    assert found.gpu_hours == pytest.approx(found.days * 24 * 8)
    assert stage.tokens == 16 * (500 + 200 + 2 * 90)
    assert other.seconds == pytest.approx(other.flops / (1e12 * 0.5)), "one process trains a tokenizer alone"
    assert other.memory is not None
    assert not other.problem
    assert found.fits
    assert not evolve(found, stages=(stage, evolve(other, memory=None))).fits, "what is not known does not fit"


def test_what_does_not_fit_is_said_with_what_would(recipe: Recipe, planned: TrainingPlan) -> None:
    roomy = planned.stages[0]
    assert roomy.memory is not None
    assert roomy.alternatives == ()
    tight = plan_training(recipe, order(memory=roomy.memory.total * 0.8 / (1 << 30)), ["all"])
    (stage,) = tight.stages
    assert stage.memory == roomy.memory
    assert all(memory.total <= tight.available for _, memory in stage.alternatives)
    way, memory = stage.alternatives[0]
    again = plan_training(read_recipe_text(RECIPE, overrides=list(way.changes)), tight.request, ["all"]).stages[0]
    assert again.memory == memory, "what is advised is what it takes"


def test_where_nothing_fits_the_least_is_said(
    recipe: Recipe, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    big = dict.fromkeys(("casts", "activations", "logits", "gradients"), 10**9)
    monkeypatch.setattr("janiform.planning.planner.trace", lambda *arguments, **named: Trace(big, big))
    stage = plan_training(recipe, order(memory=1e-4), ["all"]).stages[0]
    assert len(stage.alternatives) == 1
    assert stage.alternatives[0][1].total > 1e-4 * (1 << 30)
    path = tmp_path / "small.toml"
    path.write_text(RECIPE)
    assert main(["plan", str(path), "--gpu", "own", "--tflops", "1", "--memory", "0.001", "--stages", "all"]) == 1
    shown = capsys.readouterr().out
    assert "does not fit" in shown
    assert "use GPUs with more memory" in shown


def test_mistakes_are_sentences(recipe: Recipe, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(UsageError, match="there is no GPU 'a100'"):
        gpu_named("a100")
    with pytest.raises(UsageError, match="there is no source 'drow'"):
        samples_of(compose(recipe), {"drow": 5})
    with pytest.raises(UsageError, match="72 positions without any text; 10 is too short"):
        samples_of(compose(recipe), {"draw": 10})
    with pytest.raises(UsageError, match="no stage 'al'"):
        plan_training(recipe, order(), ["al"])
    assert "cannot be divided equally" in plan_training(recipe, order(gpus=7), ["all"]).stages[0].problem
    assert main(["plan", "janus-mini", "--length", "draw"]) == 2
    assert "write SOURCE=N" in capsys.readouterr().err


def test_the_command_prints_a_table_and_json(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "small.toml"
    path.write_text(RECIPE)
    arguments = ["plan", str(path), "--gpus", "2", "--gpu", "l40s", "--stages", "all", "--days", "1"]
    small = dict.fromkeys(("casts", "activations", "logits", "gradients"), 10**6)
    monkeypatch.setattr("janiform.planning.planner.trace", lambda *arguments, **named: Trace(small, small))
    assert main(arguments) == 0
    shown = capsys.readouterr().out
    for piece in (
        "weights in bfloat16",
        "logits",
        "GPU-hours",
        "1 days would be an MFU of",
        "assumed",
        "sharded over",
    ):
        assert piece in shown
    assert main([*arguments, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    (stage,) = found["stages"]
    assert stage["memory"]["total"] == sum(size for kind, size in stage["memory"].items() if kind != "total")
    assert found["fits"] is True
    assert found["mfu_of_days"]["days"] == 1


def test_low_rank_adapters_are_all_that_gradients_and_optimizer_hold(recipe: Recipe, planned: TrainingPlan) -> None:
    lora = Lora(on=("backbone.layers",), rank=4)
    stage = evolve(recipe.stages["all"], train=(), lora=lora)
    found = plan_training(evolve(recipe, stages={"all": stage}), order(gpus=1), ["all"]).stages[0]
    shapes = [(64, 3 * 64), (64, 64), (64, 2 * 176), (176, 64)]
    assert found.trained == 3 * sum(4 * sum(shape) for shape in shapes)
    assert found.memory is not None
    assert found.memory.optimizer == 2 * VALUE * found.trained
    assert found.memory.gradients == VALUE * found.trained
    # Forward, and back through all of it, but hardly any products for gradients of weights.
    assert 2 / 3 < found.flops / planned.stages[0].flops < 0.85


def test_dividing_divides() -> None:
    sizes = Sizes(blocks=1000, largest=100, loose=200, frozen=50, trained=1200, trained_blocks=1000)
    nothing = dict.fromkeys(("casts", "activations", "logits", "gradients"), 0)
    alone = memory_of(sizes, Trace({**nothing, "gradients": 7}, nothing), shards=1, processes=1, micro_batches=1)
    assert (alone.weights, alone.gradients, alone.optimizer, alone.gathered) == (1250 * VALUE, 7, 2400 * VALUE, 0)
    shared = memory_of(sizes, Trace(nothing, nothing), shards=4, processes=8, micro_batches=2)
    assert (shared.weights, shared.gradients, shared.optimizer) == (350 * VALUE, 300 * VALUE, 600 * VALUE)
    gpu = evolve(GPUS["a100-40g"], node=4)
    moved = traffic_of(sizes, gpu, gpus=8, shards=4, micro_batches=2)
    assert moved.gathered == 2 * 3 / 4 * VALUE * 2200
    assert moved.scattered == 2 * 3 / 4 * VALUE * 1200
    assert moved.reduced == 2 * 1 / 2 * VALUE * 300
    assert traffic_of(sizes, gpu, gpus=1, shards=1, micro_batches=2).seconds == 0


def real(batch: Batch) -> Batch:
    return batch.mapped(lambda tensor: torch.rand(tensor.shape) if tensor.is_meta else tensor)


def measured(stage: Stage, model: UnifiedModel, batch: object, *, half: bool, checkpointing: bool) -> int:
    """The peak of what torch allocates in a forward and backward pass on the CPU, by its own profiler."""
    objective = make_objective(stage.objective, model)
    set_trained(model, objective, stage.train)
    prepare_blocks({}, recomputed(model, checkpointing))
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as found:
        with torch.autocast("cpu", torch.bfloat16, enabled=half):
            losses, _ = objective.losses(batch)
            loss = torch.stack([loss.mean for loss in losses.values()]).sum()
        torch.autograd.backward(loss)
    now = most = 0
    for event in found.profiler.kineto_results.events():  # type: ignore[union-attr]
        if event.name() == "[memory]":
            now += event.nbytes()
            most = max(most, now)
    return most


@pytest.mark.parametrize(("half", "checkpointing"), [(False, False), (True, True)])
def test_memory_is_what_torch_measures(
    recipe: Recipe, half: bool, checkpointing: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A plan is for devices where documents are not computed apart, which takes less.
    monkeypatch.setattr("janiform_plugins.kernels.sdpa.CALL_COST", 1 << 60)
    plan, stage = compose(recipe), recipe.stages["all"]
    batch = typical_batch(plan, stage, samples_of(plan, LENGTHS), 8)
    stage = evolve(stage, precision="bfloat16" if half else "float32", checkpointing=checkpointing)
    found = trace(*stage_model(plan, stage), stage, batch)
    expected: Mapping[str, int] = found.whole
    taken = measured(stage, build_model(plan), real(batch), half=half, checkpointing=checkpointing)
    assert sum(expected.values()) == pytest.approx(taken, rel=0.05)
    assert expected["logits"] > 0


@pytest.mark.parametrize("half", [False, True])
@pytest.mark.parametrize("name", ["tokenizer", "encoder"])
def test_memory_of_batches_of_their_own_is_what_torch_measures(name: str, half: bool) -> None:
    recipe = read_recipe("janus-mini")
    plan, stage = compose(recipe), evolve(recipe.stages[name], batch=8, precision="bfloat16" if half else "float32")
    model, examples = build_model(plan), Examples(recipe.sources)
    model.processor = Processor(plan, text=EstimatedText())
    planned = ObjectiveStage(plan, stage, samples_of(plan, {}, examples, names=stage.sources), examples)
    batch = make_objective(stage.objective, model).prepare(planned._prepared, np.random.default_rng(0))
    taken = measured(stage, model, batch, half=half, checkpointing=False)
    assert sum(planned.trace(8, False).whole.values()) == pytest.approx(taken, rel=0.05)


def test_a_whole_design_is_summed_in_table_and_json(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "small.toml"
    path.write_text(RECIPE)
    small = dict.fromkeys(("casts", "activations", "logits", "gradients"), 10**6)
    monkeypatch.setattr("janiform.planning.planner.trace", lambda *arguments, **named: Trace(small, small))
    assert main(["plan", str(path), "--gpus", "2", "--gpu", "l40s"]) == 0
    lines = capsys.readouterr().out.splitlines()
    (title,) = [number for number, line in enumerate(lines) if line.strip() == "Work"]
    total = next(line for line in lines[title:] if line.strip().startswith("total"))
    assert main(["plan", str(path), "--gpus", "2", "--gpu", "l40s", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    stages = {stage["name"]: stage for stage in found["stages"]}
    assert work(round(found["flops"])) in total
    assert found["flops"] == sum(stage["flops"] for stage in stages.values())
    assert stages["tokenizer"]["flops"] == 10 * stages["tokenizer"]["flops_per_step"] > 0
    assert stages["tokenizer"]["samples_by_source"] == {"shapes": 640}
    assert stages["tokenizer"]["sent_per_step"]["seconds"] == 0, "one process trains a tokenizer alone"
    assert found["positions"] == stages["all"]["positions"]
    assert stages["all"]["samples"] == sum(stages["all"]["samples_by_source"].values()) == 40 * 64
    pathways = compose(read_recipe_text(RECIPE)).pathways
    assert stages["all"]["positions"]["drawn"] == 40 * 32 * pathways["generation"].tokens
    assert stages["all"]["positions"]["looked_at"] == 40 * 16 * pathways["understanding"].tokens


def test_a_stage_that_cannot_be_traced_is_named(recipe: Recipe, monkeypatch: pytest.MonkeyPatch) -> None:
    stage = recipe.stages["tokenizer"]
    component = evolve(stage.objective.component, name="undecided")
    load = Component.load
    monkeypatch.setattr(Component, "load", lambda self: Undecided if self.name == "undecided" else load(self))
    strange = evolve(stage, objective=evolve(stage.objective, component=component))
    found = plan_training(evolve(recipe, stages={**recipe.stages, "tokenizer": strange}), order(), ["tokenizer"])
    assert found.stages[0].problem.startswith("a step of objective undecided@1 cannot be traced: ")
    assert found.stages[0].problem.endswith("; it is not planned, and totals are without it")
    assert (found.flops, found.fits) == (0, False)


@pytest.mark.parametrize(("name", "shared"), [("tokenizer", 1), ("encoder", 2)])
def test_memory_of_stages_with_batches_of_their_own(name: str, shared: int) -> None:
    recipe = read_recipe_text(tiny_recipe("small") + STAGES)
    model = build_model(compose(recipe), "meta")
    request = evolve(order(gpus=2), lengths={})
    stage = plan_training(recipe, request, [name]).stages[0]
    assert stage.memory is not None
    assert stage.execution is not None
    assert stage.execution.micro_batch == recipe.stages[name].batch // shared
    selected = select([each for each, _ in model.named_parameters()], recipe.stages[name].train)
    own = stage.trained - sum(p.numel() for each, p in model.named_parameters() if each in selected)
    assert (own > 0) == (name == "encoder"), "a text tower is the objective's own"
    assert stage.memory.optimizer == 2 * VALUE * stage.trained
    assert stage.memory.activations > 0
    double = evolve(recipe.stages[name], batch=2 * recipe.stages[name].batch)
    grown = plan_training(evolve(recipe, stages={name: double}), request, [name]).stages[0]
    assert grown.memory is not None
    assert grown.memory.activations > 1.5 * stage.memory.activations
