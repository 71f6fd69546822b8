"""The recipes of other designs: a coupled one, one without an encoder, one of residual codes. The small ones train."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from attrs import evolve
from janiform import Model, Plan, open_model, read_recipe, registry
from janiform.compose import compose
from janiform.train.progress.reporter import Reporter
from janiform.train.run.train import train
from rich.console import Console

SIZES = ("janus-pro-1b", "janus-mini")


def plan_of(name: str) -> Plan:
    return compose(read_recipe(name))


@pytest.mark.parametrize("size", SIZES)
def test_the_coupled_ones_have_one_tokenizer_and_one_vocabulary(size: str) -> None:
    plan, beside = plan_of(f"{size}-coupled"), plan_of(size)
    assert plan.shared == {
        f"understanding.{part}": f"generation.{part}" for part in ("tokenizer", "embedding", "adapter")
    }
    assert plan.parts["generation.tokenizer"].use == beside.parts["generation.tokenizer"].use
    assert plan.text_ids == (range(beside.hidden.vocabulary),) == beside.text_ids
    assert plan.hidden.vocabulary == plan.text_ids[0].stop + plan.pathways["generation"].codes.vocabulary
    assert {plan.parts[f"generation.{part}"].use.component.name for part in ("embedding", "head")} == {"shared"}


@pytest.mark.parametrize("size", SIZES)
def test_the_encoder_free_ones_look_at_as_many_tokens_and_draw_the_same(size: str) -> None:
    plan, beside = plan_of(f"{size}-encoder-free"), plan_of(size)
    assert plan.parts["understanding.encoder"].use.component.name == "patches"
    assert plan.pathways["understanding"].tokens == beside.pathways["understanding"].tokens
    drawing = [path for path in plan.parts if path.startswith("generation.")]
    assert [plan.parts[path] for path in drawing] == [beside.parts[path] for path in drawing]


@pytest.mark.parametrize("size", SIZES)
def test_the_residual_ones_have_codes_of_four_levels_for_both_faces(size: str) -> None:
    plan, beside = plan_of(f"{size}-residual"), plan_of(size)
    assert plan.shared["understanding.tokenizer"] == "generation.tokenizer"
    codes, single = plan.pathways["generation"].codes, beside.pathways["generation"].codes
    assert (codes.depth, codes.grid, single.depth) == (4, single.grid, 1)
    assert plan.parts["generation.head"].output.depth == 4
    assert plan.parts["backbone"].use == beside.parts["backbone"].use


@pytest.mark.parametrize("design", ["coupled", "encoder-free", pytest.param("residual", marks=pytest.mark.slow)])
def test_a_small_one_trains_through_its_stages_and_is_used(design: str, tmp_path: Path) -> None:
    recipe = read_recipe(f"janus-mini-{design}")
    stages = {
        name: evolve(stage, steps=1, warmup=0, batch=2, sample_every=0, log_every=1)
        for name, stage in recipe.stages.items()
    }
    learned = registry().models()["janus-mini"] / "tokenizer.json"  # to learn it anew takes most of the time
    text = evolve(recipe.text, config=evolve(recipe.text.config, file=str(learned)))
    quiet = Reporter(Console(file=io.StringIO()))
    short = evolve(recipe, stages=stages, text=text)
    folder = train(short, tmp_path / "run", reporter=quiet, ahead=0, device="cpu")
    lines = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    assert [line["stage"] for line in lines if "stage" in line] == list(recipe.training.stages)
    model = Model(open_model(folder))
    (picture,) = model.generate("a red circle", guidance=1.0)
    assert picture.size == (64, 64)
    assert isinstance(model.ask(picture, "how many circles are there?", max_new_tokens=4), str)
