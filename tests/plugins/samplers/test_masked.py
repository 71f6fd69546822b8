"""Masked drawing in whole models: training in any layout of the batch, and pictures that depend on nothing else."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from janiform import (
    Codes,
    CompositionError,
    Conversation,
    Grid,
    Latents,
    Logits,
    Model,
    PortMismatch,
    Preview,
    Sequence,
    UnifiedModel,
    UsageError,
    Values,
    build_model,
    registry,
    sampler_of,
)
from janiform.cli import main
from janiform_plugins.samplers.masked.config import MaskedConfig
from masked_models import masked_model, masked_plan, masked_recipe
from step_gradients import summed
from torch import Tensor

WORDS = ["a red circle", "two", "a small blue square above the large circle, and another", "three", "a green one"]

STAGES = """
[source]
draw = { use = "shapes", task = "draw" }
ask = { use = "shapes", task = "ask", questions = 1 }
[stage.all]
objective = { use = "autoregressive" }
train = ["backbone", "understanding", "generation.adapter", "generation.embedding", "generation.head"]
mixture = { draw = 3, ask = 1 }
steps = 40
batch = 16
learning_rate = 1e-2
log_every = 5
"""


FULL = '[layout]\nuse = "janus"\nsystem = ""\nfull_pictures = true\n'
ONE = FULL + "one_position = true\n"


@pytest.fixture(scope="module", params=["", FULL, ONE], ids=["causal", "full", "full at one position"])
def model(request: pytest.FixtureRequest) -> UnifiedModel:
    """In float64, so that what should be equal is equal to many places."""
    return masked_model(embedding={"positions": "waves"}, more=request.param).double()


def codes_of(seed: int) -> np.ndarray[Any, Any]:
    return np.random.default_rng(seed).integers(0, 16, (64, 1))


def prepared(model: UnifiedModel, objective: Any) -> list[Sequence]:
    examples = [Conversation.drawing(text, codes_of(seed)) for seed, text in enumerate(WORDS)]
    examples.insert(2, Conversation.document("a large blue square is above the circle"))
    return [objective.prepare_one(each, np.random.default_rng(seed)) for seed, each in enumerate(examples)]


def objective_of(model: UnifiedModel, **config: Any) -> Any:
    component = registry().find("objective", "autoregressive")
    return component.load()(component.config(text_dropout=0.5, **config), model)


def test_packing_and_micro_batches_change_nothing(model: UnifiedModel) -> None:
    rows, packed = objective_of(model), objective_of(model, packed=200)
    sequences = prepared(model, rows)
    expected = summed(model, rows, [sequences])
    assert "generation.embedding.mask" in expected
    alone = summed(model, rows, [[sequence] for sequence in sequences])
    pairs = summed(model, rows, [sequences[:2], sequences[2:]])
    assert len(packed.collate(sequences).ids) < len(sequences)
    for other in (
        alone,
        pairs,
        summed(model, packed, [sequences]),
        summed(model, packed, [sequences[4:], sequences[:4]]),
    ):
        assert other.keys() == expected.keys()
        for name, value in expected.items():
            torch.testing.assert_close(other[name], value, rtol=1e-7, atol=1e-7, msg=name)


def test_the_loss_is_that_of_the_hidden_places_whose_codes_are_not_seen(model: UnifiedModel) -> None:
    objective = objective_of(model)
    sequences = [some for some in prepared(model, objective) if any(span.kind == "draw" for span in some.spans)]
    total = 0.0
    for sequence in sequences:
        (span,) = (span for span in sequence.spans if span.kind == "draw")
        assert span.corruption is not None
        hidden = torch.from_numpy(span.corruption.hidden)
        codes = torch.as_tensor(span.picture)
        spoiled = codes.masked_fill(hidden[:, None], 0)  # what is hidden must not be read
        batch = model.processor.collate([sequence])
        pictures = batch.pictures["generation"]
        states = model.hidden(batch, drawn={"generation": spoiled[None]})[0, pictures.positions[0]]
        chances = model.part("generation.head")(states).log_softmax(-1)
        total -= float(chances.gather(-1, codes)[hidden].detach().sum())
    losses, _ = objective.losses(objective.collate(sequences))
    assert float(losses["generation"].total.detach()) == pytest.approx(total, rel=1e-9)


def test_a_picture_depends_on_its_prompt_and_its_seed_alone(model: UnifiedModel) -> None:
    sampler = sampler_of(model.plan)
    prompts = [model.processor.drawing_prompt(text) for text in (*WORDS, WORDS[0])]
    seeds = [3, 4, 5, 6, 7, 8]
    for settings in ({"guidance": 3.0}, {"guidance": 1.0, "schedule": "linear", "steps": 5, "temperature": 0.0}):
        together = sampler.draw(model, prompts, seeds=seeds, **settings)
        assert len({tuple(row.flatten().tolist()) for row in together}) == len(prompts)
        for row, (prompt, seed) in enumerate(zip(prompts, seeds, strict=True)):
            assert torch.equal(sampler.draw(model, [prompt], seeds=[seed], **settings)[0], together[row])
    torch.manual_seed(5)
    one = sampler.draw(model, prompts)
    assert not torch.equal(one, sampler.draw(model, prompts))
    torch.manual_seed(5)
    assert torch.equal(one, sampler.draw(model, prompts))


def test_progress_shows_hidden_places(model: UnifiedModel) -> None:
    steps: list[tuple[int, int]] = []
    shown: list[Tensor] = []
    codes = sampler_of(model.plan).draw(
        model,
        [model.processor.drawing_prompt("two")],
        on_step=lambda done, of: steps.append((done, of)),
        on_codes=lambda some: shown.append(some.clone()),
    )
    assert steps == [(number, 8) for number in range(1, 9)]
    assert [int((some < 0).sum()) for some in shown] == [62, 59, 53, 45, 35, 24, 12, 0]
    assert torch.equal(shown[-1], codes)


def test_previews_fill_hidden_places(model: UnifiedModel) -> None:
    previews: list[Preview] = []
    pictures = Model(model).generate(["two", "three"], n=2, seed=1, on_preview=previews.append, steps=4)
    assert [picture.size for picture in pictures] == [(16, 16)] * len(pictures)
    assert [preview.done for preview in previews[:3]] == [5, 19, 40]  # 64 − ⌊64·cos(k·π/8)⌋ of 64 codes are kept
    assert all(preview.of == 64 and len(preview.pictures) == len(preview.codes) for preview in previews)


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"steps": 0}, "steps 0 is not a whole number of at least 1"),
        ({"steps": 10_000}, "10000 steps for the 64 places of a picture, .* set 'steps' to at most 64"),
        ({"temperature": float("nan")}, "'temperature' must be >= 0"),
        ({"schedule": "cosin"}, "'schedule' must be in"),
        ({"stepps": 3}, "no setting 'stepps' .*steps"),
    ],
)
def test_settings_out_of_range_are_refused(model: UnifiedModel, settings: dict[str, Any], sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence) as caught:
        sampler_of(model.plan).draw(model, [model.processor.drawing_prompt("two")], **settings)
    assert "\n" not in str(caught.value)
    with pytest.raises(UsageError):
        Model(model).generate("two", **settings)


@pytest.mark.parametrize(
    ("drawn", "predicted", "sentence"),
    [
        (Codes(9, Grid(4, 4), 8, depth=3), Logits(9, 3), "draws one code per place"),
        (Codes(9, Grid(4, 4), 8, given={3: 0}), Logits(9), "1 places of .* have a given code"),
        (Latents(Grid(4, 4), 8), Values(16, 8, "velocity"), "draws codes, but the tokenizer has latents"),
        (Codes(9, Grid(4, 4), 8), Logits(9), "18 steps for the 16 places"),
    ],
)
def test_what_it_cannot_draw_is_refused(drawn: Any, predicted: Any, sentence: str) -> None:
    with pytest.raises(PortMismatch, match=sentence) as caught:
        MaskedConfig().process(drawn, predicted)
    assert "\n" not in str(caught.value)


def test_composition_names_the_sampler() -> None:
    with pytest.raises(CompositionError, match=r"generation.sampler: masked@1 does not fit: .* 65 steps"):
        masked_plan(sampler={"steps": 65})


def test_a_model_that_learned_pictures_by_heart_draws_them() -> None:
    parts = {"embedding": {"positions": "waves"}, "backbone": {"width": 32, "heads": 2}, "more": FULL}
    model = build_model(masked_plan(**parts), seed=0)
    model.processor.fit(WORDS * 4)
    objective, chance = objective_of(model), np.random.default_rng(0)
    examples = [Conversation.drawing(text, codes_of(seed)) for seed, text in enumerate(WORDS[:2])]
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    for _ in range(150):
        batch = objective.collate([objective.prepare_one(example, chance) for example in examples * 4])
        losses, _ = objective.losses(batch)
        optimizer.zero_grad()
        losses["generation"].mean.backward()
        optimizer.step()
    prompts = [model.processor.drawing_prompt(text) for text in WORDS[:2]]
    drawn = sampler_of(model.plan).draw(model, prompts, seeds=[1, 2], guidance=1.5)
    expected = torch.stack([torch.from_numpy(codes_of(seed)) for seed in range(2)])
    assert float((drawn == expected).float().mean()) > 0.95


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run over the world of shapes."""
    folder = tmp_path_factory.mktemp("masked")
    (folder / "recipe.toml").write_text(masked_recipe(more=FULL + STAGES), encoding="utf-8")
    assert main(["train", str(folder / "recipe.toml"), "--out", str(folder / "run")]) == 0
    return folder


def test_training_lowers_the_loss(run: Path) -> None:
    lines = [json.loads(line) for line in (run / "run" / "log.jsonl").read_text(encoding="utf-8").splitlines()]
    losses = [line["losses"]["generation"] for line in lines if "generation" in line.get("losses", {})]
    assert losses[-1] < 0.95 * losses[0]


def test_pictures_are_drawn_again_from_what_they_say(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first, second = run / "first", run / "second"
    options = ["--n", "3", "--seed", "4", "--guidance", "2", "--steps", "5"]
    assert main(["generate", str(run / "run"), "a red circle", *options, "--out", str(first)]) == 0
    picture = next(path for path in sorted(first.iterdir()) if path.suffix == ".png")
    assert main(["generate", str(run / "run"), "--like", str(picture), "--out", str(second)]) == 0
    assert next(second.iterdir()).read_bytes() == picture.read_bytes()


def test_a_plan_and_held_out_losses(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", str(run / "recipe.toml")]) == 0
    assert main(["check", str(run / "recipe.toml")]) == 0
    capsys.readouterr()
    few = '{ prompts = 1, pictures = 1, questions = 2, categories = ["one_object"] }'
    assert main(["eval", str(run / "run"), "shapes", "--set", f"shapes={few}", "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert 0 < result["scores"]["loss.picture"]["value"] < 64 * math.log(16)
    assert result["settings"]["steps"] == 8
