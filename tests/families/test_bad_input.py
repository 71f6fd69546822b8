"""What cannot be drawn is refused in one sentence that names the place, from Python and on the command line."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from family_recipes import FAMILIES, FOLDER, family_model
from janiform import (
    ComponentError,
    Conversation,
    JaniformError,
    Model,
    PictureError,
    UsageError,
    decode_codes,
    sampler_of,
)
from janiform.cli import main
from janiform.storage.save import save_model
from PIL import Image
from safetensors.torch import load_file, save_file

CODES, LATENTS = "codes [B, 16, 1] of 16 on 4×4", "latents [B, 16, 8] on 4×4"


@pytest.fixture(scope="module")
def folder_of(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """``folder_of(family)``: the folder of its model."""
    folders: dict[str, str] = {}

    def folder(family: str) -> str:
        if family not in folders:
            folders[family] = str(save_model(family_model(family), tmp_path_factory.mktemp("models") / family))
        return folders[family]

    return folder


@pytest.fixture(scope="module")
def picture(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("pictures") / "a.png"
    Image.effect_noise((20, 20), 90).convert("RGB").save(path)
    return str(path)


def sentence_of(capsys: Any, *arguments: str) -> str:
    """What a command that fails says, without line breaks: no traceback, and no bug."""
    capsys.readouterr()
    assert main(list(arguments)) in (1, 2)
    said = " ".join(capsys.readouterr().err.split())
    assert "Traceback" not in said
    assert "bug" not in said
    return said


@pytest.mark.parametrize(
    ("family", "part", "settings", "sentence"),
    [
        ("janus", "head", 'use = "values"', f"head 'values' predicts latents, but is given {CODES}: use head 'mlp'"),
        ("janus", "head", 'use = "uvit"', f"head 'uvit' predicts latents, but is given {CODES}: use head 'mlp'"),
        ("flow", "head", 'use = "mlp"', f"head 'mlp' predicts codes, but is given {LATENTS}: use head 'values'"),
        ("flow", "head", 'use = "depth"', f"head 'depth' predicts codes, but is given {LATENTS}: use head 'values'"),
        (
            "flow",
            "head",
            'use = "uvit"',
            "uvit@1 does not fit patches@1: head 'uvit' has a width of 768 and reads the features of an embedding: use "
            "embedding 'uvit' with the same width",
        ),
        ("flow", "head", 'use = "shared"', f"a shared vocabulary needs codes, but the source is {LATENTS}: use embedd"),
        ("janus", "embedding", 'use = "patches"', f"needs latents, but its source is {CODES}: use embedding 'table'"),
        ("flow", "embedding", 'use = "table"', f"needs codes, but its source is {LATENTS}: use embedding 'patches'"),
        (
            "flow",
            "sampler",
            'use = "autoregressive"',
            f"the sampler 'autoregressive' draws codes, one place after the other, but the tokenizer has {LATENTS} use "
            "a sampler that draws latents, such as 'flow'",
        ),
        ("flow", "sampler", 'use = "masked"', f"draws codes, but the tokenizer has {LATENTS}: use sampler 'flow'"),
        ("janus", "sampler", 'use = "flow"', f"draws latents, but the tokenizer has {CODES}: use a sampler of codes"),
        ("janus", "sampler", 'use = "diffusion"', f"'diffusion' draws latents, but the tokenizer has {CODES}: use a"),
        (
            "transfusion",
            "head",
            'of = "velocity"',
            "sampler 'diffusion' needs a head that predicts noise or data, but the head gives velocity [B, 16, 8]: "
            "set 'of' of head 'values', or use sampler 'flow'",
        ),
        ("masked", "sampler", 'schedule = "early"', 'expected "cosine" or "linear" or "square", got the string'),
        ("masked", "sampler", "steps = 0", "sampler.steps: 0 is not a whole number of at least 1"),
        ("masked", "sampler", "steps = 10_000", "10000 steps for the 16 places of a picture, and each step draws"),
        ("flow", "sampler", "steps = 0", "sampler.steps: 0 is not a whole number from 1 to 1000"),
        ("flow", "sampler", "steps = 10_000", "sampler.steps: 10000 is not a whole number from 1 to 1000"),
        ("transfusion", "sampler", "steps = 0", "0 is not a whole number from 1 to 1000, the steps of training"),
        ("transfusion", "sampler", "steps = 10_000", "10000 is not a whole number from 1 to 1000, the steps of train"),
    ],
)
def test_a_recipe_whose_parts_do_not_fit(family: str, part: str, settings: str, sentence: str, capsys: Any) -> None:
    override = f"generation.{part} = {{ {settings} }}"
    said = sentence_of(capsys, "check", str(FOLDER / f"{family}.toml"), "--set", override)
    assert sentence in said
    assert "generation." in said


@pytest.mark.parametrize(
    ("family", "steps", "sentence"),
    [
        ("masked", 0, "the sampler 'masked': steps 0 is not a whole number of at least 1"),
        ("masked", 10_000, "10000 steps for the 16 places of a picture, and each step draws at least one: set 'steps'"),
        ("show-o", 10_000, "10000 steps for the 16 places of a picture, and each step draws at least one: set 'steps'"),
        ("flow", 0, "the sampler 'flow': steps 0 is not a whole number from 1 to 1000"),
        ("flow", 10_000, "the sampler 'flow': steps 10000 is not a whole number from 1 to 1000"),
        ("transfusion", 0, "steps 0 is not a whole number from 1 to 1000, the steps of training"),
        ("transfusion", 10_000, "steps 10000 is not a whole number from 1 to 1000, the steps of training"),
    ],
)
def test_steps_out_of_range(
    family: str, steps: int, sentence: str, folder_of: Any, tmp_path: Path, capsys: Any
) -> None:
    folder = folder_of(family)
    said = sentence_of(capsys, "generate", folder, "red", "--steps", str(steps), "--out", str(tmp_path))
    assert sentence in said
    assert not list(tmp_path.glob("*.png"))
    with pytest.raises(UsageError, match=re.escape(sentence)):
        Model(family_model(family)).generate("red", steps=steps)


def test_pictures_to_draw_from(folder_of: Any, picture: str, tmp_path: Path, capsys: Any) -> None:
    draw = ("--out", str(tmp_path / "out"))
    editing = folder_of("editing")
    assert "there is no file 'gone.png'" in sentence_of(
        capsys, "generate", editing, "red", *draw, "--image", "gone.png"
    )
    said = sentence_of(capsys, "generate", folder_of("flow"), "make it red", *draw, "--image", picture)
    assert "the model draws from a text alone, and the prompt is a conversation or has pictures" in said
    assert "a layout with the setting 'draws_from'" in said
    assert main(["generate", editing, "make it red", *draw, "--image", picture]) == 0
    (drawn,) = (tmp_path / "out").iterdir()
    said = sentence_of(capsys, "generate", editing, *draw, "--like", str(drawn))
    assert "the picture was drawn from 1 picture; 0 are given give each with --image" in said
    said = sentence_of(capsys, "generate", editing, *draw, "--like", str(drawn), "--image", str(drawn))
    assert "picture 1 of --image is not the one that the picture was drawn from" in said
    with pytest.raises(PictureError, match=r"there is no file 'gone\.png'"):
        Model(family_model("editing")).generate("red", pictures="gone.png")


def test_two_pictures_where_the_layout_takes_one(picture: str, tmp_path: Path, capsys: Any) -> None:
    one = family_model("editing", "layout.most_sources = 1")
    folder = str(save_model(one, tmp_path / "one"))
    images = ["--image", picture, "--image", picture]
    said = sentence_of(capsys, "generate", folder, "make it red", *images, "--out", str(tmp_path))
    assert said == "error: the model draws from at most 1 picture; the prompt has 2"
    with pytest.raises(UsageError, match="draws from at most 1 picture; the prompt has 2"):
        Model(one).generate("make it red", pictures=[picture, picture])


def test_a_picture_to_change_that_is_missing_in_the_data(tmp_path: Path, capsys: Any) -> None:
    """Training skips the example, and says which file is missing."""
    (tmp_path / "edits.json").write_text(
        '[{"image": ["gone.png", "gone-too.png"], "conversations": [{"from": "human", "value": "<image>\\nred"}, '
        '{"from": "gpt", "value": "<image>"}]}]',
        encoding="utf-8",
    )
    recipe = (FOLDER / "editing.toml").read_text(encoding="utf-8").replace("../bases", str(FOLDER.parent / "bases"))
    recipe = recipe.replace(
        '"shapes", task = "edit", objects = 2',
        f'"conversations", files = ["{tmp_path}/edits.json"], images = "{tmp_path}"',
    )
    (tmp_path / "recipe.toml").write_text(recipe, encoding="utf-8")
    said = sentence_of(capsys, "train", str(tmp_path / "recipe.toml"), "--out", str(tmp_path / "run"))
    assert "gone.png" in said


def test_a_schedule_that_ends_before_all_codes_are_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    model = family_model("masked")
    monkeypatch.setattr(
        type(sampler_of(model.plan)), "draw", lambda self, *_, **__: torch.arange(-3, 13).view(1, 16, 1)
    )
    with pytest.raises(ComponentError, match="the sampler 'masked' left 3 of 16 places without a code") as caught:
        Model(model).generate("red")
    assert "its last step must draw all places that are left" in str(caught.value)


@pytest.mark.parametrize("family", ["flow", "transfusion", "janusflow"])
@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_latents_that_are_not_finite(family: str, value: float) -> None:
    model = family_model(family)
    latents = torch.zeros(16, 8)
    latents[3, 2] = value
    sentence = r"the latents of a picture hold values that are not finite \(NaN or infinity\)"
    with pytest.raises(UsageError, match=sentence):
        model.processor.sequence(Conversation.drawing("red", latents))
    with pytest.raises(UsageError, match=sentence):
        decode_codes(model, latents[None])
    with torch.no_grad():
        next(model.part("generation.head").parameters()).fill_(value)
    with pytest.raises(UsageError, match=sentence):
        Model(model).generate("red")


def test_codes_that_are_not_codes() -> None:
    model = family_model("masked")
    for codes, sentence in (
        (torch.zeros(1, 16, 1), "the codes of a picture must be whole numbers, not float32"),
        (torch.zeros(1, 15, 1, dtype=torch.int64), r"must have the shape \[16, 1\], not \[15, 1\]"),
        (torch.full((1, 16, 1), 16), "16 is not a valid code; the vocabulary has the codes 0 to 15"),
    ):
        with pytest.raises(UsageError, match=sentence):
            decode_codes(model, codes)
    with pytest.raises(UsageError, match="-1 is not a valid code"):
        model.processor.sequence(Conversation.drawing("red", np.full((16, 1), -1)))


@pytest.mark.parametrize("family", FAMILIES)
def test_a_model_whose_states_are_not_finite(family: str) -> None:
    model = family_model(family)
    with torch.no_grad():
        for parameter in model.part("backbone").parameters():
            parameter.fill_(float("nan"))
    sentence = "the model's states of the prompt hold NaN or infinity, in float32"
    with pytest.raises(JaniformError, match=sentence):
        Model(model).generate("red")
    with pytest.raises(JaniformError, match=sentence):
        Model(model).reply(Conversation.asking("red?"))


@pytest.mark.parametrize("family", FAMILIES)
def test_weights_of_another_version(family: str, folder_of: Any, tmp_path: Path, capsys: Any) -> None:
    """Tensors that are missing, surplus or of another shape are named, by part."""
    folder = save_model(family_model(family), tmp_path / "model")
    path = folder / "model.safetensors"
    tensors = load_file(path)
    head = next((name for name in tensors if name.startswith("generation.tokenizer.decoder")), "backbone.norm.weight")
    del tensors[head]
    tensors["generation.second_head.weight"] = torch.ones(2)
    save_file(tensors, path)
    (folder / "model.json").unlink()
    for command in (["check", str(folder)], ["generate", str(folder), "red", "--out", str(tmp_path)]):
        said = sentence_of(capsys, *command)
        assert f"the files lack {head}" in said
        assert "the files have tensors that belong to no part: generation.second_head.weight" in said
