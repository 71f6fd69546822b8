"""Finding room: positions for objects of given sizes that keep clear of each other and of the picture's edge."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .scene import GAP, MARGIN, PICTURE_SIZE, RADII

STEP = 8
"""Centres lie on a lattice this many pixels wide. With the margin of one pixel a small object fills two by two squares
of that side and a large one three by three, so a tokenizer of such squares sees each object in one way only: a model
that two processor cores train learns from it in minutes."""
WIDE_RATIO = 2.0
"""How far a wanted relation is from the diagonal, so that a drawing that learnt from it is clear as well."""


class _Spot(NamedTuple):
    x: int
    y: int
    radius: int


def place_objects(sizes: Sequence[str], rng: np.random.Generator, relation: str | None = None) -> list[tuple[int, int]]:
    """Find a centre (x, y) for each size, uniformly at random where the objects placed before leave room.

    With ``relation``, the first object stands in it to the second, clearly so. Up to four objects always find room.
    Raises ValueError for more than four.
    """
    if not 1 <= len(sizes) <= 4:
        raise ValueError(f"a scene has one to four objects, not {len(sizes)}")
    # Large objects go first, as they find room least easily; but a relation ties the first two together.
    fixed = 2 if relation else 0
    order = [*range(fixed), *sorted(range(fixed, len(sizes)), key=lambda index: -RADII[sizes[index]])]
    while True:
        spots = _attempt([RADII[sizes[index]] for index in order], rng, relation)
        if spots is not None:
            found = dict(zip(order, spots, strict=True))
            return [(found[index].x, found[index].y) for index in range(len(sizes))]


def _attempt(radii: list[int], rng: np.random.Generator, relation: str | None) -> list[_Spot] | None:
    spots: list[_Spot] = []
    for radius, draw in zip(radii, rng.random(len(radii)).tolist(), strict=True):
        low = radius + MARGIN
        places = (PICTURE_SIZE - 2 * low) // STEP + 1
        free = np.ones((places, places), np.bool_)
        if relation is not None and len(spots) == 1:
            free = _related(spots[0], relation, low + STEP * np.arange(places))
        for other in spots:
            reach = radius + other.radius + GAP
            free[_blocked(other.y - low, reach), _blocked(other.x - low, reach)] = False
        choices = np.flatnonzero(free)
        if not len(choices):
            return None
        row, column = divmod(int(choices[int(draw * len(choices))]), places)
        spots.append(_Spot(low + STEP * column, low + STEP * row, radius))
    return spots


def _blocked(offset: int, reach: int) -> slice:
    """Return the lattice points nearer than ``reach`` to a centre that lies ``offset`` pixels from the first."""
    return slice(max(0, (offset - reach) // STEP + 1), max(0, -((-offset - reach) // STEP)))


def _related(first: _Spot, relation: str, axis: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Mark the points to which ``first`` stands in ``relation``: [rows, columns]."""
    across, along = first.x - axis[None, :], first.y - axis[:, None]
    match relation:
        case "left of":
            return -across > WIDE_RATIO * abs(along)
        case "right of":
            return across > WIDE_RATIO * abs(along)
        case "above":
            return -along > WIDE_RATIO * abs(across)
        case "below":
            return along > WIDE_RATIO * abs(across)
    raise ValueError(f"there is no relation {relation!r} in this world")
