"""Captions of scenes in varied words, always true and naming every object."""

from collections import Counter
from collections.abc import Sequence
from typing import Final

import numpy as np

from .phrases import (
    RELATION_WORDS,
    Phrase,
    chance,
    describe,
    listed,
    pick,
    quantified,
    singular,
    usually_first,
    with_article,
)
from .scene import OPPOSITE, Object, Scene, in_reading_order, region_of, relation_of

FRAMES: Final = (
    "a picture of {}",
    "an image of {}",
    "a drawing of {}",
    "a picture with {}",
    "a picture that shows {}",
    "the picture shows {}",
    "there {be} {}",
    "there {be} {} in the picture",
    "here {be} {}",
    "you can see {}",
)
REQUEST_FRAMES: Final = (
    "draw {}",
    "please draw {}",
    "show {}",
    "paint {}",
    "draw a picture of {}",
    "make a picture of {}",
)

Groups = Sequence[tuple[Phrase, int]]


def caption(scene: Scene, rng: np.random.Generator) -> str:
    """Describe a scene in lower case without a full stop.

    A caption is always true and names every object. Lists are in reading order, from top to bottom and from left to
    right, so that a model that draws in that order finds the next object in the next words. Most captions name colour
    and shape; some also name sizes, some only shapes or only colours; some name a relation, a region of the picture or
    the background.
    """
    return framed(*_body(scene, rng), rng) + _background(scene, rng)


def prompt(scene: Scene, rng: np.random.Generator) -> str:
    """Write a prompt for a scene: a caption, or a request ("draw a red circle")."""
    if chance(0.75, rng):
        return caption(scene, rng)
    return pick(REQUEST_FRAMES, rng).format(_body(scene, rng)[0]) + _background(scene, rng)


def description(scene: Scene) -> str:
    """Name size, colour, shape and position of every object in reading order: ``"a large red circle in the top left"``.

    The position of an object near the border between two ninths of the picture is left out.
    """
    parts = []
    for item in in_reading_order(scene.objects):
        noun, region = with_article(describe(item, size=True).noun()), region_of(item)
        parts.append(noun if region is None else f"{noun} {at_region(region)}")
    return listed(parts)


def framed(body: str, plural: bool, rng: np.random.Generator) -> str:
    """Put the list of objects into a sentence, or return it unchanged in two of five cases."""
    if chance(0.4, rng):
        return body
    return pick(FRAMES, rng).format(body, be="are" if plural else "is")


def list_body(groups: Groups, rng: np.random.Generator) -> tuple[str, bool]:
    """Write groups of objects as a list, and return whether its verb is plural."""
    first = groups[0][1]
    if len(groups) == 1:
        phrase, count = groups[0]
        body = quantified(phrase, count, rng)
        if chance(0.12, rng):
            body = f"{pick(('only', 'just', 'exactly') if count > 1 else ('only', 'just'), rng)} {body}"
        return body, count > 1
    parts = [quantified(phrase, count, rng) for phrase, count in groups]
    if len(parts) > 2 and chance(0.2, rng):
        return " and ".join(parts), first > 1
    return listed(parts), first > 1


def relation_body(a: Phrase, relation: str, b: Phrase, rng: np.random.Generator) -> str:
    """Write that one object is in a relation to another, or the inverse relation."""
    if chance(0.35, rng):
        a, relation, b = b, OPPOSITE[relation], a
    words = usually_first(RELATION_WORDS[relation], rng, 0.4)
    return f"{singular(a, rng)} {words} {singular(b, rng)}"


def _body(scene: Scene, rng: np.random.Generator) -> tuple[str, bool]:
    objects = in_reading_order(scene.objects)
    phrases = _phrases(objects, rng)
    if len(objects) == 1:
        region = region_of(objects[0])
        if region is not None and chance(0.15, rng):
            return f"{singular(phrases[0], rng)} {_in_region(region, rng)}", False
        return list_body([(phrases[0], 1)], rng)
    a, b = (int(i) for i in rng.permutation(len(objects))[:2])
    relation = relation_of(objects[a], objects[b])
    if len(objects) == 2 and relation is not None and chance(0.1 if phrases[a] == phrases[b] else 0.7, rng):
        return relation_body(phrases[a], relation, phrases[b], rng), False
    if len(objects) > 2 and relation is not None and phrases[a] != phrases[b] and chance(0.15, rng):
        rest, _ = list_body(_grouped([phrase for i, phrase in enumerate(phrases) if i not in (a, b)]), rng)
        return f"{relation_body(phrases[a], relation, phrases[b], rng)}, and {rest}", False
    return list_body(_grouped(phrases), rng)


def _phrases(objects: Sequence[Object], rng: np.random.Generator) -> list[Phrase]:
    detail = rng.random()
    if detail < 0.5:
        return [describe(item) for item in objects]
    if detail < 0.88:
        return [describe(item, size=True) for item in objects]
    if detail < 0.95:
        return [describe(item, colour=False, size=chance(0.25, rng)) for item in objects]
    return [describe(item, shape=False) for item in objects]


def _grouped(phrases: Sequence[Phrase]) -> Groups:
    return list(Counter(phrases).items())


def _in_region(region: str, rng: np.random.Generator) -> str:
    if region == "centre":
        return pick((at_region(region), "in the middle"), rng)
    if " " in region:
        return pick((at_region(region), f"{at_region(region)} corner"), rng)
    return at_region(region)


def at_region(region: str) -> str:
    """Write where a region is: ``"in the top left"``, ``"on the left"``, ``"at the top"``."""
    preposition = {"left": "on", "right": "on", "top": "at", "bottom": "at"}.get(region, "in")
    return f"{preposition} the {region}"


def _background(scene: Scene, rng: np.random.Generator) -> str:
    if chance(0.88, rng):
        return ""
    tint = ("dark" if scene.is_dark else "light") if chance(0.7, rng) else scene.background
    return f" on {with_article(tint)} background"
