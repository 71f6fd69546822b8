"""Judging pictures and answers about coloured shapes, and describing pictures in words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
from janiform_plugins.world import (
    PICTURE_SIZE,
    Detection,
    DrawingPrompt,
    Requirement,
    detect_objects,
    judge,
    relation_of,
)
from janiform_plugins.world.geneval import MIN_CONFIDENCE
from janiform_plugins.world.phrases import NUMBER_WORDS, Phrase, listed, with_article
from numpy.typing import NDArray
from PIL import Image


def detections_in(picture: Image.Image) -> Sequence[Detection]:
    """The objects that the verifier detects in a picture, which is first scaled to the data set's size."""
    return detect_objects(pixels_of(picture))


def pixels_of(picture: Image.Image) -> NDArray[np.uint8]:
    """An RGB picture as the verifier takes it, [64, 64, 3]: scaled to the data set's size."""
    if picture.size != (PICTURE_SIZE, PICTURE_SIZE):
        picture = picture.resize((PICTURE_SIZE, PICTURE_SIZE), Image.Resampling.BICUBIC)
    return np.asarray(picture)


def is_correct(prompt: DrawingPrompt, picture: Image.Image) -> bool:
    """Whether the verifier detects exactly the objects that the prompt asks for."""
    return judge(prompt.requirement, detections_in(picture))


ATTRIBUTES = ("number", "colour", "shape")
"""What ``attributes`` compares: parts of a picture, which tell models apart that draw no picture correctly."""


def attributes(requirement: Requirement, detected: Sequence[Detection]) -> dict[str, bool]:
    """Whether a picture has as many objects as required, their colours, and their shapes, each for itself.

    Colours and shapes are compared where every required object has one; positions and what belongs together are not.
    """
    result = {"number": len(detected) == len(requirement.objects)}
    for name in ATTRIBUTES[1:]:
        required = Counter(getattr(phrase, name) for phrase in requirement.objects)
        if None not in required:
            result[name] = required == Counter(getattr(item, name) for item in detected)
    return result


def verdict(prompt: DrawingPrompt, detected: Sequence[Detection]) -> str:
    """A short description of a drawing: that it is as requested, or what it shows instead."""
    if judge(prompt.requirement, detected):
        return "as asked"
    if not detected:
        return "nothing to be seen"
    if any(item.confidence < MIN_CONFIDENCE for item in detected):
        return "a shape is unclear"
    asked = prompt.requirement.objects
    sizes = any(phrase.size for phrase in asked)
    kinds = Counter(Phrase(item.colour, item.shape, item.size if sizes else None) for item in detected)
    if prompt.requirement.relation is not None and kinds == Counter(asked):
        first, second = (next(item for item in detected if phrase.fits(item)) for phrase in asked)
        words = relation_of(first, second) or "diagonal to"
        return f"{with_article(asked[0].noun())} {words} {with_article(asked[1].noun())}"
    return listed([_counted(phrase, count) for phrase, count in kinds.items()])


def matches(answer: str, expected: str) -> bool:
    """Whether two answers are equal, ignoring case, whitespace and a final full stop."""
    return normalised(answer) == normalised(expected)


def normalised(answer: str) -> str:
    """The answer in lower case, with single spaces and without a final full stop."""
    return " ".join(answer.lower().split()).removesuffix(".").rstrip()


def _counted(phrase: Phrase, count: int) -> str:
    number = NUMBER_WORDS[count] if count < len(NUMBER_WORDS) else str(count)
    return with_article(phrase.noun()) if count == 1 else f"{number} {phrase.noun(plural=True)}"
