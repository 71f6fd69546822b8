"""janus-micro and its coupled sibling, on which studies of designs are run: equal in samples, and complete."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from attrs import evolve
from janiform import Model, open_model, read_recipe, registry
from janiform.compose import compose
from janiform.train.progress.reporter import Reporter
from janiform.train.run.train import train
from rich.console import Console

SPECIAL = (
    ("<|im_start|>", "<｜begin▁of▁sentence｜>"),
    ("<|im_end|>", "<｜end▁of▁sentence｜>"),
    ("<|endoftext|>", "<｜▁pad▁｜>"),
    ("<|vision_start|>", "<begin_of_image>"),
    ("<|vision_end|>", "<end_of_image>"),
)
"""Tokens of BAGEL, and those of Janus with the same purpose."""


def test_both_designs_see_equal_samples_in_every_stage_but_the_encoder_s() -> None:
    decoupled, coupled = read_recipe("janus-micro"), read_recipe("janus-micro-coupled")
    assert [name for name in decoupled.training.stages if name != "encoder"] == list(coupled.training.stages)
    assert decoupled.sources == coupled.sources
    for name in coupled.training.stages:
        stage = decoupled.stages[name]
        assert evolve(coupled.stages[name], train=stage.train, muon=stage.muon) == stage


def test_the_coupled_one_looks_and_draws_with_one_tokenizer_and_one_vocabulary() -> None:
    decoupled, coupled = compose(read_recipe("janus-micro")), compose(read_recipe("janus-micro-coupled"))
    codes = decoupled.pathways["generation"].codes
    assert coupled.shared["understanding.tokenizer"] == "generation.tokenizer"
    assert coupled.pathways["generation"].codes == codes
    text = decoupled.parts["backbone"].use.config.vocabulary
    assert coupled.parts["backbone"].use.config.vocabulary == text + codes.vocabulary


@pytest.mark.parametrize(
    ("name", "side"),
    [
        ("janus-micro", 32),
        ("janus-micro-coupled", 32),
        pytest.param("janus-micro-masked", 32, marks=pytest.mark.slow),
        pytest.param("janus-micro-transfusion", 32, marks=pytest.mark.slow),
        ("janus-micro-mar", 32),
        pytest.param("janus-micro-scales", 32, marks=pytest.mark.slow),
        pytest.param("janus-micro-mot", 32, marks=pytest.mark.slow),
        pytest.param("janus-micro-metamorph", 64, marks=pytest.mark.slow),
        pytest.param("janus-micro-split", 32, marks=pytest.mark.slow),
        pytest.param("janus-micro-semantic", 32, marks=pytest.mark.slow),
    ],
)
def test_it_trains_through_its_stages_and_looks_and_draws(name: str, side: int, tmp_path: Path) -> None:
    # To learn the tokens anew takes most of the time; those of janus-mini have the names of Janus.
    learned = (registry().models()["janus-mini"] / "tokenizer.json").read_text()
    for ours, theirs in SPECIAL if name == "janus-micro-mot" else ():
        learned = learned.replace(f'"{theirs}"', f'"{ours}"')
    (tmp_path / "tokenizer.json").write_text(learned)
    recipe = read_recipe(name, [f"text.file={json.dumps(str(tmp_path / 'tokenizer.json'))}"])
    stages = {
        stage.name: evolve(stage, steps=1, warmup=0, batch=2, sample_every=0, log_every=1)
        for stage in recipe.stages.values()
    }
    quiet = Reporter(Console(file=io.StringIO()))
    folder = train(evolve(recipe, stages=stages), tmp_path / "run", reporter=quiet, ahead=0, device="cpu")
    lines = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    assert [line["stage"] for line in lines if "stage" in line] == list(recipe.training.stages)
    model = Model(open_model(folder))
    (picture,) = model.generate("a red circle")
    assert picture.size == (side, side)
    assert isinstance(model.ask(picture, "how many circles are there?", max_new_tokens=4), str)
