"""Components agree with a plain flood fill."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from janiform_plugins.world.components import connected_components
from numpy.typing import NDArray


def flood(mask: NDArray[np.bool_]) -> set[frozenset[tuple[int, int]]]:
    left = {(int(y), int(x)) for y, x in zip(*np.nonzero(mask), strict=True)}
    parts = set()
    while left:
        part, edge = set(), [left.pop()]
        while edge:
            y, x = edge.pop()
            part.add((y, x))
            near = {(y - 1, x), (y + 1, x), (y, x - 1), (y, x + 1)} & left
            left -= near
            edge.extend(near)
        parts.add(frozenset(part))
    return parts


@given(st.integers(1, 9), st.integers(1, 9), st.integers(0, 2**32), st.floats(0.2, 0.8))
@settings(deadline=None)
def test_parts_are_those_of_a_flood_fill(height: int, width: int, seed: int, density: float) -> None:
    mask = np.random.default_rng(seed).random((height, width)) < density

    labels, number = connected_components(mask)

    parts = {
        frozenset((int(y), int(x)) for y, x in zip(*np.nonzero(labels == label), strict=True))
        for label in range(1, number + 1)
    }
    assert parts == flood(mask)
    assert ((labels > 0) == mask).all()
