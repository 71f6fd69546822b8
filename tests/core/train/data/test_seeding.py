"""Numbers and samples of a stage follow from its name: other stages, and the order of tables, change none of them."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as some
from janiform import Epochs
from janiform.compose import compose
from janiform.model.build import build_model
from janiform.model.lora import adapters_of
from janiform.recipe import Recipe, read_recipe_text
from janiform.train.checkpoints.checkpoint import Position
from janiform.train.data import builder
from janiform.train.data.seeding import seeds_of
from janiform.train.loop.stage import StageRun
from janiform.train.run.train import train
from safetensors.torch import load_file
from tiny_recipes import tiny_recipe

Reads = Callable[..., list[Any]]


class Endless:
    def example(self, index: int) -> Any:
        return index


class Passes:
    """Numbers below ``length``, pass after pass."""

    def __init__(self, length: int, *, shuffle: bool = True) -> None:
        self.epochs = Epochs(length, seed=5, shuffle=shuffle)
        self.length = length

    def example(self, index: int) -> int:
        return self.epochs.at(index)


class Finite:
    def __init__(self, size: int) -> None:
        self.size = size

    def example(self, index: int) -> int:
        return range(self.size)[index]


def first(source: Any, *, seed: int = 0, data_seed: int | None = None, stage: str = "a", name: str = "x") -> int:
    """The first index of a source in a stage."""
    recipe = read_recipe_text(tiny_recipe("tiny") + f"\n[training]\nseed = {seed}\n"
                              + (f"data_seed = {data_seed}\n" if data_seed is not None else ""))  # fmt: skip
    return seeds_of(recipe).stage(stage).first({name: source}, [name], {})[name]


@given(some.integers(0, 2**40), some.integers(1, 2**20), some.text("abc", min_size=1, max_size=5))
def test_a_stage_begins_with_a_whole_pass_of_its_own(seed: int, length: int, stage: str) -> None:
    begin = first(Passes(length), seed=seed, stage=stage)
    assert begin % length == 0
    assert 0 <= begin < 2**20 * length
    assert first(Passes(length, shuffle=False), seed=seed, stage=stage) % length == 0
    assert first(Endless(), seed=seed, stage=stage) == begin // length * 2**32
    assert first(Finite(length), seed=seed, stage=stage) == 0


def test_a_pass_has_every_sample_once_in_an_order_of_the_stage() -> None:
    source = Passes(7)
    orders = [[source.example(first(source, stage=stage) + n) for n in range(7)] for stage in "abcdef"]
    assert all(sorted(order) == list(range(7)) for order in orders)
    assert len({tuple(order) for order in orders}) > 3
    unshuffled = Passes(7, shuffle=False)
    assert [unshuffled.example(first(unshuffled, stage="b") + n) for n in range(7)] == list(range(7))


def test_the_first_sample_depends_on_the_seed_of_the_data_and_on_the_two_names_alone() -> None:
    base = first(Endless(), data_seed=4)
    assert first(Endless(), seed=9, data_seed=4) == base
    assert first(Endless(), seed=4) == base, "by default both seeds are the same"
    others = [first(Endless(), data_seed=5), first(Endless(), data_seed=4, stage="b"),
              first(Endless(), data_seed=4, name="y")]  # fmt: skip
    assert len({base, *others}) == 4


def test_a_source_that_fails_is_reported_by_the_batch_that_needs_it() -> None:
    class Broken:
        def example(self, index: int) -> Any:
            raise RuntimeError("no")

    assert first(Broken()) == first(Endless())


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, listener: Any) -> Reads:
    """Trains stages of a recipe, and returns by stage the samples that each step read, and what was prepared."""
    read: list[Any] = []
    prepare = builder._Building.batch

    def batch(self: Any) -> Any:
        made = prepare(self)
        read.append((self.spec.samples, made))
        return made

    monkeypatch.setattr(builder._Building, "batch", batch)
    monkeypatch.setattr("janiform.train.run.train.prepare_run", lambda *a, **k: prepared(*a, **k))
    from janiform.train.run import preparation

    def prepared(*arguments: Any, **named: Any) -> Any:
        made = preparation.prepare_run(*arguments, **named)
        read.clear()  # those of the dry run
        return made

    def run(recipe: Recipe, stages: list[str], last: int, **named: Any) -> list[Any]:
        out = tmp_path / f"run-{len(list(tmp_path.iterdir()))}"
        train(recipe, out, stages=stages, device="cpu", reporter=listener, ahead=0, **named)
        return read[-last:]

    return run


def test_a_stage_reads_the_same_samples_whatever_comes_before(recipe: Recipe, reads: Reads) -> None:
    tokenizer = reads(recipe, ["encoder"], 4)
    alone, after = reads(recipe, ["all"], 6), reads(recipe, ["encoder", "text", "all"], 6)
    assert [samples for samples, _ in alone] == [samples for samples, _ in after]
    assert Counter(name for samples, _ in alone for name, _ in samples) == {"ask": 12, "draw": 10, "read": 2}
    assert {sample for samples, _ in alone for sample in samples}.isdisjoint(
        {sample for samples, _ in tokenizer for sample in samples}
    )


def test_chance_in_the_preparation_follows_from_the_seed_of_the_data(recipe: Recipe, reads: Reads) -> None:
    """A part of the prompts is blanked; the text tokenizer is the same in all of these runs."""
    runs = [reads(recipe, ["all"], 6, **seeds) for seeds in ({}, {"seed": 8, "data_seed": 3}, {"data_seed": 4})]
    ids = [[batch.ids.tolist() for _, batch in run] for run in runs]
    assert ids[0] == ids[1]
    assert ids[0] != ids[2]
    assert runs[0][0][0] != runs[2][0][0]


def test_the_order_of_tables_changes_nothing(recipe_text: str, tmp_path: Path, listener: Any,
                                             monkeypatch: pytest.MonkeyPatch) -> None:  # fmt: skip
    monkeypatch.setattr("janiform.train.run.preparation.TEXTS_TO_FIT", 20)
    head, *stages, training = recipe_text.replace("[training]", "[stage.training]").split("[stage.")
    training = "[" + training + 'stages = ["text", "all"]\n'
    kept: list[Any] = []
    for number, order in enumerate((stages, stages[::-1])):
        recipe = read_recipe_text("".join([head, *(f"[stage.{stage}" for stage in order), training]))
        train(recipe, tmp_path / str(number), device="cpu", reporter=listener, ahead=0)
        kept.append(load_file(tmp_path / str(number) / "checkpoints" / "step-000010" / "model.safetensors"))
    assert all(torch.equal(tensor, kept[1][name]) for name, tensor in kept[0].items())


def test_the_seeds_are_recorded(recipe: Recipe, tmp_path: Path, listener: Any) -> None:
    train(recipe, tmp_path, seed=5, data_seed=6, until=1, device="cpu", reporter=listener, ahead=0)
    model = json.loads((tmp_path / "model.json").read_text())
    assert (model["seed"], model["data_seed"], model["seeding"]) == (5, 6, 2)
    assert "data_seed = 6" in (tmp_path / "recipe.toml").read_text()


LORA = """
[source.read]
use = "shapes"
task = "read"

[stage.all]
objective = { use = "autoregressive" }
lora = { on = [ON], rank = 4, dropout = 0.5 }
train = TRAIN
mixture = { read = 1 }
steps = 2
batch = 2
learning_rate = 1e-3
"""


def stage_run(on: str, train: str = "[]", encoder: Any = ()) -> tuple[Any, list[float]]:
    """A stage with adapters, and the numbers that it would draw next."""
    text = tiny_recipe("tiny", encoder=encoder) + LORA.replace("ON", on).replace("TRAIN", train)
    recipe = read_recipe_text(text)
    model = build_model(compose(recipe), seed=0)
    run = StageRun(recipe.stages["all"], model, Position("all"), seeds_of(recipe).stage("all"))
    return run, torch.rand(3).tolist()


def test_an_adapter_has_the_same_first_weights_beside_others() -> None:
    few, drawn = stage_run('"backbone.layers"')
    many, drawn_again = stage_run('"understanding.adapter", "backbone.layers"')
    ours, others = adapters_of(few.model), adapters_of(many.model)
    assert ours.keys() < others.keys()
    assert all(torch.equal(adapter.a, others[path].a) for path, adapter in ours.items())
    assert len({adapter.a.flatten()[0].item() for adapter in others.values()}) == len(others)
    assert drawn == drawn_again, "dropout does not depend on the number of adapters either"


CONTRASTIVE = """
[source.draw]
use = "shapes"
task = "draw"

[stage.encoder]
objective = { use = "contrastive", width = 16, layers = 1, heads = 2 }
train = ["understanding.encoder"]
mixture = { draw = 1 }
steps = 2
batch = 2
learning_rate = 1e-3
"""


def test_parts_of_an_objective_do_not_depend_on_the_designs_other_parts() -> None:
    made = []
    for layers, heads in ((1, 2), (2, 4)):
        text = tiny_recipe("tiny", backbone={"layers": layers}, encoder={"heads": heads, "layers": layers})
        recipe = read_recipe_text(text + CONTRASTIVE)
        model = build_model(compose(recipe), seed=0)
        run = StageRun(recipe.stages["encoder"], model, Position("encoder"), seeds_of(recipe).stage("encoder"))
        own = {name: value for name, value in run.trained.items() if name.startswith("objective.")}
        made.append((own, torch.rand(3).tolist()))
    (left, drawn), (right, drawn_again) = made
    assert left.keys() == right.keys()
    assert all(torch.equal(value, right[name]) for name, value in left.items())
    assert drawn == drawn_again


def test_a_run_of_an_earlier_version_keeps_its_rules(recipe: Recipe) -> None:
    stage = seeds_of(recipe, 1).stage("text")
    assert seeds_of(recipe, 1).weights is None
    assert stage.batches == (3, 2)
    assert stage.first({}, ["read"], {"read": 5, "draw": 2}) == {"read": 5}
    stage.begin("stage")
    drawn = torch.rand(4)
    for words in (("stage",), ("objective",), ("training",)):
        stage.begin(*words)
    assert torch.equal(torch.rand(4), drawn), "only the first of them seeds"
    assert torch.equal(torch.rand(4, generator=torch.Generator().manual_seed(3 * 1_000_003 + 2)), drawn)
    stage.begin("process", 1)
    expected = torch.rand(4, generator=torch.Generator().manual_seed(3 * 1_000_003 + 2 + 7_368_787))
    assert torch.equal(torch.rand(4), expected)
