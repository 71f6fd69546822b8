"""Positions are found for any sizes, and a wanted relation is a clear one."""

from itertools import product
from types import SimpleNamespace

import numpy as np
import pytest
from janiform_plugins.world import RELATIONS, SIZES, relation_of
from janiform_plugins.world.placement import STEP, WIDE_RATIO, place_objects
from janiform_plugins.world.scene import GAP, RADII


@pytest.mark.parametrize("sizes", [sizes for number in (1, 2, 3, 4) for sizes in product(SIZES, repeat=number)])
def test_there_is_room_for_any_sizes(sizes: tuple[str, ...]) -> None:
    rng = np.random.default_rng(0)
    for _ in range(5):
        spots = place_objects(sizes, rng)
        for here, (x, y) in enumerate(spots):
            for there, (other_x, other_y) in enumerate(spots[:here]):
                apart = RADII[sizes[here]] + RADII[sizes[there]] + GAP
                assert max(abs(x - other_x), abs(y - other_y)) >= apart


def test_two_objects_may_touch_the_least_gap_and_no_less() -> None:
    rng = np.random.default_rng(1)
    gaps = []
    for _ in range(2000):
        (x, y), (other_x, other_y) = place_objects(["small", "small"], rng)
        gaps.append(max(abs(x - other_x), abs(y - other_y)) - 2 * RADII["small"])

    # The least distance on the lattice that leaves the gap.
    apart = 2 * RADII["small"] + GAP
    assert min(gaps) == apart + -apart % STEP - 2 * RADII["small"]


@pytest.mark.parametrize("relation", RELATIONS)
@pytest.mark.parametrize("sizes", [("small", "large"), ("large", "large", "small", "large")])
def test_a_wanted_relation_is_clear(relation: str, sizes: tuple[str, ...]) -> None:
    rng = np.random.default_rng(2)
    for _ in range(20):
        first, second = (SimpleNamespace(x=x, y=y) for x, y in place_objects(sizes, rng, relation)[:2])
        assert relation_of(first, second, WIDE_RATIO) == relation


def test_more_than_four_objects_are_refused() -> None:
    with pytest.raises(ValueError, match="one to four"):
        place_objects(["small"] * 5, np.random.default_rng(0))
