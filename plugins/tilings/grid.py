"""A picture as crops on the grid that keeps most of its pixels, as in LLaVA-NeXT (``anyres``).

https://llava-vl.github.io/blog/2024-01-30-llava-next/, with grids of any rows and columns up to a number of tiles.
"""

from __future__ import annotations

from fractions import Fraction

import numpy as np
from janiform import Grid, Tiles
from PIL import Image

from .config import GridConfig


class GridTiling:
    """Cut pictures that are larger than the encoder's input; smaller ones stay whole."""

    def __init__(self, config: GridConfig) -> None:
        self.config = config

    def cut(self, picture: Image.Image | np.ndarray, seen: Grid, background: tuple[int, int, int]) -> Tiles:
        """The crops of a picture, row by row, with the overview.

        Args:
            picture: an RGB picture, or uint8 [h, w, 3].
            seen: height and width of the encoder's input, in pixels.
            background: colour of the area that the picture does not fill.
        """
        whole = picture if isinstance(picture, Image.Image) else Image.fromarray(picture)
        grid = choose(whole.width, whole.height, seen, self.config.tiles)
        if grid.size == 1:
            return Tiles(((picture,),))
        canvas = _fitted(whole, Grid(grid.height * seen.height, grid.width * seen.width), background)
        rows = [
            tuple(
                canvas.crop(
                    (column * seen.width, row * seen.height, (column + 1) * seen.width, (row + 1) * seen.height)
                )
                for column in range(grid.width)
            )
            for row in range(grid.height)
        ]
        overview = [] if self.config.overview == "none" else [(picture,)]
        return Tiles(tuple([*overview, *rows] if self.config.overview == "first" else [*rows, *overview]))


def choose(width: int, height: int, seen: Grid, tiles: int) -> Grid:
    """The grid of at most ``tiles`` tiles that shows most pixels of a picture, and among those wastes the least area.

    A picture is scaled to fit. Upscaling shows no more pixels, so small pictures get small grids.
    """

    def score(grid: Grid) -> tuple[Fraction, Fraction, int, int]:
        across, down = grid.width * seen.width, grid.height * seen.height
        scale = min(Fraction(across, width), Fraction(down, height))
        shown = min(scale * scale, Fraction(1)) * width * height
        return shown, shown - across * down, -grid.size, -grid.height

    return max((Grid(h, w) for h in range(1, tiles + 1) for w in range(1, tiles // h + 1)), key=score)


def _fitted(picture: Image.Image, canvas: Grid, background: tuple[int, int, int]) -> Image.Image:
    """The picture, scaled to fit and centred on a canvas."""
    scale = min(canvas.width / picture.width, canvas.height / picture.height)
    size = [
        max(1, min(most, round(side * scale)))
        for side, most in ((picture.width, canvas.width), (picture.height, canvas.height))
    ]
    filled = Image.new("RGB", (canvas.width, canvas.height), background)
    scaled = picture.convert("RGB").resize((size[0], size[1]), Image.Resampling.BICUBIC)
    filled.paste(scaled, ((canvas.width - size[0]) // 2, (canvas.height - size[1]) // 2))
    return filled
