"""Plans: a caption, and in words where the items go that it names. Nothing is drawn or seen.

To draw "a red cross below a purple circle" from the top, a model has to know which of the two comes first, and which
words are about it. A picture of 64 codes says so in two or three of them, a plan in every word: ``"top purple circle,
bottom red cross"``.
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
"""What a plan says of each object, behind its place or number."""
SIDES: Final = {
    "above": ("top", "bottom"),
    "below": ("bottom", "top"),
    "left of": ("left", "right"),
    "right of": ("right", "left"),
}
"""Where the first and the second of two objects go."""


def plan(scene: Scene, rng: np.random.Generator) -> Question:
    """Asker for the plan of a caption: of a relation, of places, or of a list, which is drawn in the order of its words.

    The text is the caption and, on a line of its own, what is asked for; the answer names the objects in an order of
    chance, each with its side, place or number first.
    """
    objects = in_reading_order(scene.objects)
    relation = relation_of(objects[0], objects[1]) if len(objects) == 2 else None
    if relation is not None and objects[0].kind != objects[1].kind and chance(0.6, rng):
        a, b = (describe(item, size=chance(0.4, rng)) for item in objects)
        return _plan(framed(relation_body(a, relation, b, rng), False, rng), "place", SIDES[relation], objects, rng)
    places = [region_of(item) for item in objects]
    known = [place for place in places if place is not None]
    if len(set(known)) == len(places) and chance(0.5, rng):
        return _plan(description(scene), "place", known, objects, rng)
    size = chance(0.4, rng)
    groups: dict[Phrase, list[Object]] = {}
    for item in objects:
        groups.setdefault(describe(item, size=size), []).append(item)
    text = framed(*list_body([(describe(items[0], size=size), len(items)) for items in groups.values()], rng), rng)
    in_words = [item for items in groups.values() for item in items]
    return _plan(text, "number", NUMBER_WORDS[1:], in_words, rng)


def _plan(text: str, key: str, places: Sequence[str], objects: Sequence[Object], rng: np.random.Generator) -> Question:
    """The plan of a caption whose objects go to ``places``, of which there may be more than are needed."""
    said = pick(NAMED, rng)
    parts = [
        " ".join((place, *(getattr(item, name) for name in said))) for place, item in zip(places, objects, strict=False)
    ]
    answer = ", ".join(parts[int(i)] for i in rng.permutation(len(parts)))
    return Question("plan", f"{text}\nlist {', '.join((key, *said))}", answer)
