"""Large pictures are looked at in tiles: each as the encoder sees it alone, and all that counts positions follows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import attrs
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from janiform import CompositionError, Conversation, Grid, generate_text, read_recipe_text, registry
from janiform.compose import compose
from janiform.inference.memory import memory_for_answers
from janiform.measure.costs import measure
from janiform.recipe import Use, dumps
from janiform_plugins.objectives.next_token import next_token_losses
from janiform_plugins.tilings.config import GridConfig
from janiform_plugins.tilings.grid import GridTiling, choose
from PIL import Image

SIDE = 16
"""Of what the tiny model's encoder sees."""


def noise(width: int, height: int, seed: int = 0) -> Image.Image:
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8))


@given(st.integers(1, 4000), st.integers(1, 4000), st.integers(8, 500), st.integers(8, 500), st.integers(1, 9))
@settings(max_examples=60)
def test_the_grid_shows_most_of_the_picture(width: int, height: int, down: int, across: int, tiles: int) -> None:
    chosen = choose(width, height, Grid(down, across), tiles)
    assert chosen.size <= tiles

    def shown(rows: int, columns: int) -> tuple[float, int]:
        """Pixels of the picture that are left on a canvas, and those of the canvas."""
        scale = min(rows * down / height, columns * across / width, 1.0)
        return width * scale * height * scale, rows * down * columns * across

    mine, area = shown(chosen.height, chosen.width)
    for rows in range(1, tiles + 1):
        for columns in range(1, tiles + 1):
            if rows * columns <= tiles:
                most, other = shown(rows, columns)
                assert mine >= most * (1 - 1e-9)
                assert mine > most * (1 + 1e-9) or area <= other


@given(st.integers(1, 90), st.integers(1, 90), st.integers(1, 6), st.sampled_from(("first", "last", "none")))
@settings(max_examples=40)
def test_tiles_are_as_large_as_what_is_seen(width: int, height: int, tiles: int, overview: Any) -> None:
    config, picture = GridConfig(tiles=tiles, overview=overview), noise(width, height)
    cut = GridTiling(config).cut(picture, Grid(SIDE, SIDE), (1, 2, 3))
    assert 1 <= cut.count <= config.most
    crops = [crop for line in cut.lines for crop in line if crop is not picture]
    assert all(crop.size == (SIDE, SIDE) and crop.mode == "RGB" for crop in crops)
    assert [picture] not in [list(line) for line in cut.lines[1:-1]]
    if max(width, height) <= SIDE:
        assert cut.lines == ((picture,),)
    if crops:
        whole = [index for index, line in enumerate(cut.lines) if picture in line]
        assert whole == {"first": [0], "last": [len(cut.lines) - 1], "none": []}[overview]


@pytest.fixture(scope="module")
def tiled(make_plan: Callable[..., Any], fitted: Any) -> Callable[..., Any]:
    """``tiled(tiles=4)``: the tiny model, whose pictures are cut up."""

    def build(**chosen: Any) -> Any:
        return fitted(plan(make_plan, **chosen))

    return build


def plan(make_plan: Callable[..., Any], context: int = 512, **chosen: Any) -> Any:
    component = registry().find("tiling", "grid")
    recipe = make_plan(backbone={"context": context}).recipe
    looking = recipe.pathways["understanding"]
    used = Use("tiling", component, component.config(**chosen))
    ways = {**recipe.pathways, "understanding": attrs.evolve(looking, parts={"tiling": used, **looking.parts})}
    return compose(attrs.evolve(recipe, pathways=ways))


def test_each_tile_is_seen_as_the_encoder_sees_it_alone(tiled: Any) -> None:
    model = tiled(tiles=6)
    picture = noise(3 * SIDE, 2 * SIDE)  # which needs no scaling, so that the crops are plain pieces of it
    pixels = np.asarray(picture)
    crops = [pixels[y : y + SIDE, x : x + SIDE] for y in (0, SIDE) for x in (0, SIDE, 2 * SIDE)]
    sequence = model.processor.sequence(Conversation.asking("what is it?", picture, answer="a circle"))
    looks = [span for span in sequence.spans if span.kind == "look"]
    assert [span.length for span in looks] == [4] * 7
    batch = model.processor.pack([sequence], 400)
    with torch.no_grad():
        given = model.embed(batch).flatten(0, 1)[batch.pictures["understanding"].positions]
        for index, crop in enumerate([picture, *crops]):
            seen = model.processor.pixels(crop, "understanding")
            alone = model.part("understanding.adapter")(model.part("understanding.encoder")(seen[None]))
            torch.testing.assert_close(given[index], alone[0], rtol=0, atol=1e-5 * alone.abs().max().item())
    breaks = model.processor.text.encode("\n")
    between = [span.ids for span in sequence.spans[sequence.spans.index(looks[0]) :] if span.kind == "text"][:2]
    assert between == [tuple(breaks), tuple(breaks)]


def test_small_pictures_are_seen_as_without_tiling(tiled: Any, tiny_model: Any) -> None:
    asked = Conversation.asking("what is it?", noise(14, 9), answer="a circle")
    given, expected = (model.processor.sequence(asked) for model in (tiled(tiles=4), tiny_model))
    assert given == expected
    assert torch.equal(given.spans[1].picture, expected.spans[1].picture)


def test_answers_beside_others_are_those_alone_and_memory_is_planned_for_all_tiles(tiled: Any) -> None:
    model = tiled(tiles=4, overview="last")
    asked = [Conversation.asking("what is it?", noise(*size)) for size in ((40, 16), (9, 9), (33, 33), (16, 60))]
    rows = [model.processor.sequence(one, answer=False) for one in asked]
    assert [sum(span.kind == "look" for span in row.spans) for row in rows] == [4, 1, 5, 5]
    together = generate_text(model, rows, max_new_tokens=6)
    assert together == [generate_text(model, [row], max_new_tokens=6)[0] for row in rows]
    few, many = (memory_for_answers(model, [row], 6) for row in (rows[1], rows[2]))
    assert many.work > few.work
    assert many.cache > few.cache


def test_losses_of_packed_conversations_are_those_of_each_alone(tiled: Any) -> None:
    model = tiled(tiles=3)
    asked = [Conversation.asking("what?", noise(*size), answer="red") for size in ((48, 16), (8, 8), (20, 60))]
    rows = [model.processor.sequence(one) for one in asked]
    with torch.no_grad():
        packed = next_token_losses(model, model.processor.pack(rows, 220))["understanding"]
        alone = [next_token_losses(model, model.processor.collate([row]))["understanding"] for row in rows]
    assert packed.count == sum(loss.count for loss in alone)
    torch.testing.assert_close(packed.total, sum(loss.total for loss in alone), rtol=1e-5, atol=0)


def test_plans_costs_and_recipes_know_of_it(make_plan: Any) -> None:
    made = plan(make_plan, tiles=6)
    assert (made.pathways["understanding"].tokens, made.pathways["understanding"].tiles) == (4, 7)
    assert measure(made).pathways["understanding"].tiles == 7
    assert read_recipe_text(dumps(made.recipe)).pathways == made.recipe.pathways
    with pytest.raises(CompositionError, match="one picture takes 28 positions"):
        plan(make_plan, context=40, tiles=6)


def test_a_pathway_that_draws_has_no_tiling(make_plan: Any) -> None:
    text = dumps(make_plan().recipe) + '[generation.tiling]\nuse = "grid"\n'
    with pytest.raises(CompositionError, match=r"generation.tiling: a tiling does not belong in the pathway"):
        compose(read_recipe_text(text))
