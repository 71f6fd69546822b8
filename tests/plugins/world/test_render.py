"""Pictures show their objects in the palette's colours, with smooth edges."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from janiform_plugins.world import BACKGROUNDS, COLOURS, SHAPES, SIZES, Object, Scene, render, sample_scene
from janiform_plugins.world.outlines import coverage
from janiform_plugins.world.scene import PALETTE, TINTS


@given(st.integers(0, 10**6))
@settings(deadline=None)
def test_objects_and_background_have_their_colours(index: int) -> None:
    scene = sample_scene(2, index)
    picture = render(scene)

    assert picture.shape == (64, 64, 3)
    assert picture.dtype == np.uint8
    assert tuple(picture[0, 0]) == TINTS[scene.background]
    for item in scene.objects:
        assert tuple(picture[item.y, item.x]) == PALETTE[item.colour]


def test_a_picture_is_not_changed_by_drawing_another() -> None:
    scene = sample_scene(0, 0)
    first = render(scene)
    first[:] = 0

    assert render(scene).any()


def test_what_lies_outside_is_cut_off() -> None:
    for x, y in ((0, 0), (64, 30), (-40, 10), (30, 100)):
        assert render(Scene((Object("circle", "red", "large", x, y),), "white")).shape == (64, 64, 3)


@pytest.mark.parametrize("shape", SHAPES)
def test_shapes_fill_their_box_and_have_smooth_edges(shape: str) -> None:
    mask = coverage(shape, 11, 13)

    assert mask.min() == 0
    assert mask.max() == 1
    rows, columns = np.nonzero(mask > 0.5)
    assert 17 <= np.ptp(rows) + 1 <= 22
    assert 18 <= np.ptp(columns) + 1 <= 22
    np.testing.assert_allclose(mask, mask[:, ::-1])


def test_every_attribute_makes_a_difference() -> None:
    pictures = {
        render(Scene((Object(shape, colour, size, 31, 31),), background)).tobytes()
        for shape in SHAPES
        for colour in COLOURS
        for size in SIZES
        for background in BACKGROUNDS
    }

    assert len(pictures) == len(SHAPES) * len(COLOURS) * len(SIZES) * len(BACKGROUNDS)
