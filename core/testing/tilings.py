"""Conformance tests of tilings."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
from PIL import Image

from ..contracts.factories import make
from ..ports import Grid
from ..sequence.tiles import Tiles
from .case import Case, require
from .common import keeps_its_config_through_a_recipe

_SIZE = Grid(16, 16)
_SHAPES = ((16, 16), (8, 8), (40, 30), (30, 200), (1, 1), (64, 1))
"""Widths and heights of pictures, among them ones that are smaller than a tile, or much longer than wide."""


def _pictures() -> list[Image.Image]:
    chance = np.random.default_rng(0)
    return [Image.fromarray(chance.integers(0, 256, (height, width, 3), dtype=np.uint8)) for width, height in _SHAPES]


def _cut(case: Case, picture: Any) -> Any:
    return make(case.component, case.config).cut(picture, _SIZE, (127, 127, 127))


def cuts_tiles_of_the_size(case: Case) -> None:
    """Tiles have the encoder's size, or are the whole picture, and are at most as many as the config declares."""
    for picture in _pictures():
        tiles = _cut(case, picture)
        require(isinstance(tiles, Tiles), f"{case.name}: `cut` gives {type(tiles).__name__}, not janiform.Tiles")
        require(
            1 <= tiles.count <= case.config.most,
            f"{case.name}: cuts a picture of {picture.size} into {tiles.count} tiles, but `most` is {case.config.most}",
        )
        for tile in (tile for line in tiles.lines for tile in line):
            require(
                tile is picture or getattr(tile, "size", None) == (_SIZE.width, _SIZE.height),
                f"{case.name}: a tile is {getattr(tile, 'size', type(tile).__name__)}, neither the picture itself nor "
                f"of the size {(_SIZE.width, _SIZE.height)}",
            )


def cuts_arrays_as_pictures(case: Case) -> None:
    """An array uint8 [h, w, 3] gives the same tiles as the picture, and the input is left as it is."""
    for picture in _pictures():
        array = np.asarray(picture).copy()
        before = array.copy()
        of_array, of_picture = (_pixels(_cut(case, some)) for some in (array, picture))
        require(of_array == of_picture, f"{case.name}: cuts an array into other tiles than the same picture")
        require(np.array_equal(array, before), f"{case.name}: changes the picture that it is given")


def cuts_alike_in_another_process(case: Case) -> None:
    """Tiles depend on the picture alone, and a tiling can be sent to a data worker."""
    tiling = make(case.component, case.config)
    copy = pickle.loads(pickle.dumps(tiling))
    for picture in _pictures():
        one, other = (_pixels(some.cut(picture, _SIZE, (0, 0, 0))) for some in (tiling, copy))
        require(one == other, f"{case.name}: cuts a picture in another way when it is cut again")


def _pixels(tiles: Tiles) -> list[list[tuple[tuple[int, ...], bytes]]]:
    return [[(np.asarray(tile).shape, np.asarray(tile).tobytes()) for tile in line] for line in tiles.lines]


TILING_CHECKS: tuple[Callable[[Case], None], ...] = (
    cuts_tiles_of_the_size,
    cuts_arrays_as_pictures,
    cuts_alike_in_another_process,
    keeps_its_config_through_a_recipe,
)
