"""``janiform diff``: only what differs, with both origins."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from janiform.cli import main

Capture = pytest.CaptureFixture[str]


def compared(capsys: Capture, *arguments: str) -> str:
    assert main(["diff", *arguments]) == 0
    # The folder of the shipped recipes is called after the package or, in an editable install, as in the repository.
    return capsys.readouterr().out.replace("janiform_recipes/", "recipes/")


def test_only_what_differs_is_shown(capsys: Capture) -> None:
    shown = compared(capsys, "janus-pro-1b", "janus-1.3b")
    assert (
        "\nlayout.roles\n"
        '  - ["<|User|>", "<|Assistant|>"]  # recipes/janus-pro-1b.toml:16\n'
        '  + ["User", "Assistant"]  # recipes/janus-1.3b.toml:9\n'
    ) in shown
    assert "\nstage.stage-2-imagenet.steps\n  + 120000  # recipes/janus-1.3b.toml:" in shown
    assert shown.count("stage-2-imagenet.") == 1, "a stage that only one has is one entry"


def test_a_part_that_only_one_has_is_one_entry(capsys: Capture, tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(
        'recipe = 1\nextends = "janus-pro-1b"\nname = "janus-pro-1b"\n'
        '[understanding]\ntokenizer = { use = "vq", preset = "vq-16" }\nembedding = { use = "table", width = 9 }\n'
    )
    shown = compared(capsys, "janus-pro-1b", str(path))
    assert 'understanding.encoder\n  - "siglip@1"' in shown
    assert f'understanding.tokenizer\n  + "vq@1"  # {path}:5\n' in shown
    assert "image_size" not in shown


def test_equal_recipes_are_said_to_be_the_same(capsys: Capture) -> None:
    assert compared(capsys, "janus-pro-7b", "janus-pro-7b").startswith("janus-pro-7b and janus-pro-7b are the same")


def test_json_has_every_difference(capsys: Capture) -> None:
    found = json.loads(compared(capsys, "janus-pro-1b", "janus-pro-7b", "--json"))
    assert (found["left"], found["right"]) == ("janus-pro-1b", "janus-pro-7b")
    by_path = {difference["path"]: difference for difference in found["differences"]}
    assert by_path["backbone.width"] == {
        "path": "backbone.width",
        "left": {"value": 2048, "origin": {"source": "preset 'deepseek-llm-1.5b'", "line": None}},
        "right": {"value": 4096, "origin": {"source": "preset 'deepseek-llm-7b'", "line": None}},
    }
    assert set(by_path) == {"name", "description"} | {
        f"backbone.{name}" for name in ("width", "inner", "layers", "heads")
    } | {"stage.stage-3.steps"}
