"""Reading a picture back into objects, from its pixels alone.

Knows the palette and the outlines of the shapes, but neither the scene nor how it was drawn. It takes the background
from the edge of the picture, finds the connected parts that differ from it, names each part's colour by the nearest
of the palette to the median of its core, and fits every shape at several scales around the part's centroid.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .components import connected_components
from .outlines import Floats, inside_samples
from .scene import COLOURS, PALETTE, PICTURE_SIZE, RADII, SHAPES

CONTRAST: Final = 50.0
"""Distance from the background, in RGB levels, from which a pixel belongs to an object."""
MIN_AREA: Final = 20
"""Parts with fewer pixels are taken for noise; the smallest object covers about 90."""
HALF: Final = 16
"""Half the width of the window in which shapes are fitted, in pixels."""

_FIT_RADII: Final = (5.5, 6.25, 7.0, 7.75, 8.5, 9.5, 10.25, 11.0, 11.75, 12.5)
_FIT_DETAIL: Final = 4
_FIT_SHIFTS: Final = (-0.75, 0.0, 0.75)
_WEAKEST: Final = 0.65
_PALETTE: Final = np.array(list(PALETTE.values()), np.float32)
_SIZE_BORDER: Final = (RADII["small"] + RADII["large"]) / 2


@dataclass(frozen=True, slots=True)
class Detection:
    """An object as seen in a picture; ``x`` and ``y`` are the centre of its box in pixels.

    ``confidence`` in 0..1 is how well the part matches the ideal shape (intersection over union of soft masks), times
    how uniform its colour is. Objects of true pictures are above 0.9; below 0.6 a part is hardly a shape of this world.
    """

    shape: str
    colour: str
    size: str
    x: float
    y: float
    confidence: float


def detect_objects(picture: NDArray[np.uint8]) -> list[Detection]:
    """List what is seen in an RGB picture [64, 64, 3], from top to bottom; specks are left out.

    Raises ValueError for a picture of another size or type.
    """
    if picture.shape != (PICTURE_SIZE, PICTURE_SIZE, 3) or picture.dtype != np.uint8:
        wanted = f"uint8 [{PICTURE_SIZE}, {PICTURE_SIZE}, 3]"
        raise ValueError(f"the picture is {picture.dtype} {list(picture.shape)}, but must be {wanted}")
    pixels = picture.astype(np.float32)
    background = _background(pixels)
    difference = pixels - background
    labels, number = connected_components((difference * difference).sum(2) > CONTRAST**2)
    sizes = np.bincount(labels.ravel(), minlength=number + 1)
    return [
        _read_part(background, difference, labels == label)
        for label in range(1, number + 1)
        if sizes[label] >= MIN_AREA
    ]


def _background(pixels: Floats) -> Floats:
    edge = np.concatenate((pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]))
    middle: Floats = np.median(edge, axis=0).astype(np.float32)
    return middle


def _read_part(background: Floats, difference: Floats, part: NDArray[np.bool_]) -> Detection:
    core = _eroded(part)
    if core.sum() < MIN_AREA // 2:
        core = part
    colour, uniformity = _colour(difference[core], _PALETTE - background)
    direction = np.median(difference[core], axis=0).astype(np.float32)
    # The share of the object's colour in each pixel, as blurred or antialiased edges mix it with the background.
    share = (difference @ direction) / max(float(direction @ direction), 1.0)
    share = np.where(_dilated(part), np.clip(share, 0, 1), 0).astype(np.float32)
    fit = _fit(share)
    return Detection(
        fit.shape,
        COLOURS[colour],
        "small" if fit.radius < _SIZE_BORDER else "large",
        fit.x,
        fit.y,
        fit.match * uniformity,
    )


def _colour(core: Floats, palette: Floats) -> tuple[int, float]:
    """Return the palette index of the median of [n, 3] pixels, and the part of them that agree with it.

    Pixels and palette are differences from the background.
    """
    nearest = int(_distances(np.median(core, axis=0)[None].astype(np.float32), palette).argmin())
    agreeing = _distances(core, palette).argmin(1) == nearest
    return nearest, float(agreeing.mean())


def _distances(colours: Floats, palette: Floats) -> Floats:
    """Measure [n, 3] colours against [colours, 3]: squared distance [n, colours] to the nearest admissible mix.

    A thin shape that was blurred keeps its hue but not its strength, so mixes with the background down to
    ``_WEAKEST`` count as the colour itself.
    """
    strength = np.clip((colours @ palette.T) / (palette * palette).sum(1), _WEAKEST, 1)
    difference = colours[:, None] - strength[..., None] * palette
    squared: Floats = (difference * difference).sum(2)
    return squared


class _Fit(NamedTuple):
    shape: str
    radius: float
    x: float
    y: float
    match: float


class _Template(NamedTuple):
    shape: str
    radius: float
    x: float
    y: float


def _fit(share: Floats) -> _Fit:
    """Find the template that matches a mask [64, 64] best around its centroid."""
    total = float(share.sum()) + 1e-6
    axis = np.arange(PICTURE_SIZE, dtype=np.float32) + 0.5
    left = round(float(share.sum(0) @ axis) / total) - HALF
    top = round(float(share.sum(1) @ axis) / total) - HALF
    padded = np.pad(share, HALF)
    window = padded[top + HALF : top + 3 * HALF, left + HALF : left + 3 * HALF].reshape(-1)

    templates, masks, energies = _templates()
    shared = masks @ window
    # Intersection over union for soft masks (Tanimoto): one matrix product instead of minima over all templates.
    matches = shared / (energies + float(window @ window) - shared)
    best = int(matches.argmax())
    template = templates[best]
    # What lies outside the window is no part of the shape.
    inside = float(window.sum()) / total
    return _Fit(
        template.shape, template.radius, left + template.x, top + template.y, float(matches[best]) * min(inside, 1.0)
    )


@lru_cache(maxsize=1)
def _templates() -> tuple[list[_Template], Floats, Floats]:
    """Build every shape, radius and shift of the centroid: the templates, their masks [n, pixels], their energies."""
    templates: list[_Template] = []
    masks: list[Floats] = []
    side = 2 * HALF
    for shape in SHAPES:
        for radius in _FIT_RADII:
            samples = inside_samples(shape, radius, HALF, _FIT_DETAIL)
            # Every outline is symmetric from left to right; a triangle's centroid lies below the middle of its box.
            rows = (np.arange(side * _FIT_DETAIL) + 0.5) / _FIT_DETAIL - HALF
            sag = float(samples.sum(1) @ rows) / float(samples.sum())
            for down in _FIT_SHIFTS:
                for right in _FIT_SHIFTS:
                    steps = (round((down - sag) * _FIT_DETAIL), round(right * _FIT_DETAIL))
                    moved = np.roll(samples, steps, (0, 1)).reshape(side, _FIT_DETAIL, side, _FIT_DETAIL)
                    masks.append(moved.mean((1, 3), dtype=np.float32).reshape(-1))
                    x, y = HALF + steps[1] / _FIT_DETAIL, HALF + steps[0] / _FIT_DETAIL
                    templates.append(_Template(shape, radius, x, y))
    stacked = np.stack(masks)
    return templates, stacked, (stacked * stacked).sum(1)


def _eroded(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    inner = np.zeros_like(mask)
    inner[1:-1, 1:-1] = mask[1:-1, 1:-1] & mask[:-2, 1:-1] & mask[2:, 1:-1] & mask[1:-1, :-2] & mask[1:-1, 2:]
    return inner


def _dilated(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    wide = mask.copy()
    wide[1:] |= mask[:-1]
    wide[:-1] |= mask[1:]
    wide[:, 1:] |= mask[:, :-1]
    wide[:, :-1] |= mask[:, 1:]
    return wide
