"""A plan says of a caption's items where they go, and nothing that the caption does not say."""

from __future__ import annotations

import re

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from janiform_plugins.world.phrases import NUMBER_WORDS
from janiform_plugins.world.plans import NAMED, plan
from janiform_plugins.world.sampling import sample_scene
from janiform_plugins.world.scene import COLOURS, SHAPES, Scene, region_of

chances = st.integers(0, 2**30).map(np.random.default_rng)
scenes = st.builds(sample_scene, st.integers(0, 2**20), st.integers(0, 2**40), st.sampled_from(["train", "held-out"]))

ASIDE = {
    "above": ("top", "bottom"),
    "over": ("top", "bottom"),
    "below": ("bottom", "top"),
    "under": ("bottom", "top"),
    "left of": ("left", "right"),
    "right of": ("right", "left"),
}
RELATION = re.compile(r"\b(above|over|below|under|left of|right of)\b")
NOUN = re.compile(rf"(?:(a|an|one|two|three|four|\d) )?(?:\w+ )?({'|'.join(COLOURS)}) ({'|'.join(SHAPES)})(?:es|s)?\b")
NUMBERS = {"a": 1, "an": 1, "": 1, **{word: number for number, word in enumerate(NUMBER_WORDS)}}


def items(words: str) -> list[tuple[str, str]]:
    """Colour and shape of everything that is named, each as often as its number says, in the order of the words."""
    found = []
    for number, colour, shape in NOUN.findall(words):
        found += [(colour, shape)] * (int(number) if number.isdigit() else NUMBERS[number])
    return found


def expected(caption: str, key: str, scene: Scene) -> list[tuple[str, tuple[str, str]]]:
    """Key and item of every object, as the words alone say, or the scene where they say places."""
    named = items(caption)
    if key == "number":
        return list(zip(NUMBER_WORDS[1:], named, strict=False))
    said = RELATION.search(caption)
    if said:
        return list(zip(ASIDE[said[1]], named, strict=True))
    return [(str(region_of(item)), (item.colour, item.shape)) for item in scene.objects]


@settings(max_examples=200, deadline=None)
@given(scenes, chances)
def test_a_plan_follows_from_its_caption(scene: Scene, rng: np.random.Generator) -> None:
    question = plan(scene, rng)
    caption, asked = question.text.split("\nlist ")
    key, *said = asked.split(", ")
    assert tuple(said) in NAMED
    pairs = expected(caption, key, scene)
    assert len(pairs) == len(scene.objects)
    wanted = [
        " ".join((place, *({"colour": colour, "shape": shape}[name] for name in said)))
        for place, (colour, shape) in pairs
    ]
    assert sorted(question.answer.split(", ")) == sorted(wanted)


def test_plans_are_of_relations_places_and_lists_in_any_order() -> None:
    questions = [plan(sample_scene(3, index, "train", 2), np.random.default_rng(index)) for index in range(300)]
    relations = [question for question in questions if RELATION.search(question.text)]
    numbers = [question for question in questions if "\nlist number" in question.text]
    assert 60 < len(relations) < 200
    assert 40 < len(numbers) < 200
    assert 40 < len(questions) - len(relations) - len(numbers) < 150
    first = [question.answer.startswith("one ") for question in numbers]
    assert 0.35 < sum(first) / len(first) < 0.65
