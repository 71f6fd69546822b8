"""Judging pictures and answers of the world of shapes, and saying in words what is seen."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
from janiform_plugins.world import PICTURE_SIZE, Detection, DrawingPrompt, detect_objects, judge, relation_of
from janiform_plugins.world.geneval import LEAST_CONFIDENCE
from janiform_plugins.world.phrases import NUMBER_WORDS, Phrase, listed, with_article
from PIL import Image


def detections_in(picture: Image.Image) -> Sequence[Detection]:
    """What the verifier sees in a picture; one of another size is scaled to the world's."""
    if picture.size != (PICTURE_SIZE, PICTURE_SIZE):
        picture = picture.resize((PICTURE_SIZE, PICTURE_SIZE), Image.Resampling.BICUBIC)
    return detect_objects(np.asarray(picture))


def is_right(prompt: DrawingPrompt, picture: Image.Image) -> bool:
    """Whether the verifier finds in a picture exactly what the prompt asks for."""
    return judge(prompt.requirement, detections_in(picture))


def verdict(prompt: DrawingPrompt, seen: Sequence[Detection]) -> str:
    """A few words about a drawing: that it is as asked, or what is seen instead."""
    if judge(prompt.requirement, seen):
        return "as asked"
    if not seen:
        return "nothing to be seen"
    if any(item.confidence < LEAST_CONFIDENCE for item in seen):
        return "a shape is unclear"
    asked = prompt.requirement.objects
    sizes = any(phrase.size for phrase in asked)
    kinds = Counter(Phrase(item.colour, item.shape, item.size if sizes else None) for item in seen)
    if prompt.requirement.relation is not None and kinds == Counter(asked):
        first, second = (next(item for item in seen if phrase.fits(item)) for phrase in asked)
        words = relation_of(first, second) or "diagonal to"
        return f"{with_article(asked[0].noun())} {words} {with_article(asked[1].noun())}"
    return listed([_counted(phrase, count) for phrase, count in kinds.items()])


def matches(answer: str, expected: str) -> bool:
    """Whether two answers are the same but for case, blanks and a full stop."""
    return normalised(answer) == normalised(expected)


def normalised(answer: str) -> str:
    """Lower case, single blanks, no full stop at the end."""
    return " ".join(answer.lower().split()).removesuffix(".").rstrip()


def _counted(phrase: Phrase, count: int) -> str:
    number = NUMBER_WORDS[count] if count < len(NUMBER_WORDS) else str(count)
    return with_article(phrase.noun()) if count == 1 else f"{number} {phrase.noun(plural=True)}"
