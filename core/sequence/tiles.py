"""A picture cut up, so that a model which sees pictures of one size sees a large one in its details. Torch-free."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import field, frozen

if TYPE_CHECKING:
    from .conversation import Picture


@frozen(eq=False)
class Tiles:
    """What is seen of one picture: lines of pictures, in the order in which they are read.

    A line is a row of crops from the left, or the whole picture as an overview. Each picture in it takes the positions
    that a picture of the pathway takes; what stands between them is the layout's.
    """

    lines: tuple[tuple[Picture, ...], ...] = field(repr=False)

    @property
    def count(self) -> int:
        return sum(map(len, self.lines))
