"""How a picture was drawn: it travels with the picture and its PNG, and nothing that a file says is believed unseen."""

from __future__ import annotations

import io
import json
import zlib
from pathlib import Path
from typing import Any

import attrs
import janiform
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from janiform import Model, PictureError, Provenance, provenance_of, save_picture
from janiform.pictures import provenance as module
from janiform.pictures.provenance import KEY, attach, parse, png_bytes
from PIL import Image
from PIL.PngImagePlugin import PngInfo

MAKING = Provenance(
    prompt="a red circle",
    seed=4,
    settings={"guidance": 2.0, "top_k": 0},
    pathway="generation",
    dtype="float32",
    device="cpu",
    recipe="tiny",
    weights_sha256="ab" * 32,
    janiform="0.1.0",
    torch="2.8.0",
)

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)
settings = st.dictionaries(
    st.text("abc_", min_size=1, max_size=8),
    st.one_of(
        st.none(), st.booleans(), st.integers(-(2**63), 2**63 - 1), st.floats(allow_nan=False, allow_infinity=False)
    ),
    max_size=4,
)


def picture() -> Image.Image:
    return Image.new("RGB", (3, 2), "red")


def hostile(text: str | bytes, *, zip: bool = False, key: str = KEY) -> bytes:
    """A PNG that says anything at all about how it was drawn."""
    facts = PngInfo()
    facts.add_itxt(key, text, zip=zip)
    buffer = io.BytesIO()
    picture().save(buffer, format="PNG", pnginfo=facts)
    return buffer.getvalue()


@given(texts, st.integers(0, 2**63 - 1), settings, st.integers(1, 10_000))
def test_what_is_written_is_read_again(prompt: str, seed: int, values: dict[str, Any], count: int) -> None:
    making = attrs.evolve(MAKING, prompt=prompt, seed=seed, settings=values, count=count)
    assert provenance_of(png_bytes(attach(picture(), making))) == making


@pytest.mark.parametrize(
    "prompt", ["猫と🐱", "a\nb\ttab", "nul\0nul", '"quoted" \\ {json}', "\x1b[31mred", "é" * 5000, "\u2028\ufeff"]
)
def test_any_prompt_is_safe_in_the_file(prompt: str, tmp_path: Path) -> None:
    path = save_picture(attach(picture(), attrs.evolve(MAKING, prompt=prompt)), tmp_path / "new" / "a.png")
    assert provenance_of(path).prompt == prompt
    assert json.loads(Image.open(path).text[KEY])["prompt"] == prompt  # type: ignore[attr-defined]


def test_a_drawn_picture_says_how_it_was_drawn(tiny_model: janiform.UnifiedModel, tmp_path: Path) -> None:
    model = Model(tiny_model)
    drawn = model.generate(["a red circle", "the blue square"], n=2, seed=5, top_k=7)
    making = provenance_of(drawn[3])
    assert (making.prompt, making.seed, making.count) == ("the blue square", 6, 1)
    own = model.drawing_settings()
    assert making.settings == {**own, "top_k": 7}
    assert (own["guidance"], own["top_k"]) == (5.0, 0)
    assert (making.pathway, making.dtype, making.device, making.recipe) == ("generation", "float32", "cpu", "tiny")
    assert (making.janiform, making.torch, making.weights_sha256) == (janiform.__version__, torch.__version__, "")
    saved = save_picture(drawn[3], tmp_path / "a.png")
    assert provenance_of(saved) == making
    assert provenance_of(janiform.read_picture(saved)) == making
    assert Image.open(saved).tobytes() == drawn[3].tobytes()


def test_only_png_keeps_it(tmp_path: Path) -> None:
    with pytest.raises(PictureError, match=r"does not end in \.png"):
        save_picture(picture(), tmp_path / "a.jpg")
    attach(picture(), MAKING).save(tmp_path / "a.jpg")
    with pytest.raises(PictureError, match=r"a\.jpg' does not say how it was drawn.*JPEG"):
        provenance_of(tmp_path / "a.jpg")
    with pytest.raises(PictureError, match="does not say how it was drawn"):
        provenance_of(picture())


def test_a_saved_picture_replaces_an_older_one_and_leaves_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_text("older")
    save_picture(attach(picture(), MAKING), tmp_path / "a.png")
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]
    assert provenance_of(tmp_path / "a.png") == MAKING


GOOD = json.loads(MAKING.as_json())


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ("", "not JSON"),
        ("{", "not JSON"),
        ('{"seed": NaN}', "NaN is not a valid number"),
        ('{"seed": ' + "9" * 5000 + "}", "not JSON"),
        ("[" * 100_000, "nested too deeply"),
        ("[]", "not a JSON object"),
        ('"a red circle"', "not a JSON object"),
        ("{}", "'prompt' is not a text"),
        (json.dumps(GOOD | {"format": 2}), "newer janiform"),
        (json.dumps(GOOD | {"format": "1"}), "'format' is not 1"),
        (json.dumps(GOOD | {"prompt": ["a"]}), "'prompt' is not a text"),
        (json.dumps(GOOD | {"prompt": "\ud800"}), "'prompt' is not a text"),
        (json.dumps(GOOD | {"seed": True}), "'seed' is not a whole number"),
        (json.dumps(GOOD | {"seed": -1}), "'seed' is not"),
        (json.dumps(GOOD | {"seed": 2**63}), "'seed' is not"),
        (json.dumps(GOOD | {"seed": 1.5}), "'seed' is not"),
        (json.dumps(GOOD | {"settings": [1]}), "'settings' is not a table"),
        (json.dumps(GOOD | {"settings": {"guidance": {"a": 1}}}), "'settings' is not a table"),
        (json.dumps(GOOD | {"settings": {"guidance": 1}}).replace(": 1}", ": 1e999}"), "'settings' is not a table"),
        (json.dumps(GOOD | {"pathway": "a\x1b[2Jb"}), "'pathway' is not a short text"),
        (json.dumps(GOOD | {"recipe": "a" * 1000}), "'recipe' is not a short text"),
        (json.dumps(GOOD | {"dtype": None, "device": 3}), "'dtype' is not a short text, 'device' is not"),
        (json.dumps(GOOD | {"count": 0}), "'count' is not a whole number from 1"),
        (json.dumps(GOOD | {"count": None}), "'count' is not"),
    ],
)
def test_what_a_file_says_is_checked(said: str, why: str) -> None:
    with pytest.raises(PictureError, match=why):
        provenance_of(hostile(said))


def test_later_keys_are_passed_over() -> None:
    assert parse(json.dumps(GOOD | {"sharpness": "high"})) == MAKING


def test_huge_texts_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    long = json.dumps(GOOD | {"prompt": "a" * (module.MAX_CHARACTERS + 1)})
    with pytest.raises(PictureError, match=r"characters; at most 1,048,576 are read"):
        provenance_of(hostile(long))
    bomb = hostile("a" * 30_000_000, zip=True)
    assert len(bomb) < 100_000
    with pytest.raises(PictureError, match="damaged"):
        provenance_of(bomb)


def test_a_text_that_is_no_unicode_is_as_none() -> None:
    with pytest.raises(PictureError, match="does not say"):
        provenance_of(hostile(b"\xff\xfe{}"))


def test_a_damaged_chunk_is_a_sentence() -> None:
    data = bytearray(hostile(MAKING.as_json()))
    place = data.index(b"iTXt")
    data[place - 4 : place] = (2**31 - 1).to_bytes(4, "big")
    with pytest.raises(PictureError, match=r"damaged|not a picture"):
        provenance_of(bytes(data))
    data = bytearray(hostile(zlib.compress(b"x")))
    with pytest.raises(PictureError):
        provenance_of(bytes(data[:60]))


def test_what_cannot_be_believed_is_not_handed_on(tmp_path: Path) -> None:
    found = janiform.read_picture(hostile('{"prompt": 3}'))
    saved = save_picture(found, tmp_path / "a.png")
    assert KEY not in Image.open(saved).info


@pytest.mark.parametrize("address", ["https://a.b/c.png", "HTTP://a", "file:///a.png", "data:image/png;base64,AAAA"])
def test_an_address_is_not_fetched(address: str) -> None:
    with pytest.raises(PictureError, match="is a URL, and nothing is downloaded"):
        janiform.read_picture(address)
