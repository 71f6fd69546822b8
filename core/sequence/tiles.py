"""A picture cut into tiles, so that an encoder of one size sees the details of a large picture. Torch-free."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import field, frozen

if TYPE_CHECKING:
    from .conversation import Picture


@frozen(eq=False)
class Tiles:
    """The tiles of one picture: lines of pictures, in reading order.

    A line is a row of crops from the left, or the whole picture as an overview. Each of them takes the positions of a
    picture of the pathway; the layout writes what separates them.
    """

    lines: tuple[tuple[Picture, ...], ...] = field(repr=False)

    @property
    def count(self) -> int:
        """The number of tiles."""
        return sum(map(len, self.lines))
