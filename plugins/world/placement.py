"""Positions for objects of given sizes, apart from each other and from the edge of the picture."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .scene import GAP, MARGIN, PICTURE_SIZE, RADII, Object

STEP = 8
"""Spacing of the lattice of centres, in pixels. With the margin of one pixel, a small object fills two by two squares
of this side and a large one three by three, so that a tokenizer of such squares has only one encoding of each object,
which a small model learns in minutes on two CPU cores."""
WIDE_RATIO = 2.0
"""Minimum ratio of the two distances for a requested relation, so that models learn to draw clear relations."""


class _Spot(NamedTuple):
    x: int
    y: int
    radius: int


def place_objects(sizes: Sequence[str], rng: np.random.Generator, relation: str | None = None) -> list[tuple[int, int]]:
    """Find a centre (x, y) for each size, uniformly at random among the positions that earlier objects leave free.

    With ``relation``, the first object is clearly in this relation to the second. Up to four objects always fit. Raises
    ValueError for more than four.
    """
    if not 1 <= len(sizes) <= 4:
        raise ValueError(f"a scene has one to four objects, not {len(sizes)}")
    # Large objects are placed first, since they fit least easily; but a relation ties the first two together.
    fixed = 2 if relation else 0
    order = [*range(fixed), *sorted(range(fixed, len(sizes)), key=lambda index: -RADII[sizes[index]])]
    while True:
        spots = _attempt([RADII[sizes[index]] for index in order], rng, relation)
        if spots is not None:
            by_index = dict(zip(order, spots, strict=True))
            return [(by_index[index].x, by_index[index].y) for index in range(len(sizes))]


def free_places(size: str, others: Sequence[Object]) -> list[tuple[int, int]]:
    """Find all centres (x, y) on the lattice for an object of this size, apart from ``others``, in reading order."""
    radius = RADII[size]
    spots = [_Spot(item.x, item.y, item.radius) for item in others]
    low = radius + MARGIN
    rows, columns = np.nonzero(_free(radius, spots))
    return [(low + STEP * int(column), low + STEP * int(row)) for row, column in zip(rows, columns, strict=True)]


def cell_of(item: Object) -> tuple[int, int]:
    """The row and column of the lattice's square that holds the upper left of an object's box, counted from 1."""
    low = item.radius + MARGIN
    return (item.y - low) // STEP + 1, (item.x - low) // STEP + 1


def _attempt(radii: list[int], rng: np.random.Generator, relation: str | None) -> list[_Spot] | None:
    spots: list[_Spot] = []
    for radius, draw in zip(radii, rng.random(len(radii)).tolist(), strict=True):
        low = radius + MARGIN
        free = _free(radius, spots)
        if relation is not None and len(spots) == 1:
            free &= _related(spots[0], relation, low + STEP * np.arange(len(free)))
        choices = np.flatnonzero(free)
        if not len(choices):
            return None
        row, column = divmod(int(choices[int(draw * len(choices))]), len(free))
        spots.append(_Spot(low + STEP * column, low + STEP * row, radius))
    return spots


def _free(radius: int, spots: Sequence[_Spot]) -> NDArray[np.bool_]:
    """Mark the lattice points for a centre that are apart from all spots: [rows, columns]."""
    low = radius + MARGIN
    count = (PICTURE_SIZE - 2 * low) // STEP + 1
    free = np.ones((count, count), np.bool_)
    for other in spots:
        reach = radius + other.radius + GAP
        free[_blocked(other.y - low, reach), _blocked(other.x - low, reach)] = False
    return free


def _blocked(offset: int, reach: int) -> slice:
    """Return the lattice points nearer than ``reach`` to a centre that lies ``offset`` pixels from the first."""
    return slice(max(0, (offset - reach) // STEP + 1), max(0, -((-offset - reach) // STEP)))


def _related(first: _Spot, relation: str, axis: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Mark the points to which ``first`` is in ``relation``: [rows, columns]."""
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
    raise ValueError(f"relation {relation!r} does not exist")
