"""``janiform score-pictures`` with random weights in the layouts of the released ones."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import tiny_transformers
import torch
from inception_for_tests import random_network, write, write_weights
from janiform.cli import main
from janiform.evaluate.inception import InceptionV3


@pytest.fixture(scope="module")
def network() -> InceptionV3:
    return random_network()


@pytest.fixture(scope="module")
def inception(network: InceptionV3, tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(write_weights(tmp_path_factory.mktemp("inception") / "w.pth", network))


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(tiny_transformers.clip(tmp_path_factory.mktemp("clip") / "tiny-clip"))


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Drawings of janiform, which tell their prompts, and their contact sheet."""
    folder = tmp_path_factory.mktemp("drawn")
    assert main(["generate", "janus-mini", "a red circle", "--n", "4", "--out", str(folder)]) == 0
    return folder


class Quick(torch.nn.Module):
    """Features that take no second per picture: 2048 of its pixels."""

    released = "pytorch-fid"

    def __init__(self, path: Path, device: str) -> None:
        super().__init__()

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        return pixels.flatten(1)[:, ::131][:, :2048]


def test_drawings_of_janiform_are_scored_as_they_are(
    drawn: Path,
    inception: str,
    clip: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("janiform.evaluate.fid.load_inception", Quick)
    reference = write(tmp_path / "real", 4, 1)
    capsys.readouterr()
    arguments = ["score-pictures", str(drawn), "--reference", str(reference), "--inception", inception, "--clip", clip]
    assert main([*arguments, "--json", "--items", str(tmp_path / "items.jsonl")]) == 0
    result = json.loads(capsys.readouterr().out)
    assert set(result["scores"]) == {"pictures.fid", "pictures.fid_bias", "pictures.clip"}
    assert result["scores"]["pictures.fid"]["value"] > 0
    assert result["scores"]["pictures.clip"]["count"] == 4
    assert result["metrics"]["pictures.fid"]["direction"] == "down"
    assert result["settings"]["predictions"]["pictures"] == 4, "without the contact sheet"
    assert result["settings"]["fid"]["reference"]["pictures"] == 4
    assert result["settings"]["clip"]["prompts"] == 1
    lines = [json.loads(line) for line in (tmp_path / "items.jsonl").read_text().splitlines()]
    assert [line["prediction"] for line in lines] == ["a red circle"] * 4
    assert main([*arguments, "--out", str(tmp_path / "out")]) == 0
    printed = capsys.readouterr().out
    assert "FID of 4 pictures to 4: at least " in printed
    assert "no more pictures than the 2048 features. Compare it only with" in printed
    assert (tmp_path / "out" / "index.html").is_file()
    assert main([*arguments, "--gate", str(tmp_path / "out" / "scores.json")]) == 0
    more = write(tmp_path / "more", 5, 1)
    again = [str(more) if argument == str(reference) else argument for argument in arguments]
    assert main([*again, "--gate", str(tmp_path / "out" / "scores.json")]) == 2
    assert "pictures was measured in another way before: fid" in capsys.readouterr().err


def test_few_pictures_are_far_too_few(inception: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first, second = write(tmp_path / "a", 2, 0), write(tmp_path / "b", 3, 1)
    arguments = ["score-pictures", str(first), "--reference", str(second), "--inception", inception]
    assert main(arguments) == 0
    assert "FID of 2 pictures to 3: far too few to mean anything" in capsys.readouterr().out


def test_grids_and_prompts_in_files(clip: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(tmp_path / "grids", 2, 0, grow=False)
    (tmp_path / "prompts").mkdir()
    for number, prompt in enumerate(("a red dog", "dog " * 100)):
        (tmp_path / "prompts" / f"{number}.txt").write_text(prompt)
    arguments = ["score-pictures", str(tmp_path / "grids"), "--clip", clip, "--prompts", str(tmp_path / "prompts")]
    assert main([*arguments, "--grid", "2", "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["scores"]["pictures.clip"]["count"] == 8
    assert result["settings"]["predictions"]["grid"] == 2
    assert main([*arguments, "--grid", "2"]) == 0
    assert "CLIP reads the beginning of 1 of 2 prompts" in capsys.readouterr().out
    (tmp_path / "prompts" / "1.txt").rename(tmp_path / "prompts" / "7.txt")
    assert main([*arguments, "--grid", "2"]) == 2
    errors = capsys.readouterr().err
    assert "prompts' has no prompt for 1 of 2 pictures: 1" in errors
    assert "grids' has no picture for 1 of 2 prompts: 7" in errors


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            [],
            "nothing to measure\n  give --reference DIR --inception FILE for FID",
        ),
        (["--reference", "r"], "--reference: FID needs the weights of Inception v3"),
        (["--inception", "w"], "--inception: FID needs the pictures to compare with"),
        (["--prompts", "p"], "--prompts: the CLIP score needs a CLIP model\n  --clip DIR"),
        (["--clip", "none"], "the folder 'none' does not exist; expected that of the CLIP model"),
        (["--reference", "r", "--inception", "w"], "the folder 'r' does not exist"),
        (["--reference", "x", "--inception", "w"], "the file 'w' does not exist; expected Inception's weights"),
        (["--clip", "x", "--device", "gpu"], "the device 'gpu' cannot be used"),
        (["--clip", "x", "--out", "no/such.json"], "--out: the folder 'no' does not exist"),
    ],
)
def test_wrong_use_is_one_clear_sentence(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "x", 2, 0)
    assert main(["score-pictures", "x", *arguments]) in (1, 2)
    printed = capsys.readouterr()
    assert message in printed.err
    assert "Traceback" not in printed.err
    assert not printed.out
