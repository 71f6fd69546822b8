"""What is written reads back equal; what Python builds is what a file gives."""

from __future__ import annotations

import math
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from janiform import RecipeError, Registry
from janiform.recipe import Recipe, Share, build, dumps, lines, read_recipe, read_recipe_text, share, tables, use
from janiform.recipe.values import toml_key, toml_value
from toy_components import BASE, TRAINED, Everything, Inner

WORDS = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
NUMBERS = st.floats(allow_nan=False)
WHOLE = st.integers(-(1 << 63), (1 << 63) - 1)
INNERS = st.builds(Inner, WHOLE, st.lists(WORDS, max_size=2).map(tuple))
CONFIGS = st.builds(
    Everything,
    depth=st.integers(1, 9),
    rate=NUMBERS,
    flag=st.booleans(),
    word=WORDS,
    mode=st.sampled_from(["fast", "slow"]),
    pair=st.tuples(WHOLE, WHOLE),
    many=st.lists(NUMBERS, max_size=3).map(tuple),
    inner=INNERS,
    inners=st.lists(INNERS, max_size=2).map(tuple),
    table=st.dictionaries(WORDS, NUMBERS, max_size=3),
    place=st.none() | st.sampled_from([Path("a/b c"), Path("é")]),
    either=WHOLE | WORDS,
)
PLAIN = st.recursive(
    WORDS | WHOLE | NUMBERS | st.booleans(),
    lambda values: st.lists(values, max_size=3) | st.dictionaries(WORDS, values, max_size=3),
    max_leaves=8,
)


@settings(deadline=None, max_examples=60)
@given(PLAIN)
def test_values_are_written_as_toml_reads_them(value: Any) -> None:
    assert tomllib.loads(f"value = {toml_value(value)}")["value"] == value


@settings(deadline=None, max_examples=60)
@given(WORDS)
def test_keys_are_written_as_toml_reads_them(key: str) -> None:
    assert tomllib.loads(f"{toml_key(key)} = 1") == {key: 1}


@pytest.mark.parametrize("value", [math.inf, -math.inf, 1e16, 5e-324, -0.0, 1e-05])
def test_numbers_at_the_edges(value: float) -> None:
    read = tomllib.loads(f"value = {toml_value(value)}")["value"]
    assert (read, math.copysign(1, read)) == (value, math.copysign(1, value))
    assert type(read) is float


def test_what_toml_cannot_hold_is_refused() -> None:
    with pytest.raises(TypeError, match="object is not a type of TOML"):
        toml_value(object())


def rebuilt(toys: Registry, config: Everything) -> Recipe:
    recipe = read_recipe_text(TRAINED, overrides=['generation.adapter = { use = "bend" }'], registry=toys)
    object.__setattr__(recipe.part("generation.adapter"), "config", config)
    return recipe


@settings(deadline=None, max_examples=60)
@given(config=CONFIGS)
def test_any_settings_read_back_equal(toys: Registry, config: Everything) -> None:
    recipe = rebuilt(toys, config)
    text = dumps(recipe)
    again = read_recipe_text(text, registry=toys)
    assert again == recipe
    assert dumps(again) == text
    assert not again.notes


@pytest.mark.parametrize(
    "change",
    [
        "",
        'understanding = { share = "generation" }',
        'understanding.adapter = { share = "generation.adapter" }',
        'layout = { use = "other" }',
        'backbone.use = "brain"',
        'training.stages = ["second"]',
        "stage.first.betas = [0, 0.5]",
        "stage.first.mixture = { ask = 0, rest = { ratio = 1, of = { ask = 2 } } }",
    ],
)
def test_any_shape_reads_back_equal(toys: Registry, change: str) -> None:
    text = TRAINED + '[editing]\nmode = "look"\nshare = "generation"\n[empty]\nmode = "draw"\n'
    recipe = read_recipe_text(text, overrides=[change] if change else [], registry=toys)
    assert read_recipe_text(dumps(recipe), registry=toys) == recipe


def test_every_line_with_a_value_has_an_origin(toys: Registry) -> None:
    recipe = read_recipe_text(TRAINED + '[editing]\nmode = "look"\nshare = "generation"\n', registry=toys)
    lacking = [line.text for line in lines(recipe) if line.origin is None and line.text and line.text[0] != "["]
    assert lacking == ["recipe = 1"]


def test_what_is_written_has_versions_and_no_presets(toys: Registry) -> None:
    written = tables(read_recipe_text(BASE, registry=toys))
    assert written["backbone"]["use"] == "brain@1"
    assert written["backbone"]["inner"] == {"size": 5, "names": []}
    assert "preset" not in written["backbone"]
    assert "training" not in written


def test_python_builds_the_identical_recipe(toys: Registry) -> None:
    built = build(
        name="base",
        description="What others extend.",
        backbone=use("brain@1", preset="big", rate=0.25),
        understanding={"encoder": use("eye", depth=3, flag=True), "adapter": use("line")},
        generation={
            "tokenizer": use("code", depth=4),
            "adapter": use("line", depth=5),
            "head": use("speak"),
            "sampler": None,
        },
        source={"draw": use("toy"), "ask": use("toy", depth=7)},
        stage={
            "first": {
                "objective": use("guess"),
                "train": ("generation.head", "*.adapter"),
                "mixture": {"draw": 3, "ask": 1},
                "steps": 100,
                "batch": 8,
                "learning_rate": 1e-3,
                "warmup": 10,
                "weights": {"text": 0.5},
            },
            "second": {
                "objective": use("guess", depth=1),
                "train": ["backbone"],
                "mixture": {"ask": 1},
                "steps": 10,
                "batch": 8,
                "learning_rate": 1e-4,
                "schedule": "cosine",
            },
        },
        registry=toys,
    )
    assert built == read_recipe_text(TRAINED, registry=toys)
    assert Path(built.origins["backbone.rate"].source).name == "test_round_trip.py"
    assert built.origins["backbone.rate"].line


def test_python_extends_and_shares_and_overrides(toys: Registry) -> None:
    built = build(extends="base", understanding=share("generation"), overrides=["text.depth = 9"], registry=toys)
    assert built.part("understanding.adapter") == Share("generation.adapter")
    assert built.text.config.depth == 9
    assert (built.name, built.notes[0].partition(":")[0]) == ("recipe", "understanding")


@pytest.mark.parametrize(
    ("settings", "line"),
    [
        (
            {"depth": object()},
            "backbone.depth: a recipe cannot contain object (use numbers, strings, booleans, lists and dicts)",
        ),
        (
            {"many": [1, {2}]},
            "backbone.many[1]: a recipe cannot contain set (use numbers, strings, booleans, lists and dicts)",
        ),
        ({"table": {3: 1}}, "backbone.table: the key 3 is not a string"),
        ({"word": "\ud800"}, "backbone.word: contains half of a surrogate pair, which a file cannot"),
        ({"depth": 1 << 64}, "contains a whole number of more than 64 bits"),
        ({"dpth": 1}, "backbone.dpth: unknown setting (did you mean 'depth'?)"),
    ],
)
def test_what_python_gets_wrong_is_said_at_the_line_of_the_call(
    toys: Registry, settings: dict[str, Any], line: str
) -> None:
    with pytest.raises(RecipeError) as caught:
        build(backbone=use("brain", **settings), registry=toys)
    (problem,) = caught.value.problems
    assert str(problem).partition(": ")[2] == line
    assert problem.origin is not None
    assert Path(problem.origin.source).name == "test_round_trip.py"


def test_python_that_nests_without_end(toys: Registry) -> None:
    endless: dict[str, Any] = {}
    endless["again"] = endless
    with pytest.raises(RecipeError, match="is nested more than 32 levels deep"):
        build(backbone=endless, registry=toys)


def test_a_recipe_written_to_a_file_reads_back_equal(toys: Registry, write: Callable[..., Path]) -> None:
    recipe = read_recipe_text(TRAINED, registry=toys)
    assert read_recipe(write("out.toml", dumps(recipe), head=""), registry=toys) == recipe
