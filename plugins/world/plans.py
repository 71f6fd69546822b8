"""Plans: a caption, and the positions of its objects in words, without a picture.

To draw "a red cross below a purple circle" from top to bottom, a model must know which of the two comes first, and
which words describe it. A picture of 64 codes teaches that in two or three codes, a plan in every word: ``"top purple
circle, bottom red cross"``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from .captions import description, framed, list_body, relation_body
from .phrases import NUMBER_WORDS, Phrase, chance, describe, pick
from .questions import Question
from .scene import Object, Scene, in_reading_order, region_of, relation_of

NAMED: Final = (("colour", "shape"), ("shape", "colour"), ("shape",), ("colour",))
"""Attributes of each object in a plan, after its position or number."""
SIDES: Final = {
    "above": ("top", "bottom"),
    "below": ("bottom", "top"),
    "left of": ("left", "right"),
    "right of": ("right", "left"),
}
"""Relation -> the sides of the first and of the second object."""


def plan(scene: Scene, rng: np.random.Generator) -> Question:
    """Ask for the plan of a caption: of a relation, of positions, or of a list, whose objects are drawn in its order.

    The text is the caption and, on a separate line, the request; the answer lists the objects in random order, each
    after its side, position or number.
    """
    objects = in_reading_order(scene.objects)
    relation = relation_of(objects[0], objects[1]) if len(objects) == 2 else None
    if relation is not None and objects[0].kind != objects[1].kind and chance(0.6, rng):
        a, b = (describe(item, size=chance(0.4, rng)) for item in objects)
        return _plan(framed(relation_body(a, relation, b, rng), False, rng), "place", SIDES[relation], objects, rng)
    regions = [region for item in objects if (region := region_of(item)) is not None]
    if len(set(regions)) == len(objects) and chance(0.5, rng):
        return _plan(description(scene), "place", regions, objects, rng)
    size = chance(0.4, rng)
    groups: dict[Phrase, list[Object]] = {}
    for item in objects:
        groups.setdefault(describe(item, size=size), []).append(item)
    text = framed(*list_body([(describe(items[0], size=size), len(items)) for items in groups.values()], rng), rng)
    in_words = [item for items in groups.values() for item in items]
    return _plan(text, "number", NUMBER_WORDS[1:], in_words, rng)


def _plan(
    text: str, key: str, positions: Sequence[str], objects: Sequence[Object], rng: np.random.Generator
) -> Question:
    """Write the plan of a caption whose objects are at ``positions``, the first of them where there are more."""
    named = pick(NAMED, rng)
    parts = [
        " ".join((position, *(getattr(item, name) for name in named)))
        for position, item in zip(positions, objects, strict=False)
    ]
    answer = ", ".join(parts[int(i)] for i in rng.permutation(len(parts)))
    return Question("plan", f"{text}\nlist {', '.join((key, *named))}", answer)
