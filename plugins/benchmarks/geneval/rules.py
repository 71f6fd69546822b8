"""GenEval's rules (arXiv:2310.11513): which detections count, and whether they are what a prompt asks for.

Torch-free. Boxes are left, top, right and bottom in pixels, so y grows downwards.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from math import copysign, hypot
from typing import TypeAlias

from attrs import frozen
from janiform_plugins.benchmarks.vision import Detection

TAGS = ("single_object", "two_object", "counting", "colors", "position", "color_attr")
"""The six tasks, in the order of the paper."""

COLOURS = ("red", "orange", "yellow", "green", "blue", "purple", "pink", "brown", "black", "white")
RELATIONS = ("left of", "right of", "above", "below")

THRESHOLD, COUNTING_THRESHOLD = 0.3, 0.9
"""An object counts if its score is greater; in the task ``counting`` it must be greater than the second one."""

MAX_OBJECTS = 16
"""The most objects of a class that count."""

_OVERLAP = 0.1
"""The part of the two objects' summed sizes by which their centres may differ without being in a relation."""

Classify: TypeAlias = Callable[[Sequence[Detection], str], Sequence[str]]
"""The colours of some objects of a class."""


@frozen
class Wanted:
    """Objects that a picture must show. ``target``: the number of the earlier entry that ``relation`` is to."""

    noun: str
    count: int
    colour: str = ""
    relation: str = ""
    target: int = 0


@frozen
class Unwanted:
    """Objects of which a picture must show fewer than ``count``."""

    noun: str
    count: int


@frozen
class Requirement:
    """What a prompt asks for."""

    include: tuple[Wanted, ...]
    exclude: tuple[Unwanted, ...] = ()

    @property
    def nouns(self) -> tuple[str, ...]:
        """The classes that matter, each once."""
        nouns = [*(wanted.noun for wanted in self.include), *(unwanted.noun for unwanted in self.exclude)]
        return tuple(dict.fromkeys(nouns))


def counted(
    detections: Mapping[str, Sequence[Detection]], tag: str, max_overlap: float = 1.0
) -> dict[str, list[Detection]]:
    """The objects that count in a task, the most certain first; without classes that have none.

    Objects that overlap a more certain one of their class by ``max_overlap`` or more (IoU) are dropped below 1.
    """
    threshold = COUNTING_THRESHOLD if tag == "counting" else THRESHOLD
    result = {}
    for noun, objects in detections.items():
        certain = sorted((some for some in objects if some.score > threshold), key=lambda some: -some.score)
        kept: list[Detection] = []
        for some in certain[:MAX_OBJECTS]:
            if max_overlap >= 1 or all(overlap(some, other) < max_overlap for other in kept):
                kept.append(some)
        if kept:
            result[noun] = kept
    return result


def faults(requirement: Requirement, objects: Mapping[str, Sequence[Detection]], classify: Classify) -> list[str]:
    """Why a picture with these objects is not what is asked for, in a sentence each; none where it is.

    ``objects`` are those that count, the most certain first.
    """
    matched: list[Sequence[Detection] | None] = []
    reasons: list[str] = []
    for wanted in requirement.include:
        chosen = objects.get(wanted.noun, ())[: wanted.count]
        wrong = list(_unmet(wanted, chosen, matched, classify))
        matched.append(None if wrong else chosen)
        reasons += wrong
    for unwanted in requirement.exclude:
        if (count := len(objects.get(unwanted.noun, ()))) >= unwanted.count:
            reasons.append(f"expected {unwanted.noun}<{unwanted.count}, found {count}")
    return reasons


def relations(first: Detection, second: Detection, overlap_allowed: float = _OVERLAP) -> set[str]:
    """The relations of the first object to the second: none, one, or two where it lies diagonally."""
    (centre, size), (other_centre, other_size) = (_centre_and_size(some.box) for some in (first, second))
    offset = [at - other_at for at, other_at in zip(centre, other_centre, strict=True)]
    shrunk = [
        copysign(max(abs(distance) - overlap_allowed * (side + other_side), 0.0), distance)
        for distance, side, other_side in zip(offset, size, other_size, strict=True)
    ]
    if all(abs(distance) < 1e-3 for distance in shrunk):
        return set()
    length = hypot(*offset)
    x, y = (distance / length for distance in shrunk)
    holds = {"left of": x < -0.5, "right of": x > 0.5, "above": y < -0.5, "below": y > 0.5}
    return {name for name, held in holds.items() if held}


def overlap(first: Detection, second: Detection) -> float:
    """Intersection over union of two boxes; right and bottom belong to a box."""
    a, b = first.box, second.box
    common = _area((max(a[0], b[0]), max(a[1], b[1]), min(a[2], b[2]), min(a[3], b[3])))
    union = _area(a) + _area(b) - common
    return common / union if union else 0.0


def _unmet(
    wanted: Wanted, chosen: Sequence[Detection], matched: Sequence[Sequence[Detection] | None], classify: Classify
) -> Iterator[str]:
    """What is wrong with the objects that were chosen for an entry."""
    noun, count = wanted.noun, wanted.count
    if len(chosen) < count:
        yield f"expected {noun}>={count}, found {len(chosen)}"
        return
    if wanted.colour:
        colours = list(classify(chosen, noun))
        if (right := colours.count(wanted.colour)) < count:
            listed = ", ".join(f"{colours.count(name)} {name}" for name in COLOURS if name in colours)
            yield f"expected {wanted.colour} {noun}>={count}, found {right} {wanted.colour}; and {listed}"
            return
    if wanted.relation:
        targets = matched[wanted.target]
        if targets is None:
            yield f"no target for {noun} to be {wanted.relation}"
            return
        for pair in ((some, target) for some in chosen for target in targets):
            if wanted.relation not in (held := relations(*pair)):
                words = " and ".join(sorted(held)) or "in no relation to"
                yield f"expected {noun} {wanted.relation} target, found {words} target"
                return


def _centre_and_size(box: Sequence[float]) -> tuple[tuple[float, float], tuple[float, float]]:
    left, top, right, bottom = box
    return ((left + right) / 2, (top + bottom) / 2), (abs(right - left), abs(bottom - top))


def _area(box: Sequence[float]) -> float:
    return max(box[2] - box[0] + 1, 0) * max(box[3] - box[1] + 1, 0)
