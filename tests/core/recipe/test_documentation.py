"""The examples of docs/recipes.md do what the page says."""

from __future__ import annotations

import re
from pathlib import Path

import attrs
import pytest
from janiform.recipe import Stage, Training, dumps, read_recipe, read_recipe_text

PAGE = (Path(__file__).parents[3] / "docs" / "recipes.md").read_text(encoding="utf-8")
TOML = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
PYTHON = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)


def test_the_first_example_is_a_recipe_and_python_builds_its_like() -> None:
    recipe = read_recipe_text(TOML[0])
    built: dict[str, object] = {}
    exec(PYTHON[0], built)
    assert attrs.evolve(recipe, description="") == built["recipe"]


@pytest.mark.parametrize("example", TOML[1:])
def test_every_other_example_goes_on_top_of_a_recipe(example: str) -> None:
    variants = [example]
    if example.startswith("understanding = "):
        variants = example.splitlines()
    for variant in variants:
        head = "" if variant.startswith("recipe = 1") else 'recipe = 1\nextends = "janus-pro-1b"\n'
        recipe = read_recipe_text(head + variant)
        assert recipe != read_recipe("janus-pro-1b")
        assert read_recipe_text(dumps(recipe)) == recipe


@pytest.mark.parametrize("settings", [Stage, Training])
def test_every_setting_is_in_the_tables(settings: type) -> None:
    for field in attrs.fields(settings):
        assert field.metadata["help"].endswith(".")
        assert field.name == "name" or f"`{field.name}`" in PAGE
