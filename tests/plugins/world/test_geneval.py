"""The judge accepts a true picture of every prompt and no picture that differs in what the prompt says."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from janiform_plugins.world import (
    CATEGORIES,
    COLOURS,
    SHAPES,
    DrawingPrompt,
    Object,
    Requirement,
    Scene,
    detect_objects,
    is_held_out,
    judge,
    prompts,
    render,
)
from janiform_plugins.world.placement import place_objects

EVERY_PROMPT = [prompt for category in CATEGORIES for prompt in prompts(category, 24, seed=1)]


def objects_of(requirement: Requirement, rng: np.random.Generator) -> list[Object]:
    sizes = [phrase.size or ("small", "large")[int(rng.integers(2))] for phrase in requirement.objects]
    spots = place_objects(sizes, rng, requirement.relation)
    return [
        Object(phrase.shape or "circle", phrase.colour or "red", size, x, y)
        for phrase, size, (x, y) in zip(requirement.objects, sizes, spots, strict=True)
    ]


def verdict(prompt: DrawingPrompt, objects: list[Object], background: str = "silver") -> bool:
    return judge(prompt.requirement, detect_objects(render(Scene(tuple(objects), background))))


def test_a_hundred_prompts_of_every_category_differ_in_text() -> None:
    for category in CATEGORIES:
        texts = [prompt.text for prompt in prompts(category, 100, seed=0)]
        assert len(texts) == 100
        assert len(set(texts)) >= 95


def test_prompts_are_the_same_again_and_grow_at_the_end() -> None:
    for category in CATEGORIES:
        assert prompts(category, 30, seed=4) == prompts(category, 60, seed=4)[:30]
        assert prompts(category, 30, seed=4) != prompts(category, 30, seed=5)


def test_true_pictures_are_right_and_held_out() -> None:
    rng = np.random.default_rng(0)
    for prompt in EVERY_PROMPT:
        objects = objects_of(prompt.requirement, rng)
        assert is_held_out(Scene(tuple(objects), "white")), prompt
        assert verdict(prompt, objects, ("white", "slate")[int(rng.integers(2))]), prompt
        assert verdict(prompt, objects[::-1]), prompt


def test_another_colour_shape_or_number_is_wrong() -> None:
    rng = np.random.default_rng(1)
    for prompt in EVERY_PROMPT:
        first, *rest = objects_of(prompt.requirement, rng)
        other_colour = next(colour for colour in COLOURS if colour not in {o.colour for o in (first, *rest)})
        other_shape = next(shape for shape in SHAPES if shape not in {o.shape for o in (first, *rest)})
        assert not verdict(prompt, [replace(first, colour=other_colour), *rest]), prompt
        assert not verdict(prompt, [replace(first, shape=other_shape), *rest]), prompt
        assert not verdict(prompt, rest), prompt
        if not rest:
            assert not verdict(prompt, [replace(first, x=13, y=13), replace(first, x=49, y=49)]), prompt


def test_another_size_is_wrong_only_where_the_size_is_named() -> None:
    rng = np.random.default_rng(2)
    for prompt in prompts("one_object", 12, seed=2):
        (item,) = objects_of(prompt.requirement, rng)
        other = replace(item, size="small" if item.size == "large" else "large", x=31, y=31)
        assert not verdict(prompt, [other])
    for prompt in prompts("counting", 12, seed=2):
        number = len(prompt.requirement.objects)
        kind = prompt.requirement.objects[0]
        sizes = ["small", "large", "small", "large"][:number]
        spots = place_objects(sizes, rng)
        objects = [
            Object(str(kind.shape), str(kind.colour), size, x, y) for size, (x, y) in zip(sizes, spots, strict=True)
        ]
        assert verdict(prompt, objects)


def test_the_other_side_and_swapped_colours_are_wrong() -> None:
    rng = np.random.default_rng(3)
    for prompt in prompts("position", 24, seed=3):
        a, b = objects_of(prompt.requirement, rng)
        assert not verdict(prompt, [replace(a, x=64 - a.x, y=64 - a.y), replace(b, x=64 - b.x, y=64 - b.y)]), prompt
    for prompt in prompts("colour_attribution", 24, seed=3):
        a, b = objects_of(prompt.requirement, rng)
        assert not verdict(prompt, [replace(a, colour=b.colour), replace(b, colour=a.colour)]), prompt


def test_a_doubtful_shape_makes_a_picture_wrong() -> None:
    prompt = prompts("one_object", 1, seed=0)[0]
    seen = detect_objects(render(Scene(tuple(objects_of(prompt.requirement, np.random.default_rng(0))), "white")))

    assert judge(prompt.requirement, seen)
    assert not judge(prompt.requirement, [replace(seen[0], confidence=0.4)])


def test_all_held_out_compositions_of_a_category_come_in_turn() -> None:
    asked = Counter(prompt.requirement for prompt in prompts("counting", 60, seed=0))

    assert set(asked.values()) == {10}


def test_a_category_that_does_not_exist_is_refused() -> None:
    with pytest.raises(ValueError, match="one_object, two_objects"):
        prompts("colors", 1, 0)
