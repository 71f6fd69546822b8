"""Text without pictures: small true texts about scenes, to learn the language from before any picture is seen."""

from typing import Final

import numpy as np

from .captions import caption, framed, list_body, relation_body
from .phrases import NUMBER_WORDS, describe, pick
from .questions import Question, ask_how_many, ask_left_of, ask_which_colour, ask_which_shape, ask_yes_no
from .scene import Scene, relation_of

_ASKED_OF_A_LIST: Final = (ask_how_many, ask_which_colour, ask_which_shape)


def texts_about(scene: Scene, rng: np.random.Generator) -> list[str]:
    """Write texts about a scene: a caption, a count of objects and colours, and a short dialogue.

    The dialogue opens with a full description, and what it asks can be answered from that description alone.
    """
    return [caption(scene, rng), _counted(scene), _dialogue(scene, rng)]


def _counted(scene: Scene) -> str:
    number = len(scene.objects)
    colours = list(dict.fromkeys(item.colour for item in scene.objects))
    if number == 1:
        return f"there is one object and it is {colours[0]}"
    if len(colours) == 1:
        return f"there are {NUMBER_WORDS[number]} objects and all of them are {colours[0]}"
    return f"there are {NUMBER_WORDS[number]} objects of {NUMBER_WORDS[len(colours)]} colours"


def _dialogue(scene: Scene, rng: np.random.Generator) -> str:
    full = [describe(item, size=True) for item in scene.objects]
    relation = relation_of(scene.objects[0], scene.objects[1]) if len(scene.objects) == 2 else None
    if relation is not None:
        opening = framed(relation_body(full[0], relation, full[1], rng), False, rng)
    else:
        opening = framed(*list_body([(phrase, full.count(phrase)) for phrase in dict.fromkeys(full)], rng), rng)

    asked: list[Question | None] = [ask(scene, rng) for ask in _ASKED_OF_A_LIST]
    asked.append(ask_yes_no(scene, rng, pick(("yes", "no"), rng), relations=relation is not None))
    if relation is not None:
        asked.append(ask_left_of(scene, rng))
    found = [f"{question.text} {question.answer}." for question in asked if question is not None]
    order = rng.permutation(len(found))[: pick((1, 2, 3), rng)]
    return " ".join([f"{opening}.", *(found[int(i)] for i in order)])
