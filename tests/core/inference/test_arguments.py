"""Arguments of the Python API: accepted where it is clear what they mean, otherwise refused in a sentence."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import janiform
import numpy as np
import pytest
import torch
from janiform import Chat, JaniformError, Model, PictureError, UsageError
from janiform.arguments import MAX_SEED, choice, members, number, whole_number
from janiform.pictures.provenance import provenance_of
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


@pytest.mark.parametrize("seed", [np.int64(3), np.uint8(3), torch.tensor(3), np.array(3)], ids=repr)
def test_numbers_of_numpy_and_torch_are_seeds(model: Model, picture: Image.Image, seed: Any) -> None:
    drawn = model.generate(PROMPT, n=np.int64(2), seed=seed)
    assert all(same(a, b) for a, b in zip(drawn, model.generate(PROMPT, n=2, seed=3), strict=True))
    assert [provenance_of(each).seed for each in drawn] == [3, 4]
    assert same(model.generate([PROMPT] * 2, seed=np.array([9, 3]))[1], drawn[0])
    answers = [model.ask(picture, "what?", seed=each, temperature=1.0, max_new_tokens=5) for each in (seed, 3)]
    assert answers[0] == answers[1]
    Chat(model, seed=seed)


def test_settings_of_numpy_are_written_as_plain_numbers(model: Model) -> None:
    (drawn,) = model.generate(PROMPT, guidance=np.float32(2.5), top_k=np.int64(3), temperature=None)
    settings = provenance_of(drawn).settings
    assert (settings["guidance"], settings["temperature"], settings["top_k"]) == (2.5, 1.0, 3)
    assert {type(value) for value in settings.values()} == {float, int, str}
    assert same(drawn, model.generate(PROMPT, guidance=2.5, top_k=3)[0])


def test_open_files_are_pictures(model: Model, picture: Image.Image, tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    picture.save(path)
    expected = model.ask(picture, "what is it?", max_new_tokens=8)
    with path.open("rb") as file:
        assert model.ask(file, "what is it?", max_new_tokens=8) == expected
    for form in (io.BytesIO(path.read_bytes()), bytearray(path.read_bytes()), memoryview(path.read_bytes())):
        assert model.ask(form, "what is it?", max_new_tokens=8) == expected
    assert isinstance(model.ask([io.BytesIO(path.read_bytes()), path], "alike?", max_new_tokens=4), str)
    assert same(janiform.read_picture(io.BytesIO(path.read_bytes())), picture)
    chat = Chat(model)
    assert same(chat.look(io.BytesIO(path.read_bytes())), picture)
    with path.open("rb") as file:
        assert same(janiform.read_picture(file), picture)
    with (tmp_path / "text").open("w+") as text, pytest.raises(PictureError, match="open for reading bytes"):
        model.ask(text, "what is it?")  # type: ignore[arg-type]
    with path.open("rb") as file:
        pass
    with pytest.raises(PictureError, match="closed file"):
        model.ask(file, "what is it?")


WRONG: list[tuple[str, Callable[[Any, Any], Any]]] = [
    ("a seed must be .*, not None", lambda model, _: model.generate(PROMPT, seed=None)),
    ("a seed must be .*, not 1.0", lambda model, _: model.generate(PROMPT, seed=1.0)),
    ("a seed must be .*, not '1'", lambda model, _: model.generate(PROMPT, seed="1")),
    ("a seed must be .*, not True", lambda model, _: model.generate(PROMPT, seed=True)),
    ("a seed must be .*, not 0.5", lambda model, _: model.generate(PROMPT, n=2, seed=[1, 0.5])),
    ("a seed must be .*, not 9223372036854775808", lambda model, _: model.generate(PROMPT, seed=2**63)),
    ("a seed must be .*, not None", lambda model, _: model.ask(None, "what?", seed=None)),
    ("number of pictures must be a whole number from 1 to 1000000, not 2.0", lambda m, _: m.generate(PROMPT, n=2.0)),
    ("number of pictures must be .*, not '2'", lambda model, _: model.generate(PROMPT, n="2")),
    ("number of pictures must be .*, not None", lambda model, _: model.generate(PROMPT, n=None)),
    ("number of pictures must be .*, not 1000000000000", lambda model, _: model.generate(PROMPT, n=10**12)),
    ("guidance must be a number, got the string \"5\"", lambda model, _: model.generate(PROMPT, guidance="5")),
    ("guidance must be a number, got a value of type Tensor", lambda m, _: m.generate(PROMPT, guidance=torch.ones(2))),
    ("guidance must be a number", lambda model, _: model.generate(PROMPT, guidance=[object()])),
    ("guidance must be", lambda model, _: model.generate(PROMPT, guidance=1e38)),
    ("top_k must be a whole number, got 1.5", lambda model, _: model.generate(PROMPT, top_k=1.5)),
    ("prompt must be a text, or a list of texts, not None", lambda model, _: model.generate(None)),
    ("prompt must be a text, or a list of texts, not 3", lambda model, _: model.generate(3)),
    ("prompt must be a text, or a list of texts, not b'a'", lambda model, _: model.generate(b"a")),
    ("a prompt must be a text, not NoneType", lambda model, _: model.generate([None])),
    ("on_step must be a function, not 3", lambda model, _: model.generate(PROMPT, on_step=3)),
    ("preview_every must be", lambda model, _: model.generate(PROMPT, preview_every=1.5)),
    ("name of a pathway must be a text, not 3", lambda model, _: model.generate(PROMPT, pathway=3)),
    ("mode must be", lambda model, _: model.pathway("paint")),
    ("a question must be a text, not NoneType", lambda model, picture: model.ask(picture, None)),
    ("pictures must be a picture, a list of pictures, or None, not 3", lambda model, _: model.ask(3, "what?")),
    ("temperature must be .*, not '0.5'", lambda model, _: model.ask(None, "what?", temperature="0.5")),
    ("temperature must be .*, not nan", lambda model, _: model.ask(None, "what?", temperature=float("nan"))),
    ("top_p must be .*, not 0", lambda model, _: model.ask(None, "what?", top_p=0)),
    ("max_new_tokens must be .*, not 2.0", lambda model, _: model.ask(None, "what?", max_new_tokens=2.0)),
    ("max_new_tokens must be at least 1, not 0", lambda model, _: model.ask(None, "what?", max_new_tokens=0)),
    ("stop must be a text, or a list of texts, not 3", lambda model, _: model.ask(None, "what?", stop=3)),
    ("a stop string must be a text", lambda model, _: model.ask(None, "what?", stop=[""])),
    ("no setting 'max_tokens'.*did you mean 'max_new_tokens'", lambda m, _: m.ask(None, "what?", max_tokens=3)),
    ("on_text must be a function", lambda model, _: model.ask(None, "what?", on_text="print")),
    ("questions must be .* pairs, not None", lambda model, _: model.ask_all(None)),
    ("questions must be .* pairs; one of them is 'what\\?'", lambda model, _: model.ask_all(["what?"])),
    ("a conversation must be", lambda model, _: model.reply("what?")),
    ("conversations must be a list", lambda model, _: model.reply_all(None)),
    ("a chat needs a model", lambda model, _: Chat("janus-mini")),  # type: ignore[arg-type]
    ("max_new_tokens must be", lambda model, _: Chat(model, max_new_tokens=2.5)),
    ("temperature must be", lambda model, _: Chat(model, temperature="hot")),
    ("a seed must be", lambda model, _: Chat(model, seed=None)),
    ("a text must be a text", lambda model, _: list(Chat(model).say(None))),
    ("a prompt must be a text", lambda model, _: Chat(model).draw(None)),
    ("leave n out", lambda model, _: Chat(model).draw(PROMPT, n=2)),
    ("leave seed out", lambda model, _: Chat(model).draw(PROMPT, seed=2)),
    ("a recipe must be a name or a path, not None", lambda *_: janiform.read_recipe(None)),
    ("overrides must be lines", lambda *_: janiform.read_recipe("janus-mini", "backbone.layers=2")),
    ("a model must be", lambda *_: janiform.load(None)),
    ("a model must be", lambda *_: janiform.load(b"janus-mini")),
    ("the device '0' cannot be used", lambda *_: janiform.load("janus-mini", device=0)),
    ("'gpu' cannot be used: it is not the name of a device", lambda *_: janiform.load("janus-mini", device="gpu")),
    ("the device 'meta' cannot be used: it holds no values", lambda *_: janiform.load("janus-mini", device="meta")),
    ("is not a valid dtype", lambda *_: janiform.load("janus-mini", dtype=torch.int8)),
    ("is not a valid dtype", lambda *_: janiform.load("janus-mini", dtype=np.float32)),
    ("is not a valid quantisation", lambda *_: janiform.load("janus-mini", quantize=8)),
    ("is not a valid quantisation", lambda *_: janiform.load("janus-mini", quantize=["int8"])),
    ("only must be", lambda *_: janiform.load("janus-mini", only="lok")),
    ("attention must be a text", lambda *_: janiform.load("janus-mini", attention=None)),
]  # fmt: skip


@pytest.mark.parametrize(("sentence", "call"), WRONG, ids=range(len(WRONG)))
def test_wrong_arguments_are_refused(
    model: Model, picture: Image.Image, sentence: str, call: Callable[[Any, Any], Any]
) -> None:
    with pytest.raises(UsageError, match=sentence):
        call(model, picture)


def test_wrong_pictures_are_refused(model: Model, tmp_path: Path) -> None:
    for wrong in ([3], [None], torch.zeros(3, 8, 8), {"a": 1}):
        with pytest.raises(JaniformError):
            model.ask(wrong, "what?")  # type: ignore[arg-type]
    for wrong in (None, 3):
        with pytest.raises(PictureError, match="a picture must be a path, bytes or an open file"):
            janiform.read_picture(wrong)  # type: ignore[arg-type]


def test_wrong_pictures_to_save_are_refused(picture: Image.Image, tmp_path: Path) -> None:
    for wrong, path in ((None, tmp_path / "a.png"), (picture, None), (picture, 3)):
        with pytest.raises(PictureError):
            janiform.save_picture(wrong, path)  # type: ignore[arg-type]
    with pytest.raises(PictureError):
        janiform.provenance_of(None)  # type: ignore[arg-type]


def test_lower_level_functions_check_as_well(model: Model) -> None:
    prompts = [model.model.processor.drawing_prompt(PROMPT)]
    for wrong in ({"guidance": "5"}, {"top_k": 1.5}, {"temperature": None}, {"seeds": None, "guidance": 1e300},
                  {"seeds": 3}, {"seeds": [1.5]}):  # fmt: skip
        with pytest.raises(UsageError):
            janiform.generate_codes(model.model, prompts, **wrong)  # type: ignore[arg-type]
    for wrong in ({"max_new_tokens": "3"}, {"max_new_tokens": [1.5]}, {"max_new_tokens": 3, "top_p": "1"}):
        with pytest.raises(UsageError):
            janiform.generate_text(model.model, prompts, **wrong)  # type: ignore[arg-type]


def test_values_are_returned_as_plain_ones() -> None:
    assert type(whole_number("n", np.int64(3))) is int
    assert type(number("x", np.float32(0.5))) is float
    assert number("x", torch.tensor(2)) == 2.0
    assert whole_number("s", MAX_SEED, high=MAX_SEED) == MAX_SEED
    assert members("m", (each for each in "ab"), "texts") == ["a", "b"]
    for call in (
        lambda: number("x", "1"),
        lambda: number("x", True),
        lambda: number("x", 10**400),
        lambda: whole_number("n", np.float64(2)),
        lambda: whole_number("n", [1]),
        lambda: choice("c", 3, ["a"]),
        lambda: members("m", "ab", "texts"),
    ):
        with pytest.raises(UsageError):
            call()
