"""The example of own data: what it prepares is what its recipe reads, and held-out digits stay held out."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import janiform
import numpy as np
import pytest
from janiform import Draw, Look, Request, read_recipe
from janiform.cli import main
from janiform.train.data.sources import open_sources

pytest.importorskip("sklearn", reason="the digits come with scikit-learn, which only this example needs")

EXAMPLE = Path(__file__).parents[2] / "examples" / "digits"


@pytest.fixture(scope="module")
def modules() -> Iterator[dict[str, ModuleType]]:
    """``prepare`` and ``benchmark`` of the example, which import each other by these names."""
    sys.path.insert(0, str(EXAMPLE))
    try:
        yield {name: importlib.import_module(name) for name in ("prepare", "benchmark")}
    finally:
        sys.path.remove(str(EXAMPLE))
        for name in ("prepare", "benchmark"):
            sys.modules.pop(name, None)


@pytest.fixture(scope="module")
def data(modules: dict[str, ModuleType], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("digits")
    modules["prepare"].prepare(folder)
    return folder


def test_no_held_out_picture_is_trained_on(data: Path) -> None:
    with tarfile.open(data / "captions.tar") as shard:
        drawn = {name for name in shard.getnames() if name.endswith(".png")}
    asked = {record["image"] for record in json.loads((data / "questions.json").read_text())}
    held_out = {record["image"]: record["digit"] for record in json.loads((data / "held-out.json").read_text())}
    assert len(drawn) == len(asked) == 1600
    assert drawn == asked
    assert len(held_out) == 197
    assert not held_out.keys() & drawn
    assert set(held_out.values()) == set(range(10))


def test_a_picture_holds_the_values_of_its_digit(modules: dict[str, ModuleType]) -> None:
    values = np.random.default_rng(0).integers(0, 17, (8, 8)).astype(float)
    prepare: Any = modules["prepare"]
    np.testing.assert_allclose(prepare.values_of(prepare.picture_of(values)), values, atol=0.05)


def test_the_recipe_reads_what_is_prepared(
    data: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], modules: dict[str, ModuleType]
) -> None:
    monkeypatch.setenv("JANIFORM_DATA", str(data))
    assert main(["check", str(EXAMPLE / "digits.toml")]) == 0
    assert "digits fits" in capsys.readouterr().out
    recipe = read_recipe(EXAMPLE / "digits.toml")
    for name in recipe.training.stages:
        assert set(recipe.stages[name].mixture) <= {"captions", "questions", "words"}, (
            "nothing of janus-mini's is mixed in"
        )
    sources = open_sources(recipe, ["captions", "questions", "words"])
    prompt, answer = sources["captions"].example(0).turns
    assert isinstance(answer.content[0], Draw)
    prepare: Any = modules["prepare"]
    assert prompt.text in {caption for digit in range(10) for caption in prepare.captions(digit)}
    question, name, *_ = sources["questions"].example(0).turns
    assert isinstance(question.content[0], Look)
    assert prepare.NAME in question.text
    assert name.text in prepare.WORDS
    caption, meaning = sources["words"].example(0).turns
    word, numeral = meaning.text.split()
    assert prepare.WORDS[int(numeral)] == word
    assert word in caption.text or numeral in caption.text


def test_the_benchmark_knows_right_from_wrong(data: Path, modules: dict[str, ModuleType]) -> None:
    digits = modules["benchmark"].Digits(data)
    requests: list[Request] = list(digits.requests())
    assert sum(request.draws for request in requests) == 200
    assert len({request.item for request in requests}) == len(requests) == 397
    named = requests[0]
    assert digits.judge(named, f" {named.reference}") == {"digits.named": 1.0}
    assert digits.judge(named, "none") == {"digits.named": 0.0}
    pictures = list(digits.pictures.values())
    assert digits.readable(pictures).value > 0.97, "the reader of drawings reads digits that it was not fitted to"
    seven = next(request for request in requests if request.item == "drawn/7/0")
    real = next(picture for name, picture in digits.pictures.items() if digits.digits[name] == 7)
    other = next(picture for name, picture in digits.pictures.items() if digits.digits[name] == 4)
    assert digits.judge(seven, real) == {"digits.drawn": 1.0}
    assert digits.judge(seven, other) == {"digits.drawn": 0.0}
    assert digits.verdict(seven, other) == "read as four"


@pytest.mark.slow
def test_the_whole_example_reaches_its_figures(tmp_path: Path) -> None:
    """Ten minutes of two cores."""
    links = str(Path(janiform.__file__).parents[1])
    env = os.environ | {"PYTHONPATH": os.pathsep.join([links, os.environ.get("PYTHONPATH", "")])}
    subprocess.run([sys.executable, EXAMPLE / "run.py", "--out", tmp_path / "out"], env=env, check=True, timeout=3600)
    scores = json.loads((tmp_path / "out" / "scores.json").read_text())["scores"]
    assert scores["held-out digits named"]["value"] >= 0.97
    assert scores["drawings read as the digit asked for"]["value"] >= 0.90
