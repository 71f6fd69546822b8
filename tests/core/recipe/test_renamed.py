"""A setting that was renamed is still read under its former name, and the recipe says what it is now called."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from attrs import field, frozen
from janiform import RecipeError, Registry
from janiform.components import PluginRecord
from janiform.recipe import Recipe, dumps, read_recipe, read_recipe_text
from toy_components import BASE, COMPONENTS, component


@frozen
class Styled:
    caption_style: str = field(default="varied", metadata={"renamed_from": "wording"})
    objects: int = 0


SHAPES = component("source", "shapes", Styled, old={"wording": "full"}, new={"caption_style": "full"})
SOURCE = BASE + '\n[source.draw]\nuse = "shapes"\n'


@pytest.fixture(scope="module")
def registry(recipes_folder: Path) -> Registry:
    return Registry([PluginRecord("toys", "", "", components=(*COMPONENTS, SHAPES), recipe_folders=(recipes_folder,))])


def style(recipe: Recipe) -> str:
    config = recipe.sources["draw"].config
    assert isinstance(config, Styled)
    return config.caption_style


def test_the_former_name_is_read_and_reported(registry: Registry) -> None:
    recipe = read_recipe_text(SOURCE + 'wording = "short"\n', "a.toml", registry=registry)
    assert style(recipe) == "short"
    line = SOURCE.count("\n") + 1
    assert recipe.notes == (f"source.draw: the setting 'wording' is now called 'caption_style' (a.toml:{line})",)
    assert str(recipe.origins["source.draw.caption_style"]) == f"a.toml:{line}"


def test_the_recipe_is_written_with_the_current_name(registry: Registry) -> None:
    recipe = read_recipe_text(SOURCE + 'wording = "short"\n', "a.toml", registry=registry)
    again = read_recipe_text(dumps(recipe), "b.toml", registry=registry)
    assert again == recipe
    assert again.notes == ()


@pytest.mark.parametrize("preset", ["old", "new"])
def test_a_setting_prevails_over_its_preset_under_either_name(registry: Registry, preset: str) -> None:
    chosen = SOURCE + f'preset = "{preset}"\n'
    assert style(read_recipe_text(chosen, "a.toml", registry=registry)) == "full"
    for name in ("wording", "caption_style"):
        assert style(read_recipe_text(chosen + f'{name} = "short"\n', "a.toml", registry=registry)) == "short"


def test_an_override_may_use_the_former_name(registry: Registry) -> None:
    text = SOURCE + 'caption_style = "full"\n'
    recipe = read_recipe_text(text, "a.toml", ['source.draw.wording="short"'], registry=registry)
    assert style(recipe) == "short"


@pytest.mark.parametrize(("below", "above"), [("wording", "caption_style"), ("caption_style", "wording")])
def test_the_file_that_extends_another_prevails(
    registry: Registry, write: Callable[..., Path], below: str, above: str
) -> None:
    write("below.toml", SOURCE.partition("\n")[2] + f'{below} = "full"\n')
    path = write("above.toml", f'extends = "below.toml"\n[source.draw]\n{above} = "short"\n')
    assert style(read_recipe(path, registry=registry)) == "short"


@pytest.mark.parametrize("order", [("wording", "caption_style"), ("caption_style", "wording")])
def test_both_names_in_one_file_are_refused(registry: Registry, order: tuple[str, str]) -> None:
    text = SOURCE + "".join(f'{name} = "full"\n' for name in order)
    with pytest.raises(RecipeError, match=r"source\.draw\.caption_style: is also set by its former name 'wording'"):
        read_recipe_text(text, "a.toml", registry=registry)


def test_the_former_name_is_not_a_name_of_other_components(registry: Registry) -> None:
    text = BASE + '\n[source.draw]\nuse = "toy"\nwording = "full"\n'
    with pytest.raises(RecipeError, match=r"source\.draw\.wording: unknown setting"):
        read_recipe_text(text, "a.toml", registry=registry)
