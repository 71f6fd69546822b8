"""A registry of toys, and a folder to write recipes in."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from janiform import Registry
from janiform.components import PluginRecord

sys.path.insert(0, str(Path(__file__).parent))

from toy_components import BASE, COMPONENTS


@pytest.fixture(scope="session")
def recipes_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shipped")
    (folder / "base.toml").write_text(BASE, encoding="utf-8")
    return folder


@pytest.fixture(scope="session")
def toys(recipes_folder: Path) -> Registry:
    return Registry([PluginRecord("toys", "", "", components=COMPONENTS, recipe_folders=(recipes_folder,))])


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """``write("a.toml", text)`` writes a recipe into the working directory; ``recipe = 1`` becomes its first line."""
    monkeypatch.chdir(tmp_path)

    def make(name: str, text: str, *, head: str = "recipe = 1\n") -> Path:
        path = Path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(head + text, encoding="utf-8")
        return path

    return make
