"""The drawing benchmark in the six categories of GenEval (Ghosh et al. 2023, arXiv:2310.11513), for this world.

Every prompt asks for a composition that training never shows (:mod:`.compositions`):

* ``one_object``: one object alone, of a held-out size, colour and shape; all three are judged;
* ``two_objects``: two shapes of one colour, a held-out pair;
* ``counting``: a held-out number, two to four, of objects of one colour and shape;
* ``colours``: two objects of one shape in two colours, a held-out pair;
* ``position``: two objects with their colours, the first in a relation that is held out for it;
* ``colour_attribution``: two objects that differ in shape and colour, a held-out pair.

A picture is right when the objects that are seen in it are exactly those asked for (number, shape, colour, and size
where it is named), each a clear instance of its shape, and when their centres stand in the relation asked for. The
background and everything that the prompt leaves open are free. As in GenEval, the score of a category is the part of
all its pictures that are right, and the overall score is the mean of the six.
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
LEAST_CONFIDENCE: Final = 0.6
"""What is seen with less confidence is no clear instance of a shape, and makes a picture wrong."""


@dataclass(frozen=True, slots=True)
class Requirement:
    """What a picture must show: exactly ``objects``, and the first of two in ``relation`` to the second."""

    objects: tuple[Phrase, ...]
    relation: str | None = None


class DrawingPrompt(NamedTuple):
    """A text to draw from, and what the drawing is judged by."""

    category: str
    text: str
    requirement: Requirement


def prompts(category: str, n: int, seed: int) -> list[DrawingPrompt]:
    """Write ``n`` prompts of a category: its held-out compositions in turn, in varied wording.

    Texts are distinct as far as the wordings allow. The same (category, n, seed) gives the same prompts, and a longer
    list starts with the shorter one. Raises ValueError for a category that does not exist.
    """
    if category not in CATEGORIES:
        raise ValueError(f"there is no category {category!r}; it is one of {', '.join(CATEGORIES)}")
    rng = np.random.default_rng([seed, CATEGORIES.index(category)])
    compositions = _in_turn(_COMPOSITIONS[category](), rng)
    seen: set[str] = set()
    found: list[DrawingPrompt] = []
    while len(found) < n:
        requirement = _completed(next(compositions), rng)
        text = _worded(requirement, rng)
        for _ in range(50):
            if text not in seen:
                break
            text = _worded(requirement, rng)
        seen.add(text)
        found.append(DrawingPrompt(category, text, requirement))
    return found


def judge(requirement: Requirement, seen: Sequence[Detection]) -> bool:
    """Tell whether what is seen in a picture is exactly what was asked for."""
    if len(seen) != len(requirement.objects) or any(item.confidence < LEAST_CONFIDENCE for item in seen):
        return False
    return any(
        all(phrase.fits(item) for phrase, item in zip(requirement.objects, order, strict=True))
        and (requirement.relation is None or relation_of(order[0], order[1]) == requirement.relation)
        for order in permutations(seen)
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


def _completed(requirement: Requirement, rng: np.random.Generator) -> Requirement:
    """Give a relation its second object, of another kind than the first."""
    if requirement.relation is None:
        return requirement
    first = requirement.objects[0]
    second = first
    while second == first:
        second = Phrase(pick(COLOURS, rng), pick(SHAPES, rng))
    return Requirement((first, second), requirement.relation)


def _worded(requirement: Requirement, rng: np.random.Generator) -> str:
    phrases = list(requirement.objects)
    if requirement.relation is not None:
        body, plural = relation_body(phrases[0], requirement.relation, phrases[1], rng), False
    else:
        phrases = [phrases[int(i)] for i in rng.permutation(len(phrases))]
        body, plural = list_body([(phrase, phrases.count(phrase)) for phrase in dict.fromkeys(phrases)], rng)
    if chance(0.2, rng):
        return pick(REQUEST_FRAMES, rng).format(body)
    return framed(body, plural, rng)
