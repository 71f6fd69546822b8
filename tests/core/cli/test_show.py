"""``janiform show``: TOML that reads back, with where every value came from."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import pytest
from janiform.cli import main
from janiform.recipe import read_recipe, read_recipe_text

Capture = pytest.CaptureFixture[str]


def shown(capsys: Capture, *arguments: str) -> str:
    assert main(["show", *arguments]) == 0
    return capsys.readouterr().out


@pytest.mark.parametrize("options", [(), ("--no-origins",)])
def test_what_is_shown_is_the_recipe_again(capsys: Capture, options: tuple[str, ...]) -> None:
    text = shown(capsys, "janus-pro-7b", "--set", "generation.adapter.depth = 3", *options)
    assert read_recipe_text(text) == read_recipe("janus-pro-7b", ["generation.adapter.depth = 3"])


def test_origins_stand_behind_the_values(capsys: Capture) -> None:
    lines = shown(capsys, "janus-pro-7b", "--set", "generation.adapter.depth = 3").splitlines()
    behind = {tuple(part.strip() for part in line.split("  # ")) for line in lines if "  # " in line}
    named = [origin for value, origin in behind if value == 'name = "janus-pro-7b"']
    assert [origin.endswith("recipes/janus-pro-7b.toml:3") for origin in named] == [True]
    assert ("width = 4096", "preset 'deepseek-llm-7b'") in behind
    assert ("depth = 3", "--set 'generation.adapter.depth = 3'") in behind
    assert any(value.startswith("min_size") and origin == "default" for value, origin in behind)
    assert "# " not in shown(capsys, "janus-pro-7b", "--no-origins")


def test_what_was_dropped_is_said(capsys: Capture) -> None:
    text = shown(capsys, "janus-pro-1b", "--set", 'understanding = { share = "generation" }')
    assert (
        "\n# understanding: shares 'generation' at --set 'understanding = { share = \"generation\" }'; dropped " in text
    )
    assert tomllib.loads(text)["understanding"]["adapter"] == {"share": "generation.adapter"}


def test_an_override_cannot_break_out_of_its_comment(capsys: Capture) -> None:
    override = 'description = "a\\nb"'
    text = shown(capsys, "janus-pro-1b", "--set", override)
    assert read_recipe_text(text).description == "a\nb"
    assert tomllib.loads(shown(capsys, "janus-pro-1b", "--set", 'description = "\tx"  '))["description"] == "\tx"


def test_json_has_values_origins_and_notes(capsys: Capture) -> None:
    found = json.loads(shown(capsys, "janus-pro-1b", "--json", "--set", "generation.adapter.depth = 3"))
    assert set(found) == {"recipe", "origins", "notes"}
    assert found["recipe"]["generation"]["adapter"]["depth"] == 3
    assert found["recipe"]["name"] == "janus-pro-1b"
    assert found["origins"]["backbone.layers"] == {"source": "preset 'deepseek-llm-1.5b'", "line": None}
    assert found["origins"]["backbone.use"]["line"] == 8
    assert found["notes"] == []


@pytest.mark.parametrize("suffix", [".svg", ".mmd"])
def test_the_diagram_is_written(capsys: Capture, tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"janus{suffix}"
    said = shown(capsys, "janus-mini", "--diagram", str(path))
    assert said == f"the diagram is in {path}\n"
    assert "understanding" in path.read_text(encoding="utf-8")


def test_mistakes_are_sentences(capsys: Capture, tmp_path: Path) -> None:
    assert main(["show", "janus-pro-1c"]) == 2
    assert "did you mean 'janus-pro-1b'?" in capsys.readouterr().err
    path = tmp_path / "mine.toml"
    path.write_text('recipe = 1\nextends = "janus-pro-1b"\n[generation.head]\ndpth = 3\ninner = "x"\n')
    assert main(["show", str(path)]) == 1
    said = capsys.readouterr().err
    assert "2 problems" in said
    assert f"{path}:4: generation.head.dpth: unknown setting" in said
    assert f"{path}:5: generation.head.inner: expected a whole number" in said
    assert "Traceback" not in said
