"""``janiform check`` says whether recipes fit, what they cost, and everything that is wrong with them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from janiform.cli import main

BROKEN = """
recipe = 1
name = "broken"
extends = "janus-mini"

[understanding]
adapter = { use = "mlp", depth = 2 }

[backbone]
context = 70

[stage.stage-1]
train = ["understanding.adaptor", "generation.head", "nothing.*"]
"""


@pytest.fixture
def broken(tmp_path: Path) -> Path:
    file = tmp_path / "broken.toml"
    file.write_text(BROKEN, encoding="utf-8")
    return file


def test_a_recipe_that_fits(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "janus-mini"]) == 0
    printed = capsys.readouterr().out
    for text in ("janus-mini", "siglip@1", "features [B, 64, 128] on 8×8", "in bf16", "sequence of 512", "stage-3"):
        assert text in printed


def test_active_parameters_are_shown_beside_all(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "janus-micro-moe"]) == 0
    assert "974 k, 605 k active" in capsys.readouterr().out


def test_json_for_programs(capsys: pytest.CaptureFixture[str], broken: Path) -> None:
    assert main(["check", "janus-mini", str(broken), "--json"]) == 1
    mini, other = json.loads(capsys.readouterr().out)["recipes"]
    assert mini["fits"] is True
    assert mini["costs"]["parameters"] == sum(part["parameters"] for part in mini["costs"]["parts"].values())
    assert mini["trained"]["language"] == mini["costs"]["parts"]["backbone"]["parameters"]
    assert other["fits"] is False
    assert [one["path"] for one in other["problems"]] == ["understanding.encoder", "generation.tokenizer"]
    assert all(one["file"].endswith("janus-mini.toml") and one["line"] for one in other["problems"])
    assert "use a context of at least 80" in other["problems"][0]["hint"]


def test_selectors_that_match_nothing(capsys: pytest.CaptureFixture[str], broken: Path) -> None:
    assert main(["check", str(broken), "--set", "backbone.context=512"]) == 1
    printed = capsys.readouterr().err
    assert "2 problems" in printed
    assert f"{broken}:13: stage.stage-1.train: selector 'understanding.adaptor' matches no parameter" in printed
    assert "did you mean 'understanding.adapter'?" in printed
    assert "selector 'nothing.*'" in printed


def test_problems_of_several_recipes_in_one_report(
    capsys: pytest.CaptureFixture[str], broken: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other.toml"
    other.write_text('recipe = 1\nextends = "janus-mini"\n[generation]\nhead = { use = "mpl" }\n', encoding="utf-8")
    assert main(["check", str(broken), "janus-mini", str(other)]) == 1
    streams = capsys.readouterr()
    assert "janus-mini fits" in streams.out
    assert "context of 70" in streams.err
    assert f"{other}:4" in streams.err


def test_a_recipe_that_is_not_there_is_wrong_use(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "janus-mimi"]) == 2
    assert "did you mean 'janus-mini'?" in capsys.readouterr().err


def test_weights_to_start_from_are_compared(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text(
        """recipe = 1
extends = "janus-mini"
[backbone]
layers = 5
[start]
generation = "janus-mini"
backbone = "janus-mini"
understanding.encoder = "empty"
understanding.adapter = "nowhere"
""",
        encoding="utf-8",
    )
    (tmp_path / "empty").mkdir()
    assert main(["check", str(file)]) == 1
    printed = " ".join(capsys.readouterr().err.split())
    assert "3 problems" in printed
    assert f"{file}:9: start.understanding.adapter: there is no directory {tmp_path / 'nowhere'}" in printed
    assert f"{file}:8: start.understanding.encoder: {tmp_path / 'empty'} has no weights" in printed
    assert f"{file}:7: backbone: the files have tensors that the part does not have: backbone.layers.5." in printed
