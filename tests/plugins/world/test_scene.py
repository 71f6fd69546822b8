"""Relations and regions are claimed only when they are clear."""

import math
from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st
from janiform_plugins.world import PICTURE_SIZE, region_of, relation_of
from janiform_plugins.world.scene import OPPOSITE, PALETTE, RADII, TINTS


@dataclass(frozen=True)
class Point:
    x: float
    y: float


coordinates = st.integers(0, PICTURE_SIZE)
points = st.builds(Point, coordinates, coordinates)


@given(points, points)
def test_a_relation_is_the_opposite_seen_from_the_other_side(a: Point, b: Point) -> None:
    there, back = relation_of(a, b), relation_of(b, a)

    assert back == (OPPOSITE[there] if there else None)


@given(points, points)
def test_a_relation_agrees_with_the_sides_and_is_not_diagonal(a: Point, b: Point) -> None:
    relation = relation_of(a, b)

    dx, dy = a.x - b.x, a.y - b.y
    truths = {"left of": dx < 0, "right of": dx > 0, "above": dy < 0, "below": dy > 0, None: True}
    assert truths[relation]
    if abs(dx) == abs(dy):
        assert relation is None


def test_regions_are_the_ninths_of_the_picture() -> None:
    names = [region_of(Point(x, y)) for y in (10, 32, 54) for x in (10, 32, 54)]

    assert names == [
        *("top left", "top", "top right"),
        *("left", "centre", "right"),
        *("bottom left", "bottom", "bottom right"),
    ]
    assert region_of(Point(26, 10)) is None


def test_colours_sizes_and_backgrounds_can_be_told_apart() -> None:
    colours = list(PALETTE.values())

    assert min(math.dist(a, b) for a in colours for b in colours if a != b) > 75
    assert min(math.dist(a, b) for a in colours for b in TINTS.values()) > 100
    assert RADII["large"] / RADII["small"] > 1.5
