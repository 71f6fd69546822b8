"""The loss and the gradients of a step are the same however it is divided, recomputed, compiled or packed."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pytest
import torch
from attrs import evolve
from hypothesis import given, settings
from hypothesis import strategies as some
from janiform import RecipeError, loss, summed_cross_entropy
from janiform.compose import compose
from janiform.model.build import build_model
from janiform.recipe import Recipe, read_recipe_text
from janiform.train.checkpoints.checkpoint import Position
from janiform.train.data.builder import BatchBuilder
from janiform.train.data.mixture import Mixture
from janiform.train.data.seeding import seeds_of
from janiform.train.data.specs import BatchSpec, batch_specs, micro_batches, split_step
from janiform.train.loop import blocks
from janiform.train.loop.stage import StageRun
from janiform.train.run.dry_run import dry_run
from torch import Tensor


def load_script(name: str) -> Any:
    """A module beside this file, whose folder is not a package."""
    spec = importlib.util.spec_from_file_location(name, Path(__file__).parent / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


Outcome = tuple[dict[str, float], dict[str, Tensor]]


@pytest.fixture(scope="module")
def ready(recipe_text: str) -> tuple[Recipe, dict[str, Any], Any]:
    """A recipe, its sources, and a text tokenizer that has learned from them."""
    recipe = read_recipe_text(recipe_text.replace("layers = 1, heads = 2, context", "layers = 2, heads = 2, context"))
    sources = {name: use.component.load()(use.config) for name, use in recipe.sources.items()}
    model = build_model(compose(recipe))
    examples = [source.example(index) for source in sources.values() for index in range(20)]
    model.processor.fit([turn.text for example in examples for turn in example.turns if turn.text])
    return recipe, sources, model.processor


def step(ready: tuple[Recipe, dict[str, Any], Any], **changes: Any) -> Outcome:
    """Mean losses and gradients of the first step of the last stage, in which all kinds of samples are mixed."""
    recipe, sources, processor = ready
    torch.manual_seed(0)
    model = build_model(compose(recipe))
    model.processor = processor
    stage = evolve(recipe.stages["all"], batch=10, **changes)
    run = StageRun(stage, model, Position("all"), seeds_of(recipe).stage("all"))
    losses, gradients = load_script("first_step").first_step(run, sources)
    blocks.release_blocks(model)
    return {name: found.mean.item() for name, found in losses.items()}, gradients


def assert_alike(left: Outcome, right: Outcome) -> None:
    assert left[0] == pytest.approx(right[0], rel=1e-5)
    assert left[1].keys() == right[1].keys()
    for name, gradient in left[1].items():
        torch.testing.assert_close(gradient, right[1][name], rtol=1e-5, atol=1e-6)


@pytest.fixture(scope="module")
def plain(ready: Any) -> Outcome:
    found = step(ready)
    assert set(found[0]) == {"understanding", "text", "generation"}
    assert max(gradient.abs().max() for gradient in found[1].values()) > 0.01
    return found


@pytest.mark.parametrize("size", [1, 3, 7])
def test_micro_batches_of_any_size_give_the_step(ready: Any, plain: Outcome, size: int) -> None:
    assert_alike(step(ready, micro_batch=size), plain)


@pytest.mark.parametrize("wanted", [True, ("understanding.encoder", "backbone.layers.1")])
def test_blocks_are_computed_again(ready: Any, plain: Outcome, wanted: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = 0
    real = blocks.checkpoint

    def counted(*arguments: Any, **named: Any) -> Any:
        nonlocal calls
        calls += 1
        return real(*arguments, **named)

    monkeypatch.setattr(blocks, "checkpoint", counted)
    assert_alike(step(ready, checkpointing=wanted), plain)
    assert calls == (3 if wanted is True else 2)


def test_every_block_is_compiled(ready: Any, plain: Outcome, monkeypatch: pytest.MonkeyPatch) -> None:
    compiled: list[str] = []

    def compile_(forward: Any, backend: str) -> Any:
        compiled.append(type(forward.__self__).__name__)
        return forward

    monkeypatch.setattr(torch, "compile", compile_)
    assert_alike(step(ready, compile=True, checkpointing=True, micro_batch=6), plain)
    assert compiled.count("Block") == 3  # two of the backbone and one of the encoder


@pytest.mark.slow
def test_compiled_blocks_compute_the_same(ready: Any, plain: Outcome) -> None:
    assert_alike(step(ready, compile=True), plain)
    assert_alike(step(ready, compile=True, checkpointing=True, micro_batch=6), plain)


def test_logits_of_many_rows_are_never_all_there(ready: Any, plain: Outcome, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loss, "CHUNK", 300 * 7)  # seven rows of the text's vocabulary
    assert_alike(step(ready), plain)


@settings(max_examples=20, deadline=None)
@given(some.integers(1, 40), some.integers(2, 9), some.integers(1, 100), some.integers(0, 99))
def test_the_chunked_cross_entropy_is_the_plain_one(rows: int, vocabulary: int, chunk: int, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    states = torch.randn(rows, 5, generator=generator, dtype=torch.float64, requires_grad=True)
    matrix = torch.randn(vocabulary, 5, generator=generator, dtype=torch.float64, requires_grad=True)
    targets = torch.randint(vocabulary, (rows,), generator=generator)
    widest = 0

    def logits(some_states: Tensor) -> Tensor:
        nonlocal widest
        widest = max(widest, len(some_states))
        return some_states @ matrix.T

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loss, "CHUNK", chunk)
        total = summed_cross_entropy(logits, states, targets, vocabulary)
    found = torch.autograd.grad(total, (states, matrix))
    expected = (logits(states).logsumexp(1) - logits(states)[torch.arange(rows), targets]).sum()
    assert total.item() == pytest.approx(expected.item(), rel=1e-5, abs=1e-5)
    for left, right in zip(found, torch.autograd.grad(expected, (states, matrix)), strict=True):
        torch.testing.assert_close(left, right, rtol=1e-4, atol=1e-5)


def test_logits_are_computed_where_there_is_a_target_only(ready: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe, sources, processor = ready
    model = build_model(compose(recipe))
    model.processor = processor
    run = StageRun(recipe.stages["all"], model, Position("all"), seeds_of(recipe).stage("all"))
    batch = BatchBuilder(sources, run.objective, run.seeds.batches)[
        next(batch_specs(run.mixture, 10, range(1), {}, {}))
    ].batch
    rows: list[int] = []
    head: Any = model.part("generation.head")
    head.register_forward_pre_hook(lambda module, inputs: rows.append(len(inputs[0])))
    backbone: Any = model.part("backbone")
    logits = backbone.logits
    monkeypatch.setattr(backbone, "logits", lambda states: (rows.append(len(states)), logits(states))[1])
    counts = run.objective.counts(batch)
    losses, _ = run.objective.losses(batch)
    assert sorted(rows) == sorted(counts.values())
    assert {name: int(found.count) for name, found in losses.items()} == counts
    assert sum(rows) < batch.tokens


@settings(max_examples=50, deadline=None)
@given(some.integers(1, 6), some.integers(1, 5), some.integers(0, 7))
def test_micro_batches_are_the_samples_of_the_step_in_their_order(processes: int, each: int, micro_batch: int) -> None:
    batch = processes * each
    spec = next(batch_specs(Mixture({"a": 2, "b": 1}), batch, range(4, 5), {"a": 3}, {}))
    taken: list[BatchSpec] = []
    for rank in range(processes):
        mine = list(split_step(spec, rank=rank, processes=processes, micro_batch=micro_batch))
        assert len(mine) == micro_batches(batch, processes=processes, micro_batch=micro_batch)
        taken += mine
    assert sum((piece.samples for piece in taken), ()) == spec.samples
    assert all(spec.samples[piece.first : piece.first + len(piece.samples)] == piece.samples for piece in taken)
    assert all(len(piece.samples) <= (micro_batch or each) for piece in taken)


def test_a_step_that_cannot_be_divided_is_refused_with_its_place(ready: Any) -> None:
    recipe, sources, processor = ready
    model = build_model(compose(recipe))
    model.processor = processor
    stages = {
        **recipe.stages,
        "encoder": evolve(recipe.stages["encoder"], micro_batch=2),
        "all": evolve(recipe.stages["all"], checkpointing=("backbone.layer",)),
    }
    with pytest.raises(RecipeError) as caught:
        dry_run(evolve(recipe, stages=stages), ["encoder", "all"], model, sources)
    assert [problem.path for problem in caught.value.problems] == [
        "stage.encoder.micro_batch",
        "stage.all.checkpointing",
    ]
    assert "contrastive looks at the samples of a step together" in str(caught.value)
    assert "did you mean 'backbone.layers'" in str(caught.value)


def test_a_misspelt_weight_is_told_before_the_first_stage(ready: tuple[Recipe, dict[str, Any], Any]) -> None:
    recipe, sources, processor = ready
    model = build_model(compose(recipe))
    model.processor = processor
    stages = {**recipe.stages, "all": evolve(recipe.stages["all"], weights={"generatoin": 0.5, "text": 0.3})}
    with pytest.raises(RecipeError, match=r"stage\.all\.weights\.generatoin: no loss .*did you mean 'generation'"):
        dry_run(evolve(recipe, stages=stages), list(recipe.training.stages), model, sources)
