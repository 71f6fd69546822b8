"""Runs, models and pictures of earlier versions still work; ``fixtures/run_0_1/README.md`` describes the files."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import janiform
import numpy as np
import pytest
import torch
from janiform.cli import main
from PIL import Image
from safetensors.torch import load_file

FIXTURE = Path(__file__).parent / "fixtures" / "run_0_1"
EXPECTED: dict[str, Any] = json.loads((FIXTURE / "expected.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """One thread adds numbers up in the same order on every machine."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def earlier(tmp_path: Path) -> Path:
    """A copy of the fixture, which a test may change."""
    return Path(shutil.copytree(FIXTURE, tmp_path / "earlier"))


@pytest.fixture(scope="module")
def model() -> janiform.Model:
    """The finished model, loaded from the fixture itself: loading must not write."""
    return janiform.load(FIXTURE / "finished")


def _log(run: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (run / "log.jsonl").read_text(encoding="utf-8").splitlines()]


def _pixels(path: Path) -> np.ndarray:
    with Image.open(path) as picture:
        return np.asarray(picture.convert("RGB"))


def test_the_checkpoints_lie_in_the_middle_of_stages() -> None:
    """Without this, the tests below would resume less than they claim."""
    run, log = FIXTURE / "interrupted", EXPECTED["log"]
    assert {path.name for path in (run / "checkpoints").iterdir()} == EXPECTED["checkpoints"].keys()
    steps = {name: sum(entry["stage"] == name for entry in log) for name in ("tokenizer", "all")}
    reached = [log[total - 1] for total in EXPECTED["checkpoints"].values()]
    assert [entry["stage"] for entry in reached] == ["tokenizer", "all"]
    assert all(1 < entry["step"] < steps[entry["stage"]] for entry in reached)
    assert len(_log(run)) == max(EXPECTED["checkpoints"].values())
    assert not (run / "model.safetensors").exists()


@pytest.mark.parametrize("checkpoint", EXPECTED["checkpoints"])
def test_an_interrupted_run_resumes_to_the_recorded_losses_and_weights(earlier: Path, checkpoint: str) -> None:
    run = earlier / "interrupted"
    for path in (run / "checkpoints").iterdir():
        if path.name > checkpoint:
            shutil.rmtree(path)
    assert main(["train", str(run / "recipe.toml"), "--out", str(run), "--resume", "--device", "cpu"]) == 0
    log = _log(run)
    places = [[(entry["stage"], entry["step"], entry["total"]) for entry in some] for some in (log, EXPECTED["log"])]
    assert places[0] == places[1]
    for entry, expected in zip(log, EXPECTED["log"], strict=True):
        # Processors round differently, and Muon iterates in bfloat16 on some of them.
        assert entry["losses"] == pytest.approx(expected["losses"], rel=1e-4)
    resumed, finished = load_file(run / "model.safetensors"), load_file(earlier / "finished" / "model.safetensors")
    assert resumed.keys() == finished.keys()
    for name, tensor in finished.items():
        # The files hold bfloat16: the smallest difference in the last step may move a weight to the next number.
        torch.testing.assert_close(resumed[name], tensor, rtol=1e-2, atol=1e-3, msg=lambda text, name=name: name + text)


@pytest.mark.parametrize(
    "drawing", EXPECTED["drawings"], ids=lambda drawing: f"{drawing['prompt']}, guidance {drawing['guidance']:g}"
)
def test_an_earlier_model_draws_the_recorded_codes_and_pixels(model: janiform.Model, drawing: dict[str, Any]) -> None:
    codes: list[list[int]] = []
    (picture,) = model.generate(
        drawing["prompt"],
        seed=drawing["seed"],
        guidance=drawing["guidance"],
        on_preview=lambda preview: codes.append(preview.codes.flatten().tolist()),
        preview_every=1,
    )
    assert codes[-1][:-1] == drawing["codes"]
    assert hashlib.sha256(np.asarray(picture).tobytes()).hexdigest() == drawing["pixels_sha256"]


def test_an_earlier_model_gives_the_recorded_answers(model: janiform.Model) -> None:
    for row in EXPECTED["answers"]:
        settings = {key: row[key] for key in ("seed", "temperature", "max_new_tokens")}
        picture = FIXTURE / "picture.png" if row["picture"] else None
        assert model.ask(picture, row["question"], **settings) == row["answer"], row


def test_the_metadata_of_an_earlier_picture_reads_back(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", str(FIXTURE / "picture.png"), "--json"]) == 0
    shown, expected = json.loads(capsys.readouterr().out), EXPECTED["picture"]
    assert (shown["prompt"], shown["seed"]) == (expected["prompt"], expected["seed"])
    assert shown["settings"]["guidance"] == expected["guidance"]
    made_with = EXPECTED["made_with"]
    assert (shown["janiform"], shown["torch"]) == (made_with["janiform"], made_with["torch"])


def test_an_earlier_picture_is_redrawn_from_its_metadata(earlier: Path, tmp_path: Path) -> None:
    model, picture, out = earlier / "finished", earlier / "picture.png", tmp_path / "redrawn"
    assert main(["generate", str(model), "--like", str(picture), "--out", str(out)]) == 0
    (redrawn,) = out.iterdir()
    assert np.array_equal(_pixels(redrawn), _pixels(picture))
