"""``plugins``, ``components`` and ``recipes``: the shapes of their JSON, and what their tables say."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from janiform.cli import main

Capture = pytest.CaptureFixture[str]
Install = Callable[..., Path]

CODE = """
@attrs.frozen(kw_only=True)
class Settings(Config):
    depth: int = setting(2, "How many layers.")
    modes: tuple[str, ...] = setting(("a", "b"), "Which modes.")
    needed: int = setting()

@hookimpl
def janiform_register(registrar):
    registrar.component(
        "encoder", "fake-encoder", version=3, config=Settings, factory="fake_plugin_fake:Settings",
        summary="An encoder [for tests].", presets={"large": {"depth": 9, "modes": ["a"]}},
    )
    registrar.recipes("fake_recipes")
"""


@pytest.fixture
def _fake(install: Install, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recipes = tmp_path / "fake_recipes"
    (recipes / "fake-shipped").mkdir(parents=True)
    (recipes / "__init__.py").touch()
    (recipes / "fake-shipped.toml").write_text('description = "It ships."\n')
    (recipes / "fake-shipped" / "model.safetensors").touch()
    (recipes / "fake-broken.toml").write_text("recipe = [\n")
    install("fake", CODE)
    monkeypatch.setenv("COLUMNS", "160")


def _json(capsys: Capture, *arguments: str) -> Any:
    assert main([*arguments, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def _shown(capsys: Capture, *arguments: str) -> str:
    assert main([*arguments]) == 0
    return capsys.readouterr().out


@pytest.mark.usefixtures("_fake")
def test_plugins_as_json(capsys: Capture, tmp_path: Path) -> None:
    found = _json(capsys, "plugins")
    assert set(found) == {"plugins", "conflicts"}
    (fake,) = (plugin for plugin in found["plugins"] if plugin["name"] == "fake")
    assert fake.pop("seconds") > 0
    assert fake == {
        "name": "fake",
        "distribution": "janiform-fake",
        "version": "1.0",
        "components": [{"kind": "encoder", "name": "fake-encoder", "version": 3}],
        "recipe_folders": [(tmp_path / "fake_recipes").as_posix()],
        "error": None,
        "disabled": False,
    }


@pytest.mark.usefixtures("_fake")
def test_plugins_as_a_table(capsys: Capture, install: Install) -> None:
    install("sick", "raise RuntimeError('no [luck]')")
    install("twin", CODE)
    install("idle", CODE)
    shown = _shown(capsys, "--disable-plugin", "idle", "plugins")
    assert "1 encoder, 2 recipes" in shown
    assert "plugin 'sick' (janiform-sick 1.0) is broken\n  RuntimeError: no [luck]" in shown
    assert "encoder 'fake-encoder@3' is registered by plugin 'fake' (janiform-fake 1.0) and by plugin 'twin'" in shown
    assert "disabled" in shown


@pytest.mark.usefixtures("_fake")
def test_a_broken_plugin_shows_its_traceback_on_request(
    capsys: Capture, install: Install, monkeypatch: pytest.MonkeyPatch
) -> None:
    install("sick", "raise RuntimeError('no luck')")
    monkeypatch.setenv("JANIFORM_DEBUG", "1")
    assert "Traceback" in _shown(capsys, "plugins")


@pytest.mark.usefixtures("_fake")
def test_components_as_json(capsys: Capture) -> None:
    for arguments in (["components"], ["components", "encoder"]):
        found = _json(capsys, *arguments)
        (fake,) = (component for component in found["components"] if component["name"] == "fake-encoder")
        assert fake == {
            "kind": "encoder",
            "name": "fake-encoder",
            "version": 3,
            "summary": "An encoder [for tests].",
            "plugin": "fake",
            "distribution": "janiform-fake",
            "factory": "fake_plugin_fake:Settings",
            "config": [
                {"name": "width", "type": "int", "required": False, "default": 8, "help": "What it is for."},
                {"name": "depth", "type": "int", "required": False, "default": 2, "help": "How many layers."},
                {
                    "name": "modes",
                    "type": "list of str",
                    "required": False,
                    "default": ["a", "b"],
                    "help": "Which modes.",
                },
                {"name": "needed", "type": "int", "required": True, "default": None, "help": "What it is for."},
            ],
            "presets": {"large": {"depth": 9, "modes": ["a"]}},
        }
    assert all(component["kind"] == "head" for component in _json(capsys, "components", "head")["components"])


@pytest.mark.usefixtures("_fake")
def test_components_as_a_table(capsys: Capture) -> None:
    assert "An encoder [for tests]." in _shown(capsys, "components")
    shown = _shown(capsys, "components", "encoder")
    assert "fake-encoder@3" in shown
    assert "How many layers." in shown
    assert "required" in shown
    assert '["a", "b"]' in shown
    assert 'preset large  depth = 9, modes = ["a"]' in shown


@pytest.mark.usefixtures("_fake")
def test_recipes_as_json(capsys: Capture, tmp_path: Path) -> None:
    found = {recipe["name"]: recipe for recipe in _json(capsys, "recipes")["recipes"]}
    folder = tmp_path / "fake_recipes"
    assert found["fake-shipped"] == {
        "name": "fake-shipped",
        "path": (folder / "fake-shipped.toml").as_posix(),
        "model": (folder / "fake-shipped").as_posix(),
        "description": "It ships.",
        "error": None,
    }
    assert found["fake-broken"]["model"] is None
    assert "Invalid value" in found["fake-broken"]["error"]


@pytest.mark.usefixtures("_fake")
def test_recipes_as_a_table(capsys: Capture) -> None:
    shown = _shown(capsys, "recipes")
    assert "It ships." in shown
    assert "cannot be read" in shown
