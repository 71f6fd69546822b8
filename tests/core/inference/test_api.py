"""The Python API: what it draws depends on prompt and seed alone, and bad input is met with sentences."""

from __future__ import annotations

from pathlib import Path

import janiform
import numpy as np
import pytest
import torch
from janiform import Model, PictureError, UsageError
from janiform.inference import memory as room
from janiform.storage.save import save_model
from PIL import Image

PROMPT = "a small red circle"


@pytest.fixture(scope="module")
def model(tiny_model: janiform.UnifiedModel) -> Model:
    return Model(tiny_model)


@pytest.fixture(scope="module")
def picture() -> Image.Image:
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (20, 16, 3), dtype=np.uint8))


def same(a: Image.Image, b: Image.Image) -> bool:
    return np.array_equal(np.asarray(a), np.asarray(b))


def test_a_picture_depends_on_its_prompt_and_seed_and_not_on_its_neighbours(model: Model) -> None:
    many = model.generate(["the blue square", PROMPT], n=3, seed=5)
    assert len(many) == 6
    assert many[0].size == (16, 16)
    assert same(model.generate(PROMPT, seed=7)[0], many[5])
    assert not same(many[3], many[4])


def test_seeds_may_be_given_for_every_picture(model: Model) -> None:
    apart = model.generate(PROMPT, n=2, seed=[9, 4])
    assert same(apart[0], model.generate(PROMPT, seed=9)[0])
    assert same(apart[1], model.generate(PROMPT, seed=4)[0])
    with pytest.raises(UsageError, match="one seed for each of 2 pictures; got 1"):
        model.generate(PROMPT, n=2, seed=[1])


def test_parts_of_a_large_order_are_the_same_pictures(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = model.generate(PROMPT, n=5)
    monkeypatch.setattr(room, "MOST", 2)
    steps: list[tuple[int, int]] = []
    parts = model.generate(PROMPT, n=5, on_step=lambda done, of: steps.append((done, of)))
    assert all(same(a, b) for a, b in zip(whole, parts, strict=True))
    # Codes of all pictures, of which each round draws as many at a step as it has pictures.
    assert [done for done, _ in steps] == [*range(2, 33, 2), *range(34, 65, 2), *range(65, 81)]
    assert {of for _, of in steps} == {80}


def test_settings_replace_those_of_the_recipe(model: Model) -> None:
    assert model.drawing_settings(guidance=1.5, top_k=None) == {
        "guidance": 1.5,
        "temperature": 1.0,
        "top_k": 0,
        "top_p": 1.0,
        "picture_guidance": 1.0,
        "rule": "plain",
    }
    greedy = model.generate(PROMPT, n=2, temperature=0.0)
    assert same(*greedy)
    for wrong in ({"temperature": -1.0}, {"top_k": -1}, {"guidance": float("nan")}, {"top_k": 1.5}, {"guidance": "3"}):
        with pytest.raises(UsageError):
            model.generate(PROMPT, **wrong)  # type: ignore[arg-type]


def test_a_picture_may_come_in_any_form(model: Model, picture: Image.Image, tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    picture.save(path)
    forms = [path, str(path), path.read_bytes(), picture, np.asarray(picture)]
    answers = [model.ask(form, "what is it?", max_new_tokens=8) for form in forms]
    assert len(set(answers)) == 1
    assert isinstance(model.ask([picture, picture], "are they alike?", max_new_tokens=4), str)
    assert isinstance(model.ask(None, "what is red?", max_new_tokens=4), str)


def test_many_questions_are_answered_as_each_alone(
    model: Model, picture: Image.Image, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = picture.rotate(90, expand=True)
    questions = [
        (picture, "the circle?"),
        (other, "a large blue square or what?"),
        (None, "red?"),
        (other, "the circle?"),
    ]
    monkeypatch.setattr(room, "MOST", 3)
    done: list[int] = []
    together = model.ask_all(questions, max_new_tokens=6, on_step=lambda count, of: done.append(count))
    assert together == [model.ask(*question, max_new_tokens=6) for question in questions]
    assert done == [2, 4]  # rounds of equal size
    assert model.ask_all([]) == []


@pytest.mark.parametrize("prompt", ["", "  \n"])
def test_an_empty_prompt_is_refused(model: Model, prompt: str) -> None:
    with pytest.raises(UsageError, match="empty"):
        model.generate(prompt)
    with pytest.raises(UsageError, match="empty"):
        model.ask(None, prompt)


@pytest.mark.parametrize("length", [400, 10**6])
def test_a_prompt_that_is_far_too_long_is_refused_with_the_limit(model: Model, length: int) -> None:
    with pytest.raises(UsageError, match="256"):
        model.generate("red " * length)
    with pytest.raises(UsageError, match="256"):
        model.ask(None, "red " * length)


def test_other_wrong_use(model: Model, picture: Image.Image, make_plan: object) -> None:
    for wrong in (lambda: model.generate(PROMPT, n=0), lambda: model.generate(PROMPT, seed=-1)):
        with pytest.raises(UsageError):
            wrong()
    with pytest.raises(UsageError, match="did you mean 'generation'"):
        model.generate(PROMPT, pathway="generatoin")
    with pytest.raises(UsageError, match="looks at pictures"):
        model.ask(picture, "what?", pathway="generation")
    with pytest.raises(UsageError, match="Unicode"):
        model.generate("a \udc80 circle")
    with pytest.raises(UsageError, match="a text"):
        model.generate([b"bytes"])  # type: ignore[list-item]
    with pytest.raises(PictureError, match="no file"):
        model.ask("nowhere.png", "what?")
    assert model.generate([]) == []


def test_a_loaded_model_draws_as_the_saved_one(model: Model, tmp_path: Path) -> None:
    folder = save_model(model.model, tmp_path / "model")
    loaded = janiform.load(folder)
    assert same(loaded.generate(PROMPT)[0], model.generate(PROMPT)[0])
    assert loaded.recipe == model.recipe
    assert len(loaded.digest) == 64
    assert loaded.name == str(folder)


def test_loading_says_what_is_wrong(tmp_path: Path, model: Model) -> None:
    with pytest.raises(UsageError, match="no model"):
        janiform.load("nothing-of-this-name")
    folder = save_model(model.model, tmp_path / "model")
    with pytest.raises(UsageError, match=r"not a valid dtype.*float32"):
        janiform.load(folder, dtype="float23")
    with pytest.raises(UsageError, match="device 'warp'"):
        janiform.load(folder, device="warp")
    with pytest.raises(UsageError, match="graphs need a CUDA device, and the device is 'cpu'"):
        janiform.load(folder, graphs=True)
    assert next(janiform.load(folder, dtype="bfloat16").model.parameters()).dtype == torch.bfloat16
