"""The drawing benchmark in the six categories of GenEval (Ghosh et al. 2023, arXiv:2310.11513), for coloured shapes.

Every prompt asks for a held-out composition (:mod:`.compositions`):

* ``one_object``: one object alone, of a held-out size, colour and shape; all three are judged;
* ``two_objects``: two shapes of one colour, a held-out pair;
* ``counting``: a held-out number, two to four, of objects of one colour and shape;
* ``colours``: two objects of one shape in two colours, a held-out pair;
* ``position``: two objects with their colours, the first in a relation that is held out for it;
* ``colour_attribution``: two objects that differ in shape and colour, a held-out pair.

A picture is correct if the detected objects are exactly the requested ones (number, shape, colour, and size where it is
named), each is a clear instance of its shape, and their centres are in the requested relation. The background and all
that the prompt does not mention are free. As in GenEval, the score of a category is the fraction of its pictures that
are correct, and the overall score is the mean of the six.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import permutations
from typing import Final, NamedTuple

import numpy as np

from .captions import REQUEST_FRAMES, framed, list_body, relation_body
from .compositions import (
    HELD_OUT_COUNTED,
    HELD_OUT_DIFFERENT,
    HELD_OUT_RELATED,
    HELD_OUT_SAME_COLOUR,
    HELD_OUT_SAME_SHAPE,
    HELD_OUT_SINGLE,
    Paired,
)
from .phrases import Phrase, chance, pick
from .scene import COLOURS, SHAPES, relation_of
from .verifier import Detection

CATEGORIES: Final = ("one_object", "two_objects", "counting", "colours", "position", "colour_attribution")
MIN_CONFIDENCE: Final = 0.6
"""An object with less confidence is not a clear instance of a shape, and makes a picture incorrect."""


@dataclass(frozen=True, slots=True)
class Requirement:
    """The content required of a picture: exactly ``objects``, the first of two in ``relation`` to the second."""

    objects: tuple[Phrase, ...]
    relation: str | None = None


class DrawingPrompt(NamedTuple):
    """A prompt, and the requirement that its drawing is judged by."""

    category: str
    text: str
    requirement: Requirement


def prompts(category: str, n: int, seed: int) -> list[DrawingPrompt]:
    """Write ``n`` prompts of a category: its held-out compositions in turn, in varied words.

    Texts are distinct where enough variants exist. The same (category, n, seed) gives the same prompts, and a longer
    list starts with the shorter one. Raises ValueError for an unknown category.
    """
    if category not in CATEGORIES:
        raise ValueError(f"category {category!r} does not exist; the categories are {', '.join(CATEGORIES)}")
    rng = np.random.default_rng([seed, CATEGORIES.index(category)])
    compositions = _in_turn(_COMPOSITIONS[category](), rng)
    used: set[str] = set()
    written: list[DrawingPrompt] = []
    while len(written) < n:
        requirement = _with_second_object(next(compositions), rng)
        text = _phrased(requirement, rng)
        for _ in range(50):
            if text not in used:
                break
            text = _phrased(requirement, rng)
        used.add(text)
        written.append(DrawingPrompt(category, text, requirement))
    return written


def judge(requirement: Requirement, detected: Sequence[Detection]) -> bool:
    """Return whether the objects detected in a picture are exactly the required ones."""
    if len(detected) != len(requirement.objects) or any(item.confidence < MIN_CONFIDENCE for item in detected):
        return False
    return any(
        all(phrase.fits(item) for phrase, item in zip(requirement.objects, order, strict=True))
        and (requirement.relation is None or relation_of(order[0], order[1]) == requirement.relation)
        for order in permutations(detected)
    )


def _one_object() -> list[Requirement]:
    return [Requirement((Phrase(c.colour, c.shape, c.size),)) for c in HELD_OUT_SINGLE]


def _counting() -> list[Requirement]:
    return [Requirement((Phrase(c.colour, c.shape),) * c.number) for c in HELD_OUT_COUNTED]


def _position() -> list[Requirement]:
    return [Requirement((Phrase(c.colour, c.shape),), c.relation) for c in HELD_OUT_RELATED]


def _pairs(compositions: Sequence[Paired]) -> Callable[[], list[Requirement]]:
    return lambda: [Requirement((Phrase(*pair.first), Phrase(*pair.second))) for pair in compositions]


_COMPOSITIONS: Final[dict[str, Callable[[], list[Requirement]]]] = {
    "one_object": _one_object,
    "two_objects": _pairs(HELD_OUT_SAME_COLOUR),
    "counting": _counting,
    "colours": _pairs(HELD_OUT_SAME_SHAPE),
    "position": _position,
    "colour_attribution": _pairs(HELD_OUT_DIFFERENT),
}


def _in_turn(requirements: Sequence[Requirement], rng: np.random.Generator) -> Iterator[Requirement]:
    while True:
        for index in rng.permutation(len(requirements)):
            yield requirements[int(index)]


def _with_second_object(requirement: Requirement, rng: np.random.Generator) -> Requirement:
    """Add the second object of a relation, of another kind than the first."""
    if requirement.relation is None:
        return requirement
    first = requirement.objects[0]
    second = first
    while second == first:
        second = Phrase(pick(COLOURS, rng), pick(SHAPES, rng))
    return Requirement((first, second), requirement.relation)


def _phrased(requirement: Requirement, rng: np.random.Generator) -> str:
    phrases = list(requirement.objects)
    if requirement.relation is not None:
        body, plural = relation_body(phrases[0], requirement.relation, phrases[1], rng), False
    else:
        phrases = [phrases[int(i)] for i in rng.permutation(len(phrases))]
        body, plural = list_body([(phrase, phrases.count(phrase)) for phrase in dict.fromkeys(phrases)], rng)
    if chance(0.2, rng):
        return pick(REQUEST_FRAMES, rng).format(body)
    return framed(body, plural, rng)
