"""Listings of what a picture shows, without sentences: many facts in few words.

In a listing the word that says which object is meant stands right before the word that depends on it ("circle red",
"red circle two"). A small model learns to find an object by its shape from such pairs within a few thousand pictures,
and uses it to answer whole questions; from questions alone, where the answer is ten words behind, it does not in ten
times as many.
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
COUNTED: Final = 5
"""Phrases that one listing of numbers counts, at most."""
RELATED: Final = 3
"""Pairs of objects that one listing of relations names, at most."""


def list_attributes(scene: Scene, rng: np.random.Generator) -> Question:
    """Name every object, in an order of chance, by the attributes that the question names, in their order.

    ``"list shape, colour"``, ``"circle red, square blue"``. In half of all cases two attributes are asked for, else all
    four; the shape comes first in five of eight. An object whose place is near the border between two ninths is named
    without it.
    """
    order = [ATTRIBUTES[int(i)] for i in rng.permutation(len(ATTRIBUTES))]
    if chance(0.5, rng):
        order.sort(key=lambda attribute: attribute != "shape")
    return listed(scene, order[:2] if chance(0.5, rng) else order, rng)


def list_pairs(scene: Scene, rng: np.random.Generator, most: int = 3) -> list[Question]:
    """Name every object by its shape and one other attribute, then by its shape and another, ``most`` times at most.

    Or by its colour and others. Of one list nothing can be read that another asks for.
    """
    key = pick(("shape", "colour"), rng)
    others = [attribute for attribute in ATTRIBUTES if attribute != key]
    return [listed(scene, (key, others[int(i)]), rng) for i in rng.permutation(len(others))[:most]]


def list_counts(scene: Scene, rng: np.random.Generator) -> Question:
    """Count what the question names: ``"count circle, small red cross"``, ``"circle two, small red cross zero"``."""
    options = countable(scene, rng)
    phrases = [options[int(i)] for i in rng.permutation(len(options))[:COUNTED]]
    words = [_bare(phrase) for phrase in phrases]
    numbers = (NUMBER_WORDS[phrase.count(scene.objects)] for phrase in phrases)
    counted = ", ".join(f"{word} {number}" for word, number in zip(words, numbers, strict=True))
    return Question("counts", f"count {', '.join(words)}", counted)


def list_relations(scene: Scene, rng: np.random.Generator) -> Question | None:
    """Say how objects stand to each other (``"red circle above blue square"``), or None where nothing clear is."""
    kinds = [describe(item) for item in scene.objects]
    clear = [
        f"{_bare(a)} {relation} {_bare(b)}"
        for (first, a), (second, b) in permutations(zip(scene.objects, kinds, strict=True), 2)
        if kinds.count(a) == kinds.count(b) == 1 and (relation := relation_of(first, second))
    ]
    if not clear:
        return None
    chosen = [clear[int(i)] for i in rng.permutation(len(clear))[:RELATED]]
    return Question("relations", "list relations", ", ".join(chosen))


def listings(scene: Scene, rng: np.random.Generator) -> list[Question]:
    """Numbers or relations, which one case in three leaves out, and then the attributes of every object."""
    asked = [list_attributes(scene, rng)]
    if chance(2 / 3, rng):
        first = pick((list_counts, list_relations), rng)(scene, rng)
        asked.insert(0, first or list_counts(scene, rng))
    return asked


def listed(scene: Scene, order: Sequence[str], rng: np.random.Generator) -> Question:
    """Name every object, in an order of chance, by these attributes; without a place that is near another."""
    items = [scene.objects[int(i)] for i in rng.permutation(len(scene.objects))]
    answer = ", ".join(" ".join(filter(None, (_attribute(item, name) for name in order))) for item in items)
    return Question("attributes", f"list {', '.join(order)}", answer)


def _attribute(item: Object, name: str) -> str | None:
    return region_of(item) if name == "place" else getattr(item, name)


def _bare(phrase: Phrase) -> str:
    return phrase.noun(generic="") or "object"
