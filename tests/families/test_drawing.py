"""Pictures of every family depend on their own prompt, seed and settings alone, and hold all that redraws them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import attrs
import numpy as np
import pytest
import torch
from family_recipes import FAMILIES, family_model
from janiform import Conversation, Model, Request, Turn, UnifiedModel, provenance_of, sampler_of, save_picture
from janiform.cli import main
from janiform.evaluate.losses import held_out_losses
from janiform.inference.generate.sampler import sampler_use
from janiform.inference.prompts import drawing_prompt_of
from janiform.storage.save import save_model
from PIL import Image

PROMPTS = ["a red circle", "two", "a small blue square above the large circle, and another", "a red circle"]
SEEDS = [3, 3, 2**40, 5]


@pytest.fixture(scope="module", params=FAMILIES)
def model(request: pytest.FixtureRequest) -> UnifiedModel:
    return family_model(request.param)


@pytest.fixture(scope="module")
def source() -> Image.Image:
    return Image.effect_noise((20, 24), 90).convert("RGB")


def test_requests_of_a_batch_are_independent(model: UnifiedModel, source: Image.Image) -> None:
    double = model.double()
    sampler = sampler_of(model.plan)
    prompts = [drawing_prompt_of(double, text, "generation") for text in PROMPTS]
    if model.processor.draws_from:
        requests = Model(double)._with_sources(PROMPTS[:2], [source])
        prompts[:2] = [drawing_prompt_of(double, request, "generation") for request in requests]
    together = sampler.draw(double, prompts, seeds=SEEDS)
    assert len({tuple(row.flatten().tolist()) for row in together}) > 1
    for number, (prompt, seed) in enumerate(zip(prompts, SEEDS, strict=True)):
        alone = sampler.draw(double, [prompt], seeds=[seed])[0]
        torch.testing.assert_close(alone, together[number], rtol=1e-9, atol=1e-9)
    model.float()


def test_held_out_losses_are_those_of_each_picture_alone(model: UnifiedModel) -> None:
    """Studies judge every family by them."""
    double = model.double()
    chance = np.random.default_rng(0)
    asked = [
        Request(
            f"draw/{number}",
            f"draw/{number}",
            Conversation((Turn("user", text),)),
            draws=True,
            reference=chance.integers(0, 256, (20, 24, 3), dtype=np.uint8),
        )
        for number, text in enumerate(PROMPTS)
    ]
    together = [item.value for item in held_out_losses(Model(double), asked, lambda done, of: None)]
    alone = [held_out_losses(Model(double), [one], lambda done, of: None)[0].value for one in asked]
    assert all(value > 0 for value in together)
    assert together == pytest.approx(alone, rel=1e-6)
    model.float()


def test_a_picture_holds_every_setting_and_is_redrawn(
    model: UnifiedModel, source: Image.Image, tmp_path: Path, capsys: Any
) -> None:
    folder = str(save_model(model.float(), tmp_path / "model"))
    images: list[str] = []
    if model.processor.draws_from:
        images = ["--image", str(save_picture(source, tmp_path / "source.png"))]
    options = ["--seed", "7", "--guidance", "1.5"]
    assert main(["generate", folder, "a red circle", *images, *options, "--out", str(tmp_path / "first")]) == 0
    (drawn,) = (tmp_path / "first").iterdir()
    record = provenance_of(drawn)
    assert record.settings == attrs.asdict(sampler_use(model.plan).config) | {"guidance": 1.5}
    assert (record.seed, len(record.sources)) == (7, len(images) // 2)
    capsys.readouterr()
    assert main(["generate", folder, "--like", str(drawn), *images, "--out", str(tmp_path / "again")]) == 0
    assert "the same picture, pixel for pixel" in capsys.readouterr().err
    (again,) = (tmp_path / "again").iterdir()
    assert again.read_bytes() == drawn.read_bytes()
    assert np.asarray(Image.open(drawn)).std() > 0
