"""Listings say what is there, all of it, in the order that the question names."""

from __future__ import annotations

from collections import Counter

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from janiform_plugins.world.listings import (
    ATTRIBUTES,
    list_attributes,
    list_counts,
    list_pairs,
    list_relations,
    listings,
)
from janiform_plugins.world.phrases import NUMBER_WORDS, Phrase
from janiform_plugins.world.questions import Question
from janiform_plugins.world.sampling import sample_scene
from janiform_plugins.world.scene import COLOURS, RELATIONS, SHAPES, SIZES, Scene, region_of, relation_of

chances = st.integers(0, 2**30).map(np.random.default_rng)
scenes = st.builds(sample_scene, st.integers(0, 2**20), st.integers(0, 2**40), st.sampled_from(["train", "held-out"]))


def phrase(words: str) -> Phrase:
    """What these words say, of which no two lists of attributes share one."""
    named = {
        word: field for field, values in (("colour", COLOURS), ("shape", SHAPES), ("size", SIZES)) for word in values
    }
    return Phrase(**{named[word]: word for word in words.split() if word != "object"})


def attributes_of(question: Question) -> list[str]:
    return question.text.removeprefix("list ").split(", ")


def named(scene: Scene, order: list[str]) -> Counter[str]:
    """The words for every object of a scene, in this order of attributes."""
    return Counter(
        " ".join(
            word for name in order if (word := region_of(item) if name == "place" else getattr(item, name)) is not None
        )
        for item in scene.objects
    )


@settings(max_examples=60, deadline=None)
@given(scenes, chances)
def test_every_object_is_named_by_its_attributes_in_the_order_of_the_question(
    scene: Scene, rng: np.random.Generator
) -> None:
    question = list_attributes(scene, rng)
    order = attributes_of(question)
    assert set(order) <= set(ATTRIBUTES)
    assert len(order) == len(set(order))
    assert len(order) in (2, 4)
    assert Counter(question.answer.split(", ")) == named(scene, order)


@settings(max_examples=60, deadline=None)
@given(scenes, chances, st.integers(1, 5))
def test_pairs_have_one_key_and_do_not_tell_of_each_other(scene: Scene, rng: np.random.Generator, most: int) -> None:
    asked = list_pairs(scene, rng, most)
    assert len(asked) == min(most, 3)
    orders = [attributes_of(question) for question in asked]
    assert len({key for key, _ in orders} & {"shape", "colour"}) == 1
    assert len({other for _, other in orders}) == len(orders)
    assert all(
        Counter(question.answer.split(", ")) == named(scene, order)
        for question, order in zip(asked, orders, strict=True)
    )


def test_the_shape_comes_first_in_five_of_eight_lists_and_objects_come_in_any_order() -> None:
    scenes = (sample_scene(1, index, "train") for index in range(200))
    scene = next(scene for scene in scenes if len({item.shape for item in scene.objects}) == 3)
    asked = [list_attributes(scene, np.random.default_rng(index)) for index in range(400)]
    firsts = Counter(question.answer.split()[0] for question in asked if question.text.startswith("list shape"))
    assert 210 < firsts.total() < 290
    assert firsts.keys() == {item.shape for item in scene.objects}


@settings(max_examples=60, deadline=None)
@given(scenes, chances)
def test_counts_are_true_and_of_what_the_question_names(scene: Scene, rng: np.random.Generator) -> None:
    question = list_counts(scene, rng)
    pairs = [part.rsplit(" ", 1) for part in question.answer.split(", ")]
    assert [words for words, _ in pairs] == question.text.removeprefix("count ").split(", ")
    for words, number in pairs:
        assert NUMBER_WORDS[phrase(words).count(scene.objects)] == number


@settings(max_examples=60, deadline=None)
@given(scenes, chances)
def test_relations_are_true_of_objects_that_no_other_is_like(scene: Scene, rng: np.random.Generator) -> None:
    question = list_relations(scene, rng)
    for claim in question.answer.split(", ") if question else []:
        relation = next(name for name in RELATIONS if f" {name} " in claim)
        first, second = (
            [item for item in scene.objects if phrase(words).fits(item)] for words in claim.split(f" {relation} ")
        )
        assert len(first) == len(second) == 1
        assert relation_of(first[0], second[0]) == relation


def test_attributes_come_last_since_other_answers_could_be_read_from_them() -> None:
    lengths = Counter()
    for index in range(200):
        asked = listings(sample_scene(3, index, "train"), np.random.default_rng(index))
        lengths[len(asked)] += 1
        assert [question.type == "attributes" for question in asked] == [False] * (len(asked) - 1) + [True]
    assert set(lengths) == {1, 2}
