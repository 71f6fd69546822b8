"""What differs between two recipes, with both origins."""

from __future__ import annotations

from janiform import Registry
from janiform.recipe import diff, dumps, read_recipe_text
from toy_components import BASE, TRAINED


def test_equal_recipes_have_no_differences(toys: Registry) -> None:
    recipe = read_recipe_text(TRAINED, registry=toys)
    assert diff(recipe, read_recipe_text(dumps(recipe), registry=toys)) == []


def test_values_that_differ_come_by_path_with_both_origins(toys: Registry) -> None:
    left = read_recipe_text(BASE, "left.toml", registry=toys)
    right = read_recipe_text(
        BASE, "right.toml", ["generation.adapter.depth = 6", "backbone.inner.size = 7"], registry=toys
    )
    found = diff(left, right)
    assert [(str(each.path), each.left, each.right) for each in found if None in (each.left, each.right)] == []
    assert [
        (each.path, each.left and each.left.value, str(each.left and each.left.origin), each.right and each.right.value)
        for each in found
    ] == [
        ("backbone.inner.size", 5, "preset 'big'", 7),
        ("generation.adapter.depth", 5, "left.toml:16", 6),
    ]
    assert str(found[1].right and found[1].right.origin) == "--set 'generation.adapter.depth = 6'"


def test_what_only_one_has_has_one_side(toys: Registry) -> None:
    found = {each.path: each for each in diff(*(read_recipe_text(text, registry=toys) for text in (BASE, TRAINED)))}
    assert found["stage.first.steps"].left is None
    right = found["stage.first.steps"].right
    assert right is not None
    assert right.value == 100
    assert all(path.startswith(("source.", "stage.", "training.")) for path in found)


def test_another_component_differs_in_its_use_and_settings(toys: Registry) -> None:
    left = read_recipe_text(BASE, registry=toys)
    right = read_recipe_text(BASE, overrides=['generation.adapter = { use = "bend", depth = 5 }'], registry=toys)
    found = {each.path: each for each in diff(left, right)}
    assert "generation.adapter.use" in found
    assert "generation.adapter.depth" not in found
    assert found["generation.adapter.rate"].left is None
