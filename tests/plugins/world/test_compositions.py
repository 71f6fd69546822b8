"""The held-out tables are a modest, even part of what there is."""

from collections import Counter

import pytest
from janiform_plugins.world import COLOURS, HELD_OUT, RELATIONS, SHAPES, SIZES, Object, Scene, held_out_in, is_held_out
from janiform_plugins.world.compositions import (
    HELD_OUT_COUNTED,
    HELD_OUT_PAIRED,
    HELD_OUT_RELATED,
    HELD_OUT_SINGLE,
    Paired,
    Related,
    Single,
)
from janiform_plugins.world.scene import Kind

KINDS = len(COLOURS) * len(SHAPES)


@pytest.mark.parametrize(
    ("table", "total"),
    [
        (HELD_OUT_RELATED, KINDS * len(RELATIONS)),
        (HELD_OUT_COUNTED, KINDS * 3),
        (HELD_OUT_SINGLE, KINDS * len(SIZES)),
        (HELD_OUT_PAIRED, KINDS * (KINDS - 1) // 2),
    ],
)
def test_about_a_tenth_of_each_kind_is_held_out(table: tuple[object, ...], total: int) -> None:
    assert len(set(table)) == len(table)
    assert 0.08 <= len(table) / total <= 0.125


def test_no_attribute_is_held_out_much_more_than_another() -> None:
    relations = Counter(c.relation for c in HELD_OUT_RELATED)
    colours = Counter(kind.colour for pair in HELD_OUT_PAIRED for kind in pair)
    shapes = Counter(kind.shape for pair in HELD_OUT_PAIRED for kind in pair)

    assert set(relations.values()) == {2}
    assert set(colours.values()) == {10}
    assert max(shapes.values()) <= min(shapes.values()) + 2
    assert {c.colour for c in HELD_OUT_SINGLE} == {c.colour for c in HELD_OUT_COUNTED} == set(COLOURS)
    assert Counter(c.size for c in HELD_OUT_SINGLE) == {"small": 3, "large": 3}
    assert Counter(c.number for c in HELD_OUT_COUNTED) == {2: 2, 3: 2, 4: 2}


def test_a_scene_tells_which_held_out_compositions_it_shows() -> None:
    circle = Object("circle", "purple", "small", 31, 15)
    triangle = Object("triangle", "yellow", "small", 31, 45)
    scene = Scene((circle, triangle), "white")

    found = held_out_in(scene)

    assert Related("purple", "circle", "above") in found
    assert found <= HELD_OUT
    assert is_held_out(scene)
    assert not is_held_out(Scene((circle,), "white"))
    assert held_out_in(Scene((triangle,), "white")) == {Single("small", "yellow", "triangle")}


def test_pairs_are_found_in_either_order() -> None:
    first, second = HELD_OUT_PAIRED[-1]
    pair = Paired(Kind(*first), Kind(*second))
    a = Object(first.shape, first.colour, "small", 15, 15)
    b = Object(second.shape, second.colour, "small", 45, 45)

    assert pair in held_out_in(Scene((a, b), "slate"))
    assert pair in held_out_in(Scene((b, a), "slate"))
