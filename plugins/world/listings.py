"""Lists of what a picture shows, without sentences: many facts in few words.

In a list, the word that identifies an object comes right before the word that depends on it ("circle red", "red circle
two"). From such pairs, a small model learns to find an object by its shape within a few thousand pictures, and then
answers complete questions. From questions alone, whose answers come ten words later, ten times as many are not enough.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import permutations
from typing import Final

import numpy as np

from .phrases import NUMBER_WORDS, Phrase, chance, describe, pick
from .questions import Question, countable
from .scene import Object, Scene, region_of, relation_of

ATTRIBUTES: Final = ("shape", "colour", "size", "place")
MAX_COUNTS: Final = 5
"""Maximum number of phrases in a list of counts."""
MAX_RELATIONS: Final = 3
"""Maximum number of pairs of objects in a list of relations."""


def list_attributes(scene: Scene, rng: np.random.Generator) -> Question:
    """List every object, in random order, by the attributes that the question names, in their order.

    ``"list shape, colour"``, ``"circle red, square blue"``. Half of the questions ask for two attributes, the others
    for all four; the shape comes first in five of eight. A position near the border between two ninths is left out.
    """
    order = [ATTRIBUTES[int(i)] for i in rng.permutation(len(ATTRIBUTES))]
    if chance(0.5, rng):
        order.sort(key=lambda attribute: attribute != "shape")
    return listed(scene, order[:2] if chance(0.5, rng) else order, rng)


def list_pairs(scene: Scene, rng: np.random.Generator, most: int = 3) -> list[Question]:
    """Write at most ``most`` lists of all objects, each by shape (or colour) and another attribute.

    No list contains the answer to another.
    """
    key = pick(("shape", "colour"), rng)
    others = [attribute for attribute in ATTRIBUTES if attribute != key]
    return [listed(scene, (key, others[int(i)]), rng) for i in rng.permutation(len(others))[:most]]


def list_counts(scene: Scene, rng: np.random.Generator) -> Question:
    """Count objects of several phrases: ``"count circle, small red cross"``, ``"circle two, small red cross zero"``."""
    options = countable(scene, rng)
    phrases = [options[int(i)] for i in rng.permutation(len(options))[:MAX_COUNTS]]
    words = [_bare(phrase) for phrase in phrases]
    numbers = (NUMBER_WORDS[phrase.count(scene.objects)] for phrase in phrases)
    counted = ", ".join(f"{word} {number}" for word, number in zip(words, numbers, strict=True))
    return Question("counts", f"count {', '.join(words)}", counted)


def list_relations(scene: Scene, rng: np.random.Generator) -> Question | None:
    """List relations between objects (``"red circle above blue square"``), or return None where none is clear."""
    kinds = [describe(item) for item in scene.objects]
    clear = [
        f"{_bare(a)} {relation} {_bare(b)}"
        for (first, a), (second, b) in permutations(zip(scene.objects, kinds, strict=True), 2)
        if kinds.count(a) == kinds.count(b) == 1 and (relation := relation_of(first, second))
    ]
    if not clear:
        return None
    chosen = [clear[int(i)] for i in rng.permutation(len(clear))[:MAX_RELATIONS]]
    return Question("relations", "list relations", ", ".join(chosen))


def listings(scene: Scene, rng: np.random.Generator) -> list[Question]:
    """Write a list of counts or relations, in two of three cases, and then a list of the attributes of every object."""
    asked = [list_attributes(scene, rng)]
    if chance(2 / 3, rng):
        first = pick((list_counts, list_relations), rng)(scene, rng)
        asked.insert(0, first or list_counts(scene, rng))
    return asked


def listed(scene: Scene, order: Sequence[str], rng: np.random.Generator) -> Question:
    """List every object, in random order, by these attributes; an unclear position is left out."""
    items = [scene.objects[int(i)] for i in rng.permutation(len(scene.objects))]
    answer = ", ".join(" ".join(filter(None, (_attribute(item, name) for name in order))) for item in items)
    return Question("attributes", f"list {', '.join(order)}", answer)


def _attribute(item: Object, name: str) -> str | None:
    return region_of(item) if name == "place" else getattr(item, name)


def _bare(phrase: Phrase) -> str:
    return phrase.noun(generic="") or "object"
