"""Scenes: objects on a plain background, and the relations between them.

Coordinates are in pixels with the origin in the top left corner; pixel ``i`` covers ``[i, i + 1]``, so an object whose
centre is a whole number is symmetric about the edge between two pixels.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple, Protocol

PICTURE_SIZE: Final = 64
SHAPES: Final = ("circle", "square", "triangle", "cross")
SIZES: Final = ("small", "large")
RELATIONS: Final = ("left of", "right of", "above", "below")

PALETTE: Final[dict[str, tuple[int, int, int]]] = {
    "red": (216, 38, 52),
    "green": (38, 168, 76),
    "blue": (44, 98, 226),
    "yellow": (250, 212, 52),
    "purple": (148, 62, 190),
    "orange": (245, 132, 28),
}
"""RGB value of every object colour."""
COLOURS: Final = tuple(PALETTE)

TINTS: Final[dict[str, tuple[int, int, int]]] = {
    "white": (246, 246, 244),
    "silver": (208, 212, 216),
    "slate": (64, 68, 78),
}
"""RGB value of every background."""
BACKGROUNDS: Final = tuple(TINTS)
LIGHT_BACKGROUNDS: Final = ("white", "silver")

RADII: Final[dict[str, int]] = {"small": 7, "large": 11}
"""Half the width of an object in pixels; areas differ by a factor of about 2.5."""
GAP: Final = 4
"""Minimum distance between the boxes of two objects, in pixels."""
MARGIN: Final = 1
"""Minimum distance between an object's box and the edge of the picture, in pixels."""
CLEAR_RATIO: Final = 1.25
"""A relation holds if the distance along its axis exceeds that along the other axis by this factor."""

OPPOSITE: Final[dict[str, str]] = {"left of": "right of", "right of": "left of", "above": "below", "below": "above"}


class Kind(NamedTuple):
    """The kind of an object: its colour and shape."""

    colour: str
    shape: str


@dataclass(frozen=True, slots=True)
class Object:
    """One object; ``x`` and ``y`` are the centre of its box in pixels."""

    shape: str
    colour: str
    size: str
    x: int
    y: int

    @property
    def radius(self) -> int:
        """Half the width of the object's box, in pixels."""
        return RADII[self.size]

    @property
    def kind(self) -> Kind:
        """Colour and shape."""
        return Kind(self.colour, self.shape)


@dataclass(frozen=True, slots=True)
class Scene:
    """One to four objects, apart from each other, on a background of :data:`BACKGROUNDS`."""

    objects: tuple[Object, ...]
    background: str

    @property
    def is_dark(self) -> bool:
        """Whether the background is dark."""
        return self.background not in LIGHT_BACKGROUNDS


class Placed(Protocol):
    """Anything with a centre: an object of a scene, or one that was detected in a picture."""

    @property
    def x(self) -> float:
        """Centre, pixels from the left."""

    @property
    def y(self) -> float:
        """Centre, pixels from the top."""


def relation_of(a: Placed, b: Placed, ratio: float = CLEAR_RATIO) -> str | None:
    """Return the relation of ``a`` to ``b``: ``"left of"`` means that ``a`` is left of ``b``.

    The axis with the longer distance between the centres decides; None if neither is longer by ``ratio``.
    """
    dx, dy = a.x - b.x, a.y - b.y
    across, along = abs(dx), abs(dy)
    if across > ratio * along:
        return "left of" if dx < 0 else "right of"
    if along > ratio * across:
        return "above" if dy < 0 else "below"
    return None


def in_reading_order(objects: Sequence[Object]) -> list[Object]:
    """Sort objects in reading order: by the upper edges of their boxes, then from left to right."""
    return sorted(objects, key=lambda item: (item.y - item.radius, item.x))


def region_of(item: Placed, margin: float = 2.0) -> str | None:
    """Return the ninth of the picture that ``item`` is in: ``"top left"``, ``"top"``, ..., ``"centre"``.

    None if the centre is within ``margin`` pixels of a border between two ninths.
    """
    column, row = _third(item.x, margin), _third(item.y, margin)
    if column is None or row is None:
        return None
    vertical = ("top", "", "bottom")[row]
    horizontal = ("left", "", "right")[column]
    return f"{vertical} {horizontal}".strip() or "centre"


def _third(value: float, margin: float) -> int | None:
    first, second = PICTURE_SIZE * 0.4, PICTURE_SIZE * 0.6
    if min(abs(value - first), abs(value - second)) < margin:
        return None
    return int(value > first) + int(value > second)
