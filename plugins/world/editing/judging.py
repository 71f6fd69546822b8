"""Judging an edited picture: was the change made, and was everything else kept?

An object that the edit does not name is kept if the detected objects include one of its shape, colour and size whose
centre is less than half a step of the lattice away on both axes: the verifier's centres are within about a pixel, and
the nearest other place on the lattice is a whole step away. Each detected object stands for at most one.

The change is made if the other detected objects include every changed one as the edit asks for it. One that stays where
it is, or takes another's place, may be off by half a step, and by the difference of the radii where sizes change, since
objects of different sizes are on different lattices. One that is moved or added must be in the ninth or relation that
the edit names, and where an object is moved away or removed, none may remain.

Objects that are not clear instances of a shape count as neither; they and all objects without a role make a picture
wrong.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ..geneval import MIN_CONFIDENCE
from ..phrases import describe
from ..placement import STEP
from ..scene import MARGIN, PICTURE_SIZE, RADII, Object, Placed, region_of, relation_of
from ..verifier import CONTRAST, Detection
from .edit import Edit

TOLERANCE: Final = STEP / 2
"""Distance on either axis, in pixels, from which an object is not at its place."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """Whether the change of an edit was ``made``, and the fraction of other objects ``kept``, 1 if there are none.

    ``right``: the change was made, all other objects were kept, and the picture shows nothing else. ``changed`` are the
    detected objects that make the change; ``extra`` is the number of detected objects that the edit does not explain.
    """

    made: bool
    kept: float
    right: bool
    changed: tuple[Detection, ...]
    extra: int


def judge_edit(edit: Edit, detected: Sequence[Detection]) -> Judgement:
    """Judge the objects that were detected in the picture that a model drew for an edit."""
    clear = [item for item in detected if item.confidence >= MIN_CONFIDENCE]
    matches = {index: _match(item, clear) for index, item in enumerate(edit.kept)}
    kept = {index: item for index, item in matches.items() if item is not None}
    rest = [item for item in clear if not any(item is match for match in kept.values())]
    changed = _changed(edit, rest, _other(edit, kept))
    made = changed is not None and not _remains(edit, rest, changed)
    extra = len(detected) - len(kept) - len(changed or ())
    share = len(kept) / len(edit.kept) if edit.kept else 1.0
    return Judgement(made, share, made and share == 1 and extra == 0, tuple(changed or ()), extra)


def pixels_kept(
    edit: Edit, source: NDArray[np.uint8], picture: NDArray[np.uint8], changed: Sequence[Detection]
) -> float:
    """Return the fraction of pixels outside of the change that are as in the source, which is rendered.

    Outside of the change means outside of the boxes of the changed objects, with their margin, before and after; after
    is where ``changed`` were detected, or if none were, where the target has them. A pixel is as in the source if its
    colour is nearer than the contrast from which the verifier takes it for an object's.
    """
    outside = np.ones((PICTURE_SIZE, PICTURE_SIZE), np.bool_)
    for item in (*edit.before, *(changed or edit.after)):
        reach = RADII[item.size] + MARGIN
        rows, columns = (
            slice(max(0, round(centre) - reach), max(0, round(centre) + reach)) for centre in (item.y, item.x)
        )
        outside[rows, columns] = False
    difference = picture.astype(np.float32) - source
    same = (difference * difference).sum(2) < CONTRAST**2
    return float(same[outside].mean())


def _match(item: Object, detected: Sequence[Detection]) -> Detection | None:
    """Find the object at its place; there is at most one, since objects are further apart than the tolerance."""
    phrase = describe(item, size=True)
    return next((other for other in detected if phrase.fits(other) and _near(other, item, TOLERANCE)), None)


def _other(edit: Edit, kept: dict[int, Detection]) -> Placed | None:
    """Return the object that the goal refers to where it was detected, or else where it was in the source."""
    index = next((index for index, item in enumerate(edit.kept) if item is edit.goal.other), None)
    return edit.goal.other if index is None else kept.get(index, edit.goal.other)


def _changed(edit: Edit, rest: Sequence[Detection], other: Placed | None) -> list[Detection] | None:
    """Find the changed objects as the edit asks for them among ``rest``, or return None where one is missing."""
    found: list[Detection] = []
    for number, (phrase, after) in enumerate(zip(edit.asked, edit.after, strict=True)):
        candidates = [
            item
            for item in rest
            if phrase.fits(item) and not any(item is one for one in found) and _placed(edit, number, after, item, other)
        ]
        if not candidates:
            return None
        found.append(candidates[0])
    return found


def _placed(edit: Edit, number: int, after: Object, item: Detection, other: Placed | None) -> bool:
    """Return whether a detected object is where the edit wants changed object ``number``."""
    goal = edit.goal
    if goal.region is not None:
        return region_of(item, 0) == goal.region
    if goal.relation is not None and other is not None:
        return relation_of(item, other) == goal.relation
    if not edit.before:
        return True
    old = edit.before[-1 - number if edit.kind == "swap" else number]
    return _near(item, old, TOLERANCE + abs(after.radius - old.radius))


def _remains(edit: Edit, rest: Sequence[Detection], changed: Sequence[Detection]) -> bool:
    """Return whether an object is left where the edit takes one away."""
    if edit.kind not in ("move", "remove"):
        return False
    left = [item for item in rest if not any(item is one for one in changed)]
    return any(_near(item, old, old.radius) for item in left for old in edit.before)


def _near(item: Placed, place: Placed, tolerance: float) -> bool:
    return abs(item.x - place.x) < tolerance and abs(item.y - place.y) < tolerance
