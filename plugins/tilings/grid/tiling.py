"""A picture as crops on a grid: the grid is the one that keeps most of its pixels, as in LLaVA-NeXT (``anyres``).

https://llava-vl.github.io/blog/2024-01-30-llava-next/, with grids of any rows and columns up to a number of tiles.
"""

from __future__ import annotations

from fractions import Fraction

import numpy as np
from janiform import Grid, Tiles
from PIL import Image

from .config import GridConfig


class GridTiling:
    """Cuts pictures. One that is not larger than what the encoder sees stays whole."""

    def __init__(self, config: GridConfig) -> None:
        self.config = config

    def cut(self, picture: Image.Image | np.ndarray, seen: Grid, background: tuple[int, int, int]) -> Tiles:
        """The lines in which a picture is seen.

        Args:
            picture: of mode RGB, or uint8 [h, w, 3].
            seen: height and width in pixels of what the encoder sees.
            background: the colour beside a picture that does not fill its grid.
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
    """The grid of at most so many tiles that shows most pixels of a picture, and of those the one that wastes least.

    A picture is scaled to fit; what it is scaled up by shows nothing new, so that small pictures have small grids.
    """

    def worth(grid: Grid) -> tuple[Fraction, Fraction, int, int]:
        across, down = grid.width * seen.width, grid.height * seen.height
        scale = min(Fraction(across, width), Fraction(down, height))
        shown = min(scale * scale, Fraction(1)) * width * height
        return shown, shown - across * down, -grid.size, -grid.height

    return max((Grid(h, w) for h in range(1, tiles + 1) for w in range(1, tiles // h + 1)), key=worth)


def _fitted(picture: Image.Image, canvas: Grid, background: tuple[int, int, int]) -> Image.Image:
    """The picture scaled into the middle of a canvas."""
    scale = min(canvas.width / picture.width, canvas.height / picture.height)
    size = [
        max(1, min(most, round(side * scale)))
        for side, most in ((picture.width, canvas.width), (picture.height, canvas.height))
    ]
    filled = Image.new("RGB", (canvas.width, canvas.height), background)
    scaled = picture.convert("RGB").resize((size[0], size[1]), Image.Resampling.BICUBIC)
    filled.paste(scaled, ((canvas.width - size[0]) // 2, (canvas.height - size[1]) // 2))
    return filled
