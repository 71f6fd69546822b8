"""``generate --like`` and ``show`` of a picture: what a PNG says is enough to draw it again, and is never trusted."""

from __future__ import annotations

import io
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
import janiform
import pytest
import torch
from janiform import Provenance, provenance_of, save_picture
from janiform.cli import main
from janiform.cli.redraw import DrawingRequest, compared
from janiform.pictures.provenance import attach
from janiform.storage.save import save_model
from PIL import Image
from PIL.PngImagePlugin import PngInfo

Capture = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def folder(tiny_model: janiform.UnifiedModel, tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(save_model(tiny_model, tmp_path_factory.mktemp("models") / "tiny"))


@pytest.fixture(scope="module")
def drawn(folder: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A picture with settings other than the recipe's."""
    out = tmp_path_factory.mktemp("drawn")
    settings = ["--seed", "7", "--guidance", "2", "--temperature", "0.9", "--top-k", "9"]
    assert main(["generate", folder, "a red circle", *settings, "--out", str(out)]) == 0
    return next(out.iterdir())


@pytest.fixture
def again(folder: str, tmp_path: Path, capsys: Capture) -> Callable[..., tuple[dict[str, Any], str]]:
    """``again(picture, *options)`` draws it once more; gives what ``--json`` says, and stderr."""

    def draw(picture: Path, *options: str, model: str = folder) -> tuple[dict[str, Any], str]:
        capsys.readouterr()
        assert main(["generate", model, "--like", str(picture), "--out", str(tmp_path), "--json", *options]) == 0
        out, err = capsys.readouterr()
        return json.loads(out), err

    return draw


def altered(drawn: Path, path: Path, **changes: Any) -> Path:
    """The picture as if it had been drawn in another way."""
    picture = janiform.read_picture(drawn)
    return save_picture(attach(picture, attrs.evolve(provenance_of(drawn), **changes)), path)


def test_the_same_picture_is_drawn_again(drawn: Path, again: Callable[..., Any]) -> None:
    said, err = again(drawn)
    assert said["like"] == {"picture": str(drawn), "changes": [], "same": True}
    assert "the same picture, pixel for pixel" in err
    assert Path(said["pictures"][0]).read_bytes() == drawn.read_bytes()


@pytest.mark.parametrize("way", ["int8", "int4"])
def test_a_picture_of_a_quantised_model_is_drawn_again(way: str, tmp_path: Path, again: Callable[..., Any]) -> None:
    out = tmp_path / "first"
    assert main(["generate", "janus-mini", "a red circle", "--quantize", way, "--out", str(out)]) == 0
    (picture,) = out.iterdir()
    assert provenance_of(picture).quantize == way
    said, _ = again(picture, model="janus-mini")
    assert said["like"]["same"] is True
    assert said["quantize"] == way


def test_a_whole_sheet_is_drawn_again(folder: str, tmp_path: Path, again: Callable[..., Any]) -> None:
    out = tmp_path / "first"
    assert main(["generate", folder, "a red circle", "--n", "3", "--seed", "2", "--out", str(out)]) == 0
    sheet = out / "a-red-circle-sheet-001.png"
    assert (provenance_of(sheet).seed, provenance_of(sheet).count) == (2, 3)
    said, _ = again(sheet)
    assert said["like"]["same"] is True
    assert [provenance_of(path).seed for path in said["pictures"]] == [2, 3, 4]
    assert [Path(path).read_bytes() for path in said["pictures"]] == [
        (out / f"a-red-circle-00{number}.png").read_bytes() for number in (1, 2, 3)
    ]


def test_a_picture_is_redrawn_by_the_sampler_that_drew_it(
    folder: str, drawn: Path, tmp_path: Path, again: Callable[..., Any]
) -> None:
    out = tmp_path / "first"
    given = ["--sampler", "jacobi", "--window", "3", "--temperature", "0.8", "--out", str(out)]
    assert main(["generate", folder, "a red circle", *given]) == 0
    (picture,) = out.iterdir()
    record = provenance_of(picture)
    assert (record.sampler, record.settings["window"]) == ("jacobi@1", 3)
    said, _ = again(picture)
    assert said["like"] == {"picture": str(picture), "changes": [], "same": True}
    assert Path(said["pictures"][0]).read_bytes() == picture.read_bytes()
    said, _ = again(picture, "--window", "2")  # an option that the recipe's own sampler does not have
    assert (said["sampler"], said["settings"]["window"]) == ("jacobi@1", 2)
    _, err = again(picture, "--sampler", "autoregressive")
    assert "sampler was jacobi@1 and is autoregressive@1 now" in err
    assert provenance_of(drawn).sampler == "autoregressive@1"


@pytest.mark.parametrize("sampler", ["flow@1", "nonesuch@1", ""])
def test_a_sampler_that_does_not_suit_the_model_is_reported(
    sampler: str, drawn: Path, tmp_path: Path, again: Callable[..., Any]
) -> None:
    """The picture is drawn by the model's own; a picture of an earlier version does not record its sampler."""
    said, err = again(altered(drawn, tmp_path / "then.png", sampler=sampler))
    assert said["like"]["same"] is True
    assert (f"sampler was {sampler} and is autoregressive@1 now" in err) == bool(sampler)


def test_options_beside_it_override(folder: str, drawn: Path, again: Callable[..., Any]) -> None:
    said, err = again(drawn, "--seed", "8", "--guidance", "3")
    made = provenance_of(said["pictures"][0])
    assert (made.prompt, made.seed) == ("a red circle", 8)
    assert made.settings | {"guidance": 3.0, "temperature": 0.9, "top_k": 9} == made.settings
    assert said["like"]["same"] is None
    assert "same picture" not in err
    whole = janiform.load(folder).generate("a red circle", seed=8, guidance=3, temperature=0.9, top_k=9)[0]
    assert janiform.read_picture(said["pictures"][0]).tobytes() == whole.tobytes()
    said, _ = again(drawn, "--n", "2")
    assert [provenance_of(path).seed for path in said["pictures"]] == [7, 8]


def test_the_prompt_may_be_another(folder: str, drawn: Path, tmp_path: Path, capsys: Capture) -> None:
    assert main(["generate", folder, "the blue square", "--like", str(drawn), "--out", str(tmp_path)]) == 0
    made = provenance_of(capsys.readouterr().out.strip())
    assert (made.prompt, made.seed) == ("the blue square", 7)


def test_what_has_changed_since_is_said(
    tiny_model: janiform.UnifiedModel, drawn: Path, tmp_path: Path, again: Callable[..., Any]
) -> None:
    then = altered(drawn, tmp_path / "then.png", janiform="0.0.9", torch="1.0", weights_sha256="", device="cuda")
    said, err = again(then)
    for sentence in (
        "janiform was 0.0.9",
        "torch was 1.0",
        "the weights cannot be compared",
        "'cuda', which is not available",
    ):
        assert sentence in err or ("cuda" in sentence and torch.cuda.is_available())
    assert len(said["pictures"]) == 1
    other = tmp_path / "other"
    save_model(tiny_model, other, dtype=torch.bfloat16)
    said, err = again(drawn, model=str(other))
    assert "drawn with other weights" in err
    assert provenance_of(drawn).weights_sha256[:12] in err
    said, err = again(then, "--device", "cpu", "--dtype", "float32")
    assert "which is not available" not in err


def test_a_picture_of_another_kind_of_number_is_drawn_so(
    drawn: Path, tmp_path: Path, again: Callable[..., Any]
) -> None:
    then = altered(drawn, tmp_path / "then.png", dtype="float16")
    said, _ = again(then)
    assert said["dtype"] == "float16"
    said, err = again(then, "--dtype", "float32")
    assert "dtype was float16 and is float32 now" in err


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"pathway": "generatoin"}, "did you mean 'generation'?"),
        ({"dtype": "float23"}, "'float23' is not a valid dtype"),
        (
            {"settings": {"guidance": "much"}},
            "the sampler 'autoregressive': guidance must be a number, got the string \"much\"",
        ),
        ({"settings": {"guidance": None}}, "guidance must be a number"),
        ({"settings": {"top_k": 1.5}}, "top_k must be a whole number, got 1.5"),
        ({"settings": {"temperature": -1.0}}, "temperature must be >= 0: -1.0"),
        ({"settings": {"guidance": True}}, "guidance must be a number, got true"),
        ({"prompt": " "}, "the prompt is empty"),
        ({"prompt": "red " * 5000}, "the prompt has"),
    ],
)
def test_what_cannot_be_drawn_is_refused(
    folder: str, drawn: Path, tmp_path: Path, capsys: Capture, changes: dict[str, Any], said: str
) -> None:
    then = altered(drawn, tmp_path / "then.png", **changes)
    assert main(["generate", folder, "--like", str(then), "--out", str(tmp_path / "out")]) in (1, 2)
    out, err = capsys.readouterr()
    assert said in err
    assert "bug" not in err
    assert out == ""


@pytest.mark.parametrize("device", ["meta", "nowhere", "cpu:99"])
def test_a_device_of_no_known_kind_is_not_used(
    drawn: Path, tmp_path: Path, again: Callable[..., Any], device: str
) -> None:
    said, err = again(altered(drawn, tmp_path / "then.png", device=device))
    assert said["device"] == "cpu"
    assert f"'{device}', which is not available" in err


def test_settings_that_the_model_lacks_are_said() -> None:
    made = making({"guidance": 2.0, "steps": 30, "eta": 0.5})
    request, notes = DrawingRequest(settings={"guidance": 3}).with_settings(made, {"guidance": 5.0, "eta": 0.1})
    assert request.settings == {"guidance": 3, "eta": 0.5}
    assert notes == ["the model's sampler has no setting 'steps', which was 30"]


def making(settings: dict[str, Any]) -> Provenance:
    return Provenance("red", 0, settings, "generation", "float32", "cpu", "tiny", "", "0.1.0", "2.8.0")


def test_pictures_are_told_apart() -> None:
    one, other = Image.new("RGB", (3, 2), "red"), Image.new("RGB", (3, 2), "red")
    assert compared(one, other)[0]
    other.putpixel((1, 1), (1, 2, 3))
    assert compared(one, other) == (False, "not the same picture: 1 of 6 pixels differ")
    assert not compared(one, Image.new("RGB", (4, 2), "red"))[0]


def test_without_a_prompt_or_a_picture_there_is_nothing_to_draw(folder: str, capsys: Capture) -> None:
    assert main(["generate", folder]) == 2
    assert "nothing to draw\n  give a prompt in quotes, or --like PICTURE" in capsys.readouterr().err


def test_show_reads_a_picture(drawn: Path, capsys: Capture) -> None:
    assert main(["show", str(drawn)]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    for fact in (
        "prompt a red circle",
        "seed 7",
        "guidance 2.0",
        "top k 9",
        "recipe tiny",
        "dtype float32",
        "device cpu",
    ):
        assert fact in shown
    assert provenance_of(drawn).weights_sha256[:20] in shown
    assert main(["show", str(drawn), "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said.pop("picture") == str(drawn)
    assert Provenance(**said) == provenance_of(drawn)


def test_show_writes_signs_that_steer_terminals_as_escapes(drawn: Path, tmp_path: Path, capsys: Capture) -> None:
    assert main(["show", str(altered(drawn, tmp_path / "a.png", prompt="a\x1b[2J\nb 猫 [red]", count=3))]) == 0
    shown = capsys.readouterr().out
    assert r"a\x1b[2J\nb 猫 [red]" in shown
    assert "\x1b" not in shown
    assert "7 to 9, on one sheet" in shown


def hostile(path: Path, text: str, *, zip: bool = False) -> Path:
    facts = PngInfo()
    facts.add_itxt("janiform", text, zip=zip)
    Image.new("RGB", (2, 2)).save(path, pnginfo=facts)
    return path


@pytest.mark.parametrize(
    ("text", "zip", "said"),
    [
        ("{", False, "is not JSON"),
        ("[" * 50_000, False, "nested too deeply"),
        ('{"seed": [1], "prompt": {}}', False, "'prompt' is not a text"),
        ("a" * 2_000_000, False, "2,000,000 characters"),
        ("a" * 20_000_000, True, "damaged"),
    ],
)
def test_a_hostile_picture_is_a_sentence(
    folder: str, tmp_path: Path, capsys: Capture, text: str, zip: bool, said: str
) -> None:
    path = str(hostile(tmp_path / "a.png", text, zip=zip))
    for arguments in (["show", path], ["show", path, "--json"], ["generate", folder, "--like", path]):
        assert main(arguments) == 1
        out, err = capsys.readouterr()
        assert said in err
        assert len(err) < 2000
        assert "bug" not in err
        assert out == ""


def test_pictures_that_say_nothing_are_a_sentence(folder: str, tmp_path: Path, capsys: Capture) -> None:
    Image.new("RGB", (2, 2)).save(tmp_path / "a.png")
    Image.new("RGB", (2, 2)).save(tmp_path / "a.jpg")
    (tmp_path / "unnamed").write_bytes((tmp_path / "a.png").read_bytes())
    (tmp_path / "text.png").write_text("no picture")
    for name, said in (
        ("a.png", "does not say how it was drawn"),
        ("a.jpg", "does not say how it was drawn\n  PNGs that janiform wrote say it"),
        ("unnamed", "does not say how it was drawn"),
        ("text.png", "is not a picture that can be read"),
        ("none.png", "there is no file"),
    ):
        for arguments in (["show", str(tmp_path / name)], ["generate", folder, "--like", str(tmp_path / name)]):
            assert main(arguments) == 1
            assert said in capsys.readouterr().err
    for arguments in (["show", "https://a.b/c.png"], ["generate", folder, "--like", "https://a.b/c.png"]):
        assert main(arguments) == 1
        assert "is a URL, and nothing is downloaded" in capsys.readouterr().err


def test_options_for_recipes_are_refused_with_pictures(drawn: Path, tmp_path: Path, capsys: Capture) -> None:
    for options in (["--set", "name=1"], ["--diagram", str(tmp_path / "a.svg")]):
        assert main(["show", str(drawn), *options]) == 2
        assert "need a recipe" in capsys.readouterr().err


def test_a_request_is_completed_from_the_provenance() -> None:
    made = making({})
    assert DrawingRequest(seed=0, prompt="").completed(attrs.evolve(made, seed=5)) == DrawingRequest(
        "", 1, 0, "generation"
    )
    assert DrawingRequest().empty


def test_a_png_of_another_program_can_request_a_drawing(folder: str, tmp_path: Path, capsys: Capture) -> None:
    """The key is documented: another program may write what is to be drawn."""
    said = {"format": 1, "prompt": "red", "seed": 3, "settings": {}, "pathway": "generation", "dtype": "float32"}
    said |= {"device": "cpu", "recipe": "x", "weights_sha256": "", "janiform": "1", "torch": "2", "later": [1]}
    path = hostile(tmp_path / "a.png", json.dumps(said))
    assert main(["generate", folder, "--like", str(path), "--out", str(tmp_path)]) == 0
    out, err = capsys.readouterr()
    assert provenance_of(out.strip()).seed == 3
    assert "another picture: 16×16 pixels, where it had 2×2" in err
    assert io.StringIO(err).readline().startswith("note: ")


@pytest.fixture
def editor(folder: str, tmp_path: Path) -> str:
    """The same model with a layout that draws from pictures."""
    copy = tmp_path / "editor"
    shutil.copytree(folder, copy)
    recipe = copy / "recipe.toml"
    text = recipe.read_text(encoding="utf-8")
    assert "draws_from = []" in text
    recipe.write_text(text.replace("draws_from = []", 'draws_from = ["understanding"]'), encoding="utf-8")
    return str(copy)


def test_a_picture_is_drawn_from_others_and_again(editor: str, tmp_path: Path, again: Callable[..., Any]) -> None:
    first, second = tmp_path / "first.png", tmp_path / "second.png"
    Image.new("RGB", (40, 30), "red").save(first)
    Image.new("RGB", (30, 40), "blue").save(second)
    out, images = tmp_path / "out", ("--image", str(first), "--image", str(second))
    assert main(["generate", editor, "mix them", *images, "--n", "2", "--out", str(out)]) == 0
    one, sheet = out / "mix-them-001.png", out / "mix-them-sheet-001.png"
    assert len(provenance_of(one).sources) == len(provenance_of(sheet).sources) == 2
    assert provenance_of(sheet).count == 2
    said, _ = again(one, *images, model=editor)
    assert said["like"]["same"] is True
    said, _ = again(sheet, *images, model=editor)
    assert said["like"]["same"] is True
    assert main(["generate", editor, "mix them", *images[:2], "--out", str(out)]) == 0
    assert len(provenance_of(out / "mix-them-003.png").sources) == 1


@pytest.mark.parametrize(
    ("images", "sentence"),
    [
        ([], "was drawn from 1 picture; 0 are given"),
        (["red", "red"], "was drawn from 1 picture; 2 are given"),
        (["blue"], "picture 1 of --image is not the one that the picture was drawn from"),
        (["missing"], "missing.png"),
    ],
)
def test_other_sources_are_refused(
    editor: str, tmp_path: Path, capsys: Capture, images: list[str], sentence: str
) -> None:
    for colour in ("red", "blue"):
        Image.new("RGB", (40, 30), colour).save(tmp_path / f"{colour}.png")
    out = tmp_path / "out"
    assert main(["generate", editor, "turn it", "--image", str(tmp_path / "red.png"), "--out", str(out)]) == 0
    given = [part for name in images for part in ("--image", str(tmp_path / f"{name}.png"))]
    capsys.readouterr()
    assert main(["generate", editor, "--like", str(out / "turn-it-001.png"), *given, "--out", str(out)]) in (1, 2)
    assert sentence in " ".join(capsys.readouterr().err.split())
    assert len(list(out.iterdir())) == 1


def test_a_model_that_draws_from_texts_refuses_pictures(drawn: Path, folder: str, capsys: Capture) -> None:
    for arguments in (["make it red"], ["--like", str(drawn)]):
        assert main(["generate", folder, *arguments, "--image", str(drawn), "--out", str(drawn.parent)]) == 2
        assert "draw" in capsys.readouterr().err


def test_a_thought_is_printed_stored_and_taken_again(
    tmp_path: Path, again: Callable[..., Any], capsys: Capture
) -> None:
    assert (
        main(["generate", "janus-mini", "a red circle", "--think", "--temperature", "0.1", "--out", str(tmp_path)]) == 0
    )
    picture = next(tmp_path.glob("*.png"))
    thought = provenance_of(picture).thought
    assert f"thought: {thought}".split() == capsys.readouterr().err[-len(f"thought: {thought}\n") :].split()
    result, _ = again(picture, model="janus-mini")
    assert (result["thought"], result["like"]["same"]) == (thought, True)
    # Another thought is another picture, drawn without asking the model.
    result, _ = again(altered(picture, tmp_path / "other.png", thought="a blue square"), model="janus-mini")
    assert result["thought"] == "a blue square"
